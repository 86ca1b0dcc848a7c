// Captures the machine that the test runs on.

#include "client/capture/capture.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/recording/reader.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using recording::Event;
using testing::Contains;
using testing::HasSubstr;

std::string FileFor(const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / name;
  std::filesystem::remove(path);
  return path;
}

std::string BytesOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(CaptureTest, WithoutATraceTheFileHoldsTheMachineAlone) {
  Interrupt interrupt;
  const CaptureOptions options{.file = FileFor("alone.dmrec"), .trace = false, .options = {}};
  const auto report = Capture(options, SystemFiles("/"), interrupt);
  ASSERT_OK(report.status());
  const std::string bytes = BytesOf(options.file);
  EXPECT_EQ(report->file_bytes, static_cast<int64_t>(bytes.size()));
  const auto reader = recording::Reader::Open(bytes);
  ASSERT_OK(reader.status());
  EXPECT_EQ((*reader)->end().events(), 0);
  EXPECT_THAT((*reader)->start().before().meminfo(), HasSubstr("MemTotal:"));
  EXPECT_EQ((*reader)->start().before().meminfo(), (*reader)->end().after().meminfo());
  EXPECT_THAT(report->end.limitations(), Contains(HasSubstr("its results are intervals")));
}

TEST(CaptureTest, AFileThatIsThereIsKeptUnlessForced) {
  Interrupt interrupt;
  CaptureOptions options{.file = FileFor("there.dmrec"), .trace = false, .options = {}};
  std::ofstream(options.file) << "precious";
  EXPECT_THAT(Capture(options, SystemFiles("/"), interrupt).status(),
              StatusIs(absl::StatusCode::kAlreadyExists, testing::_));
  EXPECT_EQ(BytesOf(options.file), "precious");
  options.force = true;
  EXPECT_OK(Capture(options, SystemFiles("/"), interrupt).status());
  EXPECT_NE(BytesOf(options.file), "precious");
}

// An interrupt that has come already ends the trace at its first look: what is there must be whole, and nothing of ours
// left in the kernel.
TEST(CaptureTest, AnInterruptLeavesAWholeFileAndNoTracing) {
  Interrupt interrupt;
  interrupt.Request();
  const CaptureOptions options{.file = FileFor("stopped.dmrec"), .length = absl::Hours(1), .options = {}};
  const auto report = Capture(options, SystemFiles("/"), interrupt);
  ASSERT_OK(report.status());
  if (report->length == absl::ZeroDuration()) GTEST_SKIP() << "cannot trace here: " << report->missing.front();
  const std::string bytes = BytesOf(options.file);
  EXPECT_OK(recording::Reader::Open(bytes).status());
  for (const char* folder : {"/sys/kernel/tracing/instances", "/sys/kernel/debug/tracing/instances"}) {
    EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(folder) / ("dmfrag-" + std::to_string(getpid()))));
  }
}

TEST(CaptureTest, ATraceOfThisKernelIsInOrderOfTime) {
  Interrupt interrupt;
  const CaptureOptions options{.file = FileFor("traced.dmrec"), .length = absl::Seconds(1), .options = {}};
  const auto report = Capture(options, SystemFiles("/"), interrupt);
  ASSERT_OK(report.status());
  if (report->length == absl::ZeroDuration()) GTEST_SKIP() << "cannot trace here: " << report->missing.front();
  const std::string bytes = BytesOf(options.file);
  const auto reader = recording::Reader::Open(bytes);
  ASSERT_OK(reader.status());
  int64_t events = 0;
  uint64_t before_us = 0;
  for (;;) {
    const auto block = (*reader)->NextBlock();
    ASSERT_OK(block.status());
    if (block->empty()) break;
    for (const Event& event : *block) {
      EXPECT_GE(event.time_us, before_us);
      before_us = event.time_us;
      ++events;
    }
  }
  // Compressing and writing the file allocates, so a kernel that is otherwise idle has events too.
  EXPECT_GT(events, 0);
  EXPECT_EQ(events, report->end.events());
}

// Asks for pages as long as it lives.
class PageLoad {
 public:
  PageLoad()
      : thread_([this] {
          constexpr size_t kBytes = size_t{64} << 12;
          while (!stop_) {
            void* const pages =
                mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
            if (pages != MAP_FAILED) munmap(pages, kBytes);
          }
        }) {}
  ~PageLoad() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST(CaptureTest, StacksPrivacyAndASmallBufferAreInTheRecording) {
  Interrupt interrupt;
  CaptureOptions options{.file = FileFor("options.dmrec"), .length = absl::Milliseconds(300), .options = {}};
  options.options.stacks = true;
  options.options.privacy = true;
  options.options.buffer_kib = 64;
  const PageLoad load;
  const auto report = Capture(options, SystemFiles("/"), interrupt);
  ASSERT_OK(report.status());
  if (report->length == absl::ZeroDuration()) GTEST_SKIP() << "cannot trace here: " << report->missing.front();
  const std::string bytes = BytesOf(options.file);
  const auto reader = recording::Reader::Open(bytes);
  ASSERT_OK(reader.status());
  ASSERT_GT((*reader)->tables().origins_size(), 0);
  int with_stack = 0;
  for (const auto& origin : (*reader)->tables().origins()) {
    EXPECT_EQ(origin.comm(), "");
    with_stack += origin.stack_size() > 0 ? 1 : 0;
  }
  EXPECT_GT(with_stack, 0);
  EXPECT_GT(report->by_kind[static_cast<size_t>(Event::Kind::kAllocate)], 0);
  EXPECT_GT(report->by_kind[static_cast<size_t>(Event::Kind::kFree)], 0);
  // What the file says is what the report says.
  EXPECT_EQ((*reader)->end().lost_events(), report->end.lost_events());
  EXPECT_EQ((*reader)->end().events(), report->end.events());
  EXPECT_EQ((*reader)->end().duration_us(), report->end.duration_us());
}

TEST(CaptureTest, NamesOfTasksAreKeptWithoutPrivacy) {
  Interrupt interrupt;
  const CaptureOptions options{.file = FileFor("names.dmrec"), .length = absl::Milliseconds(300), .options = {}};
  const PageLoad load;
  const auto report = Capture(options, SystemFiles("/"), interrupt);
  ASSERT_OK(report.status());
  if (report->length == absl::ZeroDuration()) GTEST_SKIP() << "cannot trace here: " << report->missing.front();
  const std::string bytes = BytesOf(options.file);
  const auto reader = recording::Reader::Open(bytes);
  ASSERT_OK(reader.status());
  std::set<std::string> names;
  for (const auto& origin : (*reader)->tables().origins()) names.insert(origin.comm());
  // The kernel cuts names at 15 bytes.
  EXPECT_THAT(names, Contains("capture_test"));
}

}  // namespace
}  // namespace dmfrag::client
