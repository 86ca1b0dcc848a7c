#include "tests/oracle/page_allocator_program.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/oracle/reference_page_allocator.h"
#include "worker/model/movable_memory.h"
#include "worker/model/numa_topology.h"
#include "worker/model/page_allocator.h"

namespace dmfrag::tests {
namespace {

using model::FrameNumber;
using model::KernelRelease;
using model::Migratetype;
using model::Order;

constexpr size_t kBytesPerOperation = 3;
constexpr size_t kMaxOperations = 1000;
constexpr uint64_t kNormal = uint64_t{1} << 20;  // first frame of that zone

using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;

// Small, so that programs fill them; with holes and odd ends; two of everyday size.
Ranges Machine(unsigned choice) {
  switch (choice) {
    case 0:  // no Normal zone
      return {{0, 159}, {256, 4096 + 8192}};
    case 1:  // all three
      return {{0, 159}, {256, 6144}, {kNormal, kNormal + 8192}};
    case 2:  // holes; ends that no pageblock has
      return {{300, 3000}, {5000, 9217}, {kNormal + 100, kNormal + 4000}, {kNormal + 5120, kNormal + 9999}};
    case 3:  // Normal alone
      return {{kNormal, kNormal + 16384}};
    case 4:  // 512 MiB
      return {{0, 159}, {256, 131072 - 35}};
    case 5:  // 6 GiB
      return {{0, 159}, {256, 786432}, {kNormal, kNormal + 786432}};
    case 6:  // with ZONE_MOVABLE, beside Normal
      return {{0, 159}, {256, 6144}, {kNormal, kNormal + 3000}, {kNormal + 4000, kNormal + 12000}};
    default:  // the same, above DMA32
      return {{0, 159}, {256, 4096 + 12000}};
  }
}

// Where that machine's ZONE_MOVABLE begins.
uint64_t FirstMovable(unsigned choice) {
  switch (choice) {
    case 6:
      return kNormal + 6144;
    case 7:
      return 4096 + 8192;
    default:
      return ReferencePageAllocator::kNoMovable;
  }
}

model::MovableMemory MovableOf(unsigned choice) {
  const uint64_t first = FirstMovable(choice);
  if (first == ReferencePageAllocator::kNoMovable) return {};
  return {.first_frames = {FrameNumber(first)}};
}

model::MemoryMap MapOf(const Ranges& ranges) {
  std::vector<model::ByteRange> bytes;
  for (const auto& [first, end] : ranges) bytes.push_back({first * model::kFrameBytes, end * model::kFrameBytes});
  return *model::MemoryMap::FromUsableRanges(bytes);
}

std::string Text(const std::vector<FrameNumber>& blocks) {
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(blocks.size(), 12); ++i) absl::StrAppend(&text, " ", blocks[i].raw());
  return absl::StrCat(text, blocks.size() > 12 ? " ..." : "", " (", blocks.size(), ")");
}

std::vector<FrameNumber> Frames(const std::list<uint64_t>& list) { return {list.begin(), list.end()}; }

class Lockstep {
 public:
  Lockstep(unsigned machine, unsigned cpus, KernelRelease release, PageAllocatorEvents& events)
      : model_(MapOf(Machine(machine)), model::NumaTopology::OneNode(cpus), model::AllocatorRules::Of(release),
               MovableOf(machine)),
        reference_(Machine(machine), cpus, release, FirstMovable(machine)),
        cpus_(cpus),
        events_(events) {
    Compare();
  }

