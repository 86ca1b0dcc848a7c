#include "worker/convert/recording_operations.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/support/mix_limits.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/convert/recording_fixture.h"

namespace dmfrag::convert {
namespace {

using recording::Event;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using workload::Operation;
using Kind = Event::Kind;

Event Allocate(uint64_t time_us, uint64_t frame, uint8_t order = 0, uint16_t cpu = 0, uint32_t user = 0) {
  return {.kind = Kind::kAllocate, .order = order, .cpu = cpu, .detail = user, .time_us = time_us, .frame = frame};
}
Event Free(uint64_t time_us, uint64_t frame, uint8_t order = 0, uint16_t cpu = 0) {
  return {.kind = Kind::kFree, .order = order, .cpu = cpu, .time_us = time_us, .frame = frame};
}

// "+3@10" for object 3 created at 10 us, "-" for its end.
std::vector<std::string> Short(const std::string& bytes, const RecordingPace& pace,
                               std::vector<Operation>* all = nullptr) {
  auto reader = recording::Reader::Open(bytes);
  EXPECT_OK(reader.status());
  auto operations = RecordingOperations::Create(reader->get(), pace, /*first_user=*/5, /*first_held_user=*/9);
  EXPECT_OK(operations.status());
  std::vector<std::string> shorts;
  while (const auto operation = (*operations)->Next()) {
    const char* sign = operation->kind == Operation::Kind::kCreate ? "+" : "-";
    shorts.push_back(absl::StrCat(sign, operation->object, "@", operation->time.us()));
    if (all != nullptr) all->push_back(*operation);
  }
  EXPECT_OK((*operations)->status());
  return shorts;
}

TEST(RecordingOperationsTest, ABlockIsAnObjectOnItsProcessor) {
  const std::string bytes = RecordingOf({{"slab", "slab", 2}, {"anon", "anonymous", 1}},
                                        {Allocate(100, 512, 3, 2), Allocate(110, 1024, 0, 1, 1), Free(130, 512, 3, 7)});
  std::vector<Operation> all;
  EXPECT_THAT(Short(bytes, {}, &all), ElementsAre("+0@0", "+1@10", "-0@30"));
  EXPECT_EQ(all[0].order, model::Order(3));
  EXPECT_EQ(all[0].type, model::Migratetype::kReclaimable);
  EXPECT_EQ(all[0].cpu, 2);
  EXPECT_EQ(all[0].user, 5U);
  EXPECT_EQ(all[0].allocations, 1U);
  EXPECT_EQ(all[1].type, model::Migratetype::kMovable);
  EXPECT_EQ(all[1].user, 6U);
  EXPECT_EQ(all[2].order, model::Order(3));
  EXPECT_EQ(all[2].type, model::Migratetype::kReclaimable);
  EXPECT_EQ(all[2].cpu, 7);
  EXPECT_EQ(all[2].user, 5U);
}

TEST(RecordingOperationsTest, ARoundBeginsWithTheEndsOfWhatIsLeft) {
  const std::string bytes =
      RecordingOf({{"slab", "slab"}}, {Allocate(0, 7), Allocate(5, 8), Allocate(6, 9), Free(9, 8)});
  EXPECT_THAT(Short(bytes, {.loops = 2}), ElementsAre("+0@0", "+1@5", "+2@6", "-1@9",  //
                                                      "-0@10", "-2@10", "+3@10", "+4@15", "+5@16", "-4@19"));
}

TEST(RecordingOperationsTest, SpeedScalesTimesExactly) {
  const std::string bytes =
      RecordingOf({{"slab", "slab"}}, {Allocate(50, 7), Allocate(53, 8), Free(57, 8), Free(59, 7)});
  EXPECT_THAT(Short(bytes, {.speed_thousandths = 2000}), ElementsAre("+0@0", "+1@1", "-1@3", "-0@4"));
  EXPECT_THAT(Short(bytes, {.speed_thousandths = 500}), ElementsAre("+0@0", "+1@6", "-1@14", "-0@18"));
  EXPECT_THAT(Short(bytes, {.speed_thousandths = 3000}), ElementsAre("+0@0", "+1@1", "-1@2", "-0@3"));
  // Rounds do not drift: the third begins at 2 * 10 / 3 us.
  EXPECT_EQ(Short(bytes, {.loops = 3, .speed_thousandths = 3000})[8], "+4@6");
}

TEST(RecordingOperationsTest, TheRunIsAsLongAsItsRounds) {
  v1::RecordingEnd end;
  end.set_duration_us(9);
  EXPECT_EQ(DurationOfRecording(end, {}), 10U);
  EXPECT_EQ(DurationOfRecording(end, {.loops = 4}), 40U);
  EXPECT_EQ(DurationOfRecording(end, {.loops = 4, .speed_thousandths = 2000}), 20U);
  EXPECT_EQ(DurationOfRecording(end, {.loops = 1, .speed_thousandths = 3000}), 4U);
  EXPECT_EQ(DurationOfRecording(end, {.loops = 1, .speed_thousandths = 1}), 9001U);
  end.set_duration_us(~uint64_t{0});
  EXPECT_GT(DurationOfRecording(end, {.loops = 1000, .speed_thousandths = 1}), uint64_t{1} << 63);
}

TEST(RecordingOperationsTest, WhatWasHeldBeforeEndsInTheFirstRoundAlone) {
  const std::string bytes = RecordingOf({{"slab", "slab"}}, {Free(0, 100), Allocate(2, 7), Free(5, 64, 2), Free(9, 7)});
  EXPECT_THAT(Short(bytes, {.loops = 2}), ElementsAre("-0@0", "+2@2", "-1@5", "-2@9", "+5@12", "-5@19"));
  auto reader = recording::Reader::Open(bytes);
  ASSERT_OK(reader.status());
  const auto operations = RecordingOperations::Create(reader->get(), {}, 5, 9);
  ASSERT_OK(operations.status());
  const std::vector<experiment::HeldBlock> held = (*operations)->held();
  ASSERT_EQ(held.size(), 2U);
  EXPECT_EQ(held[0].frame, model::FrameNumber(100));
  EXPECT_EQ(held[0].operation.user, 9U);
  EXPECT_EQ(held[1].frame, model::FrameNumber(64));
  EXPECT_EQ(held[1].operation.order, model::Order(2));
  EXPECT_EQ(held[1].operation.object, 1U);
}

// Kinds that change each block alone keep their own calls; code and areas are pages of code.
TEST(RecordingOperationsTest, EveryKindOfUserIsReplayed) {
  v1::RecordingEnd end;
  for (const std::string& kind : UserKindNames()) {
    v1::RecordingUser& user = *end.add_users();
    user.set_name("u");
    user.set_kind(kind);
  }
  const auto users = UsersOfRecording(end);
  ASSERT_OK(users.status());
  std::vector<std::string> permissions;
  for (size_t i = 0; i < users->size(); ++i) {
    const std::optional<workload::Permission>& permission = (*users)[i].permission;
    const std::string& kind = end.users(static_cast<int>(i)).kind();
    const bool is_code = kind == "bpf" || kind == "module" || kind == "trampoline" || kind == "vmalloc";
    if (!permission.has_value()) continue;
    permissions.push_back(kind);
    EXPECT_EQ(permission->name, is_code ? "code_page" : kind);
    EXPECT_EQ(permission->unit, workload::Permission::Unit::kBlock);
    EXPECT_EQ(permission->packs, nullptr);
    EXPECT_NE(permission->set, nullptr);
    EXPECT_NE(permission->reset, nullptr);
  }
  EXPECT_EQ(permissions.size(), 12U);
}

TEST(RecordingOperationsTest, UnknownKindsAreRefused) {
  v1::RecordingEnd end;
  EXPECT_THAT(UsersOfRecording(end), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has no users")));
  v1::RecordingUser& user = *end.add_users();
  user.set_name("mine");
  user.set_kind("secretmen");
  EXPECT_THAT(UsersOfRecording(end),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("user \"mine\": secretmen is no kind of user")));
}

}  // namespace
}  // namespace dmfrag::convert
