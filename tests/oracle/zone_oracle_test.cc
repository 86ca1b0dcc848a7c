// The fast buddy lists against the slow ones, on random programs of allocations and frees: the same frames, in the same
// order.
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/oracle/reference_zone.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/zone.h"
#include "worker/workload/random.h"

namespace dmfrag::tests {
namespace {

using model::AllocatorRules;
using model::FrameIndex;
using model::FrameNumber;
using model::FrameState;
using model::KernelRelease;
using model::Migratetype;
using model::Order;
using model::Zone;

constexpr uint64_t kFirst = 4096;
constexpr uint64_t kEnd = kFirst + 8 * 1024;

// Both zones, kept in step.
class Pair {
 public:
  explicit Pair(KernelRelease release)
      : table_(FrameNumber(kEnd)), zone_(&table_, AllocatorRules::Of(release)), reference_(kFirst, kEnd, release) {
    zone_.AddBootMemory({FrameNumber(kFirst), FrameNumber(kEnd)});
  }

  void Allocate(unsigned order, Migratetype type, bool may_fragment) {
    const FrameIndex block =
        zone_.Remove(Order(order), type, may_fragment ? Zone::Fragmentation::kAllowed : Zone::Fragmentation::kAvoided);
    const std::optional<uint64_t> expected = reference_.Allocate(order, type, may_fragment);
    ASSERT_EQ(block != model::kNoFrameIndex, expected.has_value());
    if (!expected.has_value()) return;
    ASSERT_EQ(table_.FrameOf(block).raw(), *expected);
    table_.GiveOut(block, Order(order), type);
    live_.push_back({*expected, order});
  }

  // To the lists of the pageblock's type, or to those of `type`.
  void Free(uint64_t draw, std::optional<Migratetype> type) {
    if (live_.empty()) return;
    std::swap(live_[draw % live_.size()], live_.back());
    const auto [frame, order] = live_.back();
    live_.pop_back();
    const FrameIndex block = table_.IndexOf(FrameNumber(frame));
    table_.TakeBack(block, Order(order));
    if (type.has_value()) {
      zone_.Insert(block, Order(order), *type);
    } else {
      zone_.Insert(block, Order(order));
    }
    reference_.Free(frame, order, type);
  }

  void Compare() {
    ASSERT_OK(zone_.CheckInvariants());
    std::map<std::pair<unsigned, Migratetype>, std::vector<FrameNumber>> lists;
    for (const model::BlockList& list : zone_.Lists()) lists[{list.order.raw(), list.type}] = list.blocks;
    for (unsigned order = 0; order < model::kOrders; ++order) {
      for (unsigned type = 0; type < model::kMigratetypes; ++type) {
        std::vector<FrameNumber> expected;
        for (uint64_t frame : reference_.blocks(order, static_cast<Migratetype>(type))) expected.emplace_back(frame);
        ASSERT_EQ(lists[std::pair(order, static_cast<Migratetype>(type))], expected)
            << "order " << order << " type " << type;
      }
    }
    for (uint64_t frame = kFirst; frame < kEnd; frame += 512) {
      if (!table_.IsTouched(FrameNumber(frame))) continue;
      ASSERT_EQ(table_.block_type(table_.IndexOf(FrameNumber(frame))), reference_.block_type(frame)) << frame;
    }
  }

 private:
  model::FrameTable table_;
  Zone zone_;
  ReferenceZone reference_;
  std::vector<std::pair<uint64_t, unsigned>> live_;
};

// `fill` of 16 steps allocate: programs that fill the zone, that hover, and that empty it.
void RunProgram(uint64_t seed, uint64_t fill, KernelRelease release) {
  SCOPED_TRACE(::testing::Message() << "seed " << seed << " fill " << fill);
  workload::Random random(seed);
  Pair pair(release);
  for (int step = 0; step < 4000 && !::testing::Test::HasFatalFailure(); ++step) {
    SCOPED_TRACE(step);
    if (random.Below(16) < fill) {
      const auto order = static_cast<unsigned>(random.Below(4) == 0 ? random.Below(11) : 0);
      const auto type = static_cast<Migratetype>(random.Below(3));
      const uint64_t times = order == 0 ? 1 + random.Below(16) : 1;
      const bool may_fragment = random.Below(4) != 0;
      for (uint64_t i = 0; i < times; ++i) pair.Allocate(order, type, may_fragment);
    } else {
      const uint64_t times = 1 + random.Below(8);
      for (uint64_t i = 0; i < times; ++i) {
        // In 6.1 a page may come back from a per-CPU list of another type than its pageblock's.
        const uint64_t draw = random.Next();
        const bool other = release == KernelRelease::k6_1 && random.Below(4) == 0;
        pair.Free(draw, other ? std::optional(static_cast<Migratetype>(random.Below(3))) : std::nullopt);
      }
    }
    if (step % 50 == 0) pair.Compare();
  }
  pair.Compare();
}

class ZoneOracleTest : public ::testing::TestWithParam<KernelRelease> {};

TEST_P(ZoneOracleTest, RandomProgramsAgree) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    for (uint64_t fill : {5, 7, 10}) RunProgram(seed, fill, GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(Releases, ZoneOracleTest,
                         ::testing::Values(KernelRelease::k6_1, KernelRelease::k6_12, KernelRelease::k7_3));

}  // namespace
}  // namespace dmfrag::tests
