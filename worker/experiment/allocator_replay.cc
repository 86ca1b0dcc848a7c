#include "worker/experiment/allocator_replay.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/model/page_allocator.h"
#include "worker/workload/ftrace_text.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::FrameState;
using model::Migratetype;
using model::Order;
using model::PageAllocator;
using workload::AllocatorDump;
using workload::FtraceReader;
using workload::TraceEvent;
using Kind = TraceEvent::Kind;

constexpr uint64_t kSecondUs = 1'000'000;
// A kworker's drain that starts within this time of a step's end is the recorder's flush of statistics.
constexpr uint64_t kFlushUs = 1000;
constexpr uint64_t kCompactClusterMax = 32;  // COMPACT_CLUSTER_MAX
// Events of one drain follow each other closer than this.
constexpr uint64_t kSameDrainUs = 500;

// When, within a second, a kworker drained per-CPU lists for no reason but time.
absl::StatusOr<std::optional<uint64_t>> FindTickPhase(std::string_view trace) {
  FtraceReader reader(trace);
  uint64_t step_end_us = 0;
  uint64_t last_drain_us = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<TraceEvent> event, reader.Next());
    if (!event.has_value()) return std::nullopt;
    if (event->kind == Kind::kStepEnd) step_end_us = event->time_us;
    if (event->kind != Kind::kPerCpuDrain || !event->task.starts_with("kworker/")) continue;
    const bool starts = event->time_us > last_drain_us + kSameDrainUs;
    last_drain_us = event->time_us;
    if (starts && event->time_us > step_end_us + kFlushUs) return event->time_us % kSecondUs;
  }
}

class Replayer {
 public:
  Replayer(const std::vector<AllocatorDump>& dumps, model::AllocatorRules rules, ReplayMode mode,
           std::optional<uint64_t> tick_phase_us)
      : dumps_(dumps), rules_(rules), mode_(mode) {
    result_.tick_phase_us = tick_phase_us;
  }

