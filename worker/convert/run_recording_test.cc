#include "worker/convert/run_recording.h"

#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/convert/recording_fixture.h"
#include "worker/convert/run_job.h"
#include "worker/policy/registry.h"
#include "worker/workload/mix.h"
#include "worker/workload/random.h"

namespace dmfrag::convert {
namespace {

using recording::Event;
using ::testing::Contains;
using ::testing::HasSubstr;
using Kind = Event::Kind;

v1::JobSpec SpecOf(const std::string& digest, const std::string& more = "") {
  v1::JobSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString("machine { memory_bytes: 536870912 } cache { none {} } " + more, &spec));
  spec.mutable_workload()->mutable_recording()->set_file_sha256(digest);
  return spec;
}

v1::JobResult MustRun(const v1::JobSpec& spec, const CaptureSource& captures) {
  const auto result = RunJob(spec, captures);
  EXPECT_OK(result.status());
  return result.ok() ? *result : v1::JobResult();
}

constexpr uint64_t kDurationUs = 3'000'000;

// Ordinary and secretmem users at work.
v1::Mix SmallMix() {
  v1::Mix mix;
  EXPECT_TRUE(
      google::protobuf::TextFormat::ParseFromString(R"pb(
                                                      users {
                                                        name: "secretmem"
                                                        secretmem { lifetime_us { exponential { mean: 1000000 } } }
                                                      }
                                                      users {
                                                        name: "anon"
                                                        ordinary {
                                                          migratetype: MIGRATETYPE_MOVABLE
                                                          interval_us { exponential { mean: 20000 } }
                                                          size_allocations { uniform { min: 1 max: 100 } }
                                                          lifetime_us { exponential { mean: 1000000 } }
                                                        }
                                                      }
                                                      users {
                                                        name: "stacks"
                                                        ordinary {
                                                          migratetype: MIGRATETYPE_UNMOVABLE
                                                          order: 2
                                                          interval_us { exponential { mean: 5000 } }
                                                          size_allocations { constant { value: 1 } }
                                                          lifetime_us { exponential { mean: 500000 } }
                                                        }
                                                      })pb",
                                                    &mix));
  return mix;
}

// The same users as the model has them.
workload::MixConfig SmallMixConfig() {
  using workload::Constant;
  using workload::Exponential;
  using workload::Uniform;
  workload::SecretmemConfig secretmem;
  secretmem.interval_us = Exponential{20000};
  secretmem.size_pages = Uniform{1, 64};
  secretmem.lifetime_us = Exponential{1000000};
  return {{{"secretmem", secretmem},
           {"anon", workload::OrdinaryConfig{model::Migratetype::kMovable, model::Order(0), Exponential{20000},
                                             Uniform{1, 100}, Exponential{1000000}}},
           {"stacks", workload::OrdinaryConfig{model::Migratetype::kUnmovable, model::Order(2), Exponential{5000},
                                               Constant{1}, Exponential{500000}}}}};
}

// A recording in which a kernel did what the mix asks for, with frames that no two live blocks share.
std::string RecordedMix(uint64_t seed) {
  const workload::MixConfig mix = SmallMixConfig();
  workload::MixStream stream(mix, workload::Random(seed), workload::SimTime(kDurationUs));
  std::vector<Event> events;
  std::map<std::pair<uint32_t, uint64_t>, std::vector<uint64_t>> frames;
  uint64_t next = 1 << 20;
  // The first event is the beginning of time, and the last its end.
  events.push_back({.kind = Kind::kLost, .time_us = 0, .value = 1});
  while (const auto operation = stream.Next()) {
    std::vector<uint64_t>& of_object = frames[{operation->user, operation->object}];
    const auto order = static_cast<uint8_t>(operation->order.raw());
    if (operation->kind == workload::Operation::Kind::kCreate) {
      for (uint64_t i = 0; i < operation->allocations; ++i) {
        of_object.push_back(next);
        next += 8;
        events.push_back({.kind = Kind::kAllocate,
                          .order = order,
                          .detail = operation->user,
                          .time_us = operation->time.us(),
                          .frame = of_object.back()});
      }
      continue;
    }
    for (const uint64_t frame : of_object) {
      events.push_back({.kind = Kind::kFree,
                        .order = order,
                        .detail = operation->user,
                        .time_us = operation->time.us(),
                        .frame = frame});
    }
  }
  events.push_back({.kind = Kind::kLost, .time_us = kDurationUs - 1, .value = 1});
  return RecordingOf({{"secretmem", "secretmem", 0}, {"anon", "anonymous", 1}, {"stacks", "ordinary", 0}}, events);
}

v1::CacheSpec CacheOf(const std::string& type) {
  v1::CacheSpec cache;
  cache.GetReflection()->MutableMessage(&cache, v1::CacheSpec::descriptor()->FindFieldByName(type));
  return cache;
}

class EveryCacheTest : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Types, EveryCacheTest, ::testing::ValuesIn(policy::CacheTypeNames()),
                         [](const auto& info) { return info.param; });

