// inspect: what it says of recordings that the test writes, of a recorded run, and of what is neither.

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/testing/program_run.h"
#include "dmfrag/v1/recording.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/recording/event.h"
#include "proto/recording/writer.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using nlohmann::json;
using recording::Event;
using testing::AllOf;
using testing::Contains;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using Kind = Event::Kind;

// A writer into memory, with the tables of the test.
class TestRecording {
 public:
  explicit TestRecording(const v1::RecordingStart& start) {
    auto writer = recording::Writer::Create(
        [this](std::string_view part) {
          bytes_.append(part);
          return absl::OkStatus();
        },
        start);
    EXPECT_OK(writer.status());
    writer_ = *std::move(writer);
  }

  void AddOrigin(const std::string& comm, const std::string& flags, const std::string& function) {
    v1::RecordingOrigin origin;
    origin.set_comm(comm);
    origin.set_gfp_flags(flags);
    if (!function.empty()) origin.add_stack(function);
    writer_->OriginNumber(origin);
  }

  void Add(const Event& event) { EXPECT_OK(writer_->Add(event)); }

  std::string Finish(const v1::RecordingEnd& end) {
    EXPECT_OK(writer_->Finish(end));
    return bytes_;
  }

 private:
  std::string bytes_;
  std::unique_ptr<recording::Writer> writer_;
};

// Two seconds of two users on a machine whose direct map lost one large page.
std::string WebRecording() {
  v1::RecordingStart start;
  start.set_source("capture");
  v1::MachineSnapshot& before = *start.mutable_before();
  before.set_kernel_release("6.12.117+deb12-amd64");
  before.set_cpu_model("Some\x1b[31m CPU");
  before.set_cpus(4);
  before.add_usable()->set_end_bytes(uint64_t{3} << 20);
  before.set_meminfo("MemTotal: 3072 kB\nDirectMap4k:        1024 kB\nDirectMap2M:        2048 kB\n");
  before.set_vmstat("nr_free_pages 9\ndirect_map_level2_splits 3\n");
  before.set_buddyinfo("Node 0, zone      DMA      0      1      2 \nNode 0, zone    DMA32      1      3      1 \n");
  before.add_missing("zoneinfo could not be read; run as root.");
  TestRecording file(start);
  file.AddOrigin("web", "GFP_KERNEL", "vmalloc");
  file.AddOrigin("web", "GFP_KERNEL", "kmalloc");
  file.AddOrigin("db", "GFP_USER", "");
  file.AddOrigin("cron", "", "");
  constexpr uint64_t kStart = 1'000'000;
  file.Add({.kind = Kind::kAllocate, .order = 0, .detail = 0, .time_us = kStart, .frame = 100});
  file.Add({.kind = Kind::kAllocate, .order = 3, .detail = 1, .time_us = kStart + 1, .frame = 200});
  file.Add({.kind = Kind::kAllocate, .order = 1, .detail = 2, .time_us = kStart + 2, .frame = 300});
  file.Add({.kind = Kind::kAllocate, .order = 0, .detail = 3, .time_us = kStart + 3, .frame = 400});
  file.Add({.kind = Kind::kFree, .order = 0, .detail = 3, .time_us = kStart + 4, .frame = 100});
  file.Add({.kind = Kind::kFree, .order = 2, .detail = 3, .time_us = kStart + 5, .frame = 500});
  // Freed before without a record of its allocation in between.
  file.Add({.kind = Kind::kFree, .order = 0, .detail = 3, .time_us = kStart + 6, .frame = 100});
  file.Add({.kind = Kind::kSplit, .order = 9, .detail = 2, .time_us = kStart + 2'000'000, .frame = 600, .value = 9});
  v1::RecordingEnd end;
  end.set_lost_events(7);
  v1::RecordingCount& skipped = *end.add_skipped();
  skipped.set_what("kmem:kmalloc");
  skipped.set_count(1234);
  v1::RecordingUser& slab = *end.add_users();
  slab.set_name("kernel");
  slab.set_kind("slab");
  v1::RecordingUser& data = *end.add_users();
  data.set_name("database");
  data.set_kind("ordinary");
  for (int i = 0; i < 4; ++i) end.add_origin_users()->set_unchanged(i == 2 ? 1 : 0);
  v1::MachineSnapshot& after = *end.mutable_after();
  after = before;
  after.clear_missing();
  after.set_meminfo("DirectMap4k:        3072 kB\nDirectMap2M:           0 kB\n");
  after.set_vmstat("direct_map_level2_splits 4\n");
  after.set_buddyinfo("Node 0, zone      DMA      5      0      2 \n");
  end.add_limitations("Frees of its own pages are among the events.");
  return file.Finish(end);
}

