#include "worker/workload/ftrace_text.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::workload {
namespace {

using ::testing::HasSubstr;
using Kind = TraceEvent::Kind;
using model::FrameNumber;
using model::Migratetype;
using model::Order;

constexpr std::string_view kTask = "         dmprobe-146     [003] d..2.     5.159216: ";

// All events of a text, which must outlive them.
std::vector<TraceEvent> Read(std::string_view text) {
  FtraceReader reader(text);
  std::vector<TraceEvent> events;
  for (;;) {
    const auto event = reader.Next();
    EXPECT_OK(event);
    if (!event.ok() || !event->has_value()) return events;
    events.push_back(**event);
  }
}

std::string Error(std::string_view text) {
  FtraceReader reader(text);
  for (;;) {
    const auto event = reader.Next();
    if (!event.ok()) return std::string(event.status().message());
    if (!event->has_value()) return "";
  }
}

std::string Line(std::string_view event) { return std::string(kTask) + std::string(event) + "\n"; }

TEST(FtraceTextTest, ReadsAnAllocation) {
  const std::string text =
      "# tracer: nop\n" +
      Line("mm_page_alloc: page=000000006972e6e1 pfn=0x36f3 order=2 migratetype=1 gfp_flags=GFP_KERNEL|__GFP_ZERO");
  const std::vector<TraceEvent> events = Read(text);
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].kind, Kind::kAllocate);
  EXPECT_EQ(events[0].line, 2);
  EXPECT_EQ(events[0].cpu, 3);
  EXPECT_EQ(events[0].time_us, 5'159'216);
  EXPECT_EQ(events[0].task, "dmprobe-146");
  EXPECT_EQ(events[0].frame, FrameNumber(0x36f3));
  EXPECT_EQ(events[0].order, Order(2));
  EXPECT_EQ(events[0].type, Migratetype::kMovable);
}

TEST(FtraceTextTest, FramesMayBeDecimal) {
  const std::string text = Line("mm_page_free: page=0000000024919d32 pfn=14067 order=3");
  const std::vector<TraceEvent> events = Read(text);
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].kind, Kind::kFree);
  EXPECT_EQ(events[0].frame, FrameNumber(14067));
  EXPECT_EQ(events[0].order, Order(3));
}

TEST(FtraceTextTest, ReadsProbes) {
  const std::string text =
      Line("bulk_ret: (__vmalloc_node_range+0x24f/0x850 <- alloc_pages_bulk) n=11") +
      Line(
          "compact_take: (migrate_pages+0x251/0xb10 <- compaction_alloc) page=0xffd4000000850080 "
          "vmb=0xffd4000000000000") +
      Line("compact_take: (migrate_pages+0x251/0xb10 <- compaction_alloc) page=0x0 vmb=0xffd4000000000000") +
      Line("compact_back: (compaction_free+0x0/0x10) page=0xffd4000000000040 vmb=0xffd4000000000000");
  const std::vector<TraceEvent> events = Read(text);
  ASSERT_EQ(events.size(), 3);  // the second take found nothing
  EXPECT_EQ(events[0].kind, Kind::kBulkAllocate);
  EXPECT_EQ(events[0].number, 11);
  EXPECT_EQ(events[1].kind, Kind::kCompactTake);
  EXPECT_EQ(events[1].frame, FrameNumber(0x850080 / 64));
  EXPECT_EQ(events[2].kind, Kind::kCompactBack);
  EXPECT_EQ(events[2].frame, FrameNumber(1));
}

TEST(FtraceTextTest, ReadsMarks) {
  const std::string text =
      Line("tracing_mark_write: dmprobe: trace on") + Line("tracing_mark_write: dmprobe: step 8 begin secret a 400") +
      Line("tracing_mark_write: dmprobe: freelist snapshot 2") + Line("tracing_mark_write: dmprobe: step 8 end") +
      Line("tracing_mark_write: somebody: step 9 begin");
  const std::vector<TraceEvent> events = Read(text);
  ASSERT_EQ(events.size(), 3);
  EXPECT_EQ(events[0].kind, Kind::kStepBegin);
  EXPECT_EQ(events[0].number, 8);
  EXPECT_EQ(events[0].text, "secret a 400");
  EXPECT_EQ(events[1].kind, Kind::kFreeListDump);
  EXPECT_EQ(events[1].number, 2);
  EXPECT_EQ(events[2].kind, Kind::kStepEnd);
}

TEST(FtraceTextTest, TasksMayHaveBracketsAndBlanks) {
  const std::string text =
      "  a [1] task-x-12  [000] .....  1.000001: mm_page_free: page=0 pfn=0x10 order=0\n"
      "     kworker/0:1-10      [000] d..2.    12.206190: mm_page_pcpu_drain: page=0 pfn=0x1268b order=0 "
      "migratetype=0\n";
  const std::vector<TraceEvent> events = Read(text);
  ASSERT_EQ(events.size(), 2);
  EXPECT_EQ(events[0].frame, FrameNumber(16));
  EXPECT_EQ(events[1].kind, Kind::kPerCpuDrain);
  EXPECT_EQ(events[0].task, "a [1] task-x-12");
  EXPECT_EQ(events[0].cpu, 0);
  EXPECT_EQ(events[1].task, "kworker/0:1-10");
}

TEST(FtraceTextTest, PassesOverFailedAllocationsAndOtherEvents) {
  EXPECT_TRUE(Read(Line("mm_page_alloc: page=0000000000000000 pfn=0x0 order=9 migratetype=1 gfp_flags=GFP_KERNEL") +
                   Line("mm_page_free_batched: page=000000006972e6e1 pfn=0x36f3 order=0") +
                   Line("cpa: (__change_page_attr_set_clr+0x0/0x10) vaddr=0x1 n=1") + "\n# END-OF-TRACE")
                  .empty());
}

TEST(FtraceTextTest, ErrorsNameTheLine) {
  const std::vector<std::pair<std::string, std::string>> kCases = {
      {Line("mm_page_alloc: page=1 order=0 migratetype=0"), "line 1: no pfn="},
      {Line("mm_page_alloc: page=1 pfn=0x1 order=11 migratetype=0"), "line 1: frame 1 of order 11"},
      {Line("mm_page_alloc: page=1 pfn=0x800000000 order=0 migratetype=0"), "beyond 128 TiB"},
      {Line("mm_page_alloc: page=1 pfn=0x1 order=0 migratetype=5"), "no migratetype= of 0, 1 or 2"},
      {Line("mm_page_free: page=1 pfn=0x1"), "no pfn= or order="},
      {Line("bulk_ret: (a <- b)"), "no n="},
      {Line("compact_take: (a <- b) page=0x1 vmb=0x100"), "outside of vmemmap"},
      {"\nnonsense\n", "line 2: no event"},
      {"dmprobe-146 [000] ..... 5.15: mm_page_free: pfn=0x1 order=0", "line 1: no event"},
      {"# entries-in-buffer/entries-written: 90/100   #P:1\n", "lost 10 of 100 events"},
  };
  for (const auto& [text, error] : kCases) EXPECT_THAT(Error(text), HasSubstr(error)) << text;
  EXPECT_EQ(Error("# entries-in-buffer/entries-written: 100/100   #P:1\n"), "");
}

}  // namespace
}  // namespace dmfrag::workload
