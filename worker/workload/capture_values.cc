#include "worker/workload/capture_values.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/workload/words.h"

namespace dmfrag::workload {
namespace {

using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::LeafRun;
using model::MapLevel;
using Json = nlohmann::json;

// A hexadecimal string, with or without 0x; empty is 0. Or a number.
absl::StatusOr<uint64_t> ParseBits(const Json& json, const std::string& place) {
  if (json.is_number_unsigned()) return json.get<uint64_t>();
  if (!json.is_string()) return DamagedCapture(place, "expected flags as a hexadecimal string");
  const std::string& text = json.get_ref<const std::string&>();
  if (text.empty()) return 0;
  const auto bits = NumberOf<uint64_t>(text, 16);
  if (bits.has_value()) return *bits;
  return DamagedCapture(place, absl::StrCat("\"", text, "\" is no hexadecimal number of 64 bits"));
}

std::optional<int64_t> OptionalCount(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? std::nullopt : std::optional(found->get<int64_t>());
}

}  // namespace

absl::Status DamagedCapture(std::string_view place, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("capture, ", std::string(place), ": ", std::string(what)));
}

absl::StatusOr<FrameNumber> ParseFrame(const Json& json, const std::string& place) {
  const auto raw = json.get<uint64_t>();
  if (raw >= kMaxFrame) return DamagedCapture(place, absl::StrCat("frame ", raw, " is beyond 128 TiB"));
  return FrameNumber(raw);
}

absl::StatusOr<MapLevel> ParseLevel(const std::string& name, const std::string& place) {
  if (name == "4k") return MapLevel::k4K;
  if (name == "2M") return MapLevel::k2M;
  if (name == "1G") return MapLevel::k1G;
  return DamagedCapture(place, absl::StrCat("page size \"", name, "\"; expected 4k, 2M or 1G"));
}

absl::StatusOr<std::vector<LeafRun>> ParseDirectMap(const Json& rows, const std::string& place) {
  std::vector<LeafRun> runs;
  runs.reserve(rows.size());
  for (const Json& row : rows) {
    LeafRun run;
    ASSIGN_OR_RETURN(run.first, ParseFrame(row.at(0), place));
    run.frames = FrameCount(row.at(1).get<uint64_t>());
    ASSIGN_OR_RETURN(run.level, ParseLevel(row.at(2).get<std::string>(), place));
    ASSIGN_OR_RETURN(const uint64_t bits, ParseBits(row.at(3), place));
    run.flags = EntryFlags::FromX86(bits, run.level);
    runs.push_back(run);
  }
  return runs;
}

bool HasCounters(const Json& state) {
  return state.value("meminfo_kB", Json::object()).contains("DirectMap4k") &&
         state.value("vmstat", Json::object()).contains("direct_map_level2_splits");
}

KernelCounters ParseCounters(const Json& state) {
  const Json& meminfo = state.at("meminfo_kB");
  const Json& vmstat = state.at("vmstat");
  KernelCounters counters;
  counters.direct_map_4k_kib = meminfo.at("DirectMap4k").get<int64_t>();
  counters.direct_map_2m_kib = meminfo.at("DirectMap2M").get<int64_t>();
  counters.direct_map_1g_kib = OptionalCount(meminfo, "DirectMap1G");
  counters.level2_splits = vmstat.at("direct_map_level2_splits").get<int64_t>();
  counters.level3_splits = vmstat.at("direct_map_level3_splits").get<int64_t>();
  counters.level2_collapses = OptionalCount(vmstat, "direct_map_level2_collapses");
  counters.level3_collapses = OptionalCount(vmstat, "direct_map_level3_collapses");
  return counters;
}

absl::StatusOr<CpaCall> ParseCall(const Json& row, const std::string& place) {
  static constexpr std::array<std::pair<std::string_view, CpaCall::Op>, 5> kOps = {{
      {"sdm_invalid", CpaCall::Op::kSetDirectMapInvalid},
      {"sdm_default", CpaCall::Op::kSetDirectMapDefault},
      {"cpa", CpaCall::Op::kChange},
      {"cpa_force", CpaCall::Op::kForce4K},
      {"cpa_rox", CpaCall::Op::kRox},
  }};
  const std::string& name = row.at(0).get_ref<const std::string&>();
  const auto* op = std::find_if(kOps.begin(), kOps.end(), [&](const auto& known) { return known.first == name; });
  if (op == kOps.end()) return DamagedCapture(place, absl::StrCat("unknown operation \"", name, "\""));
  CpaCall call;
  call.op = op->second;
  ASSIGN_OR_RETURN(call.first, ParseFrame(row.at(1), place));
  call.count = row.at(2).get<uint64_t>();
  call.step = row.at(3).get<int64_t>();
  call.pages_each = FrameCount(row.at(4).get<uint64_t>());
  const __int128 last = static_cast<__int128>(call.first.raw()) + static_cast<__int128>(call.step) * (call.count - 1);
  if (call.count == 0 || call.count > kMaxCallsOfRow || call.pages_each.raw() == 0 ||
      call.pages_each.raw() > kMaxFrame || last < 0 || last >= static_cast<__int128>(kMaxFrame)) {
    return DamagedCapture(place, "a row of attr_changes leaves memory, or has no pages");
  }
  ASSIGN_OR_RETURN(const uint64_t set, ParseBits(row.at(5), place));
  ASSIGN_OR_RETURN(const uint64_t clear, ParseBits(row.at(6), place));
  call.set = EntryFlags::FromX86(set, MapLevel::k4K);
  call.clear = EntryFlags::FromX86(clear, MapLevel::k4K);
  return call;
}

}  // namespace dmfrag::workload
