#include "tests/oracle/reference_page_allocator.h"

#include <algorithm>
#include <cmath>

namespace dmfrag::tests {
namespace {

using model::KernelRelease;
using model::Migratetype;

// CONFIG_PCP_BATCH_SCALE_MAX.
constexpr unsigned kScaleMax = 5;
constexpr unsigned kHighestPerCpuOrder = 3;

int64_t Frames(unsigned order) { return int64_t{1} << order; }

// Half as much again as a quarter of a 1024th, at most of 256 KiB; rounded down to a power of two, less one.
int64_t Batch(uint64_t managed) {
  uint64_t batch = std::max<uint64_t>(std::min<uint64_t>(managed / 1024, 256) / 4, 1);
  batch += batch / 2;
  int64_t power = 1;
  while (static_cast<uint64_t>(power) * 2 <= batch) power *= 2;
  return std::max<int64_t>(power - 1, 1);
}

}  // namespace

ReferencePerCpu::ReferencePerCpu(ReferenceZone* zone, uint64_t managed, uint64_t low, uint64_t cpus,
                                 KernelRelease release)
    : zone_(zone), release_(release), batch_(Batch(managed)) {
  high_min_ = std::max<int64_t>(static_cast<int64_t>(low / cpus), 4 * batch_);
  high_max_ = std::max<int64_t>(static_cast<int64_t>(managed / 8 / cpus), 4 * batch_);
  high_ = high_min_;
}

std::optional<uint64_t> ReferencePerCpu::Allocate(unsigned order, Migratetype type, bool may_fragment, bool single) {
  if (single) {
    free_factor_ /= 2;
    free_count_ /= 2;
  }
  std::list<uint64_t>& list = lists_[static_cast<unsigned>(type) + 3 * order];
  if (list.empty()) {
    bool stealing = false;
    for (int64_t left = BlocksToTake(order); left > 0; --left) {
      const auto frame = zone_->AllocateNext(order, type, may_fragment, &stealing);
      if (!frame) break;
      zone_->SetUse(*frame, order, std::nullopt);
      list.push_back(*frame);
      count_ += Frames(order);
    }
  }
  if (list.empty()) return std::nullopt;
  const uint64_t frame = list.front();
  list.pop_front();
  count_ -= Frames(order);
  return frame;
}

int64_t ReferencePerCpu::BlocksToTake(unsigned order) {
  int64_t frames = batch_;
  if (release_ != KernelRelease::k6_1) {
    // Before anything else, so that the list can hold what comes.
    if (order == 0) frames = batch_ << alloc_factor_;
    if (high_min_ != high_max_) high_ = std::min(high_ + frames, high_max_);
    if (order == 0) {
      const int64_t most = std::max(high_ - count_ - batch_, batch_);
      if (frames <= most && alloc_factor_ < kScaleMax) ++alloc_factor_;
      frames = std::min(frames, most);
    }
  }
  return frames > 1 ? std::max<int64_t>(frames >> order, 2) : frames;
}

void ReferencePerCpu::Free(uint64_t frame, unsigned order) {
  const unsigned index = static_cast<unsigned>(zone_->block_type(frame)) + 3 * order;
  zone_->SetUse(frame, order, std::nullopt);
  lists_[index].push_front(frame);
  count_ += Frames(order);
  GiveBack(release_ == KernelRelease::k6_1 ? FramesToGive61(order) : FramesToGive(order), index);
}

int64_t ReferencePerCpu::FramesToGive61(unsigned order) {
  if (order > 0 && free_factor_ > 0) return count_;
  if (count_ < high_) return 0;
  const int64_t most = high_ - batch_;
  const int64_t frames = batch_ << free_factor_;
  if (frames < most && free_factor_ < kScaleMax) ++free_factor_;
  return std::clamp(frames, batch_, most);
}

int64_t ReferencePerCpu::FramesToGive(unsigned order) {
  alloc_factor_ /= 2;
  // 6.16 asks for a longer run.
  const int64_t run = release_ >= KernelRelease::k6_16 ? batch_ + high_min_ / 2 : batch_;
  const bool everything = order > 0 && previous_free_was_high_order_ && free_count_ >= run;
  previous_free_was_high_order_ = order > 0;
  if (free_count_ < batch_ << kScaleMax) free_count_ += Frames(order);
  if (everything) {
    high_ = std::max(high_ - (batch_ << kScaleMax), high_min_);
    return std::min(count_, batch_ << kScaleMax);
  }
  const int64_t high = high_;
  if (count_ < high) return 0;
  if (high_min_ != high_max_ && high_ < free_count_ + batch_) {
    high_ = std::clamp(free_count_ + batch_, high_min_, high_max_);
  }
  return std::clamp(free_count_, batch_, high - batch_);
}

void ReferencePerCpu::Decay() {
  if (release_ == KernelRelease::k6_1) return;
  if (high_ > high_min_) high_ = std::max({count_ - (batch_ << kScaleMax), high_ - high_ / 8, high_min_});
  GiveBack(count_ - high_, 0);
}

void ReferencePerCpu::GiveBack(int64_t frames, unsigned first_list) {
  for (unsigned index = first_list; frames > 0 && count_ > 0; index = (index + 1) % kLists) {
    const unsigned order = index / 3;
    while (frames > 0 && !lists_[index].empty()) {
      const uint64_t frame = lists_[index].back();
      lists_[index].pop_back();
      count_ -= Frames(order);
      frames -= Frames(order);
      // Up to 6.9 a page keeps the type of the list it lay on.
      const bool keeps_type = release_ == KernelRelease::k6_1;
      zone_->Free(frame, order, keeps_type ? std::optional(static_cast<Migratetype>(index % 3)) : std::nullopt);
    }
  }
}

ReferencePageAllocator::ReferencePageAllocator(const std::vector<std::pair<uint64_t, uint64_t>>& memory, unsigned cpus,
                                               KernelRelease release, uint64_t first_movable)
    : release_(release) {
  const uint64_t bounds[] = {0, 4096, uint64_t{1} << 20, first_movable, kNoMovable};
  for (size_t i = 0; i < 4; ++i) {
    Zone& zone = zones_.emplace_back(release);
    zone.first = std::min(bounds[i], first_movable);
    zone.end = i == 3 ? kNoMovable : std::min(bounds[i + 1], first_movable);
    for (const auto& [first, end] : memory) {
      const uint64_t from = std::max({first, zone.first, uint64_t{256}});
      const uint64_t to = std::min(end, zone.end);
      if (from < to) zone.lists.AddMemory(from, to);
    }
  }
  SetWatermarks(cpus);
}

uint64_t ReferencePageAllocator::MinFree() const {
  const uint64_t movable = zones_[3].lists.managed_frames();
  uint64_t lowmem = 0;
  for (size_t i = 0; i < 3; ++i) lowmem += zones_[i].lists.managed_frames();
  // calculate_min_free_kbytes.
  auto root = static_cast<uint64_t>(std::sqrt(static_cast<double>(lowmem * 4 * 16)));
  while (root * root > lowmem * 4 * 16) --root;
  while ((root + 1) * (root + 1) <= lowmem * 4 * 16) ++root;
  const uint64_t min_free = std::clamp<uint64_t>(root, 128, 262144) / 4;
  // khugepaged wants 11 pageblocks in every zone, but no more than a 20th of what lies above the high watermarks.
  uint64_t wanted = 0;
  uint64_t usable = 0;
  for (size_t i = 0; i < 3; ++i) {
    const uint64_t frames = zones_[i].lists.managed_frames();
    if (frames == 0) continue;
    const uint64_t min = min_free * frames / (release_ == KernelRelease::k6_1 ? lowmem + movable : lowmem);
    const uint64_t high = min + 2 * std::max(min / 4, frames / 1000);
    wanted += 11 * 512;
    usable += frames > high ? frames - high : 0;
  }
  return std::max(min_free, std::min(wanted, usable / 20));
}

void ReferencePageAllocator::SetWatermarks(unsigned cpus) {
  const uint64_t movable = zones_[3].lists.managed_frames();
  uint64_t lowmem = 0;
  for (size_t i = 0; i < 3; ++i) lowmem += zones_[i].lists.managed_frames();
  const uint64_t min_free = MinFree();
  uint64_t above = lowmem;
  for (size_t i = 0; i < 4; ++i) {
    Zone& zone = zones_[i];
    const uint64_t frames = zone.lists.managed_frames();
    if (i < 3) above -= frames;
    if (frames == 0) continue;
    // Up to 6.6 ZONE_MOVABLE shares with the others.
    const bool shares = release_ == KernelRelease::k6_1;
    const uint64_t share = min_free * frames / (shares ? lowmem + movable : lowmem);
    zone.min = i == 3 && !shares ? std::min<uint64_t>(std::max<uint64_t>(frames / 1024, 32), 128) : share;
    zone.low = zone.min + std::max(share / 4, frames / 1000);
    if (i < 2) zone.reserve = above / 256;
    if (i < 3) zone.movable_reserve = i < 2 ? (above + movable) / 256 : movable / 32;
    for (unsigned cpu = 0; cpu < cpus; ++cpu) zone.per_cpu.emplace_back(&zone.lists, frames, zone.low, cpus, release_);
  }
}

ReferencePageAllocator::Zone& ReferencePageAllocator::ZoneOf(uint64_t frame) {
  return *std::find_if(zones_.begin(), zones_.end(), [frame](const Zone& zone) { return frame < zone.end; });
}

std::optional<uint64_t> ReferencePageAllocator::Allocate(unsigned order, Migratetype type, unsigned cpu) {
  struct Pass {
    bool to_min;
    bool may_fragment;
  };
  std::vector<Pass> passes = {{false, true}, {true, true}};
  // Where there is a Normal zone, types are kept apart as long as any zone has something above its low watermark.
  // Not for requests that ask ZONE_MOVABLE first.
  const bool movable_first = type == Migratetype::kMovable && HasMovable();
  if (zones_[2].lists.managed_frames() > 0 && !movable_first) passes.insert(passes.begin(), {false, false});
  for (const Pass& pass : passes) {
    for (size_t i = zones_.size(); i-- > 0;) {
      Zone& zone = zones_[i];
      if (zone.lists.managed_frames() == 0 || !MayUse(i, type)) continue;
      // zone_watermark_ok: what is left must lie above the mark, and one block be large enough.
      const int64_t usable = static_cast<int64_t>(zone.lists.free_frames()) - (Frames(order) - 1);
      if (usable <= static_cast<int64_t>((pass.to_min ? zone.min : zone.low) + ReserveFor(zone, type))) continue;
      bool large_enough = order == 0;
      for (unsigned o = order; o <= 10; ++o) {
        for (unsigned t = 0; t < 3; ++t) {
          large_enough = large_enough || !zone.lists.blocks(o, static_cast<Migratetype>(t)).empty();
        }
      }
      if (!large_enough) continue;
      const auto frame = order <= kHighestPerCpuOrder
                             ? zone.per_cpu[cpu].Allocate(order, type, pass.may_fragment, /*single=*/true)
                             : zone.lists.Allocate(order, type, pass.may_fragment);
      if (!frame) continue;
      zone.lists.SetUse(*frame, order, type);
      given_out_[*frame] = {order, type};
      return frame;
    }
  }
  return std::nullopt;
}

std::vector<uint64_t> ReferencePageAllocator::BulkAllocate(uint64_t count, Migratetype type, unsigned cpu) {
  std::vector<uint64_t> frames;
  for (size_t i = zones_.size(); i-- > 0;) {
    Zone& zone = zones_[i];
    if (zone.per_cpu.empty() || !MayUse(i, type)) continue;
    if (zone.lists.free_frames() <= zone.low + ReserveFor(zone, type) + count) continue;
    while (frames.size() < count) {
      const auto frame = zone.per_cpu[cpu].Allocate(0, type, /*may_fragment=*/true, /*single=*/false);
      if (!frame) break;
      zone.lists.SetUse(*frame, 0, type);
      given_out_[*frame] = {0, type};
      frames.push_back(*frame);
    }
    break;
  }
  return frames;
}

void ReferencePageAllocator::Free(uint64_t frame, unsigned order, unsigned cpu) {
  given_out_.erase(frame);
  Zone& zone = ZoneOf(frame);
  if (order <= kHighestPerCpuOrder) {
    zone.per_cpu[cpu].Free(frame, order);
  } else {
    zone.lists.Free(frame, order, std::nullopt);
  }
}

void ReferencePageAllocator::Split(uint64_t frame, unsigned order, unsigned pieces) {
  const Migratetype type = given_out_.at(frame).second;
  for (uint64_t piece = frame; piece < frame + static_cast<uint64_t>(Frames(order));
       piece += static_cast<uint64_t>(Frames(pieces))) {
    given_out_[piece] = {pieces, type};
    ZoneOf(frame).lists.SetUse(piece, pieces, type);
  }
}

void ReferencePageAllocator::Drain() {
  for (Zone& zone : zones_) {
    for (ReferencePerCpu& lists : zone.per_cpu) lists.Drain();
  }
}

void ReferencePageAllocator::DrainZoneOf(uint64_t frame) {
  for (ReferencePerCpu& lists : ZoneOf(frame).per_cpu) lists.Drain();
}

void ReferencePageAllocator::Decay() {
  for (Zone& zone : zones_) {
    for (ReferencePerCpu& lists : zone.per_cpu) lists.Decay();
  }
}

uint64_t ReferencePageAllocator::allocated_frames() const {
  uint64_t frames = 0;
  for (const auto& [frame, block] : given_out_) frames += static_cast<uint64_t>(Frames(block.first));
  return frames;
}

}  // namespace dmfrag::tests
