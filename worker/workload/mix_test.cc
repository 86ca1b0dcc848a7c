#include "worker/workload/mix.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace dmfrag::workload {
namespace {

UserConfig Secretmem(const std::string& name) {
  return {name, SecretmemConfig{Exponential{1000}, Uniform{1, 8}, Exponential{20000}}};
}

UserConfig Ordinary(const std::string& name, Distribution interval) {
  return {name, OrdinaryConfig{model::Migratetype::kMovable, model::Order(2), interval, Constant{3}, Constant{500}}};
}

std::vector<Operation> All(const MixConfig& mix, uint64_t seed, uint64_t horizon_us = 1000000) {
  MixStream stream(mix, Random(seed), SimTime(horizon_us));
  std::vector<Operation> operations;
  while (const auto operation = stream.Next()) operations.push_back(*operation);
  return operations;
}

using Key = std::tuple<SimTime, int, uint64_t, uint64_t>;

std::vector<Key> OfUser(const std::vector<Operation>& operations, uint32_t user) {
  std::vector<Key> keys;
  for (const Operation& op : operations) {
    if (op.user == user) keys.emplace_back(op.time, static_cast<int>(op.kind), op.object, op.allocations);
  }
  return keys;
}

TEST(MixTest, OperationsComeInOrderOfTimeBeforeTheHorizon) {
  const auto operations = All({{Secretmem("s"), Ordinary("o", Exponential{300})}}, 1);
  ASSERT_GT(operations.size(), 5000);
  SimTime last;
  for (const Operation& operation : operations) {
    EXPECT_GE(operation.time, last);
    EXPECT_LT(operation.time, SimTime(1000000));
    last = operation.time;
  }
}

TEST(MixTest, EveryObjectIsCreatedOnceAndDestroyedAtMostOnceAfterwards) {
  std::map<uint64_t, int> state;
  for (const Operation& operation : All({{Secretmem("s")}}, 2)) {
    int& objects = state[operation.object];
    EXPECT_EQ(objects, operation.kind == Operation::Kind::kCreate ? 0 : 1);
    ++objects;
  }
}

TEST(MixTest, AUsersOperationsDependOnNoOtherUser) {
  const auto alone = OfUser(All({{Secretmem("s")}}, 3), 0);
  const auto first = OfUser(All({{Secretmem("s"), Ordinary("o", Exponential{300})}}, 3), 0);
  const auto last = OfUser(All({{Ordinary("o", Constant{10}), Secretmem("t"), Secretmem("s")}}, 3), 2);
  EXPECT_EQ(alone, first);
  EXPECT_EQ(alone, last);
  EXPECT_NE(alone, OfUser(All({{Secretmem("t")}}, 3), 0));
  EXPECT_NE(alone, OfUser(All({{Secretmem("s")}}, 4), 0));
}

// Sizes and lives of the objects that were seen to end, in order of creation.
std::vector<std::pair<uint64_t, uint64_t>> SizesAndLives(const std::vector<Operation>& operations) {
  std::map<uint64_t, Operation> created;
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> found;
  for (const Operation& operation : operations) {
    if (operation.kind == Operation::Kind::kCreate) {
      created[operation.object] = operation;
    } else {
      const Operation& creation = created.at(operation.object);
      found[operation.object] = {creation.allocations, operation.time.us() - creation.time.us()};
    }
  }
  std::vector<std::pair<uint64_t, uint64_t>> values;
  for (uint64_t object = 0; found.contains(object); ++object) values.push_back(found[object]);
  return values;
}

TEST(MixTest, PhasesAndRatesMoveAUserInTimeAndChangeNoneOfItsDraws) {
  const auto plain = SizesAndLives(All({{Secretmem("s")}}, 3));
  MixConfig phased{{Secretmem("s")}};
  phased.users[0].rate_thousandths = 1700;
  phased.phases = {{.window = {.start_us = 100000, .duration_us = 50000, .every_us = 200000, .rate_thousandths = 250},
                    .rates = {{"s", 3000}}}};
  const auto moved = SizesAndLives(All(phased, 3));
  const size_t common = std::min(plain.size(), moved.size());
  ASSERT_GT(common, 400);
  for (size_t i = 0; i < common; ++i) EXPECT_EQ(plain[i], moved[i]) << i;
  EXPECT_NE(OfUser(All({{Secretmem("s")}}, 3), 0), OfUser(All(phased, 3), 0));
}

TEST(MixTest, APhaseOfOthersOrAnAddedUserShiftsNoStream) {
  const auto alone = OfUser(All({{Secretmem("s")}}, 3), 0);
  MixConfig mix{{Ordinary("o", Exponential{300}), Secretmem("s"), Ordinary("p", Constant{70})}};
  mix.phases = {{.window = {.duration_us = 500000}, .rates = {{"o", 5000}, {"p", 0}, {"nobody", 0}}}};
  const auto operations = All(mix, 3);
  EXPECT_EQ(OfUser(operations, 1), alone);
  for (const Operation& operation : operations) {
    EXPECT_TRUE(operation.user != 2 || operation.time >= SimTime(500000));
  }
}

TEST(MixTest, AFastPhaseBringsAsManyMoreObjects) {
  MixConfig mix{{Ordinary("o", Constant{100})}};
  mix.phases = {{.window = {.start_us = 200000, .duration_us = 100000, .rate_thousandths = 3000}, .rates = {}}};
  size_t inside = 0;
  size_t outside = 0;
  for (const Operation& operation : All(mix, 3)) {
    if (operation.kind != Operation::Kind::kCreate) continue;
    ++(operation.time >= SimTime(200000) && operation.time < SimTime(300000) ? inside : outside);
  }
  EXPECT_NEAR(static_cast<double>(inside), 3000, 1);
  EXPECT_NEAR(static_cast<double>(outside), 9000, 1);
}

TEST(MixTest, ALongerHorizonOnlyAddsOperations) {
  const auto shorter = All({{Secretmem("s"), Ordinary("o", Exponential{300})}}, 5, 500000);
  const auto longer = All({{Secretmem("s"), Ordinary("o", Exponential{300})}}, 5, 1000000);
  ASSERT_LT(shorter.size(), longer.size());
  for (size_t i = 0; i < shorter.size(); ++i) {
    EXPECT_EQ(shorter[i].time, longer[i].time);
    EXPECT_EQ(shorter[i].object, longer[i].object);
    EXPECT_EQ(shorter[i].user, longer[i].user);
  }
}

TEST(MixTest, AtTheSameTimeTheFirstUserGoesFirst) {
  const auto operations = All({{Ordinary("b", Constant{100}), Ordinary("a", Constant{100})}}, 6, 301);
  std::vector<std::pair<uint64_t, uint32_t>> order;
  for (const Operation& operation : operations) order.emplace_back(operation.time.us(), operation.user);
  EXPECT_EQ(order,
            (std::vector<std::pair<uint64_t, uint32_t>>{{100, 0}, {100, 1}, {200, 0}, {200, 1}, {300, 0}, {300, 1}}));
}

TEST(MixTest, OperationsSayWhatTheUserIs) {
  for (const Operation& operation : All({{Secretmem("s"), Ordinary("o", Exponential{300})}}, 7)) {
    EXPECT_EQ(operation.order, model::Order(operation.user == 0 ? 0 : 2));
    EXPECT_EQ(operation.type, operation.user == 0 ? model::Migratetype::kUnmovable : model::Migratetype::kMovable);
  }
}

TEST(MixTest, AUserSaysWhatItDoesWithPermissions) {
  EXPECT_EQ(TrafficOf(Ordinary("o", Constant{1})).permission, nullptr);
  EXPECT_EQ(TrafficOf(Secretmem("s")).permission->name, "secretmem");
  EXPECT_EQ(TrafficOf(Secretmem("s")).permission->packs, nullptr);
  const UserConfig bpf = {"b", BpfConfig{Constant{1}, Constant{3}, Constant{320}, Constant{5}}};
  EXPECT_EQ(TrafficOf(bpf).permission->name, "bpf");
  EXPECT_EQ(TrafficOf(bpf).permission->unit, Permission::Unit::kObject);
  ASSERT_NE(TrafficOf(bpf).permission->packs, nullptr);
  EXPECT_EQ(TrafficOf(bpf).permission->packs->bytes, uint64_t{2} << 20);
}

TEST(MixTest, FilesOfThePageCacheHaveNoEndOfTheirOwn) {
  const UserConfig files = {"f", PageCacheConfig{Constant{100}, Constant{4}, 30}};
  const auto operations = All({{files}}, 1, 100000);
  EXPECT_EQ(operations.size(), 999U);
  uint64_t read_again = 0;
  for (const Operation& operation : operations) {
    EXPECT_EQ(operation.kind, Operation::Kind::kCreate);
    ASSERT_LT(operation.detail, 100U);
    read_again += operation.detail < 30 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(read_again), 300, 45);  // three standard deviations
}

// Closed form: live = mean size x mean life / mean interval.
TEST(MixTest, LiveAllocationsMatchTheClosedForm) {
  std::map<uint64_t, uint64_t> live;
  uint64_t sum = 0;
  constexpr uint64_t kHorizon = 20000000;
  const MixConfig mix{{Secretmem("s")}};
  uint64_t total = 0;
  SimTime last;
  for (const Operation& operation : All(mix, 8, kHorizon)) {
    sum += total * (operation.time.us() - last.us());
    last = operation.time;
    if (operation.kind == Operation::Kind::kCreate) {
      live[operation.object] = operation.allocations;
      total += operation.allocations;
    } else {
      total -= live.at(operation.object);
    }
  }
  EXPECT_NEAR(static_cast<double>(sum) / kHorizon, 4.5 * 20000 / 1000, 2);
}

TEST(SimTimeTest, SumsStopAtTheEndOfTime) {
  EXPECT_EQ(SimTime(5).AfterUs(~uint64_t{0}), SimTime(~uint64_t{0}));
  EXPECT_EQ(SimTime(5).AfterUs(6), SimTime(11));
}

}  // namespace
}  // namespace dmfrag::workload