// A recording of a mix comes to what the mix comes to.
TEST_P(EveryCacheTest, ARecordedMixIsTheMix) {
  FilesInMemory files;
  v1::JobSpec recorded = SpecOf(files.Add(RecordedMix(7)), "seed: 7");
  *recorded.mutable_cache() = CacheOf(GetParam());
  v1::JobSpec mixed = recorded;
  *mixed.mutable_workload()->mutable_mix() = SmallMix();
  mixed.mutable_length()->set_duration_us(kDurationUs);
  v1::JobResult of_recording = MustRun(recorded, files);
  const v1::RecordingReport report = of_recording.replay().recording();
  of_recording.clear_replay();
  EXPECT_EQ(of_recording.DebugString(), MustRun(mixed, files).DebugString());
  EXPECT_GT(report.allocations(), 1000);
  EXPECT_EQ(report.live_pages(), report.recorded_live_pages());
  EXPECT_EQ(report.failed_allocations(), 0);
}

TEST_P(EveryCacheTest, LoopsSpeedAndAMixBesideKeepTheBalance) {
  FilesInMemory files;
  v1::JobSpec spec = SpecOf(files.Add(RecordedMix(3)), "seed: 7");
  *spec.mutable_cache() = CacheOf(GetParam());
  v1::RecordingWorkload& recording = *spec.mutable_workload()->mutable_recording();
  recording.set_loops(3);
  recording.set_speed_thousandths(1500);
  *recording.mutable_beside() = SmallMix();
  const v1::JobResult result = MustRun(spec, files);
  const v1::RecordingReport& report = result.replay().recording();
  EXPECT_GT(report.live_pages(), 0);
  EXPECT_EQ(report.live_pages(), report.recorded_live_pages());
  EXPECT_EQ(result.time_series().time_us(result.time_series().time_us_size() - 1), 6'000'000U);
  std::map<std::string, int64_t> operations;
  for (const v1::Attribution& row : result.attributions()) {
    if (row.metric() == "operations") operations[row.user()] += row.value();
  }
  EXPECT_GT(operations["secretmem"], 0);
  EXPECT_GT(operations["beside:secretmem"], 0);
  EXPECT_EQ(operations.size(), 6U);
  EXPECT_EQ(MustRun(spec, files).SerializeAsString(), result.SerializeAsString());
}

// Pages of every kind, of several orders, some of them freed, some from before the recording.
std::string RecordingOfAllKinds() {
  std::vector<FixtureUser> users;
  for (const char* kind : {"secretmem", "bpf", "module", "uncached", "graphics", "dma", "page_tables", "xpfo",
                           "page_cache", "guest_memory", "memory_failure", "vmalloc", "trampoline", "slab"}) {
    users.push_back({kind, kind, users.size() == 8 ? 1U : 0U});
  }
  std::vector<Event> events;
  for (uint32_t user = 0; user < users.size(); ++user) {
    for (uint8_t order = 0; order < 4; ++order) {
      const uint64_t frame = (uint64_t{user} * 4 + order + 100) * 16;
      events.push_back(
          {.kind = Kind::kFree, .order = order, .detail = user, .time_us = events.size(), .frame = frame + (1 << 16)});
      events.push_back(
          {.kind = Kind::kAllocate, .order = order, .detail = user, .time_us = events.size(), .frame = frame});
      if (order % 2 == 0) continue;
      events.push_back({.kind = Kind::kFree, .order = order, .detail = user, .time_us = events.size(), .frame = frame});
    }
  }
  return RecordingOf(users, events);
}

TEST_P(EveryCacheTest, AllKindsAndHeldBlocksKeepTheBalance) {
  FilesInMemory files;
  v1::JobSpec spec = SpecOf(files.Add(RecordingOfAllKinds()));
  *spec.mutable_cache() = CacheOf(GetParam());
  const v1::JobResult result = MustRun(spec, files);
  const v1::RecordingReport& report = result.replay().recording();
  EXPECT_EQ(report.frees_of_held(), 14 * 4);
  EXPECT_EQ(report.recorded_live_pages(), 14 * (1 + 4));
  EXPECT_EQ(report.live_pages(), report.recorded_live_pages());
  EXPECT_EQ(result.metrics().live_pages(), report.live_pages());
  EXPECT_EQ(report.failed_allocations(), 0);
  EXPECT_EQ(report.free_blocks_size(), 11);
}

TEST(RunRecordingTest, RunningOutOfMemoryIsCounted) {
  std::vector<Event> events;
  for (uint64_t i = 0; i < 200; ++i) {
    events.push_back({.kind = Kind::kAllocate, .order = 10, .time_us = i, .frame = (i + 10) * 1024});
  }
  for (uint64_t i = 0; i < 200; ++i) {
    events.push_back({.kind = Kind::kFree, .order = 10, .time_us = 200 + i, .frame = (i + 10) * 1024});
  }
  FilesInMemory files;
  const v1::JobResult result = MustRun(SpecOf(files.Add(RecordingOf({{"slab", "slab"}}, events))), files);
  EXPECT_GT(result.replay().recording().failed_allocations(), 70);
  EXPECT_LT(result.replay().recording().failed_allocations(), 200);
  EXPECT_EQ(result.replay().recording().live_pages(), 0);
  EXPECT_EQ(result.metrics().live_pages(), 0);
}

