#include "worker/workload/capture_operations.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::workload {
namespace {

using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using Json = nlohmann::json;

Json Steps(const std::string& steps) { return Json::parse("{\"steps\": [" + steps + "]}"); }

std::vector<StepOperations> Parse(const std::string& steps) {
  auto operations = ParseOperations(Steps(steps));
  EXPECT_OK(operations);
  return operations.ok() ? *std::move(operations) : std::vector<StepOperations>();
}

TEST(CaptureOperationsTest, FunctionsComeFromResultLines) {
  const auto steps = Parse(R"({"i": 3, "action": "dmat set_memory_ro 0 512", "result": [
      "DM call set_memory_ro 1073152 512 => 0", "DM page set_direct_map_invalid_noflush 77 => -12", "RES sh 0"]})");
  ASSERT_EQ(steps.size(), 1U);
  EXPECT_EQ(steps[0].step, 3);
  ASSERT_EQ(steps[0].functions.size(), 2U);
  EXPECT_EQ(steps[0].functions[0].function, "set_memory_ro");
  EXPECT_EQ(steps[0].functions[0].first, FrameNumber(1073152));
  EXPECT_EQ(steps[0].functions[0].pages, FrameCount(512));
  EXPECT_EQ(steps[0].functions[1].pages, FrameCount(1));
  EXPECT_EQ(steps[0].functions[1].result, -12);
}

TEST(CaptureOperationsTest, SecretAreasAreTouchedAndFreed) {
  const auto steps = Parse(R"({"i": 0, "action": "secret a 3", "pfns": [{"name": "a", "n": 3, "list": [9, null, 7]}]},
                              {"i": 1, "action": "free a"}, {"i": 2, "action": "pfree b 2"})");
  ASSERT_EQ(steps.size(), 3U);
  ASSERT_EQ(steps[0].secrets.size(), 1U);
  EXPECT_EQ(steps[0].secrets[0].kind, SecretOperation::Kind::kTouch);
  EXPECT_EQ(steps[0].secrets[0].frames,
            (std::vector<std::optional<FrameNumber>>{FrameNumber(9), std::nullopt, FrameNumber(7)}));
  EXPECT_FALSE(steps[0].several_threads);
  ASSERT_EQ(steps[1].secrets.size(), 1U);
  EXPECT_EQ(steps[1].secrets[0].kind, SecretOperation::Kind::kFree);
  EXPECT_EQ(steps[1].secrets[0].area, "a");
  ASSERT_EQ(steps[2].secrets.size(), 2U);
  EXPECT_EQ(steps[2].secrets[1].area, "b.1");
  EXPECT_TRUE(steps[2].several_threads);
}

TEST(CaptureOperationsTest, ChurnGivesSecretAreasAlone) {
  const auto steps = Parse(R"({"i": 0, "action": "churn c 3 64 20 4", "ops": [
      {"k": 0, "op": "alloc", "kind": "anon", "name": "c.0", "n": 5},
      {"k": 1, "op": "alloc", "kind": "secret", "name": "c.1", "n": 1, "pfns": [44]},
      {"k": 2, "op": "free", "kind": "secret", "name": "c.1", "n": 1}]})");
  ASSERT_EQ(steps[0].secrets.size(), 2U);
  EXPECT_EQ(steps[0].secrets[0].frames.size(), 1U);
  EXPECT_EQ(steps[0].secrets[1].kind, SecretOperation::Kind::kFree);
}

TEST(CaptureOperationsTest, MappedPagesOfTheStepAndOfTheTimeBefore) {
  const Json capture = Json::parse(R"({"steps": [{"i": 0, "action": "rmmod x"}, {"i": 1, "action": "insmod y", "dm": {
      "attr_changes": [], "cpa_other": {"0xffffffffc0200000 set=0x0 clr=0x8000000000000042 collapse": 512}}}],
      "trace": {"outside_steps": {"-1": {"cpa_other": {"0xffffffffc0400000 set=0x2 clr=0x0": 3}}}}})");
  const auto steps = ParseOperations(capture);
  ASSERT_OK(steps);
  EXPECT_TRUE((*steps)[0].mapped.empty());
  ASSERT_EQ((*steps)[1].mapped.size(), 2U);
  const MappedPages& before = (*steps)[1].mapped[0];
  EXPECT_EQ(before.set, EntryFlags(EntryFlags::kWritable));
  EXPECT_EQ(before.pages, 3U);
  const MappedPages& pack = (*steps)[1].mapped[1];
  EXPECT_EQ(pack.address, 0xffffffffc0200000);
  EXPECT_EQ(pack.clear, EntryFlags(EntryFlags::kWritable | EntryFlags::kDirty | EntryFlags::kNoExecute));
  EXPECT_TRUE(pack.collapse);
}

TEST(CaptureOperationsTest, ChurnOfThreadsSaysHowManyPages) {
  const auto steps =
      Parse(R"({"i": 0, "action": "pchurn 4 80 60", "result": ["RES pchurn ops 320 pages 5346 err 0"]})");
  EXPECT_EQ(steps[0].churned_secret_pages, 5346U);
  EXPECT_TRUE(steps[0].several_threads);
}

TEST(CaptureOperationsTest, MissingKeysGiveNoOperations) {
  const auto steps = Parse(R"({"i": 0, "action": "secret a 3"}, {"i": 1, "action": "dmat set_memory_ro 0 1"},
                              {"i": 2, "action": "insmod x", "dm": {"attr_changes": []}})");
  ASSERT_EQ(steps.size(), 3U);
  for (const StepOperations& step : steps) {
    EXPECT_TRUE(step.functions.empty() && step.secrets.empty() && step.mapped.empty());
  }
}

TEST(CaptureOperationsTest, ValuesWithoutSenseNameTheirStep) {
  for (const char* step :
       {R"({"i": 5, "action": "dmat f 0 1", "result": ["DM call f 12 99999999999999 => 0"]})",
        R"({"i": 5, "action": "secret a 1", "pfns": [{"name": "a", "list": [99999999999999]}]})",
        R"({"i": 5, "action": "pfree a 99999"})",
        R"({"i": 5, "action": "rmmod x", "dm": {"attr_changes": [], "cpa_other": {"0xff set=zz clr=0x0": 1}}})"}) {
    EXPECT_THAT(ParseOperations(Steps(step)),
                StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("step 5")))
        << step;
  }
}

}  // namespace
}  // namespace dmfrag::workload
