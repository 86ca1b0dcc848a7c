// Commands that write recording files, as a user runs them.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/testing/program_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/recording/reader.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kTrace[] = "client/recording/testdata/recording.txt.xz";

std::string BytesOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class RecordingCommandsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    file_ = folder_ / "a.dmrec";
  }

  static ProgramResult Run(const std::vector<std::string>& arguments) {
    ProgramWorld world;
    return RunIn(world, arguments);
  }

  // Wrong input is one line that holds `told`, and leaves no file.
  void ExpectRefused(const std::vector<std::string>& arguments, ExitCode code, const std::string& told) {
    SCOPED_TRACE(testing::PrintToString(arguments));
    const ProgramResult result = Run(arguments);
    EXPECT_EQ(result.code, code);
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, StartsWith("dmfrag: "));
    EXPECT_THAT(result.err, HasSubstr(told));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_TRUE(std::filesystem::is_empty(folder_));
  }

  std::filesystem::path folder_, file_;
};

TEST_F(RecordingCommandsTest, ImportAndCaptureAnswerInOneForm) {
  const ProgramResult imported = Run({"import", kTrace, "-o", file_, "--output", "json"});
  ASSERT_EQ(imported.code, ExitCode::kOk) << imported.err;
  const std::string other = folder_ / "b.dmrec";
  const ProgramResult captured = Run({"capture", "--no-trace", "-o", other, "--output", "json"});
  ASSERT_EQ(captured.code, ExitCode::kOk) << captured.err;
  const auto one = nlohmann::json::parse(imported.out);
  const auto two = nlohmann::json::parse(captured.out);
  std::vector<std::string> keys, other_keys;
  for (const auto& [key, value] : one.items()) keys.push_back(key);
  for (const auto& [key, value] : two.items()) other_keys.push_back(key);
  EXPECT_EQ(keys, other_keys);
  EXPECT_EQ(one["file"], file_.string());
  EXPECT_EQ(one["source"], "ftrace");
  EXPECT_EQ(one["fileBytes"], std::to_string(BytesOf(file_).size()));
  EXPECT_EQ(one["events"], "116");
  EXPECT_NE(one["durationUs"], "0");
  EXPECT_EQ(one["counts"]["events lost"], "0");
  EXPECT_EQ(two["source"], "capture");
  EXPECT_EQ(two["fileBytes"], std::to_string(BytesOf(other).size()));
  EXPECT_EQ(two["events"], "0");
  EXPECT_FALSE(two["limitations"].empty());
}

TEST_F(RecordingCommandsTest, TableAndCsvSayTheSameCounts) {
  const ProgramResult table = Run({"import", kTrace, "-o", file_});
  EXPECT_THAT(table.out, StartsWith(file_.string() + ", "));
  EXPECT_THAT(table.out, HasSubstr("from ftrace: 116 events in 0.0"));
  EXPECT_THAT(table.out, HasSubstr("events lost      0\n"));
  const ProgramResult csv = Run({"import", kTrace, "-o", file_, "--force", "--output", "csv"});
  EXPECT_THAT(csv.out, StartsWith("what,count\r\nallocations,"));
  EXPECT_THAT(csv.out, EndsWith("events lost,0\r\n"));
  EXPECT_THAT(Run({"capture", "--no-trace", "-o", file_, "--force", "--output", "csv"}).out,
              "what,count\r\nevents lost,0\r\n");
}

