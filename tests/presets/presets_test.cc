// Every preset holds what the closed form says, and a run of it holds what its streams say.
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dmfrag/v1/job_spec.pb.h"
#include "gtest/gtest.h"
#include "proto/support/canonical.h"
#include "proto/support/preset.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/convert/capture_source.h"
#include "worker/convert/run_config_from_spec.h"
#include "worker/experiment/run.h"
#include "worker/workload/closed_form.h"

namespace dmfrag::tests {
namespace {

using workload::MixConfig;
using workload::Operation;
using workload::SimTime;

constexpr uint64_t kSecond = 1'000'000;

// No preset names a capture.
const convert::CaptureDirectory kNoCaptures{""};

experiment::RunConfig ConfigOf(const std::string& preset, const std::string& cache, uint64_t seed) {
  v1::JobSpec spec;
  spec.mutable_workload()->set_preset(preset);
  if (cache == "global") {
    spec.mutable_cache()->mutable_global();
  } else {
    spec.mutable_cache()->mutable_none();
  }
  spec.set_seed(seed);
  const auto canonical = Canonicalize(spec);
  EXPECT_OK(canonical);
  const auto config = convert::RunConfigFromSpec(WithDefaults(*canonical), kNoCaptures);
  EXPECT_OK(config);
  return *config;
}

// What streams alone make of a mix: pages of each user, at moments.
class Balance {
 public:
  Balance(const MixConfig& mix, uint64_t seed, SimTime end)
      : stream_(mix, workload::Random(seed), end), pages_(mix.users.size()), objects_(mix.users.size()) {}

  // All that happens before `time`. Times ascend.
  void PassTo(SimTime time) {
    for (;;) {
      if (!next_.has_value()) next_ = stream_.Next();
      if (!next_.has_value() || next_->time >= time) return;
      Count(*next_);
      next_.reset();
    }
  }
  int64_t pages(size_t user) const { return pages_[user]; }

 private:
  void Count(const Operation& operation) {
    if (operation.kind == Operation::Kind::kCreate) {
      const auto pages = static_cast<int64_t>(operation.allocations << operation.order.raw());
      objects_[operation.user][operation.object] = pages;
      pages_[operation.user] += pages;
    } else {
      const auto object = objects_[operation.user].extract(operation.object);
      pages_[operation.user] -= object.mapped();
    }
  }

  workload::MixStream stream_;
  std::optional<Operation> next_;
  std::vector<int64_t> pages_;
  std::vector<std::unordered_map<uint64_t, int64_t>> objects_;
};

class PresetTest : public testing::TestWithParam<std::string> {};

TEST_P(PresetTest, SaysWhoseMachineItIs) {
  for (const v1::Preset& preset : Presets()) {
    if (preset.name() == GetParam()) {
      EXPECT_GE(preset.about().size(), 100u);
    }
  }
}

// Ten seeds, ten minutes, all users together: 2 %.
TEST_P(PresetTest, HoldsWhatTheClosedFormSays) {
  constexpr uint64_t kMoments = 40;
  constexpr uint64_t kApart = 15 * kSecond;
  const MixConfig mix = ConfigOf(GetParam(), "none", 1).mix;
  double expected = 0;
  for (uint64_t moment = 1; moment <= kMoments; ++moment) {
    for (const workload::UserConfig& user : mix.users) {
      expected += ExpectedLivePagesAt(user, mix, SimTime(moment * kApart));
    }
  }
  constexpr uint64_t kSeeds = 10;
  double measured = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Balance balance(mix, seed, SimTime(kMoments * kApart));
    for (uint64_t moment = 1; moment <= kMoments; ++moment) {
      balance.PassTo(SimTime(moment * kApart));
      for (size_t user = 0; user < mix.users.size(); ++user) measured += static_cast<double>(balance.pages(user));
    }
  }
  EXPECT_NEAR(measured / kSeeds / expected, 1, 0.02);
  RecordProperty("mean_live_mib", static_cast<int>(expected / kMoments / 256));
}

// Users whose pages are their objects' own: all but those of packs and pools.
bool HasOwnPages(const workload::UserConfig& user) {
  return !std::holds_alternative<workload::BpfConfig>(user.kind) &&
         !std::holds_alternative<workload::GraphicsConfig>(user.kind) &&
         !std::holds_alternative<workload::ModuleConfig>(user.kind);
}

TEST_P(PresetTest, RunsHoldWhatTheirStreamsSay) {
  for (const char* cache : {"none", "global"}) {
    experiment::RunConfig config = ConfigOf(GetParam(), cache, 7);
    config.length = {.duration_us = 20 * kSecond, .warmup_us = 0, .sample_interval_us = 0};
    const auto result = experiment::Run(config);
    ASSERT_OK(result);
    Balance balance(config.mix, 7, SimTime(20 * kSecond));
    balance.PassTo(SimTime(20 * kSecond));
    for (size_t user = 0; user < config.mix.users.size(); ++user) {
      // What fails is for callers alone that cannot sleep.
      const model::EventCounters& events = result->users[user].events;
      EXPECT_EQ(events.allocations_failed, events.atomic_denials) << config.mix.users[user].name;
      EXPECT_TRUE(events.atomic_denials == 0 || config.mix.users[user].atomic_per_mille > 0);
      if (!HasOwnPages(config.mix.users[user]) || events.atomic_denials > 0) continue;
      EXPECT_EQ(result->users[user].live_pages, balance.pages(user)) << cache << " " << config.mix.users[user].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Presets, PresetTest, testing::ValuesIn(PresetNames()), [](const auto& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
});

}  // namespace
}  // namespace dmfrag::tests
