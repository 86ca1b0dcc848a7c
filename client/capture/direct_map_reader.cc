#include "client/capture/direct_map_reader.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/capture/kernel_symbols.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr int kPageShift = 12;
constexpr int kBitsOfLevel = 9;
constexpr size_t kEntries = 512;
// Bits of an entry: arch/x86/include/asm/pgtable_types.h.
constexpr uint64_t kPresent = 1 << 0;
constexpr uint64_t kAccessed = 1 << 5;
constexpr uint64_t kDirty = 1 << 6;
constexpr uint64_t kLarge = 1 << 7;
constexpr uint64_t kAddress = 0x000f'ffff'ffff'f000;
constexpr uint64_t kPatOfLarge = 1 << 12;
// Direct maps of 4-level kernels begin above it, those of 5-level kernels below.
constexpr uint64_t kLowest4LevelBase = 0xffff'8000'0000'0000;

using Table = std::array<uint64_t, kEntries>;

// Kernel memory by virtual address, through the program headers of /proc/kcore.
class KernelMemory {
 public:
  // Borrows `file`.
  static absl::StatusOr<KernelMemory> Create(int file) {
    KernelMemory memory(file);
    Elf64_Ehdr header;
    if (!memory.ReadAt(0, &header, sizeof(header)) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_phentsize != sizeof(Elf64_Phdr)) {
      return absl::UnavailableError("/proc/kcore is not the ELF file that it should be");
    }
    memory.segments_.resize(header.e_phnum);
    if (!memory.ReadAt(header.e_phoff, memory.segments_.data(), memory.segments_.size() * sizeof(Elf64_Phdr))) {
      return absl::UnavailableError("/proc/kcore has no list of its segments");
    }
    return memory;
  }

  absl::Status Read(uint64_t address, void* to, size_t size) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_LOAD || address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_memsz) {
        continue;
      }
      if (ReadAt(segment.p_offset + (address - segment.p_vaddr), to, size)) return absl::OkStatus();
      break;
    }
    return absl::UnavailableError(absl::StrCat("/proc/kcore does not give kernel memory at 0x", absl::Hex(address)));
  }

 private:
  explicit KernelMemory(int file) : file_(file) {}

  bool ReadAt(uint64_t offset, void* to, size_t size) const {
    return pread(file_, to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
  }

  int file_;
  std::vector<Elf64_Phdr> segments_;
};

// Walks the tables depth first, and joins neighbouring leaves.
class Walk {
 public:
  Walk(const KernelMemory& memory, uint64_t base, uint64_t end_bytes)
      : memory_(memory), base_(base), end_bytes_(end_bytes) {}

  // The table at virtual address `table` covers addresses from `start` on, with entries of 2^shift bytes.
  absl::Status Visit(uint64_t table, uint64_t start, int shift) {
    Table entries;
    RETURN_IF_ERROR(memory_.Read(table, entries.data(), sizeof(entries)));
    for (size_t index = 0; index < kEntries; ++index) {
      const uint64_t first = start + (uint64_t{index} << shift);
      const uint64_t last = first + (uint64_t{1} << shift) - 1;
      if (last < base_ || first >= base_ + end_bytes_) continue;
      const uint64_t entry = entries[index];
      const bool is_leaf = shift == kPageShift || (entry & (kPresent | kLarge)) == (kPresent | kLarge);
      if (entry == 0 || (!is_leaf && (entry & kPresent) == 0)) continue;
      if (is_leaf) {
        AddLeaf((first - base_) >> kPageShift, shift - kPageShift, entry);
      } else {
        RETURN_IF_ERROR(Visit(base_ + (entry & kAddress), first, shift - kBitsOfLevel));
      }
    }
    return absl::OkStatus();
  }

  std::vector<v1::DirectMapRun> TakeRuns() { return std::move(runs_); }

 private:
  void AddLeaf(uint64_t pfn, int order, uint64_t entry) {
    // In a large leaf, the lowest bit of the address is a flag.
    const uint64_t address = order == 0 ? kAddress : kAddress & ~kPatOfLarge;
    const uint64_t flags = (entry & kPresent) == 0 ? 0 : entry & ~(address | kAccessed | kDirty);
    const uint64_t pages = uint64_t{1} << order;
    if (!runs_.empty()) {
      v1::DirectMapRun& last = runs_.back();
      if (last.first_pfn() + last.pages() == pfn && last.order() == static_cast<uint32_t>(order) &&
          last.flags() == flags) {
        last.set_pages(last.pages() + pages);
        return;
      }
    }
    v1::DirectMapRun& run = runs_.emplace_back();
    run.set_first_pfn(pfn);
    run.set_pages(pages);
    run.set_order(static_cast<uint32_t>(order));
    run.set_flags(flags);
  }

