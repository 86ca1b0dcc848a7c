#include "client/capture/machine_snapshot.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/capture/direct_map_reader.h"

namespace dmfrag::client {
namespace {

// First byte, one past the last.
using Range = std::pair<uint64_t, uint64_t>;

constexpr std::string_view kSystemRam = "System RAM";
// Options of the kernel's command line that change what the model sees
// (Documentation/admin-guide/kernel-parameters.txt).
constexpr std::array<std::string_view, 24> kMemoryOptions = {"mem",
                                                             "memmap",
                                                             "nogbpages",
                                                             "gbpages",
                                                             "debug_pagealloc",
                                                             "page_poison",
                                                             "nopat",
                                                             "no5lvl",
                                                             "pti",
                                                             "nopti",
                                                             "nokaslr",
                                                             "rodata",
                                                             "numa",
                                                             "kernelcore",
                                                             "movablecore",
                                                             "movable_node",
                                                             "hugepages",
                                                             "hugepagesz",
                                                             "nr_cpus",
                                                             "maxcpus",
                                                             "secretmem.enable",
                                                             "transparent_hugepage",
                                                             "page_owner",
                                                             "init_on_alloc"};

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

// Lines without their ends.
std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::optional<uint64_t> Number(std::string_view text, int base) {
  text = Trim(text);
  if (base == 16 && text.substr(0, 2) == "0x") text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || text.empty() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "0-3,7": 5.
uint32_t CountOfList(std::string_view text) {
  uint32_t count = 0;
  text = Trim(text);
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    const std::optional<uint64_t> first = Number(part.substr(0, part.find('-')), 10);
    const std::optional<uint64_t> last = Number(part.substr(part.find('-') + 1), 10);
    if (!first.has_value() || !last.has_value() || *last < *first) return 0;
    count += static_cast<uint32_t>(*last - *first + 1);
  }
  return count;
}

// Value of the first line "key : value".
std::string CpuLine(std::string_view cpuinfo, std::string_view key) {
  for (const std::string_view line : Lines(cpuinfo)) {
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos && Trim(line.substr(0, colon)) == key) {
      return std::string(Trim(line.substr(colon + 1)));
    }
  }
  return "";
}

// A line "00001000-0009fbff : System RAM" of /proc/iomem.
struct IomemLine {
  Range range;
  std::string_view name;
  bool is_nested = false;
};

std::optional<IomemLine> ParseIomemLine(std::string_view line) {
  const size_t dash = line.find('-');
  const size_t colon = line.find(" : ");
  if (dash == std::string_view::npos || colon == std::string_view::npos || colon < dash) return std::nullopt;
  const std::optional<uint64_t> first = Number(line.substr(0, dash), 16);
  const std::optional<uint64_t> last = Number(line.substr(dash + 1, colon - dash - 1), 16);
  if (!first.has_value() || !last.has_value()) return std::nullopt;
  return IomemLine{{*first, *last + 1}, Trim(line.substr(colon + 3)), line.front() == ' '};
}

std::vector<Range> RamOfIomem(std::string_view iomem) {
  std::vector<Range> ranges;
  for (const std::string_view line : Lines(iomem)) {
    const std::optional<IomemLine> parsed = ParseIomemLine(line);
    if (!parsed.has_value() || parsed->is_nested || parsed->name != kSystemRam) continue;
    if (parsed->range.second > 1) ranges.push_back(parsed->range);  // else hidden
  }
  return ranges;
}

bool HidesAddresses(std::string_view iomem) {
  const std::vector<std::string_view> lines = Lines(iomem);
  return std::all_of(lines.begin(), lines.end(), [](std::string_view line) {
    const std::optional<IomemLine> parsed = ParseIomemLine(line);
    return !parsed.has_value() || parsed->range == Range{0, 1};
  });
}

// Of the folder's entries, those that are memory; empty if there is none.
std::vector<Range> RamOfFirmwareMap(const SystemFiles& files) {
  constexpr std::string_view kFolder = "/sys/firmware/memmap";
  std::vector<Range> ranges;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(files.At(kFolder), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string path = absl::StrCat(std::string(kFolder), "/", entry->path().filename().string());
    const absl::StatusOr<std::string> type = files.Read(path + "/type");
    const absl::StatusOr<std::string> first = files.Read(path + "/start");
    const absl::StatusOr<std::string> last = files.Read(path + "/end");
    if (!type.ok() || !first.ok() || !last.ok() || Trim(*type) != kSystemRam) continue;
    const std::optional<uint64_t> start = Number(*first, 16);
    const std::optional<uint64_t> stop = Number(*last, 16);
    if (start.has_value() && stop.has_value() && *stop >= *start) ranges.emplace_back(*start, *stop + 1);
  }
  return ranges;
}

// Ascending and disjoint; neighbours joined.
std::vector<Range> Joined(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<Range> joined;
  for (const Range& range : ranges) {
    if (!joined.empty() && range.first <= joined.back().second) {
      joined.back().second = std::max(joined.back().second, range.second);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

std::string MemoryOptions(std::string_view command_line) {
  std::string kept;
  for (const std::string_view line : Lines(command_line)) {
    for (const absl::string_view word : absl::StrSplit(absl::string_view(line.data(), line.size()), ' ')) {
      const std::string_view option(word.data(), word.size());
      const std::string_view name = option.substr(0, option.find('='));
      if (std::find(kMemoryOptions.begin(), kMemoryOptions.end(), name) == kMemoryOptions.end()) continue;
      absl::StrAppend(&kept, kept.empty() ? "" : " ", word);
    }
  }
  return kept;
}

std::string MemoryLines(std::string_view iomem) {
  std::string kept;
  for (const std::string_view line : Lines(iomem)) {
    const std::optional<IomemLine> parsed = ParseIomemLine(line);
    if (!parsed.has_value()) continue;
    if (parsed->name == kSystemRam || parsed->name == "Reserved" || parsed->name.substr(0, 7) == "Kernel ") {
      kept.append(line).append("\n");
    }
  }
  return kept;
}

// Takes the snapshot piece by piece.
class Snapshot {
 public:
  Snapshot(const SystemFiles& files, const SnapshotOptions& options) : files_(files), options_(options) {}

  v1::MachineSnapshot Take() {
    // Writing folds what CPUs counted for themselves into the sums that are read below.
    std::ofstream(files_.At("/proc/sys/vm/stat_refresh")) << "1\n";
    result_.set_vmstat(Read("/proc/vmstat"));
    result_.set_buddyinfo(Read("/proc/buddyinfo"));
    result_.set_meminfo(Read("/proc/meminfo"));
    result_.set_pagetypeinfo(Read("/proc/pagetypeinfo"));
    result_.set_zoneinfo(Read("/proc/zoneinfo"));
    result_.set_kernel_release(std::string(Trim(Read("/proc/sys/kernel/osrelease"))));
    const std::string command_line(Trim(Read("/proc/cmdline")));
    result_.set_command_line(options_.privacy ? MemoryOptions(command_line) : command_line);
    TakeCpus();
    TakeMap();
    TakeDirectMap();
    return std::move(result_);
  }

 private:
  void Missing(std::string sentence) { result_.add_missing(std::move(sentence)); }

  std::string Read(std::string_view path) {
    absl::StatusOr<std::string> text = files_.Read(path);
    if (text.ok()) return *std::move(text);
    Missing(absl::StrCat(std::string(path), " could not be read: ", text.status().message(), "."));
    return "";
  }

  void TakeCpus() {
    const std::string cpuinfo = Read("/proc/cpuinfo");
    result_.set_cpu_flags(CpuLine(cpuinfo, "flags"));
    result_.set_cpu_model(CpuLine(cpuinfo, "model name"));
    result_.set_cpus(CountOfList(Read("/sys/devices/system/cpu/online")));
  }

  void TakeMap() {
    const std::string iomem = Read("/proc/iomem");
    const bool is_hidden = !iomem.empty() && HidesAddresses(iomem);
    if (is_hidden) Missing("/proc/iomem has zeros for addresses: they are hidden from this user; run as root.");
    result_.set_iomem(options_.privacy ? MemoryLines(iomem) : iomem);
    std::vector<Range> ranges = Joined(RamOfFirmwareMap(files_));
    if (ranges.empty()) {
      ranges = Joined(RamOfIomem(iomem));
      Missing(ranges.empty()
                  ? "The map of usable memory is not known: /sys/firmware/memmap is not there (a kernel built without "
                    "CONFIG_FIRMWARE_MEMMAP) and /proc/iomem shows no addresses; run as root."
                  : "/sys/firmware/memmap could not be read, so usable memory is what /proc/iomem calls System RAM, "
                    "which leaves out what the kernel cut off.");
    }
    for (const auto& [start, end] : ranges) {
      v1::MemoryRange& range = *result_.add_usable();
      range.set_start_bytes(start);
      range.set_end_bytes(end);
    }
  }

  void TakeDirectMap() {
    const uint64_t end = result_.usable_size() == 0 ? 0 : result_.usable(result_.usable_size() - 1).end_bytes();
    absl::StatusOr<std::vector<v1::DirectMapRun>> runs = ReadDirectMap(files_, end);
    absl::Status status = runs.status();
    if (status.ok()) status = CheckDirectMap(*runs, result_.meminfo());
    if (!status.ok()) {
      Missing(absl::StrCat("The direct map's page tables were not read: ", status.message(), "."));
      return;
    }
    for (v1::DirectMapRun& run : *runs) *result_.add_direct_map() = std::move(run);
  }

  const SystemFiles& files_;
  const SnapshotOptions options_;
  v1::MachineSnapshot result_;
};

}  // namespace

v1::MachineSnapshot TakeMachineSnapshot(const SystemFiles& files, const SnapshotOptions& options) {
  return Snapshot(files, options).Take();
}

}  // namespace dmfrag::client
