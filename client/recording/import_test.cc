// Recordings of three tools, as they left them on one machine, and broken ones: each with what comes of it.
#include "client/recording/import.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/recording/reader.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using recording::Event;
using testing::HasSubstr;

struct Imported {
  absl::StatusOr<ImportSummary> summary = absl::UnknownError("not run");
  std::vector<Event> events;
  v1::RecordingTables tables;
};

Imported ImportFile(const std::string& path, const ImportOptions& options = {}) {
  Imported result;
  std::string bytes;
  result.summary = ImportRecording(path, options, [&](std::string_view part) {
    bytes.append(part);
    return absl::OkStatus();
  });
  if (!result.summary.ok()) return result;
  const auto reader = recording::Reader::Open(bytes);
  EXPECT_OK(reader);
  if (!reader.ok()) return result;
  for (auto block = (*reader)->NextBlock(); block.ok() && !block->empty(); block = (*reader)->NextBlock()) {
    result.events.insert(result.events.end(), block->begin(), block->end());
  }
  result.tables = (*reader)->tables();
  return result;
}

std::string WriteFile(const std::string& text) {
  const std::string path = testing::TempDir() + "/recording";
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

Imported ImportText(const std::string& text, const ImportOptions& options = {}) {
  return ImportFile(WriteFile(text), options);
}

int64_t Skipped(const Imported& result, const std::string& what) {
  for (const auto& one : result.summary->end.skipped()) {
    if (one.what() == what) return one.count();
  }
  return 0;
}

std::string Line(const std::string& time, const std::string& event) {
  return absl::StrCat("            bash-7009    [001] ..... ", time, ": ", event, "\n");
}

constexpr char kAlloc[] = "mm_page_alloc: page=00000000f2e913cb pfn=0x29ee order=0 migratetype=1 gfp_flags=GFP_KERNEL";
constexpr char kDrop[] = "mm_page_free: page=00000000f2e913cb pfn=0x29ee order=0";

TEST(ImportTest, TextOfTheKernelAndOfTraceCmdGiveEqualEvents) {
  const Imported kernel = ImportFile("client/recording/testdata/ftrace.txt");
  const Imported trace_cmd = ImportFile("client/recording/testdata/trace_cmd_report.txt");
  ASSERT_OK(kernel.summary);
  ASSERT_OK(trace_cmd.summary);
  EXPECT_EQ(kernel.summary->source, "ftrace");
  EXPECT_EQ(trace_cmd.summary->source, "trace-cmd report");
  EXPECT_GT(kernel.events.size(), 20u);
  EXPECT_EQ(kernel.events, trace_cmd.events);
  EXPECT_EQ(kernel.tables.SerializeAsString(), trace_cmd.tables.SerializeAsString());
}

TEST(ImportTest, PerfsCallChainsAreTheOriginsWithoutUserSpace) {
  const Imported result = ImportFile("client/recording/testdata/perf_script.txt");
  ASSERT_OK(result.summary);
  EXPECT_EQ(result.summary->source, "perf script");
  ASSERT_GT(result.tables.origins_size(), 0);
  EXPECT_EQ(result.tables.origins(0).stack(0), "__alloc_frozen_pages_noprof");
  for (const auto& origin : result.tables.origins()) {
    for (const std::string& function : origin.stack()) {
      EXPECT_THAT(function, testing::Not(testing::AnyOf(HasSubstr("libc"), HasSubstr("unknown"))));
    }
  }
}

TEST(ImportTest, ProbesGiveFramesAndTheDirectMapIsLearnedBehindItsFirstChange) {
  const Imported result = ImportText(
      Line("4.807662",
           "cpa: (__change_page_attr_set_clr+0x0/0x1010) vaddr=0xff1100000f1cc000 n=1 set=0x0 clr=0x43 "
           "fl=0x8 force=0x0 chkalias=1") +
      Line("4.807700", "cpa: (f+0x0/0x1) vaddr=0xffffffffc0000000 n=1 set=0x0 clr=0x2 fl=0x0 force=0x0 chkalias=1") +
      Line("4.807800", "sdm_invalid: (f+0x4/0x90) page=0xffd40000003c7300 vmb=0xffd4000000000000") +
      Line("4.817573",
           "split: (f+0x4a3/0x1010) addr=0xff1100000f200000 level=2 base=0xffd40000003c8040 "
           "pob=0xff11000000000000 vmb=0xffd4000000000000"));
  ASSERT_OK(result.summary);
  ASSERT_EQ(result.events.size(), 3u);
  EXPECT_EQ(result.events[0].kind, Event::Kind::kChangeAttributes);
  EXPECT_EQ(result.events[0].frame, 0xf1ccu);
  EXPECT_EQ(result.tables.attributes(0).clear(), 0x43u);
  EXPECT_EQ(result.tables.attributes(0).cpa_flags(), 8u);
  EXPECT_EQ(result.events[1].kind, Event::Kind::kSetInvalid);
  EXPECT_EQ(result.events[1].frame, 0xf1ccu);
  EXPECT_EQ(result.events[2].kind, Event::Kind::kSplit);
  EXPECT_EQ(result.events[2].order, 9);
  EXPECT_EQ(result.events[2].frame, 0xf200u);
  EXPECT_EQ(result.events[2].value, 0xf201u);
  EXPECT_EQ(Skipped(result, "changes of attributes outside of the direct map"), 1);
}

TEST(ImportTest, EveryBrokenTraceHasItsOutcome) {
  const std::string good = Line("1.000001", kAlloc) + Line("1.000002", kDrop);
  struct Case {
    std::string name;
    std::string text;
    size_t events;     // 0: an error
    std::string told;  // in the error, a reason that was counted, or a limitation
    int64_t lost = 0;
  };
  const std::vector<Case> cases = {
      {"empty", "", 0, "holds no event of page allocation"},
      {"header only", "# tracer: nop\n#\n# entries-in-buffer/entries-written: 0/0   #P:1\n", 0,
       "record with: trace-cmd"},
      {"binary junk", std::string("\x01\x02\xff\xfe\x00\x7f\n\x03", 8), 0, "lines of no known form"},
      {"perf's own form", "PERFILE2xxxxxxxxxxxxxxx", 0, "perf script -i"},
      {"other events only", Line("1.000001", "sched_switch: prev_comm=a"), 0, "1 events of other kinds"},
      {"cut in a line", good + "            bash-7009    [001] ..... 1.0000", 2,
       "line 3 is the first of no known form"},
      {"cut in a field", good + Line("1.000003", "mm_page_free: page=0 pfn=0x"), 2, "missing or impossible"},
      {"no newline at the end", good.substr(0, good.size() - 1), 2, ""},
      {"CRLF", "            bash-7009    [001] ..... 1.000001: " + std::string(kDrop) + "\r\n", 1, ""},
      {"NUL bytes", good + std::string("\0\0\0\n", 4), 2, "lines of no known form"},
      {"NUL in a name", "            ba" + std::string(1, '\0') + "h-7 [001] 1.000001: " + kDrop + "\n", 1, ""},
      {"huge pfn", good + Line("1.000003", "mm_page_free: pfn=0x10000000000 order=0"), 2, "pfn 1099511627776"},
      {"beyond 64 bits", good + Line("1.000003", "mm_page_free: pfn=99999999999999999999 order=0"), 2, "impossible"},
      {"negative", good + Line("1.000003", "mm_page_free: pfn=-5 order=0"), 2, "impossible"},
      {"order 99", good + Line("1.000003", "mm_page_free: pfn=0x1 order=99"), 2, "order 99"},
      {"no order", good + Line("1.000003", "mm_page_free: pfn=0x1"), 2, "no pfn or no order"},
      {"migratetype 9", good + Line("1.000003", "mm_page_alloc: pfn=0x1 order=0 migratetype=9"), 2, "migratetype 9"},
      {"CPU 99999", good + "x-1 [99999] 1.000003: " + kDrop + "\n", 2, "cpu 99999"},
      {"failed",
       good + Line("1.000003", "mm_page_alloc: page=(nil) pfn=0x0 order=3 migratetype=0 gfp_flags=GFP_ATOMIC"), 2,
       "allocations that failed"},
      {"batched twice", good + Line("1.000003", "mm_page_free_batched: page=0 pfn=0x29ee order=0"), 2,
       "events of other kinds"},
      {"a little out of order", good + Line("0.999999", kDrop), 3, "moved up"},
      {"two boots by the clock", Line("100.000001", kDrop) + good, 0, "the clock goes back by 99.000000 s"},
      {"two boots by KASLR",
       Line("1.000001", "sdm_invalid: page=0xffd40000003c7300 vmb=0xffd4000000000000") +
           Line("2.000001", "sdm_invalid: page=0xffd40000003c7300 vmb=0xffd3000000000000"),
       0, "vmemmap_base is 0xffd3000000000000"},
      {"ftrace lost", good + "CPU:3 [LOST 123 EVENTS]\n", 3, "lost 123 events", 123},
      {"ftrace lost, not known", good + "CPU:3 [LOST EVENTS]\n", 3, "not known how many", -1},
      {"trace-cmd dropped", good + "CPU:1 [7 EVENTS DROPPED]\n", 3, "lost 7 events", 7},
      {"trace-cmd dropped, not known", good + "CPU:1 [EVENTS DROPPED]\n", 3, "not known how many", -1},
      {"perf lost", good + "swapper 0 [000] 1.000004: PERF_RECORD_LOST lost 12\n", 3, "lost 12 events", 12},
      {"overwritten", "# entries-in-buffer/entries-written: 2/5   #P:1\n" + good, 3, "first 3 events are lost", 3},
      {"a line of 70 KiB", good + std::string(70 << 10, 'x') + "\n" + good, 4, "lines longer than 64 KiB"},
      {"time beyond bounds", good + Line("99999999999999999999.000001", kDrop), 2, "lines of no known form"},
      {"cut gzip", "\x1f\x8b\x08", 0, "cut off"},
      {"cut xz", std::string("\xfd\x37zXZ\0\0\4", 8), 0, "cut off"},
      {"cut zstd", "\x28\xb5\x2f\xfd\x04", 0, "cut off"},
      {"cut trace.dat", "\x17\x08\x44tracing6", 0, "trace.dat"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const Imported result = ImportText(one.text);
    if (one.events == 0) {
      ASSERT_FALSE(result.summary.ok());
      EXPECT_THAT(std::string(result.summary.status().message()), HasSubstr(one.told));
      continue;
    }
    EXPECT_OK(result.summary);
    if (!result.summary.ok()) continue;
    EXPECT_EQ(result.events.size(), one.events);
    EXPECT_EQ(result.summary->end.lost_events(), one.lost);
    EXPECT_THAT(result.summary->end.DebugString(), HasSubstr(one.told));
  }
}

// trace-cmd extract of one instance, without what its stacks do not name.
TEST(ImportTest, TraceDatIsRead) {
  const Imported result = ImportFile("client/recording/testdata/trace.dat");
  ASSERT_OK(result.summary);
  EXPECT_EQ(result.summary->source, "trace.dat");
  ASSERT_EQ(result.events.size(), 62u);  // two processors lost events before theirs
  EXPECT_EQ(std::count_if(result.events.begin(), result.events.end(),
                          [](const Event& event) { return event.kind == Event::Kind::kLost; }),
            2);
  EXPECT_EQ(result.summary->end.lost_events(), -1);
  const auto first = std::find_if(result.events.begin(), result.events.end(),
                                  [](const Event& event) { return event.kind == Event::Kind::kAllocate; });
  ASSERT_NE(first, result.events.end());
  EXPECT_EQ(first->frame, 0x5ebc62u);
  const v1::RecordingOrigin& origin = result.tables.origins(static_cast<int>(first->detail));
  EXPECT_EQ(origin.gfp_flags(), "GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP");
  EXPECT_GT(origin.stack_size(), 1);
}

// libtracecmd trusts the file: whatever it does then, this process goes on, with one error.
TEST(ImportTest, DamagedTraceDatIsOneError) {
  std::ifstream file("client/recording/testdata/trace.dat", std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  ASSERT_GT(whole.size(), 8000u);
  for (const size_t at : {20, 200, 700, 2000, 5000, 8000}) {
    std::string damaged = whole;
    damaged.replace(at, 8, 8, '\xff');
    const Imported result = ImportText(damaged);
    if (!result.summary.ok()) {
      EXPECT_THAT(std::string(result.summary.status().message()), HasSubstr("recording")) << at;
    }
    const Imported cut = ImportText(whole.substr(0, at));
    ASSERT_FALSE(cut.summary.ok()) << at;
    EXPECT_THAT(std::string(cut.summary.status().message()), HasSubstr("whole trace.dat")) << at;
  }
}

TEST(ImportTest, PartialKeepsWhatStandsBeforeAnotherBoot) {
  const Imported result = ImportText(Line("100.000001", kDrop) + Line("1.000001", kDrop), {.partial = true});
  ASSERT_OK(result.summary);
  EXPECT_EQ(result.events.size(), 1u);
  EXPECT_THAT(result.summary->end.limitations(0), HasSubstr("imported in part"));
}

TEST(ImportTest, ALineOfAGigabyteIsPassedOverInBoundedMemory) {
  const std::string path = testing::TempDir() + "/long";
  std::ofstream(path) << Line("1.000001", kAlloc);
  // A sparse file: its zeros are one line.
  ASSERT_EQ(truncate(path.c_str(), off_t{1} << 30), 0);
  std::ofstream(path, std::ios::app) << "\n" << Line("1.000002", kDrop);
  rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  const Imported result = ImportFile(path);
  getrusage(RUSAGE_SELF, &after);
  ASSERT_OK(result.summary);
  EXPECT_EQ(result.events.size(), 2u);
  EXPECT_EQ(Skipped(result, "lines longer than 64 KiB"), 1);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 32 << 10) << "KiB";
}

}  // namespace
}  // namespace dmfrag::client
