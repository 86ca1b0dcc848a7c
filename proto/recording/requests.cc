#include "proto/recording/requests.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/recording/frames_in_use.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::recording {
namespace {

using Block = FramesInUse::Block;
using Kind = Event::Kind;

constexpr uint8_t kMaxOrder = 10;
constexpr uint8_t kOrderOf2M = 9;
// One call changes no more than this; larger figures are cut.
constexpr uint64_t kMaxPagesOfChange = uint64_t{1} << 18;
// Bits of an entry: arch/x86/include/asm/pgtable_types.h.
constexpr uint64_t kPresent = 1;
constexpr uint64_t kWritable = 2;

// What happens to a block while it is in use, as far as it decides whose it is.
enum class Change : uint8_t {
  kNone,
  kOther,
  kNotPresent,
  kReadOnly,
  kIsTable,  // it became a page table of the direct map: nobody asked for it, the split did
};

// What the first pass finds out about an allocation: in one byte, since there is one for each.
class Fate {
 public:
  Fate(Change change, uint8_t order) : bits_(static_cast<uint8_t>(static_cast<uint8_t>(change) << 4 | order)) {}
  Change change() const { return static_cast<Change>(bits_ >> 4); }
  uint8_t order() const { return bits_ & 0x0F; }  // of the parts it is freed in

 private:
  uint8_t bits_;
};

// __GFP_DIRECT_RECLAIM by the names that imply it (include/linux/gfp_types.h), or by its bit, which has been 0x400
// since 4.20.
bool CanSleep(std::string_view flags) {
  if (flags.empty()) return true;  // not recorded
  if (flags.starts_with("0x")) {
    uint64_t bits = 0;
    return !absl::SimpleHexAtoi(absl::string_view(flags.data(), flags.size()), &bits) || (bits & 0x400) != 0;
  }
  static constexpr std::array<std::string_view, 7> kSleeping = {
      "GFP_KERNEL", "GFP_USER", "GFP_HIGHUSER", "GFP_NOFS", "GFP_NOIO", "__GFP_DIRECT_RECLAIM", "__GFP_RECLAIM"};
  const auto holds = [flags](std::string_view name) { return flags.find(name) != std::string_view::npos; };
  if (std::any_of(kSleeping.begin(), kSleeping.end(), holds)) return true;
  return holds("GFP_TRANSHUGE") && !holds("GFP_TRANSHUGE_LIGHT");
}

// CPA allocates nothing but page tables (arch/x86/mm/pat/set_memory.c, __change_page_attr and split_large_page, which
// compilers inline into one another).
bool IsTableOfSplit(const v1::RecordingOrigin& origin) {
  return std::any_of(origin.stack().begin(), origin.stack().end(), [](const std::string& function) {
    return function.starts_with("__change_page_attr") || function.starts_with("split_large_page");
  });
}

Change ChangeOf(const v1::RecordingAttributes& attributes) {
  const uint64_t taken = attributes.clear() & ~attributes.set();
  if ((taken & kPresent) != 0) return Change::kNotPresent;
  if ((taken & kWritable) != 0) return Change::kReadOnly;
  const bool is_nothing = attributes.set() == 0 && attributes.clear() == 0 && !attributes.force_split();
  return is_nothing ? Change::kNone : Change::kOther;
}

uint32_t UserOf(const v1::OriginUsers& users, Change change) {
  switch (change) {
    case Change::kNotPresent:
      return users.not_present();
    case Change::kReadOnly:
      return users.read_only();
    case Change::kOther:
      return users.other();
    default:
      return users.unchanged();
  }
}

// The largest block of the page allocator's that begins at `frame` and has no more than `frames` frames.
uint8_t OrderAt(uint64_t frame, uint64_t frames) {
  const int aligned = frame == 0 ? kMaxOrder : std::countr_zero(frame);
  return static_cast<uint8_t>(std::min({aligned, static_cast<int>(std::bit_width(frames)) - 1, int{kMaxOrder}}));
}

}  // namespace

