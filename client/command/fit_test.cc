#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "client/testing/program_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/recording/writer.h"

namespace dmfrag::client {
namespace {

using testing::HasSubstr;

// A recording of `blocks` single pages of one user, all in use at the end.
std::string WriteRecording(const std::string& name, int blocks) {
  const std::string path = (std::filesystem::path(testing::TempDir()) / name).native();
  std::ofstream file(path, std::ios::binary);
  const auto sink = [&](std::string_view bytes) {
    file << bytes;
    return absl::OkStatus();
  };
  auto writer = recording::Writer::Create(sink, v1::RecordingStart());
  EXPECT_TRUE(writer.ok());
  const uint32_t origin = (*writer)->OriginNumber(v1::RecordingOrigin());
  for (int i = 0; i < blocks; ++i) {
    recording::Event event;
    event.detail = origin;
    event.frame = 1000 + static_cast<uint64_t>(i);
    event.time_us = static_cast<uint64_t>(i) * 1000;
    EXPECT_TRUE((*writer)->Add(event).ok());
  }
  v1::RecordingEnd end;
  end.add_users()->set_name("kernel");
  end.mutable_users(0)->set_kind("ordinary");
  end.add_origin_users();
  EXPECT_TRUE((*writer)->Finish(end).ok());
  return path;
}

TEST(FitTest, WritesASweepFile) {
  const std::string recording = WriteRecording("pages.dmrec", 100);
  const std::string sweep = (std::filesystem::path(testing::TempDir()) / "mix.yaml").native();
  ProgramWorld world;
  const ProgramResult result = RunIn(world, {"fit", recording, "-o", sweep});
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(result.out, HasSubstr("live pages at the end      100.0"));
  std::ifstream file(sweep);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_THAT(text, HasSubstr("# Recording: SHA-256 "));
  EXPECT_THAT(text, HasSubstr("        - name: kernel-1\n          ordinary:\n"));
}

TEST(FitTest, ReplacesAFileOnlyWhenAskedTo) {
  const std::string recording = WriteRecording("again.dmrec", 10);
  const std::string sweep = (std::filesystem::path(testing::TempDir()) / "again.yaml").native();
  ProgramWorld world;
  EXPECT_EQ(RunIn(world, {"fit", recording, "-o", sweep}).code, ExitCode::kOk);
  EXPECT_THAT(RunIn(world, {"fit", recording, "-o", sweep}).err, HasSubstr("--force"));
  EXPECT_EQ(RunIn(world, {"fit", recording, "-o", sweep, "--force"}).code, ExitCode::kOk);
}

TEST(FitTest, NothingToFitIsAnError) {
  const std::string recording = WriteRecording("empty.dmrec", 0);
  ProgramWorld world;
  const ProgramResult result = RunIn(world, {"fit", recording, "-o", recording + ".yaml"});
  EXPECT_EQ(result.code, ExitCode::kUsage);
  EXPECT_THAT(result.err, HasSubstr("empty.dmrec: nothing was allocated in this recording"));
  EXPECT_FALSE(std::filesystem::exists(recording + ".yaml"));
}

}  // namespace
}  // namespace dmfrag::client
