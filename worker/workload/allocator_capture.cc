#include "worker/workload/allocator_capture.h"

#include <charconv>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/workload/capture_json.h"
#include "worker/workload/free_lists.h"

namespace dmfrag::workload {
namespace {

using model::FrameCount;
using Json = nlohmann::json;

// Number that ends at `end` of `text`, or 0.
uint64_t NumberBefore(const std::string& text, size_t end) {
  size_t first = end;
  while (first > 0 && text[first - 1] >= '0' && text[first - 1] <= '9') --first;
  uint64_t value = 0;
  std::from_chars(text.data() + first, text.data() + end, value);
  return value;
}

// Frames managed as mem_init counted them: all but what was reserved; the initial ramdisk and init memory come later.
// "Memory: 975220K/1048032K available (16384K kernel code, ..., 69124K reserved, 0K cma-reserved)"
std::optional<FrameCount> ManagedAtBoot(const Json& capture) {
  const auto log = capture.find("dmesg_mem");
  if (log == capture.end()) return std::nullopt;
  for (const Json& entry : *log) {
    const auto& line = entry.get_ref<const std::string&>();
    const size_t total = line.find("K available (");
    const size_t reserved = line.find("K reserved");
    if (!line.starts_with("Memory: ") || total == std::string::npos || reserved == std::string::npos) continue;
    const uint64_t total_kib = NumberBefore(line, total);
    const uint64_t reserved_kib = NumberBefore(line, reserved);
    if (reserved_kib < total_kib) return FrameCount((total_kib - reserved_kib) / 4);
  }
  return std::nullopt;
}

std::optional<FrameCount> ManagedWhenMarksWereSet(const Json& capture) {
  for (const Json& step : capture.at("steps")) {
    if (step.contains("freelist")) break;
    if (step.at("action").get_ref<const std::string&>().find("min_free_kbytes") == std::string::npos) continue;
    const Json& meminfo = capture.at("boot").at("meminfo_kB");
    if (meminfo.contains("MemTotal")) return FrameCount(meminfo.at("MemTotal").get<uint64_t>() / 4);
  }
  return ManagedAtBoot(capture);
}

// The highest zone is the one that is short of what it has present.
void SetManaged(FrameCount total, model::AllocatorSnapshot& state) {
  FrameCount below;
  for (size_t i = 0; i + 1 < state.zones.size(); ++i) below += state.zones[i].managed;
  if (total > below && total - below < state.zones.back().managed) state.zones.back().managed = total - below;
}

absl::StatusOr<std::vector<AllocatorDump>> ParseDumps(const Json& capture) {
  const std::optional<FrameCount> managed = ManagedWhenMarksWereSet(capture);
  std::vector<AllocatorDump> dumps;
  for (const Json& step : capture.at("steps")) {
    if (!step.contains("freelist")) continue;
    AllocatorDump& dump = dumps.emplace_back();
    dump.step = step.at("i").get<int32_t>();
    auto state = ParseFreeLists(step.at("freelist").get<std::vector<std::string>>());
    if (!state.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("capture, step ", dump.step, ": ", state.status().message()));
    }
    dump.state = *std::move(state);
    if (managed.has_value()) SetManaged(*managed, dump.state);
  }
  return dumps;
}

}  // namespace

absl::StatusOr<std::vector<AllocatorDump>> ReadAllocatorDumps(std::string_view bytes) {
  return ParseCaptureFile(bytes, ParseDumps);
}

}  // namespace dmfrag::workload
