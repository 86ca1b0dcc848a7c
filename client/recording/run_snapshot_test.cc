#include "client/recording/run_snapshot.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

absl::StatusOr<RunSnapshots> ReadRun(const std::string& id) {
  return ReadRunSnapshots("tests/kernel/captures/" + id + ".json.xz");
}

uint64_t PagesOf(const v1::MachineSnapshot& snapshot, uint32_t order) {
  uint64_t pages = 0;
  for (const v1::DirectMapRun& run : snapshot.direct_map()) pages += run.order() == order ? run.pages() : 0;
  return pages;
}

// Figures of the file itself: steps 3 and 16.
TEST(RunSnapshotTest, TakesTheDumpsAroundTheTrace) {
  const absl::StatusOr<RunSnapshots> run = ReadRun("tr-612-2G-1");
  ASSERT_OK(run);
  EXPECT_EQ(run->page_offset_base, 0xff11000000000000u);
  EXPECT_EQ(run->steps, 17u);
  EXPECT_EQ(run->before.kernel_release(), "6.12.117+deb12-amd64");
  EXPECT_THAT(run->before.command_line(), StartsWith("console=ttyS0 "));
  EXPECT_EQ(run->before.cpu_flags(), "pdpe1gb pse nx la57 smep svm");
  EXPECT_EQ(run->before.cpus(), 1u);
  ASSERT_EQ(run->before.usable_size(), 2);
  EXPECT_EQ(run->before.usable(1).start_bytes(), 0x100000u);
  EXPECT_EQ(run->before.usable(1).end_bytes(), 524250u * 4096u);
  EXPECT_THAT(run->before.iomem(), StartsWith("00000000-00000fff : Reserved\n00001000-"));
  EXPECT_THAT(run->before.meminfo(), StartsWith("MemTotal:        2019392 kB\nMemFree:         1816908 kB\n"));
  EXPECT_THAT(run->before.vmstat(), StartsWith("nr_free_pages 454227\n"));
  EXPECT_EQ(run->before.buddyinfo(),
            "Node 0, zone      DMA      0      0      0      0      0      0      1      1      0      1      3 \n"
            "Node 0, zone    DMA32      1      3      1      1      2      1      3      1      2      2    438 \n");
  EXPECT_THAT(run->before.pagetypeinfo(), StartsWith("Page block order: 9\nPages per block:  512\n\nFree pages count"));
  EXPECT_EQ(PagesOf(run->before, 0), 5082u);
  EXPECT_EQ(PagesOf(run->before, 9), 1014u * 512u);
  EXPECT_EQ(run->before.direct_map(0).flags(), 0x8000000000000103u);
  // Two leaves of 2M were split in the trace.
  EXPECT_EQ(PagesOf(run->after, 9), 1012u * 512u);
  EXPECT_THAT(run->before.vmstat(), HasSubstr("direct_map_level2_splits 3\n"));
  EXPECT_THAT(run->after.vmstat(), HasSubstr("direct_map_level2_splits 5\n"));
  EXPECT_THAT(run->before.missing(), Not(Contains(HasSubstr("the run did"))));
}

TEST(RunSnapshotTest, SaysWhatRanBetweenDumpAndTrace) {
  const absl::StatusOr<RunSnapshots> run = ReadRun("extr-61-1G-s124");
  ASSERT_OK(run);
  EXPECT_THAT(run->before.missing(), Contains(HasSubstr("the run did: anonfill big 8000.")));
  EXPECT_THAT(run->after.missing(), Not(Contains(HasSubstr("the run did"))));
}

TEST(RunSnapshotTest, TracedFromBootThereIsNoStateBefore) {
  const absl::StatusOr<RunSnapshots> run = ReadRun("boottrace-612-2G");
  ASSERT_OK(run);
  EXPECT_EQ(run->before.kernel_release(), "6.12.117+deb12-amd64");
  EXPECT_EQ(run->before.usable_size(), 2);
  EXPECT_EQ(run->before.meminfo(), "");
  EXPECT_EQ(run->before.direct_map_size(), 0);
  EXPECT_THAT(run->before.missing(), Contains(HasSubstr("traced from boot on")));
  EXPECT_GT(run->after.direct_map_size(), 0);
}

TEST(RunSnapshotTest, DumpsInsideTheTraceAreNotMeant) {
  const absl::StatusOr<RunSnapshots> run = ReadRun("bulk-61-2G-a");
  ASSERT_OK(run);
  EXPECT_EQ(PagesOf(run->before, 0), 5082u);
  // 40 in the trace.
  EXPECT_THAT(run->before.vmstat(), HasSubstr("direct_map_level2_splits 2\n"));
  EXPECT_THAT(run->after.vmstat(), HasSubstr("direct_map_level2_splits 42\n"));
}

TEST(RunSnapshotTest, NodesHaveTheirOwnLines) {
  const absl::StatusOr<RunSnapshots> run = ReadRun("numa-612-4G-s314");
  ASSERT_OK(run);
  EXPECT_THAT(run->after.buddyinfo(),
              testing::AllOf(StartsWith("Node 0, zone      DMA "), HasSubstr("\nNode 1, zone   Normal ")));
}

std::string ErrorOf(const std::string& content) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "run.json";
  std::ofstream(path, std::ios::binary) << content;
  const absl::StatusOr<RunSnapshots> run = ReadRunSnapshots(path);
  EXPECT_THAT(run, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("run.json: ")));
  return std::string(run.status().message());
}

TEST(RunSnapshotTest, WhatIsNoRunIsRefused) {
  EXPECT_THAT(ErrorOf("nothing"), HasSubstr("is no JSON text"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("is no recorded run"));
  EXPECT_THAT(ErrorOf("{\"format\": \"dmtruth-2\"}"), HasSubstr("is no recorded run"));
  EXPECT_THAT(ErrorOf("{\"format\": \"dmtruth-1\", \"config\": {\"smp\": \"two\"}}"), HasSubstr("of another type"));
  EXPECT_THAT(ErrorOf("{\"format\": \"dmtruth-1\", \"steps\": [{\"action\": \"dump\", \"after\": {\"direct_map\": "
                      "[[0, 1, \"3k\", \"0x1\"]]}}]}"),
              HasSubstr("a row of the direct map"));
  EXPECT_THAT(ReadRunSnapshots("no such file"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot be read")));
}

}  // namespace
}  // namespace dmfrag::client