// One reading of the events. The first finds what happens to each block, and which were held before; the second gives
// the requests out. Both see the same allocations in the same order, since they see the same frames in use.
struct RequestStream::Pass {
  explicit Pass(Reader* from) : reader(from) {
    for (const v1::RecordingOrigin& origin : from->tables().origins()) {
      can_sleep.push_back(CanSleep(origin.gfp_flags()));
      is_table.push_back(IsTableOfSplit(origin));
    }
  }

  absl::Status Apply(const Event& event) {
    if (!first_time_us.has_value()) first_time_us = event.time_us;
    if (HasOrigin(event.kind)) last_origin = event.detail;
    switch (event.kind) {
      case Kind::kAllocate:
        return Allocate(event);
      case Kind::kFree:
        return Free(event);
      case Kind::kCompactTake:
        targets.push_back({event.frame, event.detail});
        return absl::OkStatus();
      case Kind::kCompactBack:
        std::erase_if(targets, [&](const Target& target) { return target.frame == event.frame; });
        return absl::OkStatus();
      case Kind::kSetInvalid:
        SetInvalid(event);
        return absl::OkStatus();
      case Kind::kSetDefault:
        SetDefault(event);
        return absl::OkStatus();
      case Kind::kChangeAttributes:
        ChangeAttributes(event);
        return absl::OkStatus();
      case Kind::kSplit:
        ++(event.order == kOrderOf2M ? totals.splits_2m : totals.splits_1g);
        if (out == nullptr) NoteTable(event.value);
        return absl::OkStatus();
      default:
        return absl::OkStatus();
    }
  }

