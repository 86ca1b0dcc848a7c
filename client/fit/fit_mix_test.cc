#include "client/fit/fit_mix.h"

#include <cmath>
#include <string>
#include <vector>

#include "client/fit/objects.h"
#include "client/fit/sweep_text.h"
#include "client/replay/capture_file.h"
#include "client/sweep/sweep.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using testing::HasSubstr;

using Users = google::protobuf::RepeatedPtrField<v1::RecordingUser>;

constexpr uint64_t kSecond = 1'000'000;

Users TwoUsers() {
  Users users;
  users.Add()->set_name("secret");
  users[0].set_kind("secretmem");
  users.Add()->set_name("code");
  users[1].set_kind("module");
  users.Add()->set_name("files");
  users[2].set_kind("page_cache");
  return users;
}

// `blocks` blocks of one object.
void AddObject(BlockLives& lives, BlockLife life, int blocks) {
  for (int i = 0; i < blocks; ++i) lives.blocks.push_back(life);
}

// Each 100 ms a file of 4 or 12 pages (in turn), which lives for 2 s, for 60 s.
BlockLives SteadyFiles() {
  BlockLives lives{.blocks = {}, .duration_us = 60 * kSecond};
  for (uint64_t i = 1; i < 600; ++i) {
    const uint64_t start = i * kSecond / 10;
    BlockLife life{.start_us = start, .end_us = start + 2 * kSecond, .user = 2, .order = 0, .migratetype = 1};
    if (*life.end_us >= lives.duration_us) life.end_us.reset();
    AddObject(lives, life, i % 2 == 0 ? 4 : 12);
  }
  return lives;
}