TEST_F(RecordingCommandsTest, WrongInputIsOneLineWithTheRemedy) {
  const std::string missing = folder_ / "none" / "a.dmrec";
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"import", kTrace}, {"capture", "--no-trace"}}) {
    const auto with = [&](std::vector<std::string> more) {
      more.insert(more.begin(), command.begin(), command.end());
      return more;
    };
    ExpectRefused(with({"-o", "json"}), ExitCode::kUsage, "--output json");
    ExpectRefused(with({"-o", ""}), ExitCode::kUsage, "name a file");
    ExpectRefused(with({"-o", missing}), ExitCode::kUsage, "make it first");
    ExpectRefused(with({"-o", folder_}), ExitCode::kUsage, "is a folder; name a file in it");
    ExpectRefused(with({"-o", "/dev/null", "--force"}), ExitCode::kUsage, "needs a plain file");
    ExpectRefused(with({"-o", file_, "--users", "nosuch.yaml"}), ExitCode::kNotFound, "cannot read the rules");
    ExpectRefused(with({"-o", file_, "--users", folder_}), ExitCode::kNotFound, "Is a directory");
    ExpectRefused(with({"-o", file_, "--output", "xml"}), ExitCode::kUsage, "{table,json,csv}");
    ExpectRefused(with({"-o", file_, "--to", "x"}), ExitCode::kUsage, "--to");
  }
  ExpectRefused({"import", "nosuch", "-o", file_}, ExitCode::kNotFound, "there is no file \"nosuch\"");
  ExpectRefused({"import", folder_, "-o", file_}, ExitCode::kUsage, "is a folder; name a recording in it");
  ExpectRefused({"import", "/dev/null", "-o", file_}, ExitCode::kUsage, "record with: trace-cmd");
  ExpectRefused({"import", "/dev/null"}, ExitCode::kUsage, "say with -o which file to write");
  ExpectRefused({"import", kTrace, "-o", file_, "--start", kTrace}, ExitCode::kUsage, "name the .json.xz of the run");
  ExpectRefused({"capture", "--no-trace", "--seconds", "3", "-o", file_}, ExitCode::kUsage,
                "--seconds excludes --no-trace");
  ExpectRefused({"capture", "-o", missing}, ExitCode::kUsage, "make it first");
  ExpectRefused({"capture", "--seconds", "0", "-o", file_}, ExitCode::kUsage, "not in range");
}

TEST_F(RecordingCommandsTest, AFileThatIsThereStaysUnlessForced) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"import", kTrace, "-o", file_}, {"capture", "--no-trace", "-o", file_}}) {
    std::ofstream(file_, std::ios::trunc) << "precious";
    const ProgramResult refused = Run(command);
    EXPECT_EQ(refused.code, ExitCode::kUsage);
    EXPECT_EQ(refused.err,
              "dmfrag: " + file_.string() + " exists; give another name with -o, or --force to replace it\n");
    EXPECT_EQ(BytesOf(file_), "precious");
    std::vector<std::string> forced = command;
    forced.push_back("--force");
    EXPECT_EQ(Run(forced).code, ExitCode::kOk);
    EXPECT_OK(recording::Reader::Open(BytesOf(file_)).status());
  }
}

TEST_F(RecordingCommandsTest, ARecordingFileNeedsAnotherNameToBeReadAgain) {
  ASSERT_EQ(Run({"import", kTrace, "-o", file_}).code, ExitCode::kOk);
  const std::string before = BytesOf(file_);
  const ProgramResult itself = Run({"import", file_, "--force"});
  EXPECT_EQ(itself.code, ExitCode::kUsage);
  EXPECT_THAT(itself.err, HasSubstr("is what is imported; give another name with -o"));
  EXPECT_EQ(BytesOf(file_), before);
  const std::string rules = folder_ / "rules.yaml";
  std::ofstream(rules) << "rules:\n  - {user: everyone, kind: ordinary}\n";
  const std::string other = folder_ / "b.dmrec";
  const ProgramResult again = Run({"import", file_, "--users", rules, "-o", other});
  EXPECT_EQ(again.code, ExitCode::kOk) << again.err;
  EXPECT_THAT(again.out, HasSubstr("users: everyone (ordinary)\n"));
}

TEST_F(RecordingCommandsTest, TheMachineOfARunIsInTheRecording) {
  const ProgramResult result =
      Run({"import", kTrace, "--start", "tests/kernel/captures/tr-612-2G-1.json.xz", "-o", file_});
  ASSERT_EQ(result.code, ExitCode::kOk) << result.err;
  const std::string bytes = BytesOf(file_);
  const auto reader = recording::Reader::Open(bytes);
  ASSERT_OK(reader.status());
  EXPECT_THAT((*reader)->start().before().kernel_release(), StartsWith("6.12"));
  EXPECT_THAT((*reader)->end().after().meminfo(), HasSubstr("MemFree:"));
}

TEST_F(RecordingCommandsTest, TheNameOfWhatIsImportedIsTheDefault) {
  const std::filesystem::path input = folder_ / "trace.txt.xz";
  std::filesystem::copy_file(kTrace, input);
  const ProgramResult result = Run({"import", input});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "trace.dmrec"));
}

}  // namespace
}  // namespace dmfrag::client
