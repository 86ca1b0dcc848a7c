#include "client/recording/event_builder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dmfrag/v1/recording.pb.h"
#include "third_party/abseil_extras/status_macros.h"
#include "xxhash.h"

namespace dmfrag::client {
namespace {

using recording::Event;

constexpr uint64_t kMaxOrder = 10;
constexpr uint64_t kMaxFrame = uint64_t{1} << 40;
constexpr unsigned kPageShift = 12;
constexpr uint64_t kPageStructBytes = 64;
// Where the direct map begins without KASLR, with 4 and 5 levels of page tables (arch/x86/include/asm/page_64_types.h).
constexpr uint64_t kDefaultBases[] = {0xffff888000000000, 0xff11000000000000};
// KASLR moves it by whole entries of a PUD (arch/x86/mm/kaslr.c).
constexpr uint64_t kBaseAlignment = uint64_t{1} << 30;
// Address space kept behind the memory that is there, before vmalloc's begins
// (CONFIG_RANDOMIZE_MEMORY_PHYSICAL_PADDING).
constexpr uint64_t kPaddingFrames = (uint64_t{10} << 40) >> kPageShift;
constexpr size_t kCacheEntries = 4096;
constexpr size_t kMaxNameBytes = 256;

}  // namespace

EventBuilder::EventBuilder(recording::Writer* writer, bool with_stacks, std::optional<uint64_t> direct_map_address)
    : writer_(writer), with_stacks_(with_stacks), cache_(kCacheEntries), direct_map_(direct_map_address) {}

bool EventBuilder::SkipBad(const RawEvent& raw, std::string_view what) {
  const std::string reason = "events with a missing or impossible field";
  if (counts_.skipped[reason]++ == 0) {
    Limit(
        absl::StrCat("the first event with a missing or impossible field is at ", raw.place, ": ", std::string(what)));
  }
  return false;
}

absl::Status EventBuilder::CheckTime(const RawEvent& event) {
  if (event.time_us >= last_time_us_) {
    last_time_us_ = event.time_us;
    return absl::OkStatus();
  }
  const uint64_t back = last_time_us_ - event.time_us;
  if (back > kMaxClockStep_us) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "at %d the clock goes back by %d.%06d s: this is more than one boot or recording, or text that was not sorted "
        "by time; split it there, or import what stands before with --partial",
        event.place, back / 1'000'000, back % 1'000'000));
  }
  Skip("events out of order of time, moved up");
  return absl::OkStatus();
}

absl::Status EventBuilder::CheckBase(std::optional<uint64_t>& known, uint64_t address, std::string_view name,
                                     int64_t place) {
  if (known.has_value() && *known != address) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "at %d %s is 0x%x, and was 0x%x before: this is more than one boot; split it there, or import what stands "
        "before with --partial",
        place, std::string(name), address, *known));
  }
  known = address;
  return absl::OkStatus();
}

absl::Status EventBuilder::LearnDirectMap(uint64_t address, int64_t place) {
  if (guessing_) {
    guessing_ = false;
    direct_map_.reset();
  }
  RETURN_IF_ERROR(CheckBase(direct_map_, address, "page_offset_base", place));
  return holding_ ? Release() : absl::OkStatus();
}

std::optional<uint64_t> EventBuilder::FrameOf(uint64_t address) const {
  const uint64_t limit = std::min(kMaxFrame, max_frame_ + kPaddingFrames);
  const auto frame_from = [&](uint64_t base) -> std::optional<uint64_t> {
    if (address < base || (address - base) >> kPageShift >= limit) return std::nullopt;
    return (address - base) >> kPageShift;
  };
  if (direct_map_.has_value()) return frame_from(*direct_map_);
  for (const uint64_t base : kDefaultBases) {
    if (const std::optional<uint64_t> frame = frame_from(base); frame.has_value()) return frame;
  }
  return std::nullopt;
}

bool EventBuilder::MakePages(const RawEvent& raw, Event& event) {
  if (!raw.Has(RawField::kPfn) || !raw.Has(RawField::kOrder)) return SkipBad(raw, "no pfn or no order");
  const uint64_t pfn = raw.Get(RawField::kPfn);
  const uint64_t order = raw.Get(RawField::kOrder);
  if (raw.kind == RawKind::kPageAlloc && (pfn == 0 || pfn == ~uint64_t{0})) {
    Skip("allocations that failed");
    return false;
  }
  if (order > kMaxOrder) return SkipBad(raw, absl::StrCat("order ", order));
  if (pfn >= kMaxFrame) return SkipBad(raw, absl::StrCat("pfn ", pfn));
  if (raw.kind == RawKind::kPageAlloc) {
    if (!raw.Has(RawField::kMigratetype)) return SkipBad(raw, "no migratetype");
    if (raw.Get(RawField::kMigratetype) > 2) {
      return SkipBad(raw, absl::StrCat("migratetype ", raw.Get(RawField::kMigratetype)));
    }
  }
  event.kind = raw.kind == RawKind::kPageAlloc  ? Event::Kind::kAllocate
               : raw.kind == RawKind::kPageFree ? Event::Kind::kFree
                                                : Event::Kind::kPerCpuDrain;
  event.order = static_cast<uint8_t>(order);
  event.frame = pfn;
  max_frame_ = std::max(max_frame_, pfn);
  return true;
}

