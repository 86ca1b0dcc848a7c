#include "worker/experiment/allocator_comparison.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace dmfrag::experiment {
namespace {

using model::BlockList;
using model::FrameNumber;
using model::Migratetype;
using model::ZoneSnapshot;

// Blocks by order and type.
using Lists = std::map<std::pair<model::Order, Migratetype>, const std::vector<FrameNumber>*>;

class Comparer {
 public:
  void Compare(const ZoneSnapshot& kernel, const ZoneSnapshot& model) {
    const std::string zone = absl::StrCat("zone at frame ", kernel.bounds.first.raw());
    CompareLists(kernel.free, model.free, absl::StrCat(zone, ", free list"), &result_.lists, &result_.lists_equal);
    const size_t cpus = std::max(kernel.per_cpu.size(), model.per_cpu.size());
    for (size_t cpu = 0; cpu < cpus; ++cpu) {
      static const auto& none = *new model::PerCpuSnapshot;
      const auto& in_kernel = cpu < kernel.per_cpu.size() ? kernel.per_cpu[cpu] : none;
      const auto& in_model = cpu < model.per_cpu.size() ? model.per_cpu[cpu] : none;
      const std::string place = absl::StrCat(zone, ", processor ", cpu);
      CompareLists(in_kernel.lists, in_model.lists, place, &result_.per_cpu_lists, &result_.per_cpu_lists_equal);
      ++result_.highs;
      if (in_kernel.high == in_model.high) {
        ++result_.highs_equal;
      } else {
        Differs(absl::StrCat(place, ": high is ", in_kernel.high, " in the kernel, ", in_model.high, " in the model"));
      }
    }
    CompareBlocks(BlockTypes(kernel), BlockTypes(model), zone);
  }

  AllocatorComparison Take() && { return std::move(result_); }

 private:
  static Lists ByOrder(const std::vector<BlockList>& lists) {
    Lists by_order;
    for (const BlockList& list : lists) by_order[{list.order, list.type}] = &list.blocks;
    return by_order;
  }

  static std::map<FrameNumber, Migratetype> BlockTypes(const ZoneSnapshot& zone) {
    std::map<FrameNumber, Migratetype> types;
    for (const auto& run : zone.block_types) {
      const FrameNumber first = run.first.AlignedDown(model::kFramesPer2M);
      for (uint64_t i = 0; i < run.blocks; ++i) {
        types[first + model::FrameCount(i * model::kFramesPer2M.raw())] = run.type;
      }
    }
    return types;
  }

  void CompareLists(const std::vector<BlockList>& kernel, const std::vector<BlockList>& model, const std::string& place,
                    uint64_t* lists, uint64_t* equal) {
    static const auto& empty = *new std::vector<FrameNumber>;
    Lists in_kernel = ByOrder(kernel);
    Lists in_model = ByOrder(model);
    for (const auto& [key, blocks] : in_model) in_kernel.emplace(key, &empty);
    for (const auto& [key, blocks] : in_kernel) {
      const auto found = in_model.find(key);
      const std::vector<FrameNumber>& others = found == in_model.end() ? empty : *found->second;
      ++*lists;
      if (*blocks == others) {
        ++*equal;
        continue;
      }
      const auto at = std::mismatch(blocks->begin(), blocks->end(), others.begin(), others.end());
      Differs(absl::StrCat(place, ", order ", key.first.raw(), ", type ", static_cast<int>(key.second), ": ",
                           blocks->size(), " blocks in the kernel, ", others.size(), " in the model; the first ",
                           at.first - blocks->begin(), " are equal"));
    }
  }

  void CompareBlocks(const std::map<FrameNumber, Migratetype>& kernel, const std::map<FrameNumber, Migratetype>& model,
                     const std::string& place) {
    for (const auto& [block, type] : kernel) {
      const auto found = model.find(block);
      ++result_.blocks;
      if (found != model.end() && found->second == type) {
        ++result_.blocks_equal;
      } else {
        Differs(absl::StrCat(place, ": the pageblock at frame ", block.raw(), " is of type ", static_cast<int>(type),
                             " in the kernel"));
      }
    }
  }

  void Differs(std::string what) {
    if (result_.first_difference.empty()) result_.first_difference = std::move(what);
  }

  AllocatorComparison result_;
};

}  // namespace

AllocatorComparison CompareAllocators(const model::AllocatorSnapshot& kernel, const model::AllocatorSnapshot& model) {
  Comparer comparer;
  for (const ZoneSnapshot& zone : kernel.zones) {
    const auto same = std::find_if(model.zones.begin(), model.zones.end(),
                                   [&](const ZoneSnapshot& other) { return other.bounds == zone.bounds; });
    comparer.Compare(zone, same == model.zones.end() ? ZoneSnapshot{} : *same);
  }
  return std::move(comparer).Take();
}

}  // namespace dmfrag::experiment
