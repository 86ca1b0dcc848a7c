#include "client/recording/run_snapshot.h"

#include <archive.h>
#include <archive_entry.h>

#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Counters keep the order of the file, which is the kernel's.
using Json = nlohmann::ordered_json;

// Of the JSON's text. The largest known run has 20 MB.
constexpr size_t kMaxTextBytes = size_t{512} << 20;
constexpr size_t kReadBytes = 1 << 16;
constexpr uint64_t kPageBytes = 4096;

absl::Status Wrong(const std::filesystem::path& path, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(path.native(), ": ", std::string(why)));
}

absl::StatusOr<std::string> ReadText(const std::filesystem::path& path) {
  const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(), &archive_read_free);
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  if (archive_read_open_filename(reader.get(), path.c_str(), kReadBytes) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
    const char* why = archive_error_string(reader.get());
    return Wrong(path, absl::StrCat("cannot be read: ", why == nullptr ? "empty" : why));
  }
  std::string text;
  std::vector<char> buffer(kReadBytes);
  for (;;) {
    const la_ssize_t size = archive_read_data(reader.get(), buffer.data(), buffer.size());
    if (size < 0) return Wrong(path, absl::StrCat("is damaged or cut off: ", archive_error_string(reader.get())));
    if (size == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(size));
    if (text.size() > kMaxTextBytes) return Wrong(path, "holds more than 512 MiB, the most a run may have");
  }
}

// Everything but what was done in each step: most of the text, and not needed here.
bool KeepPart(int /*depth*/, Json::parse_event_t event, Json& parsed) {
  if (event != Json::parse_event_t::key) return true;
  return parsed != "dm" && parsed != "ops" && parsed != "pfns" && parsed != "freelist" && parsed != "outside_steps";
}

// The first word behind `head` in "Linux version 6.1.0-56-amd64 (...) ...".
std::string ReleaseOf(std::string_view version) {
  constexpr std::string_view kHead = "Linux version ";
  if (!version.starts_with(kHead)) return "";
  version.remove_prefix(kHead.size());
  return std::string(version.substr(0, version.find(' ')));
}

// Member `key`, or an empty object. Only references into `json` or to one constant are given out.
const Json& Part(const Json& json, const char* key) {
  static const auto& none = *new Json(Json::object());
  const auto found = json.find(key);
  return found == json.end() ? none : *found;
}

std::string Text(const Json& json, const char* key) {
  const Json& value = Part(json, key);
  return value.is_string() ? value.get<std::string>() : "";
}