  absl::Status CheckBlock(const Event& event) const {
    if (event.order <= kMaxOrder) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("recording: a block of order ", static_cast<int>(event.order),
                                                   " is allocated or freed; blocks have orders 0 to 10"));
  }

  absl::Status Allocate(const Event& event) {
    RETURN_IF_ERROR(CheckBlock(event));
    const uint64_t frame = event.frame >> event.order << event.order;
    if (in_use.IsAnyInUse(frame, event.order)) {
      ++totals.implied_frees;
      FreeRange(event, frame, event.order);
    }
    ++totals.allocations;
    PutNew(event, frame, event.order, event.detail, Change::kNone);
    if (out == nullptr && is_table[event.detail]) NoteTable(frame);
    return absl::OkStatus();
  }

  // A new allocation, which stands at `event`.
  void PutNew(const Event& event, uint64_t frame, uint8_t order, uint32_t origin, Change change) {
    const uint64_t allocation = next_allocation++;
    totals.allocated_pages += int64_t{1} << order;
    if (out == nullptr) {
      fates.emplace_back(change, order);
      in_use.Put({.frame = frame, .order = order, .number = allocation, .record = kIsNew});
      return;
    }
    const Fate fate = fates[allocation];
    if (fate.change() == Change::kIsTable) {
      in_use.Put({.frame = frame, .order = order, .number = kNoBlock});
      return;
    }
    const uint64_t frames = uint64_t{1} << fate.order();
    for (uint64_t part = frame; part < frame + (uint64_t{1} << order); part += frames) {
      const uint32_t user = UserOf(reader->end().origin_users(static_cast<int>(origin)), fate.change());
      in_use.Put({.frame = part,
                  .order = fate.order(),
                  .number = next_block,
                  .record = user,
                  .is_part = fate.order() < order});
      Emit({.kind = Request::Kind::kAllocate,
            .order = fate.order(),
            .migratetype = static_cast<uint8_t>(
                std::min(reader->tables().origins(static_cast<int>(origin)).migratetype(), uint32_t{2})),
            // Whoever changes permissions takes a mutex, however the page came.
            .can_sleep = fate.change() != Change::kNone || can_sleep[origin],
            .cpu = event.cpu,
            .user = user,
            .origin = origin,
            .time_us = event.time_us - *first_time_us,
            .block = next_block++,
            .frame = part});
    }
  }

  // A block that was in use before the first event, as `event` shows. The second pass has them from the beginning.
  void PutHeld(const Event& event, uint64_t frame, uint8_t order, Change change) {
    const uint32_t user = UserOf(reader->end().origin_users(static_cast<int>(last_origin)), change);
    in_use.Put({.frame = frame, .order = order, .number = held.size(), .record = kWasHeld});
    held.push_back({.kind = Request::Kind::kAllocate,
                    .order = order,
                    .cpu = event.cpu,
                    .user = user,
                    .time_us = 0,
                    .block = held.size(),
                    .frame = frame});
  }

  absl::Status Free(const Event& event) {
    RETURN_IF_ERROR(CheckBlock(event));
    const uint64_t frame = event.frame >> event.order << event.order;
    if (!in_use.IsAnyInUse(frame, event.order)) {
      if (in_use.WasAnyNamed(frame, event.order)) {
        ++totals.implied_allocations;
        PutNew(event, frame, event.order, event.detail, Change::kNone);
      } else {
        PutHeld(event, frame, event.order, Change::kNone);
      }
    }
    if (IsMigrated(event)) {
      in_use.Move(frame, targets.front().frame);
      targets.pop_front();
      return absl::OkStatus();
    }
    FreeRange(event, frame, event.order);
    return absl::OkStatus();
  }

  // Compaction, which took a target for it, frees the old place of a page.
  bool IsMigrated(const Event& event) const {
    if (targets.empty() || event.order != 0) return false;
    const auto& origins = reader->tables().origins();
    if (origins.Get(static_cast<int>(event.detail)).comm() !=
        origins.Get(static_cast<int>(targets.front().origin)).comm()) {
      return false;
    }
    const Block* block = in_use.Find(event.frame);
    // Parts are told from whole blocks by what comes later; both passes must see the same.
    return block != nullptr && block->order == 0 && !block->is_part && !in_use.IsInUse(targets.front().frame);
  }

  void FreeRange(const Event& event, uint64_t frame, uint8_t order) {
    for (const Block& block : in_use.Take(frame, order)) {
      if (IsTable(block)) continue;
      const bool was_held = out == nullptr ? block.record == kWasHeld : block.number < held.size();
      const int64_t pages = int64_t{1} << block.order;
      if (was_held) {
        ++totals.frees_of_held;
      } else {
        ++totals.frees;
        totals.freed_pages += pages;
      }
      if (out == nullptr) {
        NoteOrder(block, was_held);
        continue;
      }
      Emit({.kind = Request::Kind::kFree,
            .order = block.order,
            .cpu = event.cpu,
            .user = was_held ? held[block.number].user : block.record,
            .time_us = event.time_us - *first_time_us,
            .block = block.number,
            .frame = block.frame});
    }
  }

  void NoteOrder(const Block& block, bool was_held) {
    if (was_held) return;
    Fate& fate = fates[block.number];
    fate = Fate(fate.change(), std::min(fate.order(), block.order));
  }

  // Tables of the direct map are the model's own affair: it makes one for each of its own splits.
  void NoteTable(uint64_t frame) {
    const Block* block = in_use.Find(frame);
    if (block == nullptr || block->record != kIsNew || block->order != 0 || block->is_part || IsTable(*block)) return;
    fates[block->number] = Fate(Change::kIsTable, 0);
    --totals.allocations;
    --totals.allocated_pages;
    ++totals.table_pages;
  }

  bool IsTable(const Block& block) const {
    if (out != nullptr) return block.number == kNoBlock;
    return block.record == kIsNew && fates[block.number].change() == Change::kIsTable;
  }

  // A page that is no block of the recording loses its place in the direct map: vfree takes back the permissions of
  // code whose allocation was not logged.
  void SetInvalid(const Event& event) {
    ForEachFrame(event, [&](uint64_t frame) {
      if (Note(frame, Change::kNotPresent)) return;
      if (in_use.WasAnyNamed(frame, 0)) {
        ++totals.implied_allocations;
        PutNew(event, frame, 0, last_origin, Change::kReadOnly);
      } else {
        PutHeld(event, frame, 0, Change::kReadOnly);
      }
    });
  }

  // One that gets it back was there before.
  void SetDefault(const Event& event) {
    ForEachFrame(event, [&](uint64_t frame) {
      if (!in_use.IsInUse(frame) && !in_use.WasAnyNamed(frame, 0)) PutHeld(event, frame, 0, Change::kNotPresent);
    });
  }

  void ChangeAttributes(const Event& event) {
    const Change change = ChangeOf(reader->tables().attributes(static_cast<int>(event.detail)));
    // Without any origin nobody allocates.
    if (change == Change::kNone || reader->tables().origins().empty()) return;
    if (change == Change::kNotPresent) return SetInvalid(event);
    const uint64_t end = event.frame + std::min(event.value, kMaxPagesOfChange);
    for (uint64_t frame = event.frame; frame < end;) {
      if (Note(frame, change) || change == Change::kOther) {
        ++frame;
        continue;
      }
      // Allocated in bulk just before, as vmalloc does.
      uint64_t free_frames = 1;
      while (frame + free_frames < end && !in_use.IsInUse(frame + free_frames)) ++free_frames;
      const uint8_t order = OrderAt(frame, free_frames);
      ++totals.implied_allocations;
      PutNew(event, frame, order, last_origin, change);
      frame += uint64_t{1} << order;
    }
  }

  template <typename Visit>
  static void ForEachFrame(const Event& event, const Visit& visit) {
    const uint64_t pages = std::min(event.value, kMaxPagesOfChange);
    for (uint64_t frame = event.frame; frame < event.frame + pages; ++frame) visit(frame);
  }

  // The block that holds `frame` was changed; false: there is none. The first change that takes a right says whose it
  // is.
  bool Note(uint64_t frame, Change change) {
    const Block* block = in_use.Find(frame);
    if (block == nullptr) return false;
    if (out == nullptr && block->record == kIsNew) {
      Fate& fate = fates[block->number];
      const bool is_first = fate.change() < Change::kNotPresent;
      if (is_first) fate = Fate(std::max(fate.change(), change), fate.order());
    }
    return true;
  }

  void Emit(const Request& request) { out->push_back(request); }

  // Records of blocks in the first pass; in the second they are users.
  static constexpr uint32_t kIsNew = 0;
  static constexpr uint32_t kWasHeld = 1;
  static constexpr uint64_t kNoBlock = ~uint64_t{0};

  struct Target {
    uint64_t frame = 0;
    uint32_t origin = 0;
  };

  Reader* reader;
  std::vector<bool> can_sleep;  // by origin
  std::vector<bool> is_table;   // likewise
  FramesInUse in_use;
  std::deque<Target> targets;  // of compaction, not used yet
  std::vector<Fate> fates;     // by allocation
  std::vector<Request> held;
  uint64_t next_allocation = 0;
  uint64_t next_block = 0;
  uint32_t last_origin = 0;
  std::optional<uint64_t> first_time_us;
  RequestTotals totals;
  std::deque<Request>* out = nullptr;  // null: the first pass
};

