#include "worker/convert/run_config_from_spec.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/recording/reader.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/convert/cache_from_proto.h"
#include "worker/convert/cost_from_proto.h"
#include "worker/convert/mix_from_proto.h"
#include "worker/convert/recording_machine.h"
#include "worker/experiment/boot_snapshot.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/units.h"
#include "worker/workload/random.h"

namespace dmfrag::convert {
namespace {

absl::StatusOr<model::KernelRelease> ReleaseFrom(v1::KernelRelease release, const char* field) {
  switch (release) {
    case v1::KERNEL_RELEASE_5_17:
      return model::KernelRelease::k5_17;
    case v1::KERNEL_RELEASE_6_1:
      return model::KernelRelease::k6_1;
    case v1::KERNEL_RELEASE_6_12:
      return model::KernelRelease::k6_12;
    case v1::KERNEL_RELEASE_6_16:
      return model::KernelRelease::k6_16;
    case v1::KERNEL_RELEASE_6_18:
      return model::KernelRelease::k6_18;
    case v1::KERNEL_RELEASE_7_3:
      return model::KernelRelease::k7_3;
    default:
      return absl::InvalidArgumentError(absl::StrCat(field, ": release ", v1::KernelRelease_Name(release),
                                                     " is not modelled; take KERNEL_RELEASE_5_17 to _7_3"));
  }
}

absl::StatusOr<model::MemoryMap> MemoryFrom(const v1::MachineSpec& machine) {
  if (machine.e820().empty()) return model::MemoryMap::Pc(machine.memory_bytes());
  std::vector<model::ByteRange> ranges;
  for (const v1::MemoryRange& range : machine.e820()) ranges.push_back({range.start_bytes(), range.end_bytes()});
  return model::MemoryMap::FromUsableRanges(ranges);
}

// A machine, and where it stands at the beginning; absent: it boots.
struct StartingMachine {
  model::MachineConfig config;
  std::optional<model::MachineStart> start;
};

// As the machine was before the recording's first event.
absl::StatusOr<experiment::BootSnapshot> SnapshotOfRecording(const std::string& bytes, uint64_t seed,
                                                             std::vector<std::string>* limitations) {
  ASSIGN_OR_RETURN(const std::unique_ptr<recording::Reader> reader, recording::Reader::Open(bytes));
  if (!reader->start().has_before()) {
    return absl::InvalidArgumentError(
        "the recording has no snapshot of its machine; leave the field out, and give machine.memory_bytes");
  }
  ASSIGN_OR_RETURN(
      RecordedMachine machine,
      MachineOfRecording(reader->start().before(), workload::Random(seed).Derive("machine.recorded_snapshot")));
  if (limitations != nullptr) {
    limitations->insert(limitations->end(), machine.limitations.begin(), machine.limitations.end());
  }
  return std::move(machine.snapshot);
}

absl::StatusOr<StartingMachine> SnapshotMachineFrom(const v1::JobSpec& spec, const CaptureSource& captures,
                                                    model::KernelRelease allocator_release,
                                                    std::vector<std::string>* limitations) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadChecked(captures, spec.machine().boot_snapshot_sha256()));
  const auto wrong = [](const absl::Status& status) {
    return absl::InvalidArgumentError(absl::StrCat("machine.boot_snapshot_sha256: ", status.message()));
  };
  absl::StatusOr<experiment::BootSnapshot> snapshot = recording::LooksLikeRecording(bytes)
                                                          ? SnapshotOfRecording(bytes, spec.seed(), limitations)
                                                          : experiment::ReadBootSnapshot(bytes);
  if (!snapshot.ok()) return wrong(snapshot.status());
  // Its own stream: users of the mix draw the same whatever the machine.
  absl::StatusOr<model::MachineStart> start =
      experiment::StartFrom(*snapshot, model::AllocatorRules::Of(allocator_release),
                            workload::Random(spec.seed()).Derive("machine.boot_snapshot"));
  if (!start.ok()) return wrong(start.status());
  workload::ReplayInput& input = snapshot->input;
  const std::vector<uint32_t>& nodes = start->allocator.node_of_cpu;
  const uint32_t last_node = nodes.empty() ? 0 : *std::max_element(nodes.begin(), nodes.end());
  return StartingMachine{
      {.memory = std::move(input.memory), .mapping = input.mapping, .cpus = input.cpus, .numa_nodes = last_node + 1},
      *std::move(start)};
}

