#ifndef DMFRAG_WORKER_MODEL_UNITS_H_
#define DMFRAG_WORKER_MODEL_UNITS_H_

#include <bit>
#include <compare>
#include <cstdint>

// Units of the model as types: a frame number plus a count of frames compiles, two frame numbers do not add up. All are
// 64 bits wide, since 64 TiB are 2^34 frames. Immutable values.
namespace dmfrag::model {

inline constexpr uint64_t kFrameBytes = 4096;

// A number of 4 KiB frames. Not a byte count, not a frame number.
class FrameCount {
 public:
  constexpr FrameCount() = default;
  explicit constexpr FrameCount(uint64_t raw) : raw_(raw) {}
  constexpr uint64_t raw() const { return raw_; }
  constexpr uint64_t in_bytes() const { return raw_ * kFrameBytes; }
  constexpr uint64_t in_kib() const { return raw_ * (kFrameBytes / 1024); }
  constexpr FrameCount& operator+=(FrameCount other) {
    raw_ += other.raw_;
    return *this;
  }
  constexpr FrameCount& operator-=(FrameCount other) {
    raw_ -= other.raw_;
    return *this;
  }
  friend constexpr FrameCount operator+(FrameCount a, FrameCount b) { return FrameCount(a.raw_ + b.raw_); }
  friend constexpr FrameCount operator-(FrameCount a, FrameCount b) { return FrameCount(a.raw_ - b.raw_); }
  friend constexpr auto operator<=>(FrameCount, FrameCount) = default;

 private:
  uint64_t raw_ = 0;
};

inline constexpr FrameCount kFramesPer4K(1);
inline constexpr FrameCount kFramesPer2M(512);
inline constexpr FrameCount kFramesPer1G(512 * 512);

// Number of a 4 KiB page of one kind of address; see FrameNumber and VirtualPage.
template <typename Kind>
class PageNumber {
 public:
  constexpr PageNumber() = default;
  explicit constexpr PageNumber(uint64_t raw) : raw_(raw) {}
  constexpr uint64_t raw() const { return raw_; }
  // First page of the naturally aligned block of `block` pages that holds this one. REQUIRES: `block` is a power of
  // two.
  constexpr PageNumber AlignedDown(FrameCount block) const { return PageNumber(raw_ & ~(block.raw() - 1)); }
  constexpr PageNumber AlignedUp(FrameCount block) const {
    return PageNumber((raw_ + block.raw() - 1) & ~(block.raw() - 1));
  }
  constexpr bool IsAligned(FrameCount block) const { return (raw_ & (block.raw() - 1)) == 0; }
  friend constexpr PageNumber operator+(PageNumber a, FrameCount b) { return PageNumber(a.raw_ + b.raw()); }
  friend constexpr FrameCount operator-(PageNumber a, PageNumber b) { return FrameCount(a.raw_ - b.raw_); }
  friend constexpr auto operator<=>(PageNumber, PageNumber) = default;

 private:
  uint64_t raw_ = 0;
};

// Pages [first, end).
template <typename Page>
struct PageRange {
  Page first;
  Page end;
  constexpr FrameCount count() const { return end - first; }
  constexpr bool empty() const { return end <= first; }
  constexpr bool Contains(Page page) const { return first <= page && page < end; }
  friend constexpr bool operator==(const PageRange&, const PageRange&) = default;
};

// A frame of physical memory (the kernel's pfn).
using FrameNumber = PageNumber<struct PhysicalMemory>;
using FrameRange = PageRange<FrameNumber>;

// A page of kernel virtual addresses outside the direct map: the address shifted right by 12.
using VirtualPage = PageNumber<struct VirtualMemory>;
using VirtualRange = PageRange<VirtualPage>;

// Binary logarithm of a block's size in frames; 0 to kMaxOrder.
class Order {
 public:
  constexpr Order() = default;
  explicit constexpr Order(unsigned raw) : raw_(static_cast<uint8_t>(raw)) {}
  constexpr unsigned raw() const { return raw_; }
  constexpr FrameCount frames() const { return FrameCount(uint64_t{1} << raw_); }
  friend constexpr auto operator<=>(Order, Order) = default;

 private:
  uint8_t raw_ = 0;
};

// MAX_PAGE_ORDER of x86-64, and the order of a pageblock, which is a 2M page (domain: mm/page_alloc.c).
inline constexpr Order kMaxOrder(10);
inline constexpr Order kPageblockOrder(9);
inline constexpr unsigned kOrders = 11;

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_UNITS_H_
