#include "worker/workload/page_type_info.h"

#include <algorithm>
#include <map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/workload/capture_json.h"
#include "worker/workload/words.h"

namespace dmfrag::workload {
namespace {

using model::FrameCount;
using model::kMigratetypes;
using model::kOrders;
using Json = nlohmann::json;

// As mm/page_alloc.c names them, in the order of Migratetype.
constexpr std::array<std::string_view, kMigratetypes> kTypeNames = {"Unmovable", "Movable", "Reclaimable"};

// Words of a line; commas separate as blanks do.
class Reader {
 public:
  absl::Status ReadLine(std::string_view line) {
    ++number_;
    const std::vector<std::string_view> words = WordsOf(line, " ,\t");
    if (line.starts_with("Number of blocks type")) {
      block_columns_.assign(words.begin() + 4, words.end());
      return absl::OkStatus();
    }
    if (words.size() < 5 || words[0] != "Node" || words[2] != "zone") return absl::OkStatus();
    ASSIGN_OR_RETURN(const uint64_t node, Number(words[1]));
    ZoneTypeCounts& zone = ZoneOf(static_cast<uint32_t>(node), words[3]);
    return words[4] == "type" ? ReadFree(words, zone) : ReadBlocks(words, zone);
  }

  std::vector<ZoneTypeCounts> Take() { return std::move(zones_); }

 private:
  absl::StatusOr<uint64_t> Number(std::string_view word) const {
    const auto value = NumberOf<uint64_t>(word);
    if (value.has_value() && *value < uint64_t{1} << 40) return *value;
    return absl::InvalidArgumentError(absl::StrCat("pagetypeinfo, line ", number_, ": \"", std::string(word),
                                                   "\" is no count; expected the text of /proc/pagetypeinfo"));
  }

  ZoneTypeCounts& ZoneOf(uint32_t node, std::string_view name) {
    for (ZoneTypeCounts& zone : zones_) {
      if (zone.node == node && zone.zone == name) return zone;
    }
    zones_.push_back({.node = node, .zone = std::string(name)});
    return zones_.back();
  }

  // Node 0, zone DMA, type Unmovable 0 1 ... : a count for each order.
  absl::Status ReadFree(const std::vector<std::string_view>& words, ZoneTypeCounts& zone) {
    constexpr size_t kFirst = 6;
    if (words.size() != kFirst + kOrders) {
      return absl::InvalidArgumentError(
          absl::StrCat("pagetypeinfo, line ", number_, ": expected a type and ", kOrders, " counts"));
    }
    const auto type = std::find(kTypeNames.begin(), kTypeNames.end(), words[5]);
    if (type == kTypeNames.end()) return absl::OkStatus();
    for (size_t order = 0; order < kOrders; ++order) {
      std::string_view word = words[kFirst + order];
      if (word.starts_with('>')) {
        word.remove_prefix(1);
        zone.capped = true;
      }
      ASSIGN_OR_RETURN(zone.free[static_cast<size_t>(type - kTypeNames.begin())][order], Number(word));
    }
    return absl::OkStatus();
  }

  // Node 0, zone DMA 1 7 0 ... : a count for each column of the header above.
  absl::Status ReadBlocks(const std::vector<std::string_view>& words, ZoneTypeCounts& zone) {
    constexpr size_t kFirst = 4;
    if (words.size() != kFirst + block_columns_.size()) {
      return absl::InvalidArgumentError(absl::StrCat("pagetypeinfo, line ", number_, ": expected ",
                                                     block_columns_.size(),
                                                     " counts of pageblocks, as the header has"));
    }
    for (size_t i = 0; i < block_columns_.size(); ++i) {
      const auto type = std::find(kTypeNames.begin(), kTypeNames.end(), block_columns_[i]);
      if (type == kTypeNames.end()) continue;
      ASSIGN_OR_RETURN(zone.pageblocks[static_cast<size_t>(type - kTypeNames.begin())], Number(words[kFirst + i]));
    }
    return absl::OkStatus();
  }

  size_t number_ = 0;
  std::vector<std::string> block_columns_;
  std::vector<ZoneTypeCounts> zones_;
};

std::optional<FrameCount> Frames(const Json& after, const char* line) {
  const auto meminfo = after.find("meminfo_kB");
  if (meminfo == after.end() || !meminfo->contains(line)) return std::nullopt;
  return FrameCount(meminfo->at(line).get<uint64_t>() / 4);
}

absl::Status ReadBuddyInfo(const Json& zones, uint32_t node, std::vector<ZoneFreeCounts>* free) {
  for (const auto& [name, counts] : zones.items()) {
    if (counts.size() != kOrders) {
      return absl::InvalidArgumentError(absl::StrCat("buddyinfo, zone ", name, ": expected ", kOrders, " counts"));
    }
    free->push_back({node, name, counts.get<std::array<uint64_t, kOrders>>()});
  }
  return absl::OkStatus();
}

absl::Status ReadStep(const Json& after, FreeCounts* counts) {
  counts->mem_total = Frames(after, "MemTotal");
  counts->mem_free = Frames(after, "MemFree");
  if (const auto text = after.find("pagetypeinfo"); text != after.end()) {
    ASSIGN_OR_RETURN(counts->types, ParsePageTypeInfo(text->get<std::vector<std::string>>()));
  }
  if (const auto zones = after.find("buddyinfo"); zones != after.end()) {
    RETURN_IF_ERROR(ReadBuddyInfo(*zones, 0, &counts->free));
  }
  if (const auto nodes = after.find("buddyinfo_nodes"); nodes != after.end()) {
    for (const auto& [name, zones] : nodes->items()) {
      const auto node = NumberOf<uint32_t>(name);
      if (!node.has_value()) {
        return absl::InvalidArgumentError(absl::StrCat("buddyinfo_nodes: \"", name, "\" is no node"));
      }
      RETURN_IF_ERROR(ReadBuddyInfo(zones, *node, &counts->free));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<FreeCounts>> ReadSteps(const Json& capture) {
  std::vector<FreeCounts> steps;
  for (const Json& step : capture.at("steps")) {
    const auto after = step.find("after");
    if (after == step.end() || !after->is_object()) continue;
    FreeCounts counts;
    counts.step = step.at("i").get<int32_t>();
    if (absl::Status status = ReadStep(*after, &counts); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("capture, step ", counts.step, ": ", status.message()));
    }
    if (!counts.types.empty() || !counts.free.empty() || counts.mem_free.has_value()) steps.push_back(counts);
  }
  return steps;
}

}  // namespace

absl::StatusOr<std::vector<ZoneTypeCounts>> ParsePageTypeInfo(const std::vector<std::string>& lines) {
  Reader reader;
  for (const std::string& line : lines) RETURN_IF_ERROR(reader.ReadLine(line));
  return reader.Take();
}

absl::StatusOr<std::vector<FreeCounts>> ReadFreeCounts(std::string_view bytes) {
  return ParseCaptureFile(bytes, ReadSteps);
}

}  // namespace dmfrag::workload