RequestStream::RequestStream() = default;
RequestStream::~RequestStream() = default;

absl::StatusOr<std::unique_ptr<RequestStream>> RequestStream::Create(Reader* reader) {
  std::unique_ptr<RequestStream> stream(new RequestStream());
  stream->reader_ = reader;
  Pass first(reader);
  reader->Rewind();
  for (;;) {
    ASSIGN_OR_RETURN(const std::span<const Event> block, reader->NextBlock());
    if (block.empty()) break;
    for (const Event& event : block) RETURN_IF_ERROR(first.Apply(event));
  }
  reader->Rewind();
  stream->totals_ = first.totals;
  stream->totals_.live_pages = first.totals.allocated_pages - first.totals.freed_pages;
  stream->held_before_ = first.held;
  stream->pass_ = std::make_unique<Pass>(reader);
  Pass& second = *stream->pass_;
  second.fates = std::move(first.fates);
  second.held = std::move(first.held);
  second.next_block = second.held.size();
  second.out = &stream->ready_;
  for (const Request& block : second.held) {
    second.in_use.Put({.frame = block.frame, .order = block.order, .number = block.block, .record = block.user});
  }
  return stream;
}

absl::StatusOr<std::optional<Request>> RequestStream::Next() {
  while (ready_.empty()) {
    if (next_event_ == block_.size()) {
      ASSIGN_OR_RETURN(block_, reader_->NextBlock());
      next_event_ = 0;
      if (block_.empty()) return std::nullopt;
    }
    RETURN_IF_ERROR(pass_->Apply(block_[next_event_++]));
  }
  const Request request = ready_.front();
  ready_.pop_front();
  return request;
}

}  // namespace dmfrag::recording