std::string WriteFile(const std::string& name, std::string_view content) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

ProgramResult Inspect(const std::string& path, const std::string& output = "table") {
  ProgramWorld world;
  return RunIn(world, {"inspect", path, "-o", output});
}

// All figures follow from the eight events and the two snapshots above.
TEST(InspectTest, ShowsWhatARecordingHolds) {
  const std::string path = WriteFile("web.dmrec", WebRecording());
  const ProgramResult result = Inspect(path);
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(result.err, IsEmpty());
  const size_t head_end = result.out.find('\n') + 1;
  EXPECT_THAT(result.out.substr(0, head_end), AllOf(StartsWith(path + ": recording from capture, "),
                                                    testing::ContainsRegex(" bytes, SHA-256 [0-9a-f]*\n")));
  EXPECT_EQ(result.out.substr(head_end), R"(kernel: 6.12.117+deb12-amd64
machine: 4 CPUs, model Some?[31m CPU, memory 3.0 MiB
length: 2.000 s

events       count  per s
allocations      4    2.0
frees            3    1.5
splits           1    0.5
all              8    4.0
lost: 7
skipped: 1,234 kmem:kmalloc

counter                   before  after  change
DirectMap4k (KiB)          1,024  3,072  +2,048
DirectMap2M (KiB)          2,048      0  -2,048
direct_map_level2_splits       3      4      +1

free blocks of order  0  1  2
before                1  4  3
after                 5  0  2

user      kind      blocks  pages  live pages  held blocks  held pages  share of pages
kernel    slab           4     11           9            1           4          84.6 %
database  ordinary       1      2           2            0           0          15.4 %

user      task  flags       blocks  pages
kernel    web   GFP_KERNEL       2      9
kernel    cron  -                2      2
database  db    GFP_USER         1      2

requests                                                    count
blocks allocated, as recorded                                   4
blocks allocated without a record                               1
blocks freed, of those allocated                                2
allocations of blocks still in use, freed without a record      0
blocks freed, of those held before                              1
pages allocated                                                13
pages freed of those                                            2
pages live at the end                                          11
pages for page tables of the direct map                         0
splits of 2M pages by the kernel                                1
splits of 1G pages by the kernel                                0

limitation: Frees of its own pages are among the events.
missing: of the machine before: zoneinfo could not be read; run as root.
missing: Events that were lost; record with a larger buffer: dmfrag capture --buffer-kib, trace-cmd record -b, perf record -m.
)");
}

TEST(InspectTest, JsonHoldsTheSameFigures) {
  const ProgramResult result = Inspect(WriteFile("web.dmrec", WebRecording()), "json");
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  const json document = json::parse(result.out);
  EXPECT_EQ(document["source"], "capture");
  EXPECT_EQ(document["cut_off"], nullptr);
  EXPECT_EQ(document["sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(document["duration_us"], 2'000'000);
  EXPECT_EQ(document["events"], 8);
  EXPECT_EQ(document["events_per_second"], 4.0);
  EXPECT_EQ(document["lost_events"], 7);
  EXPECT_EQ(document["events_by_kind"]["allocations"]["count"], 4);
  EXPECT_EQ(document["events_by_kind"]["splits"]["per_second"], 0.5);
  EXPECT_EQ(document["events_by_kind"]["marks"]["count"], 0);
  EXPECT_EQ(document["machine"]["memory_bytes"], 3 << 20);
  EXPECT_EQ(document["machine"]["counters"]["DirectMap2M"]["change"], -2048);
  EXPECT_EQ(document["machine"]["counters"].count("DirectMap1G"), 0u);
  EXPECT_EQ(document["machine"]["free_blocks_before"], json({1, 4, 3}));
  EXPECT_EQ(document["requests"]["implied_allocations"], 1);
  EXPECT_EQ(document["requests"]["frees_of_held"], 1);
  EXPECT_EQ(document["requests"]["kernel_splits_2m"], 1);
  ASSERT_THAT(document["users"], SizeIs(2));
  const json& kernel = document["users"][0];
  EXPECT_EQ(kernel["held_pages"], 4);
  EXPECT_EQ(kernel["pages"], 11);
  EXPECT_EQ(kernel["live_pages"], 9);
  EXPECT_DOUBLE_EQ(kernel["share"].get<double>(), 11.0 / 13);
  // Stacks apart, one origin.
  ASSERT_THAT(kernel["origins"], SizeIs(2));
  EXPECT_EQ(kernel["origins"][0], json({{"comm", "web"}, {"gfp_flags", "GFP_KERNEL"}, {"blocks", 2}, {"pages", 9}}));
  EXPECT_EQ(kernel["origins"][1], json({{"comm", "cron"}, {"gfp_flags", nullptr}, {"blocks", 2}, {"pages", 2}}));
}

TEST(InspectTest, CsvHasARecordForEachFigure) {
  const ProgramResult result = Inspect(WriteFile("web.dmrec", WebRecording()), "csv");
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(result.out, StartsWith("part,name,figure,value\r\nfile,,name,"));
  EXPECT_THAT(result.out, HasSubstr("counter,DirectMap4k,change,2048\r\n"));
  EXPECT_THAT(result.out, HasSubstr("free_blocks,0,after,5\r\n"));
  EXPECT_THAT(result.out, HasSubstr("events,frees,per_second,1.5\r\n"));
  EXPECT_THAT(result.out, HasSubstr("user,database,live_pages,2\r\n"));
  EXPECT_THAT(result.out, HasSubstr("origin,kernel,1.comm,web\r\n"));
  EXPECT_THAT(result.out, HasSubstr("skipped,kmem:kmalloc,count,1234\r\n"));
}

TEST(InspectTest, OriginsAreTheThreeLargest) {
  TestRecording file({});
  for (int i = 0; i < 5; ++i) {
    file.AddOrigin("task" + std::to_string(i), "GFP_KERNEL", "");
    file.Add({.kind = Kind::kAllocate,
              .order = static_cast<uint8_t>(i),
              .detail = static_cast<uint32_t>(i),
              .frame = uint64_t{64} * static_cast<uint64_t>(i)});
  }
  v1::RecordingEnd end;
  end.add_users()->set_name("kernel");
  for (int i = 0; i < 5; ++i) end.add_origin_users();
  const json document = json::parse(Inspect(WriteFile("tasks.dmrec", file.Finish(end)), "json").out);
  const json& origins = document["users"][0]["origins"];
  ASSERT_THAT(origins, SizeIs(3));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(origins[i]["comm"], "task" + std::to_string(4 - i));
}

// Scripts see the exit code, people what is left of the recording.
TEST(InspectTest, OfACutOffFileTheWholePartIsShown) {
  const std::string whole = WebRecording();
  const std::string path = WriteFile("cut.dmrec", std::string_view(whole).substr(0, whole.size() - 1));
  const ProgramResult result = Inspect(path);
  EXPECT_EQ(result.code, ExitCode::kUsage);
  EXPECT_THAT(result.err, AllOf(HasSubstr("cut.dmrec: recording: it was cut off behind 1 blocks"),
                                HasSubstr("dmfrag import --partial")));
  EXPECT_THAT(result.out, HasSubstr("\nCUT OFF: "));
  EXPECT_THAT(result.out, testing::ContainsRegex("\nall +8 +4.0\nlost: some, not known how many\n"));
  EXPECT_THAT(result.out, testing::ContainsRegex("\nDirectMap4k \\(KiB\\) +1,024 +- +-\n"));
  EXPECT_THAT(result.out, testing::ContainsRegex("\nall +ordinary +5 +13 "));
  const json document = json::parse(Inspect(path, "json").out);
  EXPECT_THAT(document["cut_off"].get<std::string>(), HasSubstr("it was cut off"));
  EXPECT_EQ(document["lost_events"], nullptr);
}

TEST(InspectTest, ADamagedFileIsAnError) {
  std::string bytes = WebRecording();
  bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 1);
  const ProgramResult result = Inspect(WriteFile("damaged.dmrec", bytes));
  EXPECT_EQ(result.code, ExitCode::kUsage);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, AllOf(HasSubstr("damaged.dmrec: recording: "), Not(HasSubstr("cut off"))));
}

TEST(InspectTest, AnEmptyRecordingSaysWhatIsMissing) {
  TestRecording file({});
  v1::RecordingEnd end;
  end.add_users()->set_name("kernel");
  const std::string path = WriteFile("empty.dmrec", file.Finish(end));
  const ProgramResult result = Inspect(path);
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\nkernel: not known\nmachine: ? CPUs, model not known, memory not known\n"));
  EXPECT_THAT(result.out, testing::ContainsRegex("\nall +0 +-\nlost: 0\n"));
  EXPECT_THAT(result.out, HasSubstr("missing: The machine before the first event; record with dmfrag capture"));
  EXPECT_THAT(result.out, EndsWith("missing: Events: there is none; record with dmfrag capture without --no-trace.\n"));
  const json document = json::parse(Inspect(path, "json").out);
  EXPECT_EQ(document["users"][0]["share"], nullptr);
  EXPECT_EQ(document["events_per_second"], nullptr);
  EXPECT_EQ(document["machine"]["cpus"], nullptr);
}

// Figures of the file itself.
TEST(InspectTest, OfARecordedRunItsMachineIsShown) {
  const ProgramResult result = Inspect("tests/kernel/captures/tr-612-2G-1.json.xz");
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  EXPECT_THAT(result.out, HasSubstr("tr-612-2G-1.json.xz: recorded run of 17 steps, "));
  EXPECT_THAT(result.out, HasSubstr("\nkernel: 6.12.117+deb12-amd64\nmachine: 1 CPU, "));
  EXPECT_THAT(result.out, testing::ContainsRegex("\ndirect_map_level2_splits +3 +5 +\\+2\n"));
  EXPECT_THAT(result.out, Not(HasSubstr("\nevents")));
  EXPECT_THAT(result.out, Not(HasSubstr("\nuser ")));
  const json document = json::parse(Inspect("tests/kernel/captures/tr-612-2G-1.json.xz", "json").out);
  EXPECT_EQ(document["steps"], 17);
  EXPECT_EQ(document.count("users"), 0u);
  EXPECT_THAT(document["missing"], Contains(testing::ResultOf([](const json& one) { return one.get<std::string>(); },
                                                              StartsWith("of the machine before: "))));
}

TEST(InspectTest, WhatIsNeitherIsOneClearError) {
  const ProgramResult text = Inspect(WriteFile("notes.txt", "some notes"));
  EXPECT_EQ(text.code, ExitCode::kUsage);
  EXPECT_THAT(text.out, IsEmpty());
  EXPECT_THAT(text.err,
              EndsWith("notes.txt: is no capture: neither a recording (.dmrec), nor xz, nor a JSON object\n"));
  const ProgramResult other = Inspect(WriteFile("other.json", "{\"a\": 1}"));
  EXPECT_EQ(other.code, ExitCode::kUsage);
  EXPECT_THAT(other.err, EndsWith("other.json: is no recorded run: no format \"dmtruth-1\"\n"));
  EXPECT_THAT(Inspect("no such file").err, HasSubstr("no such file: is no file"));
}

}  // namespace
}  // namespace dmfrag::client
