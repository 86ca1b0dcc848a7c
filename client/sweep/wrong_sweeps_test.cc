// Every file in testdata/ is wrong in one way; testdata/expected_errors.txt holds what is said about each, in the order
// of their names. With DMFRAG_WRITE_GOLDEN=FILE in the environment the test writes that file anew, for a person to
// read.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "client/sweep/sweep.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

// Of a sweep that names no captures.
absl::StatusOr<v1::Experiment> Parse(std::string_view text, const std::string& filename) {
  std::vector<CaptureFile> captures;
  absl::StatusOr<v1::Experiment> experiment = ParseSweep(text, filename, &captures);
  EXPECT_TRUE(captures.empty());
  return experiment;
}

namespace fs = std::filesystem;

constexpr char kFolder[] = "client/sweep/testdata";
constexpr char kExpected[] = "expected_errors.txt";

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

std::vector<fs::path> WrongFiles() {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().filename() != kExpected) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST(WrongSweepsTest, EachGivesTheExpectedLine) {
  std::string errors;
  for (const fs::path& file : WrongFiles()) {
    const auto experiment = Parse(ReadAll(file), file.filename().native());
    ASSERT_THAT(experiment, StatusIs(absl::StatusCode::kInvalidArgument, testing::Not(testing::HasSubstr("\n"))))
        << file;
    errors += std::string(experiment.status().message()) + "\n";
  }
  if (const char* golden = std::getenv("DMFRAG_WRITE_GOLDEN")) std::ofstream(golden) << errors;
  EXPECT_EQ(errors, ReadAll(fs::path(kFolder) / kExpected));
}

TEST(WrongSweepsTest, ThereAreEnoughOfThem) { EXPECT_GE(WrongFiles().size(), 90u); }

// Wrong by size: made here, not kept in files.

std::string LongAxis(int values) {
  std::string text = "axes:\n  machine.cpus: [";
  for (int i = 1; i <= values; ++i) text += std::to_string(i) + ", ";
  return text + "]\n";
}

TEST(WrongSweepsTest, AnAxisHasAtMostTenThousandValues) {
  EXPECT_OK(Parse(LongAxis(10'000), "long.yaml"));
  EXPECT_THAT(Parse(LongAxis(10'001), "long.yaml"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "long.yaml:2:17: axis \"machine.cpus\" has 10001 values; at most 10000"));
}

TEST(WrongSweepsTest, ASweepHasAtMostTenMillionJobs) {
  EXPECT_OK(Parse(LongAxis(10'000) + "replicates: 1000\n", "many.yaml"));
  EXPECT_THAT(Parse(LongAxis(10'000) + "replicates: 1001\n", "many.yaml"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::StartsWith("many.yaml:1:1: the sweep has more than 10000000 jobs")));
}

TEST(WrongSweepsTest, ASweepHasAtMostSixteenAxes) {
  std::string text = "axes:\n";
  for (int i = 0; i < 17; ++i) text += "  axis" + std::to_string(i) + ": [1]\n";
  EXPECT_THAT(Parse(text, "axes.yaml"),
              StatusIs(absl::StatusCode::kInvalidArgument, "axes.yaml:18:3: the sweep has 17 axes; at most 16"));
}

TEST(WrongSweepsTest, AFileHasAtMostOneMebibyte) {
  EXPECT_THAT(
      Parse("base: {cache: none}\n" + std::string(1 << 20, '#'), "big.yaml"),
      StatusIs(absl::StatusCode::kInvalidArgument, "big.yaml:1:1: the file is larger than 1048576 bytes (1 MiB)"));
}

// Each of these would keep a careless reader busy for minutes, or overflow its stack.
TEST(WrongSweepsTest, HostileFilesAreRefusedQuickly) {
  for (const std::string& text :
       {std::string(1 << 20, '['), std::string(1 << 20, '{'), std::string(1 << 20, '-'), std::string(1 << 20, '&'),
        std::string(1 << 20, '*'), std::string(1 << 20, '"'), std::string(1 << 20, '|'), std::string(1 << 20, '?')}) {
    EXPECT_THAT(Parse(text, "hostile.yaml"), StatusIs(absl::StatusCode::kInvalidArgument, testing::_)) << text[0];
  }
  std::string dashes;
  while (dashes.size() < (1 << 19)) dashes += "- ";
  EXPECT_THAT(Parse(dashes, "hostile.yaml"), StatusIs(absl::StatusCode::kInvalidArgument, testing::_));
  std::string keys;
  for (int i = 0; i < 100'000; ++i) keys += "k" + std::to_string(i) + ": \n";
  EXPECT_THAT(Parse(keys, "hostile.yaml"), StatusIs(absl::StatusCode::kInvalidArgument, testing::_));
}

TEST(WrongSweepsTest, LongTextsAreShortenedAndControlCharactersOfNamesEscaped) {
  EXPECT_THAT(
      Parse("base: {cache: " + std::string(1000, 'x') + "}", "a\nb.yaml"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               testing::StartsWith("a\\nb.yaml:1:15: unknown name \"" + std::string(60, 'x') + "…\"; allowed: ")));
}

}  // namespace
}  // namespace dmfrag::client
