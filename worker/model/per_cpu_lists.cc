#include "worker/model/per_cpu_lists.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::model {
namespace {

// 63 for zones of 1 GiB and more, 31 for 512 MiB, 15 for 256 MiB (zone_batchsize).
uint64_t BatchOf(FrameCount managed) {
  const uint64_t quarter = std::max<uint64_t>(1, std::min<uint64_t>(managed.raw() / 1024, 256) / 4);
  return std::bit_floor(quarter + quarter / 2) - 1;
}

constexpr uint64_t kBatchScaleMax = 5;  // CONFIG_PCP_BATCH_SCALE_MAX

}  // namespace

PerCpuLists::PerCpuLists(FrameTable* table, Zone* zone, FrameCount managed, FrameCount low, uint32_t cpus)
    : table_(table),
      zone_(zone),
      batch_(std::max<uint64_t>(1, BatchOf(managed))),
      high_(std::max(low.raw() / cpus, 4 * batch_)) {}

FrameIndex PerCpuLists::Remove(Order order, Migratetype type, Zone::Fragmentation fragmentation) {
  FrameList& list = lists_[ListIndex(order, type)];
  if (list.empty()) {
    Refill(order, type, fragmentation);
    if (list.empty()) return kNoFrameIndex;
  }
  free_count_ >>= 1;
  const FrameIndex block = list.head();
  list.Remove(*table_, block);
  table_->record(block).state = FrameState::kNone;
  count_ -= order.frames().raw();
  return block;
}

void PerCpuLists::Refill(Order order, Migratetype type, Zone::Fragmentation fragmentation) {
  const uint64_t blocks = order.raw() == 0 ? batch_ : std::max<uint64_t>(batch_ >> order.raw(), 2);
  FrameList& list = lists_[ListIndex(order, type)];
  for (uint64_t i = 0; i < blocks; ++i) {
    const FrameIndex block = zone_->Remove(order, type, fragmentation);
    if (block == kNoFrameIndex) return;
    FrameRecord& record = table_->record(block);
    record.state = FrameState::kPerCpu;
    record.order = static_cast<uint8_t>(order.raw());
    record.type = type;
    list.PushTail(*table_, block);
    count_ += order.frames().raw();
  }
}

void PerCpuLists::Insert(FrameIndex block, Order order) {
  const Migratetype type = table_->block_type(block);
  FrameRecord& record = table_->record(block);
  record.state = FrameState::kPerCpu;
  record.order = static_cast<uint8_t>(order.raw());
  record.type = type;
  const size_t list = ListIndex(order, type);
  lists_[list].PushHead(*table_, block);
  count_ += order.frames().raw();
  if (free_count_ < batch_ << kBatchScaleMax) free_count_ += order.frames().raw();
  if (count_ >= high_) FreeToZone(std::clamp(free_count_, batch_, high_ - batch_), list);
}

void PerCpuLists::FreeToZone(uint64_t frames, size_t first_list) {
  uint64_t left = std::min(frames, count_);
  for (size_t i = first_list; left > 0; i = (i + 1) % kLists) {
    FrameList& list = lists_[i];
    const Order order(static_cast<unsigned>(i / kMigratetypes));
    while (left > 0 && !list.empty()) {
      const FrameIndex block = list.tail();
      list.Remove(*table_, block);
      table_->record(block).state = FrameState::kNone;
      count_ -= order.frames().raw();
      left -= std::min(left, order.frames().raw());
      zone_->Insert(block, order);
    }
  }
}

void PerCpuLists::Drain() { FreeToZone(count_, 0); }

absl::Status PerCpuLists::CheckInvariants() const {
  uint64_t frames = 0;
  for (size_t list = 0; list < kLists; ++list) {
    const uint64_t order = list / kMigratetypes;
    uint64_t count = 0;
    for (FrameIndex i = lists_[list].head(); i != kNoFrameIndex; i = table_->record(i).next, ++count) {
      const FrameRecord& record = table_->record(i);
      if (record.state != FrameState::kPerCpu || record.order != order || count > lists_[list].size()) {
        return absl::InternalError(
            absl::StrCat("per-CPU list ", list, ": frame ", table_->FrameOf(i).raw(), " does not belong there"));
      }
    }
    if (count != lists_[list].size()) return absl::InternalError(absl::StrCat("per-CPU list ", list, ": wrong size"));
    frames += count << order;
  }
  if (frames != count_)
    return absl::InternalError(absl::StrCat("per-CPU lists hold ", frames, " frames, not ", count_));
  return absl::OkStatus();
}

}  // namespace dmfrag::model