absl::StatusOr<StartingMachine> BootingMachineFrom(const v1::MachineSpec& machine) {
  ASSIGN_OR_RETURN(model::MemoryMap memory, MemoryFrom(machine));
  return StartingMachine{
      {.memory = std::move(memory),
       .mapping = {.gbpages = machine.gbpages(), .pse = machine.pse(), .debug_pagealloc = machine.debug_pagealloc()},
       .cpus = machine.cpus(),
       .numa_nodes = machine.numa_nodes(),
       .movable_per_mille = machine.movable_per_mille(),
       .hotplugged = model::FrameCount(machine.hotplug_bytes() / model::kFrameBytes)},
      std::nullopt};
}

absl::StatusOr<StartingMachine> MachineFrom(const v1::JobSpec& spec, const CaptureSource& captures,
                                            std::vector<std::string>* limitations) {
  ASSIGN_OR_RETURN(const model::KernelRelease allocator_release,
                   ReleaseFrom(spec.kernel().allocator_release(), "kernel.allocator_release"));
  ASSIGN_OR_RETURN(const model::KernelRelease cpa_release,
                   ReleaseFrom(spec.kernel().cpa_release(), "kernel.cpa_release"));
  absl::StatusOr<StartingMachine> machine = spec.machine().boot_snapshot_sha256().empty()
                                                ? BootingMachineFrom(spec.machine())
                                                : SnapshotMachineFrom(spec, captures, allocator_release, limitations);
  if (!machine.ok()) return machine;
  machine->config.allocator_release = allocator_release;
  machine->config.cpa_release = cpa_release;
  return machine;
}

}  // namespace

absl::StatusOr<experiment::RunConfig> RunConfigFromSpec(const v1::JobSpec& spec, const CaptureSource& captures,
                                                        std::vector<std::string>* limitations) {
  ASSIGN_OR_RETURN(StartingMachine machine, MachineFrom(spec, captures, limitations));
  experiment::RunConfig config{.machine = std::move(machine.config),
                               .start = std::move(machine.start),
                               .cache = {},
                               .mix = {},
                               .length = {.duration_us = spec.length().duration_us(),
                                          .warmup_us = spec.length().warmup_us(),
                                          .sample_interval_us = spec.length().sample_interval_us(),
                                          .max_operations = spec.length().max_operations()},
                               .seed = spec.seed()};
  ASSIGN_OR_RETURN(config.cache, CacheFrom(spec.cache()));
  ASSIGN_OR_RETURN(config.machine.table_source, TableSourceFrom(spec.cache()));
  config.machine.restore_global = config.machine.restore_dirty = config.cache.options.restore_global;
  if (spec.cache().has_debug_pagealloc()) config.machine.mapping.debug_pagealloc = true;
  ASSIGN_OR_RETURN(config.cost, CostFrom(spec.machine(), config.machine));
  if (spec.workload().has_recording()) {
    ASSIGN_OR_RETURN(config.mix, MixFrom(spec.workload().recording().beside(), "workload.recording.beside"));
  } else {
    ASSIGN_OR_RETURN(config.mix, MixFrom(spec.workload().mix(), "workload.mix"));
  }
  if (spec.ageing().has_mix()) {
    config.ageing.emplace();
    config.ageing->duration_us = spec.ageing().duration_us();
    ASSIGN_OR_RETURN(config.ageing->mix, MixFrom(spec.ageing().mix(), "ageing.mix"));
  }
  return config;
}

}  // namespace dmfrag::convert