  absl::Status Add(const TraceEvent& event) {
    if (event.kind == Kind::kStepBegin) BeginStep(event);
    if (event.kind == Kind::kFreeListDump) return CompareOrStart(event);
    if (allocator_ == nullptr) return absl::OkStatus();
    if (event.cpu >= cpus_) {
      return absl::InvalidArgumentError(absl::StrCat("trace, line ", event.line, ": processor ", event.cpu,
                                                     ", but the dumps have the lists of ", cpus_));
    }
    Tick(event.time_us);
    FollowCompaction(event);
    switch (event.kind) {
      case Kind::kAllocate:
        Allocate(event);
        break;
      case Kind::kFree:
        ++step().frees;
        if (IsCompaction(event)) TakeIsolated(event);
        Free(event.frame, event.order, event.cpu);
        break;
      case Kind::kBulkAllocate:
        BulkAllocate(event);
        break;
      case Kind::kCompactTake:
        CompactTake(event);
        break;
      case Kind::kCompactBack:
        Free(event.frame, Order(0), event.cpu);
        break;
      case Kind::kStepEnd:
        // The recorder flushes the statistics, but for dumps of free lists.
        if (!step_dumped_) Decay();
        break;
      default:
        break;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<AllocatorReplayResult> Take() && {
    if (allocator_ == nullptr) {
      return absl::InvalidArgumentError(
          "trace: no mark \"dmprobe: freelist snapshot 0\"; the trace does not belong to this capture");
    }
    return std::move(result_);
  }

 private:
  AllocatorStep& step() { return result_.steps.back(); }

  void BeginStep(const TraceEvent& event) {
    step_dumped_ = false;
    AllocatorStep next;
    next.index = static_cast<int32_t>(event.number);
    next.action = std::string(event.text);
    if (allocator_ == nullptr) {
      result_.steps.assign(1, std::move(next));
    } else {
      result_.steps.push_back(std::move(next));
    }
  }

  absl::Status CompareOrStart(const TraceEvent& event) {
    step_dumped_ = true;
    if (event.number >= dumps_.size()) {
      return absl::InvalidArgumentError(absl::StrCat("trace, line ", event.line, ": dump ", event.number,
                                                     ", but the capture has ", dumps_.size(),
                                                     "; the trace does not belong to it"));
    }
    const AllocatorDump& dump = dumps_[event.number];
    if (allocator_ == nullptr && event.number != 0) return absl::OkStatus();
    bool start = allocator_ == nullptr;
    if (!start) {
      AllocatorDumpComparison& compared = result_.dumps.emplace_back();
      compared.dump = event.number;
      compared.step = dump.step;
      compared.lists = CompareAllocators(dump.state, allocator_->Snapshot());
      start = mode_ == ReplayMode::kFollowKernel && !compared.lists.AllEqual();
    }
    if (!start) return absl::OkStatus();
    if (result_.steps.empty()) result_.steps.emplace_back();
    ASSIGN_OR_RETURN(allocator_, PageAllocator::FromSnapshot(dump.state, rules_));
    cpus_ = static_cast<uint32_t>(dump.state.zones.front().per_cpu.size());
    bulk_.clear();
    compacted_ = false;
    return absl::OkStatus();
  }

  void Tick(uint64_t now_us) {
    if (!result_.tick_phase_us.has_value()) return;
    if (!next_tick_us_.has_value()) {
      next_tick_us_ = now_us / kSecondUs * kSecondUs + *result_.tick_phase_us;
      if (*next_tick_us_ < now_us) *next_tick_us_ += kSecondUs;
    }
    for (; now_us >= *next_tick_us_; *next_tick_us_ += kSecondUs) Decay();
  }

  // Once compaction is through with a pageblock, it gives up the per-CPU pages of the zone, so that what it freed
  // merges. It moves 32 pages first, and then the rest of the pageblock if there is more (compact_zone,
  // finish_pageblock). A batch is over when every page it took a target for is freed; other tasks may run before that.
  void FollowCompaction(const TraceEvent& event) {
    if (batch_ > 0 && migrating_ == 0) {
      rest_of_block_ = !rest_of_block_ && batch_ == kCompactClusterMax;
      if (!rest_of_block_) allocator_->DrainPerCpuOfZone(compacted_near_);
      batch_ = 0;
    }
    if (event.kind == Kind::kCompactTake) {
      compacted_near_ = event.frame;
      ++batch_;
      ++migrating_;
    } else if (event.kind == Kind::kCompactBack || (event.kind == Kind::kFree && IsCompaction(event))) {
      migrating_ -= std::min<uint64_t>(migrating_, 1);
    }
  }

  void Decay() {
    if (!rules_.pcp_high_follows_load) return;
    allocator_->DecayPerCpu();
    ++result_.decays;
  }

  void Allocate(const TraceEvent& event) {
    ++step().allocations;
    const std::optional<FrameNumber> picked = allocator_->Allocate(event.order, event.type, event.cpu);
    if (picked == event.frame) {
      ++step().equal;
      Rename(event.frame, event.frame);
      return;
    }
    if (!step().first.has_value()) {
      step().first = Divergence{event.line, CauseOf(event.frame, picked.has_value()), event.order, event.frame, picked};
    }
    if (mode_ == ReplayMode::kFollowKernel) {
      if (picked.has_value()) allocator_->PutBack(*picked, event.order, event.cpu);
      Follow(event.frame, event.order, event.type, event.cpu);
    } else if (picked.has_value()) {
      Rename(event.frame, *picked);
    }
  }

  DivergenceCause CauseOf(FrameNumber frame, bool had_memory) const {
    if (compacted_) return DivergenceCause::kCompaction;
    if (!had_memory) return DivergenceCause::kNoMemory;
    const FrameState state = allocator_->BlockOf(frame).state;
    if (state == FrameState::kPerCpu) return DivergenceCause::kOtherPerCpu;
    return state == FrameState::kFree ? DivergenceCause::kOtherFree : DivergenceCause::kInUse;
  }

  // Gives the kernel's frame out, if the model has it free; or lets it stay in use.
  void Follow(FrameNumber frame, Order order, Migratetype type, uint32_t cpu) {
    if (allocator_->Take(frame, order, type) || bulk_.erase(frame) == 0) return;
    // The model gave it to a bulk allocation, which in the kernel got another one.
    if (const auto other = allocator_->Allocate(Order(0), Migratetype::kUnmovable, cpu)) bulk_.insert(*other);
  }

  void Free(FrameNumber frame, Order order, uint32_t cpu) {
    const auto renamed = model_frame_.find(frame);
    bool known = true;
    if (renamed != model_frame_.end()) {
      frame = renamed->second;
      kernel_frame_.erase(frame);
      model_frame_.erase(renamed);
    } else {
      // A frame the model gave to somebody else: the kernel handed it out without a record.
      known = kernel_frame_.empty() || !kernel_frame_.contains(frame);
    }
    if (!bulk_.empty() && known) bulk_.erase(frame);
    if (!allocator_->Manages(frame)) return;
    PageAllocator::Block block = allocator_->BlockOf(frame);
    if (!known || block.state == FrameState::kFree || block.state == FrameState::kPerCpu) {
      ++result_.unexpected_frees;
      if (bulk_.empty() || order != Order(0)) return;
      frame = *bulk_.begin();
      bulk_.erase(bulk_.begin());
      block = allocator_->BlockOf(frame);
    }
    FreeParts(block, frame, order, cpu);
  }

  // The kernel may free parts of a block (split_page), or several of its parts at once.
  void FreeParts(const PageAllocator::Block& block, FrameNumber frame, Order order, uint32_t cpu) {
    if (block.state == FrameState::kAllocated && block.order < order) {
      for (uint64_t i = 0; i < order.frames().raw(); ++i) {
        const PageAllocator::Block part = allocator_->BlockOf(frame + FrameCount(i));
        if (part.state == FrameState::kAllocated && part.order == Order(0)) allocator_->Free(part.first, Order(0), cpu);
      }
      return;
    }
    if (block.state == FrameState::kAllocated && block.order > order) {
      allocator_->SplitAllocated(block.first, block.order, order);
    }
    allocator_->Free(frame, order, cpu);
  }

  void BulkAllocate(const TraceEvent& event) {
    // A single page is left to the ordinary path, which logs it.
    if (event.number <= 1) return;
    std::vector<FrameNumber> frames;
    step().bulk_frames += allocator_->BulkAllocate(event.number, Migratetype::kUnmovable, event.cpu, &frames);
    bulk_.insert(frames.begin(), frames.end());
  }

  void CompactTake(const TraceEvent& event) {
    compacted_ = true;
    ++step().compaction_frames;
    if (mode_ == ReplayMode::kFollowKernel) {
      Follow(event.frame, Order(0), Migratetype::kMovable, event.cpu);
    } else if (allocator_->Take(event.frame, Order(0), Migratetype::kMovable)) {
      Rename(event.frame, event.frame);
    } else if (const auto frame = allocator_->Allocate(Order(0), Migratetype::kMovable, event.cpu)) {
      Rename(event.frame, *frame);
    }
  }

  static bool IsCompaction(const TraceEvent& event) { return event.task.starts_with("kcompactd"); }

  // What compaction isolated and did not need is freed like any page; that it was taken before is logged nowhere.
  void TakeIsolated(const TraceEvent& event) {
    if (model_frame_.contains(event.frame) || !allocator_->Take(event.frame, event.order, Migratetype::kMovable))
      return;
    ++step().compaction_frames;
  }

  // From now on the kernel's `kernel` means the model's `model`.
  void Rename(FrameNumber kernel, FrameNumber model) {
    if (kernel == model && model_frame_.empty()) return;
    const auto stale = model_frame_.find(kernel);  // its free is missing from the trace
    if (stale != model_frame_.end()) {
      kernel_frame_.erase(stale->second);
      model_frame_.erase(stale);
    }
    if (kernel == model) return;
    model_frame_[kernel] = model;
    kernel_frame_[model] = kernel;
  }

  struct HashFrame {
    size_t operator()(FrameNumber frame) const { return absl::Hash<uint64_t>()(frame.raw()); }
  };

  const std::vector<AllocatorDump>& dumps_;
  const model::AllocatorRules rules_;
  const ReplayMode mode_;
  std::unique_ptr<PageAllocator> allocator_;  // null: before the first dump
  uint32_t cpus_ = 0;
  bool step_dumped_ = false;
  bool compacted_ = false;      // since the last start
  uint64_t batch_ = 0;          // pages of the batch that compaction moves
  uint64_t migrating_ = 0;      // of them, those still to be freed
  bool rest_of_block_ = false;  // the next batch is the second of its pageblock
  FrameNumber compacted_near_;  // a frame of the zone that is compacted
  std::optional<uint64_t> next_tick_us_;
  std::set<FrameNumber> bulk_;  // given to bulk allocations, and not freed yet
  // The frames in use that the two know by different numbers, both ways.
  absl::flat_hash_map<FrameNumber, FrameNumber, HashFrame> model_frame_;
  absl::flat_hash_map<FrameNumber, FrameNumber, HashFrame> kernel_frame_;
  AllocatorReplayResult result_;
};

}  // namespace

uint64_t AllocatorReplayResult::allocations() const {
  uint64_t sum = 0;
  for (const AllocatorStep& step : steps) sum += step.allocations;
  return sum;
}

uint64_t AllocatorReplayResult::equal() const {
  uint64_t sum = 0;
  for (const AllocatorStep& step : steps) sum += step.equal;
  return sum;
}

absl::StatusOr<AllocatorReplayResult> ReplayAllocator(const std::vector<AllocatorDump>& dumps, std::string_view trace,
                                                      model::AllocatorRules rules,
                                                      const AllocatorReplayOptions& options) {
  if (dumps.empty()) return absl::InvalidArgumentError("the capture has no dump of free lists to start from");
  std::optional<uint64_t> phase = options.tick_phase_us;
  if (phase.has_value() && *phase >= kSecondUs) {
    return absl::InvalidArgumentError("tick_phase_us must be below 1,000,000");
  }
  if (!phase.has_value() && rules.pcp_high_follows_load) {
    ASSIGN_OR_RETURN(phase, FindTickPhase(trace));
  }
  Replayer replayer(dumps, rules, options.mode, phase);
  FtraceReader reader(trace);
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<TraceEvent> event, reader.Next());
    if (!event.has_value()) return std::move(replayer).Take();
    RETURN_IF_ERROR(replayer.Add(*event));
  }
}

}  // namespace dmfrag::experiment
