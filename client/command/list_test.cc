#include <nlohmann/json.hpp>

#include "client/recording/user_rules.h"
#include "client/testing/program_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using testing::HasSubstr;

ProgramResult RunList(const std::vector<std::string>& arguments) {
  ProgramWorld world;
  std::vector<std::string> all = {"list"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return RunIn(world, all);
}

TEST(ListTest, ShowsKindsOfUsersWithTheirGuesses) {
  const ProgramResult result = RunList({"users", "secretmem"});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(result.out, HasSubstr("category: one"));
  EXPECT_THAT(result.out, HasSubstr("pages: neither movable nor accessible"));
  EXPECT_THAT(result.out, HasSubstr("exponential mean=20 ms"));
  EXPECT_THAT(result.out, HasSubstr("a guess"));
}

TEST(ListTest, ShowsPresetsWithTheirUsers) {
  const ProgramResult result = RunList({"presets", "secretmem", "-o", "json"});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  ASSERT_EQ(json.size(), 1u);
  EXPECT_EQ(json[0]["name"], "secretmem");
  EXPECT_EQ(json[0]["figures"].size(), 5u);
  EXPECT_EQ(json[0]["figures"][0]["default"], "secretmem");
}

TEST(ListTest, CsvHasARowForEachFigure) {
  const ProgramResult result = RunList({"users", "secretmem", "-o", "csv"});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(result.out, HasSubstr("name,figure,default,allowed,guess,source\r\n"));
  EXPECT_THAT(result.out, HasSubstr("secretmem,interval,exponential mean=20 ms,,true,"));
}

TEST(ListTest, ShowsCacheTypesWithOptionsAndRefusals) {
  const ProgramResult result = RunList({"cache-types", "per-user"});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(result.out, testing::StartsWith("per_user\n"));
  EXPECT_THAT(result.out, HasSubstr("evidence: against a published figure"));
  EXPECT_THAT(result.out, testing::ContainsRegex("refill_order +9 +0 to 9 +PKS series"));
  EXPECT_THAT(result.out,
              testing::ContainsRegex("free_path +dedicated_api +dedicated_api, back_pointer, gather_batch"));
  EXPECT_THAT(result.out, testing::ContainsRegex("free_path.divert +a pageblock mark does not say which user"));
  EXPECT_EQ(RunList({"cache_types", "per_user"}).out, result.out);
}

TEST(ListTest, CacheTypesHaveAllInJsonAndCsv) {
  const ProgramResult json_result = RunList({"cache-types", "-o", "json"});
  EXPECT_EQ(json_result.code, ExitCode::kOk) << json_result.err;
  EXPECT_EQ(nlohmann::json::parse(json_result.out).size(), 9u);
  const ProgramResult csv = RunList({"cache-types", "migratetype", "-o", "csv"});
  EXPECT_EQ(csv.code, ExitCode::kOk) << csv.err;
  EXPECT_THAT(csv.out, HasSubstr("name,figure,default,allowed,guess,source,refused\r\n"));
  EXPECT_THAT(csv.out, HasSubstr("migratetype,restore,never,\"never, on_coalesce, collapse\",false,,\r\n"));
  EXPECT_THAT(csv.out, HasSubstr("migratetype,restore.on_shrink,,,,,it has no shrinker\r\n"));
}

TEST(ListTest, UserRulesCanBeCopiedAndEdited) {
  const ProgramResult result = RunList({"user-rules"});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_EQ(result.out, UserRules::DefaultText());
  EXPECT_THAT(result.out, testing::StartsWith("# Who asked for the pages of a recording"));
  EXPECT_THAT(result.out, HasSubstr("dmfrag list user-rules > rules.yaml"));
  EXPECT_OK(UserRules::Parse(result.out, "rules.yaml"));
  EXPECT_EQ(RunList({"user_rules", "-o", "json"}).out, result.out);
  const ProgramResult one = RunList({"user-rules", "slab"});
  EXPECT_EQ(one.code, ExitCode::kUsage);
  EXPECT_EQ(one.err, "dmfrag: the user rules are printed as a whole; leave the name out\n");
}

TEST(ListTest, SaysWhatThereIs) {
  const ProgramResult what = RunList({"user"});
  EXPECT_EQ(what.code, ExitCode::kUsage);
  EXPECT_THAT(what.err, HasSubstr("did you mean \"users\"?"));
  const ProgramResult name = RunList({"users", "secretmen"});
  EXPECT_EQ(name.code, ExitCode::kUsage);
  EXPECT_THAT(name.err, HasSubstr("did you mean \"secretmem\"?"));
}

}  // namespace
}  // namespace dmfrag::client