TEST(FitMixTest, ObjectsAreBlocksThatCameAndWentTogether) {
  BlockLives lives{.blocks = {}, .duration_us = 10 * kSecond};
  AddObject(lives, {.start_us = 100, .end_us = 5000}, 3);
  AddObject(lives, {.start_us = 150, .end_us = 5'000'000}, 2);
  AddObject(lives, {.start_us = 200, .end_us = 5050}, 1);
  AddObject(lives, {.start_us = 250, .end_us = {}}, 5);
  AddObject(lives, {.start_us = 300, .end_us = 5000, .user = 1}, 1);
  AddObject(lives, {.start_us = 900'000, .end_us = 5050}, 1);
  const std::vector<FitObject> objects = FindObjects(lives, 1000);
  ASSERT_EQ(objects.size(), 5u);
  EXPECT_EQ(objects[0].blocks, 4u);
  EXPECT_EQ(objects[1].blocks, 2u);
  EXPECT_EQ(objects[2].blocks, 5u);
  EXPECT_EQ(objects[3].key.user, 1u);
  EXPECT_EQ(objects[4].start_us, 900'000u);
}

TEST(FitMixTest, ASteadyMixIsFoundAgain) {
  const BlockLives lives = SteadyFiles();
  const absl::StatusOr<FittedMix> fitted = FitMix(lives, TwoUsers(), 1);
  ASSERT_OK(fitted);
  // 8 pages of 10 a second for 2 s.
  EXPECT_NEAR(fitted->expected_live_at_end, 160, 8);
  EXPECT_NEAR(fitted->expected_mean_live, MeanLivePages(lives), MeanLivePages(lives) * 0.05);
  EXPECT_EQ(fitted->mix.users_size(), 2);
  for (const v1::User& user : fitted->mix.users()) {
    ASSERT_TRUE(user.has_ordinary());
    EXPECT_EQ(user.ordinary().migratetype(), v1::MIGRATETYPE_MOVABLE);
    const auto& sizes = user.ordinary().size_allocations();
    EXPECT_TRUE(sizes.constant().value() == 4 || sizes.constant().value() == 12) << user.ShortDebugString();
    // Each of the two comes every 200 ms.
    const v1::Distribution& interval = user.ordinary().interval_us();
    const uint64_t us = interval.has_constant() ? interval.constant().value() : *interval.empirical().values().rbegin();
    EXPECT_NEAR(static_cast<double>(us), 200'000, 2000);
    const v1::Distribution& life = user.ordinary().lifetime_us();
    EXPECT_EQ(life.has_constant() ? life.constant().value() : life.empirical().values(0), 2 * kSecond);
  }
}

TEST(FitMixTest, WhatIsAllocatedFirstAndFreedLastKeepsItsShape) {
  BlockLives lives{.blocks = {}, .duration_us = 100 * kSecond};
  AddObject(lives, {.start_us = 10 * kSecond, .end_us = 50 * kSecond}, 700);
  AddObject(lives, {.start_us = 60 * kSecond, .end_us = {}}, 200);
  AddObject(lives, {.start_us = 70 * kSecond, .end_us = {}, .user = 1}, 30);
  const absl::StatusOr<FittedMix> fitted = FitMix(lives, TwoUsers(), 16);
  ASSERT_OK(fitted);
  EXPECT_NEAR(fitted->expected_live_at_end, 230, 1);
  EXPECT_NEAR(fitted->expected_mean_live, MeanLivePages(lives), MeanLivePages(lives) * 0.1);
  ASSERT_EQ(fitted->mix.users_size(), 3);
  EXPECT_TRUE(fitted->mix.users(0).has_secretmem());
  EXPECT_TRUE(fitted->mix.users(2).has_vmalloc());
}

TEST(FitMixTest, OneBlockAndNone) {
  BlockLives lives{.blocks = {}, .duration_us = 1};
  EXPECT_THAT(FitMix(lives, TwoUsers(), 16),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nothing was allocated")));
  lives.held_blocks = 5;
  EXPECT_THAT(FitMix(lives, TwoUsers(), 16),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nothing was allocated")));
  AddObject(lives, {.start_us = 0, .end_us = {}}, 1);
  lives.held_pages = 7;
  const absl::StatusOr<FittedMix> fitted = FitMix(lives, TwoUsers(), 16);
  ASSERT_OK(fitted);
  EXPECT_EQ(fitted->mix.users_size(), 1);
  EXPECT_THAT(fitted->remarks, testing::Contains(HasSubstr("5 blocks (7 pages) were in use before")));
}

TEST(FitMixTest, AtMost64Users) {
  BlockLives lives{.blocks = {}, .duration_us = 100 * kSecond};
  for (uint64_t i = 0; i < 2000; ++i) {
    AddObject(lives,
              {.start_us = i * 50'000,
               .end_us = i * 50'000 + (i * 7919 % 20 + 1) * kSecond / 4,
               .user = 2,
               .order = static_cast<uint8_t>(i % 11),
               .migratetype = static_cast<uint8_t>(i % 3)},
              static_cast<int>(i % 7) + 1);
  }
  const absl::StatusOr<FittedMix> fitted = FitMix(lives, TwoUsers(), 32);
  ASSERT_OK(fitted);
  EXPECT_LE(fitted->mix.users_size(), 64);
  EXPECT_LE(fitted->mix.phases_size(), 32);
  EXPECT_NEAR(fitted->expected_mean_live, MeanLivePages(lives), MeanLivePages(lives) * 0.05);
}

// The text, to be read by a person; and the sweep's own reader takes it for the same mix.
TEST(SweepTextTest, IsRead) {
  BlockLives lives{.blocks = {}, .duration_us = 100 * kSecond};
  AddObject(lives, {.start_us = 10 * kSecond, .end_us = 50 * kSecond}, 700);
  AddObject(lives, {.start_us = 60 * kSecond, .end_us = {}, .user = 2, .order = 3, .migratetype = 2}, 2);
  const absl::StatusOr<FittedMix> fitted = FitMix(lives, TwoUsers(), 2);
  ASSERT_OK(fitted);
  const std::string text = SweepText({.comments = {"Fitted.", "", "Twice."},
                                      .name = "fit",
                                      .boot_snapshot = "",
                                      .memory_bytes = uint64_t{2} << 30,
                                      .cpus = 2,
                                      .kernel = "6.12",
                                      .duration_us = lives.duration_us},
                                     fitted->mix);
  EXPECT_EQ(text, R"(# Fitted.
#
# Twice.
name: fit

base:
  machine: {memory: 2048MiB, cpus: 2}
  kernel: {cpa_release: 6.12, allocator_release: 6.12}
  cache: none
  length: {duration: 100000000us, sample_interval: 1000000us}
  workload:
    mix:
      users:
        - name: secret-1
          secretmem:
            interval: {constant: {value: 6667300us}}
            size_pages: {constant: {value: 700}}
            lifetime: {constant: {value: 40000000us}}
        - name: files-1
          ordinary:
            migratetype: reclaimable
            order: 3
            interval: {constant: {value: 59999367us}}
            size_allocations: {constant: {value: 2}}
            lifetime: {constant: {value: 200000000us}}
      # Windows of the recording.
      phases:
        - {name: w0, start: 0us, duration: 10000950us, rates: {files-1: 0}}
        - {name: w1, start: 10000950us, duration: 89999050us, rates: {secret-1: 0}}

replicates: 3
)");
  std::vector<CaptureFile> captures;
  const absl::StatusOr<v1::Experiment> sweep = ParseSweep(text, "fit.yaml", &captures);
  ASSERT_OK(sweep);
  EXPECT_EQ(sweep->base().workload().mix().SerializeAsString(), fitted->mix.SerializeAsString());
}

}  // namespace
}  // namespace dmfrag::client
