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

uint64_t HighMin(FrameCount low, uint32_t cpus, uint64_t batch) { return std::max(low.raw() / cpus, 4 * batch); }

constexpr unsigned kBatchScaleMax = 5;                  // CONFIG_PCP_BATCH_SCALE_MAX
constexpr uint64_t kMinPercpuPagelistHighFraction = 8;  // MIN_PERCPU_PAGELIST_HIGH_FRACTION

}  // namespace

PerCpuLists::PerCpuLists(FrameTable* table, Zone* zone, FrameCount managed, FrameCount low, uint32_t cpus,
                         AllocatorRules rules)
    : table_(table),
      zone_(zone),
      high_follows_load_(rules.pcp_high_follows_load),
      lists_follow_blocks_(rules.lists_follow_blocks),
      batch_(std::max<uint64_t>(1, BatchOf(managed))),
      high_min_(HighMin(low, cpus, batch_)),
      high_max_(std::max(managed.raw() / kMinPercpuPagelistHighFraction / cpus, 4 * batch_)),
      high_(high_min_),
      high_order_run_(rules.longer_high_order_runs ? batch_ + high_min_ / 2 : batch_) {}

void PerCpuLists::SetLowMark(FrameCount low, uint32_t cpus) {
  const bool fixed = !high_follows_load_;
  high_min_ = HighMin(low, cpus, batch_);
  high_ = fixed ? high_min_ : std::max(high_, high_min_);
}

FrameIndex PerCpuLists::TakeFirst(Order order, Migratetype type, Zone::Fragmentation fragmentation) {
  FrameList& list = lists_[ListIndex(order, type)];
  if (list.empty()) {
    Refill(order, type, fragmentation);
    if (list.empty()) return kNoFrameIndex;
  }
  const FrameIndex block = list.head();
  list.Remove(*table_, block);
  table_->record(block).state = FrameState::kNone;
  count_ -= order.frames().raw();
  return block;
}

void PerCpuLists::AddToList(FrameIndex block, Order order, Migratetype type, bool to_tail) {
  FrameRecord& record = table_->record(block);
  record.state = FrameState::kPerCpu;
  record.order = static_cast<uint8_t>(order.raw());
  record.type = type;
  FrameList& list = lists_[ListIndex(order, type)];
  to_tail ? list.PushTail(*table_, block) : list.PushHead(*table_, block);
  count_ += order.frames().raw();
}

FrameIndex PerCpuLists::Remove(Order order, Migratetype type, Zone::Fragmentation fragmentation) {
  // Whether or not there is a block.
  free_count_ >>= 1;
  free_factor_ >>= 1;
  return TakeFirst(order, type, fragmentation);
}

FrameIndex PerCpuLists::RemoveForBulk(Migratetype type, Zone::Fragmentation fragmentation) {
  return TakeFirst(Order(0), type, fragmentation);
}

// nr_pcp_alloc.
uint64_t PerCpuLists::FramesToRefill(Order order) {
  if (!high_follows_load_ || high_ < batch_) return batch_;
  uint64_t frames = batch_ << (order.raw() == 0 ? alloc_factor_ : 0);
  high_ = high_min_ == high_max_ ? high_ : std::min(high_ + frames, high_max_);
  if (order.raw() != 0) return frames;
  const uint64_t room = high_ > count_ + batch_ ? high_ - count_ - batch_ : 0;
  const uint64_t most = std::max(room, batch_);
  if (frames <= most && alloc_factor_ < kBatchScaleMax) ++alloc_factor_;
  return std::min(frames, most);
}

void PerCpuLists::Refill(Order order, Migratetype type, Zone::Fragmentation fragmentation) {
  const uint64_t frames = FramesToRefill(order);
  const uint64_t blocks = frames > 1 ? std::max<uint64_t>(frames >> order.raw(), 2) : frames;
  Zone::Run run = Zone::Run::kFromLists;
  zone_->CountLock();
  for (uint64_t i = 0; i < blocks; ++i) {
    const FrameIndex block = zone_->RemoveNext(order, type, fragmentation, &run);
    if (block == kNoFrameIndex) return;
    AddToList(block, order, type, /*to_tail=*/true);
  }
}

void PerCpuLists::Insert(FrameIndex block, Order order) {
  const Migratetype type = table_->block_type(block);
  AddToList(block, order, type, /*to_tail=*/false);
  const size_t list = ListIndex(order, type);
  high_follows_load_ ? FreeSurplus(order, list) : FreeSurplusFixed(order, list);
}