absl::StatusOr<bool> EventBuilder::MakeChange(const RawEvent& raw, Event& event) {
  if (!raw.Has(RawField::kPage) || !raw.Has(RawField::kVmb)) return SkipBad(raw, "no page or no vmb");
  const uint64_t page = raw.Get(RawField::kPage);
  const uint64_t table = raw.Get(RawField::kVmb);
  RETURN_IF_ERROR(CheckBase(frame_table_, table, "vmemmap_base", raw.place));
  const bool compaction = raw.kind == RawKind::kCompactTake || raw.kind == RawKind::kCompactBack;
  if (compaction && page == 0) {
    Skip("targets that compaction did not find");
    return false;
  }
  if (page < table || (page - table) % kPageStructBytes != 0 || (page - table) / kPageStructBytes >= kMaxFrame) {
    return SkipBad(raw, "page is none of the frame table");
  }
  event.frame = (page - table) / kPageStructBytes;
  event.value = compaction ? 0 : raw.Has(RawField::kPages) ? raw.Get(RawField::kPages) : 1;
  if (!compaction && (event.value == 0 || event.value > kMaxFrame)) return SkipBad(raw, "number of pages");
  max_frame_ = std::max(max_frame_, event.frame);
  switch (raw.kind) {
    case RawKind::kCompactTake:
      event.kind = Event::Kind::kCompactTake;
      return true;
    case RawKind::kCompactBack:
      event.kind = Event::Kind::kCompactBack;
      return true;
    case RawKind::kSetValid:
      if (!raw.Has(RawField::kValid)) return SkipBad(raw, "no valid");
      event.kind = raw.Get(RawField::kValid) != 0 ? Event::Kind::kSetDefault : Event::Kind::kSetInvalid;
      break;
    default:
      event.kind = raw.kind == RawKind::kSetInvalid ? Event::Kind::kSetInvalid : Event::Kind::kSetDefault;
  }
  has_last_change_ = true;
  last_change_frame_ = event.frame;
  last_change_comm_.assign(raw.comm);
  return true;
}

absl::StatusOr<bool> EventBuilder::MakeCpa(const RawEvent& raw, Event& event) {
  const bool after_change = std::exchange(has_last_change_, false) && last_change_comm_ == raw.comm;
  if (raw.Has(RawField::kPob)) RETURN_IF_ERROR(LearnDirectMap(raw.Get(RawField::kPob), raw.place));
  if (!raw.Has(RawField::kVaddr) || !raw.Has(RawField::kPages) || !raw.Has(RawField::kSet) ||
      !raw.Has(RawField::kClear)) {
    return SkipBad(raw, "no vaddr, n, set or clr");
  }
  const uint64_t address = raw.Get(RawField::kVaddr);
  event.kind = Event::Kind::kChangeAttributes;
  event.value = raw.Get(RawField::kPages);
  if (event.value > kMaxFrame) return SkipBad(raw, "number of pages");
  // The kernel asks for it where a section of a module is empty.
  if (event.value == 0) {
    Skip("changes of attributes of no page");
    return false;
  }
  if (!direct_map_.has_value() && after_change) {
    const uint64_t base = address - (last_change_frame_ << kPageShift);
    if (base % kBaseAlignment == 0 && base >= kDefaultBases[1]) RETURN_IF_ERROR(LearnDirectMap(base, raw.place));
  }
  v1::RecordingAttributes attributes;
  attributes.set_set(raw.Get(RawField::kSet));
  attributes.set_clear(raw.Get(RawField::kClear));
  if (raw.Has(RawField::kFlags)) attributes.set_cpa_flags(static_cast<uint32_t>(raw.Get(RawField::kFlags)));
  if (raw.Has(RawField::kForce)) attributes.set_force_split((raw.Get(RawField::kForce) & 1) != 0);
  event.detail = writer_->AttributesNumber(attributes);
  if (!direct_map_.has_value() && !guessing_) {
    holding_ = true;
    event.frame = address;
    return true;
  }
  const std::optional<uint64_t> frame = FrameOf(address);
  if (!frame.has_value()) Skip("changes of attributes outside of the direct map");
  event.frame = frame.value_or(0);
  return frame.has_value();
}

