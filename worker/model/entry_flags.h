#ifndef DMFRAG_WORKER_MODEL_ENTRY_FLAGS_H_
#define DMFRAG_WORKER_MODEL_ENTRY_FLAGS_H_

#include <compare>
#include <cstdint>

namespace dmfrag::model {

// Size of a direct-map entry, in the kernel's counting: level 1 is 4K.
enum class MapLevel : uint8_t { k4K = 1, k2M = 2, k1G = 3 };

// Attributes of one page-table entry of the direct map, packed in 16 bits. An entry's size is not among them (see
// MapLevel), so the same flags describe a large page and the 4K pages it splits into: PAT is bit 7 here at every size.
//
// Kept: P, RW, US, PWT, PCD, D, PAT, G, the software bits 9 to 11, NX. Not kept: A, the address, protection keys;
// see kShared.
// Source: arch/x86/include/asm/pgtable_types.h; 0x800 is _PAGE_KERNEL_4K (6.15), "4K on purpose".
class EntryFlags {
 public:
  static constexpr uint16_t kPresent = 1 << 0;
  static constexpr uint16_t kWritable = 1 << 1;
  static constexpr uint16_t kWriteThrough = 1 << 3;
  static constexpr uint16_t kCacheDisable = 1 << 4;
  static constexpr uint16_t kDirty = 1 << 6;
  static constexpr uint16_t kPat = 1 << 7;
  static constexpr uint16_t kGlobal = 1 << 8;
  // In place of the encryption bit of confidential guests, which lies among the address's bits (SEV's C-bit, TDX's
  // shared bit): set where memory is shared with the host. The kernel uses software bit 10 for no entry of its own
  // memory.
  static constexpr uint16_t kShared = 1 << 10;
  static constexpr uint16_t kKernel4K = 1 << 11;
  static constexpr uint16_t kNoExecute = 1 << 15;

  constexpr EntryFlags() = default;
  explicit constexpr EntryFlags(uint16_t raw) : raw_(raw & kKept) {}

  // From the value of a hardware entry of `level`; what is not kept is dropped.
  static constexpr EntryFlags FromX86(uint64_t value, MapLevel level) {
    uint16_t raw = static_cast<uint16_t>(value & kLowKept);
    if (level != MapLevel::k4K) {
      raw &= static_cast<uint16_t>(~kPat);  // bit 7 is PSE there
      if (value & kLargePat) raw |= kPat;
    }
    if (value >> 63) raw |= kNoExecute;
    return EntryFlags(raw);
  }

  // As a hardware entry of `level` holds them; a present large entry carries PSE.
  constexpr uint64_t ToX86(MapLevel level) const {
    uint64_t value = raw_ & kLowKept;
    if (level != MapLevel::k4K) {
      value &= ~uint64_t{kPat};
      if (Has(kPat)) value |= kLargePat;
      if (Has(kPresent)) value |= kPse;
    }
    if (Has(kNoExecute)) value |= uint64_t{1} << 63;
    return value;
  }

  constexpr bool Has(uint16_t bit) const { return (raw_ & bit) != 0; }
  constexpr bool empty() const { return raw_ == 0; }
  constexpr uint16_t raw() const { return raw_; }
  constexpr EntryFlags With(EntryFlags set) const { return EntryFlags(raw_ | set.raw_); }
  constexpr EntryFlags Without(EntryFlags clear) const { return EntryFlags(raw_ & static_cast<uint16_t>(~clear.raw_)); }
  friend constexpr auto operator<=>(EntryFlags, EntryFlags) = default;

  // What a request clears that takes memory out of the direct map and leaves nothing of its attributes.
  static constexpr EntryFlags AllButNoExecute() { return EntryFlags(static_cast<uint16_t>(~kNoExecute)); }
  // PAGE_KERNEL without A, as the kernel maps memory at boot when page-table isolation is off.
  static constexpr EntryFlags PageKernel() { return EntryFlags(kPresent | kWritable | kDirty | kGlobal | kNoExecute); }

 private:
  static constexpr uint64_t kLowKept = 0xfdf;  // bits 0..11 without A
  static constexpr uint16_t kKept = 0x8fdf;
  static constexpr uint64_t kPse = 1 << 7;
  static constexpr uint64_t kLargePat = 1 << 12;
  uint16_t raw_ = 0;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_ENTRY_FLAGS_H_