// 0xff11000000000000 as text.
std::optional<uint64_t> HexNumber(std::string_view text) {
  if (!text.starts_with("0x")) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "MemTotal:        2019392 kB" (fs/proc/meminfo.c).
std::string MeminfoText(const Json& counters) {
  std::string text;
  for (const auto& [name, value] : counters.items()) {
    const char* unit = name.starts_with("HugePages_") ? "" : " kB";
    absl::StrAppend(&text, absl::StrFormat("%-16s%8d%s\n", name + ":", value.get<int64_t>(), unit));
  }
  return text;
}

std::string VmstatText(const Json& counters) {
  std::string text;
  for (const auto& [name, value] : counters.items()) absl::StrAppend(&text, name, " ", value.get<int64_t>(), "\n");
  return text;
}

// Lines of one node (mm/vmstat.c frag_show_print).
void AppendBuddyinfo(std::string_view node, const Json& zones, std::string& text) {
  for (const auto& [zone, orders] : zones.items()) {
    absl::StrAppend(&text, absl::StrFormat("Node %s, zone %8s ", node, zone));
    for (const Json& blocks : orders) absl::StrAppend(&text, absl::StrFormat("%6d ", blocks.get<int64_t>()));
    text += '\n';
  }
}

std::string BuddyinfoText(const Json& state) {
  std::string text;
  if (state.contains("buddyinfo")) AppendBuddyinfo("0", state["buddyinfo"], text);
  for (const auto& [node, zones] : Part(state, "buddyinfo_nodes").items()) AppendBuddyinfo(node, zones, text);
  return text;
}

// The kernel's empty lines were left out.
std::string PagetypeinfoText(const Json& lines) {
  std::string text;
  for (const Json& line : lines) {
    const auto& written = line.get_ref<const std::string&>();
    if (written.starts_with("Free pages count") || written.starts_with("Number of blocks")) text += '\n';
    absl::StrAppend(&text, written, "\n");
  }
  return text;
}

absl::Status AddDirectMap(const Json& rows, v1::MachineSnapshot& snapshot) {
  for (const Json& row : rows) {
    const auto& size = row.at(2).get_ref<const std::string&>();
    const std::optional<uint64_t> flags = HexNumber(row.at(3).get_ref<const std::string&>());
    if (!flags.has_value() || (size != "4k" && size != "2M" && size != "1G")) {
      return absl::InvalidArgumentError(absl::StrCat("a row of the direct map is ", row.dump()));
    }
    v1::DirectMapRun& run = *snapshot.add_direct_map();
    run.set_first_pfn(row.at(0).get<uint64_t>());
    run.set_pages(row.at(1).get<uint64_t>());
    run.set_order(size == "4k" ? 0 : size == "2M" ? 9 : 18);
    run.set_flags(*flags);
  }
  return absl::OkStatus();
}

// What holds at any moment.
v1::MachineSnapshot MachineOf(const Json& run) {
  v1::MachineSnapshot machine;
  const Json& config = Part(run, "config");
  machine.set_kernel_release(ReleaseOf(Text(Part(run, "kernel"), "version")));
  machine.set_command_line(Text(config, "cmdline"));
  std::string flags;
  for (const auto& [name, has] : Part(run, "cpu_flags").items()) {
    if (has.is_boolean() && has.get<bool>()) absl::StrAppend(&flags, flags.empty() ? "" : " ", name);
  }
  machine.set_cpu_flags(flags);
  machine.set_cpus(config.value("smp", 0u));
  for (const Json& range : Part(run, "e820_usable_pfn")) {
    v1::MemoryRange& usable = *machine.add_usable();
    usable.set_start_bytes(range.at(0).get<uint64_t>() * kPageBytes);
    usable.set_end_bytes(range.at(1).get<uint64_t>() * kPageBytes);
  }
  for (const Json& line : Part(run, "iomem")) {
    machine.set_iomem(absl::StrCat(machine.iomem(), line.get_ref<const std::string&>(), "\n"));
  }
  machine.add_missing("Of the processor's flags, only those that decide about large pages were kept.");
  return machine;
}

absl::Status AddState(const Json& state, v1::MachineSnapshot& snapshot) {
  snapshot.set_meminfo(MeminfoText(Part(state, "meminfo_kB")));
  snapshot.set_vmstat(VmstatText(Part(state, "vmstat")));
  snapshot.set_buddyinfo(BuddyinfoText(state));
  snapshot.set_pagetypeinfo(PagetypeinfoText(Part(state, "pagetypeinfo")));
  snapshot.add_missing("zoneinfo was not kept; of meminfo and vmstat, some lines alone.");
  if (!state.contains("direct_map")) snapshot.add_missing("The direct map was not dumped.");
  return AddDirectMap(Part(state, "direct_map"), snapshot);
}

// Numbers of the steps that matter.
struct Moments {
  std::optional<size_t> before;
  std::optional<size_t> on;
  std::optional<size_t> off;
  std::optional<size_t> after;
  // Actions that use memory, between a dump and the trace.
  std::vector<std::string> before_trace;
  std::vector<std::string> behind_trace;
};

bool UsesMemory(std::string_view action) {
  return !action.starts_with("seed ") && !action.starts_with("sleep ") && !action.starts_with("dumpfree") &&
         action.find("stat_refresh") == std::string_view::npos;
}

Moments FindMoments(const Json& steps) {
  Moments moments;
  std::vector<std::string> actions;
  for (const Json& step : steps) actions.push_back(Text(step, "action"));
  for (size_t i = 0; i < actions.size(); ++i) {
    if (actions[i] == "traceon") moments.on = i;
    if (actions[i] == "traceoff") moments.off = i;
    if (actions[i] != "dump") continue;
    if (!moments.on.has_value()) moments.before = i;
    if (moments.off.has_value() && !moments.after.has_value()) moments.after = i;
  }
  // Traced from boot on: no dump lies before it, the last one behind it.
  if (!moments.on.has_value()) std::swap(moments.before, moments.after);
  const auto between = [&](std::optional<size_t> from, std::optional<size_t> to) {
    std::vector<std::string> found;
    for (size_t i = from.value_or(0) + 1; from.has_value() && to.has_value() && i < *to; ++i) {
      if (UsesMemory(actions[i])) found.push_back(actions[i]);
    }
    return found;
  };
  moments.before_trace = between(moments.before, moments.on);
  moments.behind_trace = between(moments.off, moments.after);
  return moments;
}

void AddUnseen(const std::vector<std::string>& actions, v1::MachineSnapshot& snapshot) {
  for (const std::string& action : actions) {
    snapshot.add_missing(absl::StrCat("Between this state and the trace, and in neither, the run did: ", action, "."));
  }
}

absl::StatusOr<RunSnapshots> SnapshotsOf(const Json& run) {
  if (!run.is_object() || Text(run, "format") != "dmtruth-1") {
    return absl::InvalidArgumentError("is no recorded run: no format \"dmtruth-1\"");
  }
  const Json& steps = Part(run, "steps");
  const Moments moments = FindMoments(steps);
  RunSnapshots snapshots;
  snapshots.steps = steps.size();
  snapshots.before = snapshots.after = MachineOf(run);
  if (moments.before.has_value()) {
    RETURN_IF_ERROR(AddState(Part(steps[*moments.before], "after"), snapshots.before));
  } else {
    snapshots.before.add_missing("The run was traced from boot on: there is no state before its first event.");
  }
  if (moments.after.has_value()) {
    const Json& state = Part(steps[*moments.after], "after");
    RETURN_IF_ERROR(AddState(state, snapshots.after));
    snapshots.page_offset_base = HexNumber(Text(state, "page_offset_base"));
  } else {
    snapshots.after.add_missing("The run dumped no state behind its trace.");
  }
  AddUnseen(moments.before_trace, snapshots.before);
  AddUnseen(moments.behind_trace, snapshots.after);
  return snapshots;
}

}  // namespace

absl::StatusOr<RunSnapshots> ReadRunSnapshots(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  const Json run = Json::parse(text, KeepPart, /*allow_exceptions=*/false);
  if (run.is_discarded()) return Wrong(path, "is no JSON text; name the .json.xz of the run");
  try {
    absl::StatusOr<RunSnapshots> snapshots = SnapshotsOf(run);
    if (!snapshots.ok()) return Wrong(path, std::string(snapshots.status().message()));
    return snapshots;
  } catch (const Json::exception& error) {
    return Wrong(path, absl::StrCat("a value is of another type than a run has: ", error.what()));
  }
}

}  // namespace dmfrag::client
