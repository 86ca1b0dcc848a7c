// Power loss at every sync: what un-synced writes leave is reopened and compared with what was acknowledged.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/sqlite/testing/power_loss_hooks.h"
#include "storage/testing/test_rows.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::storage::sqlite {
namespace {

constexpr int64_t kUnits = 25;
constexpr uint64_t kSeed = 20211;

// A moment of power loss.
struct Moment {
  PowerLossHooks::Image files;
  int64_t acknowledged;  // units 1 to this
};

class PowerLossTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(testing::TempDir(), "/power_loss_test");
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Commits units one after the other and collects every moment.
  std::vector<Moment> Run(Durability durability);
  // Reopens what is left, and returns how many of the acknowledged units are gone.
  int64_t LostUnits(const Moment& moment);

  std::string folder_;
};

Store::Work UnitOf(int64_t id) {
  return [id](Writer& writer) -> absl::Status {
    absl::Status status = MakeExperiment(id, 2, 1, 10 * id)(writer);
    if (status.ok()) status = writer.InsertResult(TestResult(10 * id, id));
    return status;
  };
}

std::vector<Moment> PowerLossTest::Run(Durability durability) {
  std::vector<Moment> moments;
  int64_t acknowledged = 0;  // used on the store's thread, and while that does not run
  PowerLossHooks hooks([&](const PowerLossHooks& now) {
    moments.push_back({now.ImageNow(Unsynced::kDropped, 0), acknowledged});
    for (uint64_t torn = 0; torn < 2; ++torn) {
      moments.push_back({now.ImageNow(Unsynced::kTorn, kSeed + 2 * moments.size() + torn), acknowledged});
    }
  });
  ShimVfs vfs("power_loss", &hooks);
  SqliteOptions options;
  options.vfs = vfs.name();
  options.durability = durability;
  options.checkpoint_frames = 40;
  absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(folder_ + "/run.db", options);
  EXPECT_OK(store);
  for (int64_t id = 1; id <= kUnits; ++id) {
    std::latch done(1);
    (*store)->Commit(UnitOf(id), [&](const absl::Status& status) {
      EXPECT_OK(status);
      acknowledged = id;
      // Also between syncs: right after the acknowledgement.
      moments.push_back({hooks.ImageNow(Unsynced::kDropped, 0), acknowledged});
      done.count_down();
    });
    done.wait();
  }
  store->reset();
  return moments;
}

int64_t PowerLossTest::LostUnits(const Moment& moment) {
  const std::string after = folder_ + "/after";
  std::filesystem::remove_all(after);
  std::filesystem::create_directories(after);
  for (const auto& [name, content] : moment.files) std::ofstream(after + "/" + name, std::ios::binary) << content;
  const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(after + "/run.db", SqliteOptions());
  EXPECT_OK(store);  // quick_check included
  if (!store.ok()) return moment.acknowledged;
  int64_t lost = 0;
  for (int64_t id = 1; id <= kUnits; ++id) {
    const absl::StatusOr<v1::Result> result = (*store)->reader().GetResult(10 * id);
    if (id <= moment.acknowledged && !result.ok()) ++lost;
    if (!result.ok()) continue;
    // Whole or not at all.
    EXPECT_EQ(result->result().SerializeAsString(), TestResult(10 * id, id).result.SerializeAsString());
    EXPECT_OK((*store)->reader().GetResult(10 * id + 1));
    EXPECT_OK((*store)->reader().GetExperiment(id));
  }
  return lost;
}

TEST_F(PowerLossTest, FullDurabilityLosesNothingAcknowledged) {
  const std::vector<Moment> moments = Run(Durability::kFull);
  EXPECT_GT(moments.size(), 3u * kUnits);
  for (size_t i = 0; i < moments.size() && !HasFailure(); ++i) {
    SCOPED_TRACE(absl::StrCat("moment ", i, " of ", moments.size(), ", seed ", kSeed));
    EXPECT_EQ(LostUnits(moments[i]), 0);
  }
}

TEST_F(PowerLossTest, NormalDurabilityLosesTheLastCommitsAloneAndStaysWhole) {
  const std::vector<Moment> moments = Run(Durability::kNormal);
  int64_t most_lost = 0;
  for (size_t i = 0; i < moments.size() && !HasFailure(); ++i) {
    SCOPED_TRACE(absl::StrCat("moment ", i, " of ", moments.size(), ", seed ", kSeed));
    most_lost = std::max(most_lost, LostUnits(moments[i]));
  }
  // That this finds losses shows that the test above could.
  EXPECT_GT(most_lost, 0);
}

}  // namespace
}  // namespace dmfrag::storage::sqlite