// free_unref_page_commit, nr_pcp_high and nr_pcp_free from 6.7 on.
void PerCpuLists::FreeSurplus(Order order, size_t list) {
  alloc_factor_ >>= 1;
  // A run of high-order frees without allocations gives everything up.
  const bool give_all = order.raw() != 0 && free_count_ >= high_order_run_ && last_was_high_order_;
  last_was_high_order_ = order.raw() != 0;
  if (free_count_ < batch_ << kBatchScaleMax) free_count_ += order.frames().raw();
  high_ = std::clamp(high_, high_min_, high_max_);
  if (give_all) {
    high_ = std::max(high_ > batch_ << kBatchScaleMax ? high_ - (batch_ << kBatchScaleMax) : 0, high_min_);
    FreeToZone(batch_ << kBatchScaleMax, list);
    return;
  }
  const uint64_t high = high_;
  if (count_ < high) return;
  if (high_min_ != high_max_ && high_ < free_count_ + batch_) {
    high_ = std::clamp(free_count_ + batch_, high_min_, high_max_);
  }
  FreeToZone(high < batch_ ? 1 : std::max(batch_, std::min(free_count_, high - batch_)), list);
}

// The same before 6.7.
void PerCpuLists::FreeSurplusFixed(Order order, size_t list) {
  if (free_factor_ > 0 && order.raw() != 0) return FreeToZone(count_, list);
  if (count_ < high_) return;
  if (high_ < batch_) return FreeToZone(1, list);
  const uint64_t most = high_ - batch_;
  const uint64_t frames = batch_ << free_factor_;
  if (frames < most && free_factor_ < kBatchScaleMax) ++free_factor_;
  FreeToZone(std::max(batch_, std::min(frames, most)), list);
}

void PerCpuLists::Decay() {
  if (!high_follows_load_) return;
  const uint64_t run = batch_ << kBatchScaleMax;
  if (high_ > high_min_) high_ = std::max({count_ > run ? count_ - run : 0, high_ - (high_ >> 3), high_min_});
  if (count_ > high_) FreeToZone(count_ - high_, 0);
}

void PerCpuLists::FreeToZone(uint64_t frames, size_t first_list) {
  uint64_t left = std::min(frames, count_);
  if (left > 0) zone_->CountLock();
  for (size_t i = first_list; left > 0; i = (i + 1) % kLists) {
    FrameList& list = lists_[i];
    const Order order(static_cast<unsigned>(i / kMigratetypes));
    while (left > 0 && !list.empty()) {
      const FrameIndex block = list.tail();
      list.Remove(*table_, block);
      table_->record(block).state = FrameState::kNone;
      count_ -= order.frames().raw();
      left -= std::min(left, order.frames().raw());
      if (lists_follow_blocks_) {
        zone_->Insert(block, order);
      } else {
        zone_->Insert(block, order, table_->record(block).type);
      }
    }
  }
}

void PerCpuLists::Restore(const PerCpuSnapshot& snapshot) {
  batch_ = std::max<uint64_t>(1, snapshot.batch);
  high_ = snapshot.high;
  for (const BlockList& list : snapshot.lists) {
    for (FrameNumber block : list.blocks) AddToList(table_->IndexOf(block), list.order, list.type, /*to_tail=*/true);
  }
}

PerCpuSnapshot PerCpuLists::Snapshot() const {
  PerCpuSnapshot snapshot{high_, batch_, {}};
  for (size_t i = 0; i < kLists; ++i) {
    if (lists_[i].empty()) continue;
    BlockList& out = snapshot.lists.emplace_back(
        BlockList{Order(static_cast<unsigned>(i / kMigratetypes)), static_cast<Migratetype>(i % kMigratetypes), {}});
    for (FrameIndex j = lists_[i].head(); j != kNoFrameIndex; j = table_->record(j).next) {
      out.blocks.push_back(table_->FrameOf(j));
    }
  }
  return snapshot;
}

void PerCpuLists::PutBack(FrameIndex block, Order order, Migratetype type) {
  AddToList(block, order, type, /*to_tail=*/false);
}

bool PerCpuLists::Take(FrameIndex block) {
  FrameRecord& record = table_->record(block);
  if (record.state != FrameState::kPerCpu) return false;
  FrameList& list = lists_[ListIndex(Order(record.order), record.type)];
  FrameIndex found = list.head();
  while (found != kNoFrameIndex && found != block) found = table_->record(found).next;
  if (found == kNoFrameIndex) return false;
  list.Remove(*table_, block);
  record.state = FrameState::kNone;
  count_ -= uint64_t{1} << record.order;
  return true;
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
