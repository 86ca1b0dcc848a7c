#include "client/connection/process.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

class ProcessTest : public testing::Test {
 protected:
  ProcessTest() {
    std::string folder = "/tmp/dmfrag-process-XXXXXX";
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~ProcessTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<ChildProcess> StartShell(const std::string& script, bool daemon = false) {
    auto child = ChildProcess::Start(
        {.program = "/bin/sh", .arguments = {"-c", script}, .log_file = folder_ / "log", .daemon = daemon});
    EXPECT_OK(child);
    return *std::move(child);
  }

  // Waits until the child has written `text` to its log.
  void AwaitLog(const std::string& text) {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (Log().find(text) == std::string::npos && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_THAT(Log(), testing::HasSubstr(text));
  }

  std::string Log() const {
    std::ifstream file(folder_ / "log");
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }

  std::filesystem::path folder_;
};

TEST_F(ProcessTest, OutputAndErrorsGoToTheLog) {
  const auto child = StartShell("echo out; echo err >&2; exec cat");
  AwaitLog("out\nerr\n");
  EXPECT_FALSE(child->HasEnded());
  EXPECT_TRUE(child->Stop(absl::Seconds(30)));
  EXPECT_TRUE(child->HasEnded());
}

TEST_F(ProcessTest, ItsStandardInputEndsWhenItIsStopped) {
  const auto child = StartShell("trap '' TERM; echo ready; cat; echo input ended");
  AwaitLog("ready");
  EXPECT_TRUE(child->Stop(absl::Seconds(30)));
  EXPECT_THAT(Log(), testing::HasSubstr("input ended"));
}

TEST_F(ProcessTest, OneThatDoesNotListenIsKilled) {
  const auto child = StartShell("trap '' TERM; echo ready; while :; do sleep 1000; done");
  AwaitLog("ready");
  EXPECT_FALSE(child->Stop(absl::Milliseconds(10)));
  EXPECT_FALSE(FindProcess(child->identity().pid).has_value());
}

TEST_F(ProcessTest, ItHasAProcessGroupOfItsOwn) {
  const auto child = StartShell("echo ready; exec cat");
  AwaitLog("ready");
  EXPECT_EQ(getpgid(child->identity().pid), child->identity().pid);
  EXPECT_EQ(getsid(child->identity().pid), getsid(0));
}

TEST_F(ProcessTest, ADaemonHasASessionOfItsOwnAndLivesOn) {
  ProcessIdentity process;
  {
    const auto child = StartShell("echo ready; exec sleep 1000", /*daemon=*/true);
    AwaitLog("ready");
    process = child->identity();
  }
  EXPECT_EQ(getsid(process.pid), process.pid);
  EXPECT_EQ(FindProcess(process.pid), process);
  EXPECT_OK(StopProcess(process, absl::Seconds(30)));
  EXPECT_FALSE(FindProcess(process.pid).has_value());
}

TEST_F(ProcessTest, AnotherProcessOfTheSameIdIsLeftAlone) {
  const auto child = StartShell("echo ready; exec cat");
  AwaitLog("ready");
  ProcessIdentity other = child->identity();
  ++other.start_ticks;
  EXPECT_OK(StopProcess(other, absl::Seconds(1)));
  EXPECT_FALSE(child->HasEnded());
}

TEST_F(ProcessTest, OneThatDoesNotEndIsReported) {
  const auto child = StartShell("trap '' TERM; echo ready; while :; do sleep 1000; done");
  AwaitLog("ready");
  EXPECT_THAT(StopProcess(child->identity(), absl::Milliseconds(10)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, testing::HasSubstr("still runs 10ms after SIGTERM")));
  child->Stop(absl::ZeroDuration());
}

TEST_F(ProcessTest, AProgramThatIsNotThereIsAnError) {
  EXPECT_THAT(ChildProcess::Start({.program = "/no/such", .arguments = {}, .log_file = folder_ / "log"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "starting /no/such: No such file or directory"));
}

}  // namespace
}  // namespace dmfrag::client