  const KernelMemory& memory_;
  const uint64_t base_;
  const uint64_t end_bytes_;
  std::vector<v1::DirectMapRun> runs_;
};

absl::StatusOr<std::vector<v1::DirectMapRun>> WalkTables(const KernelMemory& memory, const KernelSymbols& symbols,
                                                         uint64_t end_bytes) {
  const std::optional<uint64_t> table = symbols.AddressOf("init_top_pgt");
  const std::optional<uint64_t> base_at = symbols.AddressOf("page_offset_base");
  if (!table.has_value() || !base_at.has_value()) {
    return absl::NotFoundError(
        "/proc/kallsyms does not give the addresses of init_top_pgt and page_offset_base; run as root, with "
        "kernel.kptr_restrict below 2, on a kernel built with CONFIG_KALLSYMS_ALL");
  }
  uint64_t base = 0;
  RETURN_IF_ERROR(memory.Read(*base_at, &base, sizeof(base)));
  const bool has_5_levels = base < kLowest4LevelBase;
  const int shift = kPageShift + (has_5_levels ? 4 : 3) * kBitsOfLevel;
  // Of the whole address space, the top table covers the part whose upper bits follow from the highest one below.
  const uint64_t start = has_5_levels ? 0xfe00'0000'0000'0000 : 0xffff'0000'0000'0000;
  Walk walk(memory, base, end_bytes);
  RETURN_IF_ERROR(walk.Visit(*table, start, shift));
  return walk.TakeRuns();
}

// A line "DirectMap2M:  2070528 kB" of meminfo, in bytes.
std::optional<uint64_t> BytesOf(std::string_view meminfo, std::string_view key) {
  const size_t at = meminfo.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view line = meminfo.substr(at + key.size());
  line = line.substr(0, line.find(" kB"));
  uint64_t kib = 0;
  if (!absl::SimpleAtoi(absl::string_view(line.data(), line.size()), &kib)) return std::nullopt;
  return kib << 10;
}

}  // namespace

absl::StatusOr<std::vector<v1::DirectMapRun>> ReadDirectMap(const SystemFiles& files, uint64_t end_bytes) {
  if (end_bytes == 0) return absl::FailedPreconditionError("the end of memory is not known");
  const int file = open(files.At("/proc/kcore").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    if (errno == ENOENT)
      return absl::NotFoundError("/proc/kcore is not there (a kernel built without CONFIG_PROC_KCORE)");
    return absl::PermissionDeniedError(absl::StrCat("/proc/kcore could not be opened (", std::strerror(errno),
                                                    "); run as root, with the kernel's lockdown off"));
  }
  const absl::Cleanup close_file = [file] { close(file); };
  const absl::StatusOr<std::string> kallsyms = files.Read("/proc/kallsyms");
  if (!kallsyms.ok()) {
    return absl::Status(kallsyms.status().code(), absl::StrCat("/proc/kallsyms: ", kallsyms.status().message()));
  }
  ASSIGN_OR_RETURN(const KernelMemory memory, KernelMemory::Create(file));
  return WalkTables(memory, KernelSymbols(*kallsyms), end_bytes);
}

absl::Status CheckDirectMap(const std::vector<v1::DirectMapRun>& runs, std::string_view meminfo) {
  // Splits of the kernel's image, which meminfo counts as well, were 4 or 5 of 2 MiB on every kernel measured.
  constexpr uint64_t kTolerance = 16 * (uint64_t{2} << 20);
  constexpr uint64_t kToleranceOf1G = uint64_t{1} << 30;
  struct Size {
    const char* key;
    uint32_t order;
    uint64_t tolerance;
  };
  for (const Size& size : {Size{"DirectMap4k:", 0, kTolerance}, Size{"DirectMap2M:", 9, kTolerance},
                           Size{"DirectMap1G:", 18, kToleranceOf1G}}) {
    uint64_t bytes = 0;
    for (const v1::DirectMapRun& run : runs) {
      if (run.order() == size.order) bytes += run.pages() << kPageShift;
    }
    const uint64_t counted = BytesOf(meminfo, size.key).value_or(0);
    if (std::max(bytes, counted) - std::min(bytes, counted) > size.tolerance) {
      return absl::FailedPreconditionError(absl::StrCat("they hold ", bytes >> 10, " kB where /proc/meminfo says ",
                                                        size.key, " ", counted >> 10,
                                                        " kB, so they were not believed"));
    }
  }
  return absl::OkStatus();
}

}  // namespace dmfrag::client