  void Perform(uint8_t what, uint8_t whose, uint8_t amount) {
    const auto type = static_cast<Migratetype>(whose % 3);
    const unsigned cpu = whose / 3 % cpus_;
    const uint64_t place = (uint64_t{whose} << 8 | amount) * 2654435761u;
    switch (what % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
        return Allocate(1 + amount % 64, 0, type, cpu);
      case 4:
        return Allocate(1 + amount % 16, 1 + what / 16 % 3, type, cpu);
      case 5:
        return Allocate(1 + amount % 8, 4 + what / 16 % 7, type, cpu);
      case 6:
        return Allocate(amount * amount / 16, 9 + what / 16 % 2, type, cpu);  // fills a machine
      case 7:
      case 8:
      case 9:
        return FreeScattered(1 + amount % 64, place, cpu);
      case 10:
      case 11:
        return FreeRun(1 + amount, place, cpu);
      case 12:
        return BulkAllocate(2 + amount, type, cpu);
      case 13:
        return Split(place, what / 16);
      case 14:
        return Quieten(what / 16, place);
      default:
        return FreeEvery(2 + what / 16, amount % 4, cpu);
    }
  }

  bool failed() const { return !difference_.empty(); }
  std::string Failure() const { return absl::StrCat(program_, difference_); }

 private:
  struct Block {
    uint64_t frame;
    unsigned order;
  };

  void Note(const std::string& operation) { absl::StrAppend(&program_, operation, "\n"); }

  // Both gave the same block, or neither did; then it is live.
  void Given(std::optional<FrameNumber> given, std::optional<uint64_t> expected, unsigned order, Migratetype type) {
    if (given.has_value() != expected.has_value() || (given.has_value() && given->raw() != *expected)) {
      difference_ = absl::StrCat("gave frame ", given.has_value() ? absl::StrCat(given->raw()) : "none", ", not ",
                                 expected.has_value() ? absl::StrCat(*expected) : "none");
      return;
    }
    if (!expected.has_value()) {
      ++events_.failures;
      return;
    }
    ++events_.allocations;
    if (model_.PageblockType(FrameNumber(*expected)) != type) ++events_.types_mixed;
    live_.push_back({*expected, order});
  }

  void Allocate(unsigned times, unsigned order, Migratetype type, unsigned cpu) {
    Note(absl::StrCat("allocate ", times, " of order ", order, ", type ", static_cast<int>(type), ", cpu ", cpu));
    for (unsigned i = 0; i < times && !failed(); ++i) {
      const std::optional<FrameNumber> frame = model_.Allocate(Order(order), type, cpu);
      Given(frame, reference_.Allocate(order, type, cpu), order, type);
      if (!frame.has_value()) break;
    }
  }

  void BulkAllocate(unsigned count, Migratetype type, unsigned cpu) {
    Note(absl::StrCat("bulk ", count, ", type ", static_cast<int>(type), ", cpu ", cpu));
    std::vector<FrameNumber> frames;
    const uint64_t given = model_.BulkAllocate(count, type, cpu, &frames);
    const std::vector<uint64_t> expected = reference_.BulkAllocate(count, type, cpu);
    if (given != expected.size() || frames.size() != given) {
      difference_ = absl::StrCat("gave ", given, " frames, not ", expected.size());
      return;
    }
    for (size_t i = 0; i < frames.size() && !failed(); ++i) Given(frames[i], expected[i], 0, type);
    events_.bulk_frames += static_cast<int64_t>(given);
  }

  void Free(const Block& block, unsigned cpu) {
    model_.Free(FrameNumber(block.frame), Order(block.order), cpu);
    reference_.Free(block.frame, block.order, cpu);
    ++events_.frees;
  }

  void FreeScattered(unsigned times, uint64_t place, unsigned cpu) {
    Note(absl::StrCat("free ", times, " scattered, cpu ", cpu));
    for (unsigned i = 0; i < times && !live_.empty(); ++i) {
      place = place * 6364136223846793005u + 1442695040888963407u;
      std::swap(live_[(place >> 33) % live_.size()], live_.back());
      Free(live_.back(), cpu);
      live_.pop_back();
    }
  }

  // Of those given out one after another.
  void FreeRun(unsigned times, uint64_t place, unsigned cpu) {
    if (live_.empty()) return;
    const size_t first = place % live_.size();
    const size_t end = std::min<size_t>(first + times, live_.size());
    Note(absl::StrCat("free ", end - first, " in a row, cpu ", cpu));
    for (size_t i = first; i < end; ++i) Free(live_[i], cpu);
    live_.erase(live_.begin() + static_cast<ptrdiff_t>(first), live_.begin() + static_cast<ptrdiff_t>(end));
  }