constexpr char kBuddyInfo[] =
    "Node 0, zone      DMA      1      1      1      1      1      1      1      1      1      1      2 \n"
    "Node 0, zone    DMA32     20     20     20     20     20     20     20     10     10     10     60 \n";

v1::RecordingStart Machine() {
  v1::RecordingStart start;
  v1::MachineSnapshot& before = *start.mutable_before();
  before.set_kernel_release("6.12.9");
  before.set_cpu_flags("fpu pse pdpe1gb");
  before.set_cpus(2);
  v1::MemoryRange& low = *before.add_usable();
  low.set_end_bytes(0x9f000);
  v1::MemoryRange& high = *before.add_usable();
  high.set_start_bytes(0x100000);
  high.set_end_bytes(uint64_t{512} << 20);
  before.set_meminfo(
      "MemTotal:         500000 kB\nMemFree:         200000 kB\nDirectMap4k:       45052 kB\n"
      "DirectMap2M:      479232 kB\nDirectMap1G:           0 kB\n");
  before.set_vmstat("nr_free_pages 50000\ndirect_map_level2_splits 12\ndirect_map_level3_splits 0\n");
  before.set_buddyinfo(kBuddyInfo);
  return start;
}

TEST(RunRecordingTest, ASnapshotIsTheMachine) {
  v1::RecordingEnd end;
  v1::MachineSnapshot& after = *end.mutable_after();
  after.set_vmstat("direct_map_level2_splits 15\ndirect_map_level3_splits 0\n");
  after.set_buddyinfo(kBuddyInfo);
  FilesInMemory files;
  const std::string digest = files.Add(RecordingOf(
      {{"slab", "slab"}},
      {{.kind = Kind::kFree, .time_us = 5, .frame = 40000}, {.kind = Kind::kAllocate, .time_us = 6, .frame = 40001}},
      Machine(), end));
  v1::JobSpec spec;
  spec.mutable_cache()->mutable_none();
  spec.mutable_workload()->mutable_recording()->set_file_sha256(digest);
  spec.mutable_machine()->set_boot_snapshot_sha256(digest);
  const v1::JobResult result = MustRun(spec, files);
  const v1::RecordingReport& report = result.replay().recording();
  EXPECT_EQ(result.replay().capture_id(), digest);
  EXPECT_EQ(result.replay().kernel(), "6.12.9");
  EXPECT_EQ(report.kernel_splits_2m(), 3);
  EXPECT_EQ(report.kernel_free_blocks(0), 21);
  EXPECT_EQ(report.kernel_free_blocks(10), 62);
  EXPECT_GE(report.free_blocks_at_start(10), 50);
  EXPECT_EQ(report.frees_of_held(), 1);
  EXPECT_EQ(report.live_pages(), 1);
  EXPECT_EQ(result.metrics().direct_map_4k_kib(), 45052);
  EXPECT_THAT(report.limitations(), Contains(HasSubstr("the direct map was not read")));
  EXPECT_THAT(report.limitations(), Contains(HasSubstr("pagetypeinfo was not recorded")));
  EXPECT_EQ(MustRun(spec, files).SerializeAsString(), result.SerializeAsString());
  // A mix starts from it too.
  *spec.mutable_workload()->mutable_mix() = SmallMix();
  EXPECT_EQ(MustRun(spec, files).outcome(), v1::OUTCOME_COMPLETED);
}

TEST(RunRecordingTest, WrongFilesAreRefused) {
  FilesInMemory files;
  const std::string digest = files.Add(RecordingOf({{"slab", "slab"}}, {}));
  v1::JobSpec spec;
  spec.mutable_cache()->mutable_none();
  spec.mutable_workload()->mutable_recording()->set_file_sha256(digest);
  spec.mutable_machine()->set_boot_snapshot_sha256(digest);
  EXPECT_THAT(RunJob(spec, files),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has no snapshot of its machine")));
  EXPECT_THAT(RunJob(SpecOf(files.Add("{}")), files),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("workload.recording.file_sha256: ")));
  std::string cut = RecordedMix(1);
  cut.resize(cut.size() / 2);
  EXPECT_THAT(RunJob(SpecOf(files.Add(cut)), files),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("workload.recording.file_sha256: ")));
  v1::RecordingStart bare = Machine();
  bare.mutable_before()->clear_buddyinfo();
  const std::string without = files.Add(RecordingOf({{"slab", "slab"}}, {}, bare));
  spec.mutable_workload()->mutable_recording()->set_file_sha256(without);
  spec.mutable_machine()->set_boot_snapshot_sha256(without);
  EXPECT_THAT(RunJob(spec, files), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr("neither pagetypeinfo nor buddyinfo was recorded")));
}

}  // namespace
}  // namespace dmfrag::convert