absl::StatusOr<bool> EventBuilder::MakeSplit(const RawEvent& raw, Event& event) {
  if (!raw.Has(RawField::kAddress) || !raw.Has(RawField::kLevel) || !raw.Has(RawField::kBase) ||
      !raw.Has(RawField::kPob) || !raw.Has(RawField::kVmb)) {
    return SkipBad(raw, "no addr, level, base, pob or vmb");
  }
  RETURN_IF_ERROR(LearnDirectMap(raw.Get(RawField::kPob), raw.place));
  RETURN_IF_ERROR(CheckBase(frame_table_, raw.Get(RawField::kVmb), "vmemmap_base", raw.place));
  const uint64_t level = raw.Get(RawField::kLevel);
  if (level != 2 && level != 3) return SkipBad(raw, absl::StrCat("level ", level));
  const std::optional<uint64_t> frame = FrameOf(raw.Get(RawField::kAddress));
  if (!frame.has_value()) {
    Skip("splits outside of the direct map");
    return false;
  }
  const uint64_t table = raw.Get(RawField::kBase) - raw.Get(RawField::kVmb);
  if (raw.Get(RawField::kBase) < raw.Get(RawField::kVmb) || table / kPageStructBytes >= kMaxFrame) {
    return SkipBad(raw, "base is none of the frame table");
  }
  event.kind = Event::Kind::kSplit;
  event.order = level == 2 ? 9 : 18;
  event.frame = *frame;
  event.value = table / kPageStructBytes;
  return true;
}

absl::StatusOr<bool> EventBuilder::Make(const RawEvent& raw, Event& event) {
  switch (raw.kind) {
    case RawKind::kPageAlloc:
    case RawKind::kPageFree:
    case RawKind::kPcpuDrain:
      return MakePages(raw, event);
    case RawKind::kSetInvalid:
    case RawKind::kSetDefault:
    case RawKind::kSetValid:
    case RawKind::kCompactTake:
    case RawKind::kCompactBack:
      return MakeChange(raw, event);
    case RawKind::kCpa:
      return MakeCpa(raw, event);
    case RawKind::kSplit:
      return MakeSplit(raw, event);
    case RawKind::kBulkReturn:
      if (!raw.Has(RawField::kPages) || raw.Get(RawField::kPages) > kMaxFrame) return SkipBad(raw, "no n");
      event.kind = Event::Kind::kBulkAllocate;
      event.value = raw.Get(RawField::kPages);
      return true;
    case RawKind::kMark:
      event.kind = Event::Kind::kMark;
      event.detail = writer_->MarkNumber(raw.text);
      return true;
    case RawKind::kOther:
    case RawKind::kStack:
      break;
  }
  return false;
}

absl::Status EventBuilder::Add(const RawEvent& raw) {
  if (raw.kind == RawKind::kStack) {
    stack_of_ = nullptr;
    for (Waiting& one : waiting_) {
      if (one.open && one.event.cpu == raw.cpu) stack_of_ = &one;
    }
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckTime(raw));
  stack_of_ = nullptr;
  for (Waiting& one : waiting_) one.open &= one.event.cpu != raw.cpu;
  if (raw.kind == RawKind::kOther) {
    Skip("events of other kinds");
    return absl::OkStatus();
  }
  if (raw.cpu > UINT16_MAX) {
    SkipBad(raw, absl::StrCat("cpu ", raw.cpu));
    return absl::OkStatus();
  }
  Event event;
  event.cpu = static_cast<uint16_t>(raw.cpu);
  event.time_us = last_time_us_;
  ASSIGN_OR_RETURN(const bool ours, Make(raw, event));
  if (!ours) return absl::OkStatus();
  const bool has_origin = HasOrigin(event.kind);
  const uint32_t type = raw.kind == RawKind::kPageAlloc ? static_cast<uint32_t>(raw.Get(RawField::kMigratetype)) : 0;
  const std::string_view flags = raw.kind == RawKind::kPageAlloc ? raw.gfp_flags : std::string_view();
  if (!with_stacks_) {
    if (has_origin) event.detail = OriginNumber(raw.comm, flags, type, {});
    return Emit(event);
  }
  if (waiting_.size() == kMaxWaiting) RETURN_IF_ERROR(EndWaiting());
  Waiting& one = waiting_.emplace_back();
  one = {.event = event,
         .comm = std::string(raw.comm),
         .gfp_flags = std::string(flags),
         .migratetype = type,
         .stack = {},
         .open = true,
         .has_origin = has_origin};
  stack_of_ = has_origin ? &one : nullptr;
  return absl::OkStatus();
}

