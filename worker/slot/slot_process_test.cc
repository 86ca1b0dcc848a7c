// The child is this program again (see main), told by the seed of each spec what to do.

#include "worker/slot/slot_process.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/io/zero_copy_stream_impl.h"
#include "google/protobuf/util/delimited_message_util.h"
#include "gtest/gtest.h"

namespace dmfrag::worker {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr uint64_t kCrash = 1000;
constexpr uint64_t kExit = 1001;
constexpr uint64_t kCloseOutputAndHang = 1002;
constexpr uint64_t kChatter = 1003;
constexpr uint64_t kBigResult = 1004;
constexpr uint64_t kGarbage = 1005;

void Obey(uint64_t seed, v1::AttemptReport& report) {
  if (seed == kCrash) kill(getpid(), SIGKILL);  // not SIGSEGV, which sanitizers catch
  if (seed == kExit) std::_Exit(7);
  if (seed == kCloseOutputAndHang) {
    close(STDOUT_FILENO);
    pause();
  }
  if (seed == kGarbage && write(STDOUT_FILENO, "\x7f nonsense", 10) == 10) std::_Exit(0);
  if (seed == kChatter) std::fputs((std::string(200000, 'x') + "the end").c_str(), stderr);
  if (seed == kBigResult) report.set_stderr_tail(std::string(1 << 20, 'b'));
  report.mutable_result()->mutable_metrics()->set_splits_2m(static_cast<int64_t>(seed));
}

int RunChild() {
  google::protobuf::io::FileInputStream input(STDIN_FILENO);
  google::protobuf::io::FileOutputStream output(STDOUT_FILENO);
  v1::JobSpec spec;
  while (google::protobuf::util::ParseDelimitedFromZeroCopyStream(&spec, &input, nullptr)) {
    v1::AttemptReport report;
    Obey(spec.seed(), report);
    google::protobuf::util::SerializeDelimitedToZeroCopyStream(report, &output);
    output.Flush();
    spec.Clear();
  }
  return 0;
}

std::vector<v1::JobSpec> Specs(const std::vector<uint64_t>& seeds) {
  std::vector<v1::JobSpec> specs;
  for (const uint64_t seed : seeds) specs.emplace_back().set_seed(seed);
  return specs;
}

class SlotProcessTest : public testing::Test {
 protected:
  std::vector<v1::AttemptReport> Run(const std::vector<uint64_t>& seeds) {
    std::vector<v1::AttemptReport> reports;
    slot_.Run(Specs(seeds), [&](size_t i, v1::AttemptReport report) {
      EXPECT_EQ(i, reports.size()) << "in order";
      reports.push_back(std::move(report));
    });
    EXPECT_EQ(reports.size(), seeds.size()) << "one report a job";
    return reports;
  }

  SlotProcess slot_{{"/proc/self/exe", "--child"}};
};

TEST_F(SlotProcessTest, RunsABatchInOrderInOneChild) {
  std::vector<uint64_t> seeds(500);
  for (size_t i = 0; i < seeds.size(); ++i) seeds[i] = i;
  const std::vector<v1::AttemptReport> reports = Run(seeds);
  for (size_t i = 0; i < seeds.size(); ++i)
    EXPECT_EQ(reports[i].result().metrics().splits_2m(), static_cast<int64_t>(i));
  const pid_t child = slot_.pid();
  EXPECT_GT(child, 0);
  Run({1});
  EXPECT_EQ(slot_.pid(), child);
}

TEST_F(SlotProcessTest, CrashCostsOneJobAndIsNamed) {
  const std::vector<v1::AttemptReport> reports = Run({1, 2, kCrash, 4, 5});
  EXPECT_EQ(reports[2].failure().failure_class(), v1::FAILURE_CLASS_INFRA);
  EXPECT_THAT(reports[2].failure().message(), HasSubstr("signal 9"));
  for (const size_t i : {0, 1, 3, 4}) EXPECT_TRUE(reports[i].has_result()) << i;
}

TEST_F(SlotProcessTest, EveryWayToEndIsAFailureOfOneJob) {
  for (const uint64_t way : {kExit, kCloseOutputAndHang, kGarbage}) {
    const std::vector<v1::AttemptReport> reports = Run({1, way, 3});
    EXPECT_TRUE(reports[0].has_result());
    EXPECT_EQ(reports[1].failure().failure_class(), v1::FAILURE_CLASS_INFRA) << way;
    EXPECT_TRUE(reports[2].has_result());
  }
  EXPECT_THAT(Run({kExit})[0].failure().message(), HasSubstr("exit code 7"));
}

TEST_F(SlotProcessTest, KilledBetweenJobsIsReplaced) {
  Run({1});
  kill(slot_.pid(), SIGKILL);
  // The next job may meet the dead child once; the one after it finds a new one.
  Run({2});
  EXPECT_TRUE(Run({3})[0].has_result());
}

TEST_F(SlotProcessTest, KeepsTheLast64KiBOfStandardErrorPerJob) {
  const std::vector<v1::AttemptReport> reports = Run({kChatter, 2});
  EXPECT_EQ(reports[0].stderr_tail().size(), 65536u);
  EXPECT_THAT(reports[0].stderr_tail(), EndsWith("the end"));
  EXPECT_EQ(reports[1].stderr_tail(), "");
}

TEST_F(SlotProcessTest, ResultsLargerThanAPipeDoNotBlock) {
  const std::vector<v1::AttemptReport> reports = Run(std::vector<uint64_t>(40, kBigResult));
  for (const v1::AttemptReport& report : reports) EXPECT_TRUE(report.has_result());
}

TEST(SlotProcessStartTest, ProgramThatIsNotThereIsAFailureOfEachJob) {
  SlotProcess slot({"/nonexistent/dmfrag-slot"});
  int failures = 0;
  slot.Run(Specs({1, 2}), [&](size_t, v1::AttemptReport report) {
    EXPECT_THAT(report.failure().message(), HasSubstr("/nonexistent/dmfrag-slot"));
    ++failures;
  });
  EXPECT_EQ(failures, 2);
}

}  // namespace

int ChildMain() { return RunChild(); }

}  // namespace dmfrag::worker

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--child") return dmfrag::worker::ChildMain();
  std::signal(SIGPIPE, SIG_IGN);  // as the worker does
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
