#include "worker/workload/free_lists.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/workload/words.h"

namespace dmfrag::workload {
namespace {

using model::AllocatorSnapshot;
using model::BlockList;
using model::FrameCount;
using model::FrameNumber;
using model::Migratetype;
using model::Order;
using model::ZoneSnapshot;

constexpr uint64_t kMaxFrame = uint64_t{1} << 35;  // 128 TiB
constexpr uint64_t kMaxCpus = 8192;                // CONFIG_NR_CPUS of Debian
constexpr uint64_t kFirstManaged = 256;            // memory below 1 MiB is reserved at boot
constexpr uint64_t kPerCpuLists = 12;              // orders 0 to 3 of three types

struct Line {
  size_t number;  // from 1 on
  char kind;
  std::string_view zone;
  std::vector<uint64_t> values;

  absl::Status Wrong(std::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("free lists, line ", number, ": ", std::string(what)));
  }
};

std::string_view TakeWord(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

absl::StatusOr<Line> ParseLine(size_t number, std::string_view text) {
  Line line{number, '\0', {}, {}};
  const std::string_view kind = TakeWord(text);
  line.zone = TakeWord(text);
  if (kind.size() != 1 || line.zone.empty()) return line.Wrong("expected one of Z, F, C, P, B and a zone's name");
  line.kind = kind[0];
  for (std::string_view word = TakeWord(text); !word.empty(); word = TakeWord(text)) {
    const auto value = NumberOf<uint64_t>(word);
    if (!value.has_value() || *value >= kMaxFrame) {
      return line.Wrong(absl::StrCat("\"", std::string(word), "\" is no number below 2^35"));
    }
    line.values.push_back(*value);
  }
  const std::map<char, size_t> kLeast = {{'Z', 7}, {'F', 2}, {'C', 4}, {'P', 2}, {'B', 3}};
  const auto least = kLeast.find(line.kind);
  if (least == kLeast.end()) return line.Wrong("expected one of Z, F, C, P, B at the start");
  if (line.values.size() < least->second) {
    return line.Wrong(absl::StrCat("only ", line.values.size(), " numbers; a line of this kind has ", least->second,
                                   " or more; the dump is truncated"));
  }
  return line;
}

absl::StatusOr<Migratetype> TypeOf(const Line& line, uint64_t raw) {
  if (raw < model::kMigratetypes) return static_cast<Migratetype>(raw);
  return line.Wrong(absl::StrCat("migratetype ", raw, "; only 0 (unmovable) to 2 (reclaimable) are modelled"));
}

absl::StatusOr<BlockList> ParseList(const Line& line, uint64_t order, uint64_t type, size_t first_value) {
  if (order > model::kMaxOrder.raw()) return line.Wrong(absl::StrCat("order ", order, " is above 10"));
  BlockList list{Order(static_cast<unsigned>(order)), {}, {}};
  ASSIGN_OR_RETURN(list.type, TypeOf(line, type));
  for (size_t i = first_value; i < line.values.size(); ++i) list.blocks.emplace_back(line.values[i]);
  return list;
}

class Reader {
 public:
  absl::Status Add(const Line& line) {
    if (line.kind == 'Z') return AddZone(line);
    const auto found = zones_.find(line.zone);
    if (found == zones_.end()) return line.Wrong(absl::StrCat("no Z line of zone ", std::string(line.zone), " before"));
    ZoneSnapshot& zone = snapshot_.zones[found->second];
    switch (line.kind) {
      case 'F':
        return AddFree(line, zone);
      case 'B':
        return AddBlockTypes(line, zone);
      default:
        return AddPerCpu(line, zone);
    }
  }

  AllocatorSnapshot Take() && {
    for (ZoneSnapshot& zone : snapshot_.zones) zone.per_cpu.resize(cpus_);
    return std::move(snapshot_);
  }

 private:
  absl::Status AddZone(const Line& line) {
    if (!zones_.emplace(line.zone, snapshot_.zones.size()).second) return line.Wrong("the second of this zone");
    ZoneSnapshot& zone = snapshot_.zones.emplace_back();
    const uint64_t end = line.values[0] + line.values[1];
    if (end > kMaxFrame) return line.Wrong("the zone ends beyond 128 TiB");
    zone.bounds = {FrameNumber(line.values[0]), FrameNumber(end)};
    const uint64_t above_1m = end - std::min(end, std::max(line.values[0], kFirstManaged));
    zone.managed = FrameCount(std::min(line.values[2], above_1m));
    zone.min_mark = FrameCount(line.values[4]);
    zone.low_mark = FrameCount(line.values[5]);
    return absl::OkStatus();
  }

  static absl::Status AddFree(const Line& line, ZoneSnapshot& zone) {
    ASSIGN_OR_RETURN(BlockList list, ParseList(line, line.values[0], line.values[1], 2));
    if (!list.blocks.empty()) zone.free.push_back(std::move(list));
    return absl::OkStatus();
  }

  static absl::Status AddBlockTypes(const Line& line, ZoneSnapshot& zone) {
    ASSIGN_OR_RETURN(const Migratetype type, TypeOf(line, line.values[2]));
    zone.block_types.push_back({FrameNumber(line.values[0]), line.values[1], type});
    return absl::OkStatus();
  }

  absl::Status AddPerCpu(const Line& line, ZoneSnapshot& zone) {
    const uint64_t cpu = line.values[0];
    if (cpu >= kMaxCpus) return line.Wrong(absl::StrCat("processor ", cpu, " is above ", kMaxCpus - 1));
    cpus_ = std::max<size_t>(cpus_, cpu + 1);
    if (zone.per_cpu.size() <= cpu) zone.per_cpu.resize(cpu + 1);
    if (line.kind == 'C') {
      zone.per_cpu[cpu].high = line.values[2];
      zone.per_cpu[cpu].batch = line.values[3];
      return absl::OkStatus();
    }
    const uint64_t index = line.values[1];
    if (index >= kPerCpuLists) {
      return line.Wrong("a per-CPU list of transparent huge pages, which is not modelled; drain the lists first");
    }
    ASSIGN_OR_RETURN(BlockList list, ParseList(line, index / model::kMigratetypes, index % model::kMigratetypes, 2));
    if (!list.blocks.empty()) zone.per_cpu[cpu].lists.push_back(std::move(list));
    return absl::OkStatus();
  }

  AllocatorSnapshot snapshot_;
  std::map<std::string_view, size_t> zones_;  // index in snapshot_ by name
  size_t cpus_ = 1;
};

}  // namespace

absl::StatusOr<AllocatorSnapshot> ParseFreeLists(const std::vector<std::string>& lines) {
  Reader reader;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    ASSIGN_OR_RETURN(const Line line, ParseLine(i + 1, lines[i]));
    RETURN_IF_ERROR(reader.Add(line));
  }
  AllocatorSnapshot snapshot = std::move(reader).Take();
  if (snapshot.zones.empty()) return absl::InvalidArgumentError("free lists: no Z line; the dump is empty");
  return snapshot;
}

}  // namespace dmfrag::workload