void EventBuilder::AddStackFunction(std::string_view function) {
  if (function.empty()) return;
  if (stack_of_ == nullptr) {
    Skip("lines of call stacks of other events");
  } else if (stack_of_->stack.size() < kMaxStack) {
    stack_of_->stack.emplace_back(function.substr(0, kMaxNameBytes));
  }
}

absl::Status EventBuilder::AddLost(uint64_t count, uint32_t cpu) {
  counts_.lost_unknown |= count == 0;
  counts_.lost = static_cast<int64_t>(
      std::min(static_cast<uint64_t>(counts_.lost) + std::min(count, uint64_t{1} << 60), uint64_t{1} << 61));
  Event event;
  event.kind = Event::Kind::kLost;
  event.cpu = static_cast<uint16_t>(std::min(cpu, uint32_t{UINT16_MAX}));
  event.time_us = last_time_us_;
  event.value = count;
  while (!waiting_.empty()) RETURN_IF_ERROR(EndWaiting());
  return Emit(event);
}

uint32_t EventBuilder::OriginNumber(std::string_view comm, std::string_view gfp_flags, uint32_t migratetype,
                                    const std::vector<std::string>& stack) {
  key_.assign(comm.substr(0, kMaxNameBytes));
  key_.push_back('\0');
  key_.append(gfp_flags);
  key_.push_back(static_cast<char>(migratetype));
  for (const std::string& function : stack) {
    key_.append(function);
    key_.push_back('\n');
  }
  CachedOrigin& cached = cache_[XXH3_64bits(key_.data(), key_.size()) % kCacheEntries];
  if (cached.used && cached.key == key_) return cached.number;
  v1::RecordingOrigin origin;
  // What the kernel prints for a task whose name it no longer knows.
  if (comm != "<...>") origin.set_comm(std::string(comm.substr(0, kMaxNameBytes)));
  origin.set_gfp_flags(std::string(gfp_flags));
  origin.set_migratetype(migratetype);
  for (const std::string& function : stack) origin.add_stack(function);
  cached = {.key = key_, .number = writer_->OriginNumber(origin), .used = true};
  return cached.number;
}

absl::Status EventBuilder::EndWaiting() {
  Waiting one = std::move(waiting_.front());
  if (stack_of_ == &waiting_.front()) stack_of_ = nullptr;
  waiting_.pop_front();
  if (one.has_origin) one.event.detail = OriginNumber(one.comm, one.gfp_flags, one.migratetype, one.stack);
  return Emit(one.event);
}

absl::Status EventBuilder::Write(Event event) {
  ++by_kind_[static_cast<size_t>(event.kind)];
  return writer_->Add(event);
}

absl::Status EventBuilder::Emit(const Event& event) {
  if (!holding_) return Write(event);
  held_.push_back(event);
  if (held_.size() < kMaxHeld) return absl::OkStatus();
  guessing_ = true;
  return Release();
}

absl::Status EventBuilder::Release() {
  // Events that wait for a stack were made while holding too: their addresses become frames here.
  for (Waiting& one : waiting_) held_.push_back(one.event);
  const size_t waiting = waiting_.size();
  const size_t ready = held_.size() - waiting;
  for (size_t i = 0; i < held_.size(); ++i) {
    Event event = held_[i];
    bool ours = true;
    if (event.kind == Event::Kind::kChangeAttributes) {
      const std::optional<uint64_t> frame = FrameOf(event.frame);
      ours = frame.has_value();
      if (ours) event.frame = *frame;
    }
    if (i < ready) {
      if (ours) RETURN_IF_ERROR(Write(event));
      if (!ours) Skip("changes of attributes outside of the direct map");
    } else if (ours) {
      waiting_[i - ready].event = event;
    } else {
      Skip("changes of attributes outside of the direct map");
      waiting_[i - ready].event.value = 0;  // stands for none; see below
    }
  }
  std::erase_if(waiting_, [](const Waiting& one) {
    return one.event.kind == Event::Kind::kChangeAttributes && one.event.value == 0;
  });
  stack_of_ = nullptr;
  held_.clear();
  holding_ = false;
  if (guessing_) {
    Limit(
        "no event gives the address of the direct map: changes of attributes were placed by the kernel's default "
        "addresses, which are wrong if KASLR moved it");
  }
  return absl::OkStatus();
}

absl::Status EventBuilder::Finish() {
  while (!waiting_.empty()) RETURN_IF_ERROR(EndWaiting());
  if (!holding_) return absl::OkStatus();
  guessing_ = true;
  return Release();
}

}  // namespace dmfrag::client