  // Every `step`-th of all that live: what makes memory fragmented.
  void FreeEvery(size_t step, size_t first, unsigned cpu) {
    Note(absl::StrCat("free every ", step, "th, cpu ", cpu));
    std::vector<Block> kept;
    for (size_t i = 0; i < live_.size(); ++i) {
      if (i % step == first % step) {
        Free(live_[i], cpu);
      } else {
        kept.push_back(live_[i]);
      }
    }
    live_ = std::move(kept);
  }

  void Split(uint64_t place, unsigned pieces) {
    if (live_.empty()) return;
    std::swap(live_[place % live_.size()], live_.back());
    const Block block = live_.back();
    live_.pop_back();
    pieces = std::min(pieces, block.order);
    Note(absl::StrCat("split frame ", block.frame, " of order ", block.order, " to order ", pieces));
    model_.SplitAllocated(FrameNumber(block.frame), Order(block.order), Order(pieces));
    reference_.Split(block.frame, block.order, pieces);
    for (uint64_t piece = 0; piece < uint64_t{1} << block.order; piece += uint64_t{1} << pieces) {
      live_.push_back({block.frame + piece, pieces});
    }
    ++events_.splits;
  }

  void Quieten(unsigned how, uint64_t place) {
    if (how % 8 == 0) {
      Note("drain");
      model_.DrainPerCpu();
      reference_.Drain();
    } else if (how % 8 == 1 && !live_.empty()) {
      const uint64_t frame = live_[place % live_.size()].frame;
      Note(absl::StrCat("drain the zone of frame ", frame));
      model_.DrainPerCpuOfZone(FrameNumber(frame));
      reference_.DrainZoneOf(frame);
    } else {
      Note("decay");
      model_.DecayPerCpu();
      reference_.Decay();
    }
  }

 public:
  void CheckInvariants() {
    const absl::Status status = model_.CheckInvariants();
    if (!status.ok() && !failed()) difference_ = std::string(status.message());
  }

  // Everything that can be seen of both.
  void Compare() {
    if (failed()) return;
    const model::AllocatorSnapshot snapshot = model_.Snapshot();
    size_t next = 0;
    for (const ReferencePageAllocator::Zone& zone : reference_.zones()) {
      if (zone.per_cpu.empty()) continue;
      if (next == snapshot.zones.size()) {
        difference_ = "fewer zones";
        return;
      }
      CompareZone(snapshot.zones[next++], zone);
      if (failed()) return;
    }
    Expect("zones", snapshot.zones.size(), next);
    Expect("frames given out", model_.allocated_frames().raw(), reference_.allocated_frames());
  }

 private:
  void Expect(const std::string& what, uint64_t is, uint64_t expected) {
    if (is != expected && !failed()) difference_ = absl::StrCat(what, ": ", is, ", not ", expected);
  }

  void CompareZone(const model::ZoneSnapshot& zone, const ReferencePageAllocator::Zone& reference) {
    const std::string name = absl::StrCat("zone at ", reference.first, ": ");
    Expect(absl::StrCat(name, "managed"), zone.managed.raw(), reference.lists.managed_frames());
    Expect(absl::StrCat(name, "min"), zone.min_mark.raw(), reference.min);
    Expect(absl::StrCat(name, "low"), zone.low_mark.raw(), reference.low);
    size_t next = 0;
    for (unsigned order = 0; order < model::kOrders; ++order) {
      for (unsigned type = 0; type < model::kMigratetypes; ++type) {
        const auto expected = Frames(reference.lists.blocks(order, static_cast<Migratetype>(type)));
        CompareList(absl::StrCat(name, "free list"), zone.free, &next, order, type, expected);
      }
    }
    Expect(absl::StrCat(name, "processors"), zone.per_cpu.size(), reference.per_cpu.size());
    for (size_t cpu = 0; cpu < reference.per_cpu.size() && !failed(); ++cpu) {
      ComparePerCpu(absl::StrCat(name, "cpu ", cpu, ": "), zone.per_cpu[cpu], reference.per_cpu[cpu]);
    }
    CompareBlockTypes(name, zone, reference.lists);
  }

