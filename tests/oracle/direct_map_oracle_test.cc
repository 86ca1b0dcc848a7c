// The fast direct map against the slow one, on random programs of requests.
#include <optional>
#include <sstream>

#include "gtest/gtest.h"
#include "tests/oracle/reference_direct_map.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/workload/random.h"

namespace dmfrag::tests {
namespace {

using model::AttributeRequest;
using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using workload::Random;

// A gibibyte with holes in it, then one that is whole.
const std::vector<model::ByteRange>& Memory() {
  static const auto& memory = *new std::vector<model::ByteRange>{
      {0, 0x9f000}, {0x100000, 0x3fe00000}, {0x3ff00000, 0x3ffff000}, {0x40000000, 0x80000000}};
  return memory;
}

class SuppliedTables : public model::TablePageSource {
 public:
  std::optional<FrameNumber> TakeTable(model::MapLevel, FrameNumber) override {
    if (left == 0) return std::nullopt;
    --left;
    return FrameNumber(++taken);
  }
  void ReturnTable(FrameNumber) override { ++returned; }
  uint64_t left = ~uint64_t{0};
  uint64_t taken = 0;
  uint64_t returned = 0;
};

EntryFlags RandomFlags(Random& random) {
  static constexpr uint16_t kChoices[] = {
      EntryFlags::kPresent,      EntryFlags::kWritable, EntryFlags::kPresent | EntryFlags::kWritable,
      EntryFlags::kCacheDisable, EntryFlags::kDirty,    EntryFlags::kNoExecute,
      EntryFlags::kKernel4K};
  return EntryFlags(kChoices[random.Below(std::size(kChoices))]);
}

AttributeRequest RandomRequest(Random& random, uint64_t end) {
  static constexpr uint64_t kAlignments[] = {1, 1, 1, 512, 512, 262144};
  static constexpr uint64_t kLengths[] = {1, 1, 2, 33, 511, 512, 513, 1024, 262144};
  AttributeRequest request;
  // Few blocks, so that requests meet.
  uint64_t first = random.Below(2) == 0 ? random.Below(4096) : random.Below(end + 1024);
  const uint64_t alignment = kAlignments[random.Below(std::size(kAlignments))];
  first = first / alignment * alignment;
  request.range = {FrameNumber(first), FrameNumber(first) + FrameCount(kLengths[random.Below(std::size(kLengths))])};
  (random.Below(2) == 0 ? request.set : request.clear) = RandomFlags(random);
  if (random.Below(8) == 0) request.clear = request.clear.With(RandomFlags(random)).Without(request.set);
  request.force_4k = random.Below(16) == 0;
  request.array = random.Below(16) == 0 && request.range.count() <= FrameCount(1024);
  request.collapse = random.Below(4) == 0;
  request.flush = random.Below(4) != 0;
  return request;
}

std::string Print(const AttributeRequest& request) {
  std::ostringstream text;
  text << "[" << request.range.first.raw() << ", " << request.range.end.raw() << ") set " << std::hex
       << request.set.raw() << " clear " << request.clear.raw() << std::dec << (request.force_4k ? " force" : "")
       << (request.array ? " array" : "") << (request.collapse ? " collapse" : "") << (request.flush ? "" : " noflush")
       << "\n";
  return text.str();
}

void ExpectSameFrames(const model::DirectMap& map, const ReferenceDirectMap& reference, const std::string& program) {
  uint64_t different = 0;
  for (uint64_t i = 0; i < reference.pages().size(); ++i) {
    const auto leaf = map.Lookup(FrameNumber(i));
    const ReferenceDirectMap::Page page =
        leaf.has_value() ? ReferenceDirectMap::Page{true, leaf->level, leaf->flags} : ReferenceDirectMap::Page{};
    if (!(page == reference.pages()[i]) && ++different == 1) ADD_FAILURE() << "frame " << i << " after\n" << program;
  }
}

void RunProgram(uint64_t seed, int requests, bool scarce_tables) {
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  model::DirectMap map =
      model::DirectMap::Boot(*model::MemoryMap::FromUsableRanges(Memory()), {}, EntryFlags::PageKernel());
  ReferenceDirectMap reference(map);
  model::DirectMapCounters counters = model::DirectMapCounters::Of(map);
  SuppliedTables tables;
  model::AttributeChanger changer(&map, &counters, &tables, model::TlbFlushes(2),
                                  model::CpaRules::Of(model::KernelRelease::k6_16));
  model::EventCounters events;
  std::string program;
  for (int i = 0; i < requests && !::testing::Test::HasFailure(); ++i) {
    const AttributeRequest request = RandomRequest(random, map.end().raw());
    program += Print(request);
    if (scarce_tables) tables.left = reference.tables_left = random.Below(3);
    const bool done = changer.Change(request, events) == model::CpaOutcome::kDone;
    ASSERT_EQ(done, reference.Change(request)) << program;
    ASSERT_EQ(map.counts(), reference.Counts()) << program;
    ASSERT_EQ(events.splits_2m, reference.splits_2m) << program;
    ASSERT_EQ(events.splits_1g, reference.splits_1g) << program;
    ASSERT_EQ(events.collapses_2m, reference.collapses_2m) << program;
    ASSERT_EQ(events.collapses_1g, reference.collapses_1g) << program;
    if (i % 10 == 9) ExpectSameFrames(map, reference, program);
  }
  ExpectSameFrames(map, reference, program);
  EXPECT_OK(map.CheckInvariants());
  // The kernel's counters go along with the map, from the same start and without its quirks.
  EXPECT_EQ(counters.pages_4k, map.counts().pages_4k);
  EXPECT_EQ(counters.pages_2m, map.counts().pages_2m);
  EXPECT_EQ(counters.pages_1g, map.counts().pages_1g);
  EXPECT_EQ(events.table_pages, events.splits_2m + events.splits_1g);
  EXPECT_LE(tables.returned, tables.taken);
}

TEST(DirectMapOracleTest, RandomProgramsAgree) {
  for (uint64_t seed = 1; seed <= 12; ++seed) RunProgram(seed, 60, /*scarce_tables=*/false);
}

TEST(DirectMapOracleTest, RandomProgramsAgreeWhenTablesAreScarce) {
  for (uint64_t seed = 101; seed <= 106; ++seed) RunProgram(seed, 60, /*scarce_tables=*/true);
}

}  // namespace
}  // namespace dmfrag::tests