  void CompareList(const std::string& name, const std::vector<model::BlockList>& lists, size_t* next, unsigned order,
                   unsigned type, const std::vector<FrameNumber>& expected) {
    if (failed()) return;
    std::vector<FrameNumber> is;
    if (*next < lists.size() && lists[*next].order == Order(order) &&
        lists[*next].type == static_cast<Migratetype>(type)) {
      is = lists[(*next)++].blocks;
    }
    if (is == expected) return;
    difference_ = absl::StrCat(name, " of order ", order, ", type ", type, ":", Text(is), ", not", Text(expected));
  }

  void ComparePerCpu(const std::string& name, const model::PerCpuSnapshot& lists, const ReferencePerCpu& reference) {
    Expect(absl::StrCat(name, "batch"), lists.batch, reference.batch());
    Expect(absl::StrCat(name, "high"), lists.high, reference.high());
    size_t next = 0;
    for (unsigned index = 0; index < ReferencePerCpu::kLists; ++index) {
      CompareList(absl::StrCat(name, "list"), lists.lists, &next, index / 3, index % 3, Frames(reference.list(index)));
    }
    highs_ += lists.high;
  }

  void CompareBlockTypes(const std::string& name, const model::ZoneSnapshot& zone, const ReferenceZone& reference) {
    for (const model::BlockTypeRun& run : zone.block_types) {
      for (uint64_t block = 0; block < run.blocks && !failed(); ++block) {
        const uint64_t frame = run.first.raw() + block * 512;
        if (reference.block_type(frame) == run.type) continue;
        difference_ = absl::StrCat(name, "pageblock at ", frame, " has type ", static_cast<int>(run.type), ", not ",
                                   static_cast<int>(reference.block_type(frame)));
      }
      if (run.type != Migratetype::kMovable) retyped_ += run.blocks;
    }
  }

 public:
  // After each operation.
  void Count() {
    if (highs_ != highs_before_) ++events_.high_changed;
    if (retyped_ != retyped_before_) ++events_.blocks_retyped;
    highs_before_ = std::exchange(highs_, 0);
    retyped_before_ = std::exchange(retyped_, 0);
  }

 private:
  model::PageAllocator model_;
  ReferencePageAllocator reference_;
  unsigned cpus_;
  PageAllocatorEvents& events_;
  std::vector<Block> live_;
  std::string program_;
  std::string difference_;
  uint64_t highs_ = 0;
  uint64_t highs_before_ = 0;
  uint64_t retyped_ = 0;
  uint64_t retyped_before_ = 0;
};

}  // namespace

std::string RunPageAllocatorProgram(std::string_view bytes, PageAllocatorEvents& events, size_t invariants_every) {
  if (bytes.size() < 2) return "";
  static constexpr std::array<KernelRelease, kAllocatorReleases> kReleases = {
      KernelRelease::k6_1, KernelRelease::k6_12, KernelRelease::k6_16, KernelRelease::k7_3};
  static constexpr std::array<unsigned, 4> kCpus = {1, 2, 4, 16};
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const KernelRelease release = kReleases[byte(0) % kAllocatorReleases];
  Lockstep lockstep(byte(0) / kAllocatorReleases % kAllocatorMachines, kCpus[byte(1) % kCpus.size()], release, events);
  bytes.remove_prefix(2);
  for (size_t i = 0; i < kMaxOperations && bytes.size() >= kBytesPerOperation && !lockstep.failed(); ++i) {
    lockstep.Perform(byte(0), byte(1), byte(2));
    lockstep.Compare();
    if (i % invariants_every == 0) lockstep.CheckInvariants();
    lockstep.Count();
    bytes.remove_prefix(kBytesPerOperation);
  }
  return lockstep.failed() ? lockstep.Failure() : "";
}

}  // namespace dmfrag::tests
