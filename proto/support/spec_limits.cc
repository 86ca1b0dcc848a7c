#include "proto/support/spec_limits.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "proto/support/cache_limits.h"
#include "proto/support/mix_limits.h"
#include "proto/support/range_check.h"
#include "proto/support/sha256.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kTiB = uint64_t{1} << 40;
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kMinMemoryBytes = 256 * kMiB;
constexpr uint64_t kMaxMemoryBytes = 64 * kTiB;
constexpr uint64_t kYearUs = uint64_t{366} * 24 * 3600 * 1000000;
constexpr uint64_t kMaxNumaNodes = 64;
constexpr uint64_t kMinNodeBytes = 128 * kMiB;
constexpr int kMaxRanges = 4096;
constexpr uint64_t kDefaultMemoryBytes = uint64_t{4} << 30;
constexpr uint32_t kMaxMovablePerMille = 900;
constexpr uint64_t kHotplugBytes = 128 * kMiB;
// Added memory needs a 64th of itself for its struct pages: half of the memory there is, at most.
constexpr uint64_t kMaxHotplugTimes = 32;

absl::Status CheckLayout(const v1::MachineSpec& machine) {
  if (machine.has_memory_bytes())
    return WrongField("machine.memory_bytes", "must be left out where machine.e820 gives the layout");
  RETURN_IF_ERROR(CheckRange("machine.e820 (ranges)", machine.e820_size(), 1, kMaxRanges));
  uint64_t end = 0;
  uint64_t sum = 0;
  for (int i = 0; i < machine.e820_size(); ++i) {
    const std::string path = absl::StrCat("machine.e820[", i, "]");
    const v1::MemoryRange& range = machine.e820(i);
    if (range.start_bytes() < end)
      return WrongField(path, "starts below the end of the one before; sort and join the ranges");
    if (range.end_bytes() <= range.start_bytes()) return WrongField(path, "end_bytes must be greater than start_bytes");
    if (range.end_bytes() > 2 * kMaxMemoryBytes) return WrongField(path, "ends above 128 TiB");
    end = range.end_bytes();
    sum += range.end_bytes() - range.start_bytes();
  }
  return CheckRange("machine.e820 (sum in bytes)", sum, kMiB, kMaxMemoryBytes);
}

absl::Status CheckDigest(const std::string& path, const std::string& hex) {
  const absl::Status digest = Sha256FromHex(hex).status();
  return digest.ok() ? digest : WrongField(path, std::string(digest.message()));
}

// Nothing beside the snapshot: what it does not say, no field may contradict.
absl::Status CheckSnapshot(const v1::MachineSpec& machine) {
  RETURN_IF_ERROR(CheckDigest("machine.boot_snapshot_sha256", machine.boot_snapshot_sha256()));
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  machine.GetReflection()->ListFields(machine, &fields);
  for (const auto* field : fields) {
    if (field->number() == v1::MachineSpec::kBootSnapshotSha256FieldNumber) continue;
    return WrongField(
        "machine." + field->name(),
        "must be left out where machine.boot_snapshot_sha256 gives the machine; leave out the one or the other");
  }
  return absl::OkStatus();
}

absl::Status CheckCost(const v1::MachineSpec& machine) {
  // A cost whose fields all have their default, 0, is none.
  const v1::CostSpec& cost = machine.cost();
  const bool is_default = cost.isolated_cpus() == 0 && cost.sent_interrupts_per_mille() == 0 &&
                          cost.kernel_working_set_bytes() == 0 && cost.user_4k_working_set_bytes() == 0 &&
                          cost.user_2m_working_set_bytes() == 0 && cost.constants().empty();
  if (is_default) return absl::OkStatus();
  if (machine.cpu_profile() == v1::CPU_PROFILE_UNSPECIFIED) {
    return WrongField("machine.cost", "needs machine.cpu_profile; give one, for example zen_3, or leave the cost out");
  }
  constexpr uint32_t kDefaultCpus = 4;
  const uint32_t cpus = machine.has_cpus() ? machine.cpus() : kDefaultCpus;
  RETURN_IF_ERROR(CheckRange("machine.cost.isolated_cpus", cost.isolated_cpus(), 0, cpus - 1));
  RETURN_IF_ERROR(CheckRange("machine.cost.sent_interrupts_per_mille", cost.sent_interrupts_per_mille(), 0, 1000));
  RETURN_IF_ERROR(
      CheckRange("machine.cost.kernel_working_set_bytes", cost.kernel_working_set_bytes(), 0, kMaxMemoryBytes));
  RETURN_IF_ERROR(
      CheckRange("machine.cost.user_4k_working_set_bytes", cost.user_4k_working_set_bytes(), 0, kMaxMemoryBytes));
  return CheckRange("machine.cost.user_2m_working_set_bytes", cost.user_2m_working_set_bytes(), 0, kMaxMemoryBytes);
}

uint64_t MemoryBytes(const v1::MachineSpec& machine) {
  if (machine.e820().empty()) return machine.has_memory_bytes() ? machine.memory_bytes() : kDefaultMemoryBytes;
  uint64_t sum = 0;
  for (const v1::MemoryRange& range : machine.e820()) sum += range.end_bytes() - range.start_bytes();
  return sum;
}

absl::Status CheckMovableMemory(const v1::MachineSpec& machine) {
  RETURN_IF_ERROR(CheckRange("machine.movable_per_mille", machine.movable_per_mille(), 0, kMaxMovablePerMille));
  if (machine.hotplug_bytes() % kHotplugBytes != 0) {
    return WrongField("machine.hotplug_bytes",
                      absl::StrCat(machine.hotplug_bytes(), " is no multiple of 128 MiB (", kHotplugBytes,
                                   " bytes), in which memory is added; for example 1 GiB"));
  }
  const uint64_t memory = MemoryBytes(machine);
  const uint64_t most = std::min(kMaxMemoryBytes, kMaxHotplugTimes * memory);
  if (machine.hotplug_bytes() <= most) return absl::OkStatus();
  return WrongField(
      "machine.hotplug_bytes",
      absl::StrCat(machine.hotplug_bytes() / kMiB, " MiB is more than ", kMaxHotplugTimes, " times the ", memory / kMiB,
                   " MiB of the machine, which hold its struct pages, or than 64 TiB; "
                   "add less, or give the machine more memory"));
}

absl::Status CheckMachine(const v1::MachineSpec& machine) {
  if (!machine.boot_snapshot_sha256().empty()) return CheckSnapshot(machine);
  if (!machine.e820().empty()) RETURN_IF_ERROR(CheckLayout(machine));
  if (machine.has_memory_bytes()) {
    RETURN_IF_ERROR(CheckRange("machine.memory_bytes", machine.memory_bytes(), kMinMemoryBytes, kMaxMemoryBytes));
    if (machine.memory_bytes() % kPageBytes != 0)
      return WrongField("machine.memory_bytes", "must be a multiple of 4096");
  }
  if (machine.has_cpus()) RETURN_IF_ERROR(CheckRange("machine.cpus", machine.cpus(), 1, 4096));
  RETURN_IF_ERROR(CheckMovableMemory(machine));
  return CheckCost(machine);
}

absl::Status CheckReplay(const v1::ReplayWorkload& replay) {
  RETURN_IF_ERROR(CheckDigest("workload.replay.capture_sha256", replay.capture_sha256()));
  if (replay.trace_sha256().empty()) return absl::OkStatus();
  if (replay.has_frames()) {
    return WrongField("workload.replay.frames", "must be left out where trace_sha256 names a trace");
  }
  return CheckDigest("workload.replay.trace_sha256", replay.trace_sha256());
}

absl::Status CheckRecording(const v1::RecordingWorkload& recording) {
  RETURN_IF_ERROR(CheckDigest("workload.recording.file_sha256", recording.file_sha256()));
  if (recording.has_loops()) RETURN_IF_ERROR(CheckRange("workload.recording.loops", recording.loops(), 1, 1000));
  if (recording.has_speed_thousandths()) {
    RETURN_IF_ERROR(CheckThousandths("workload.recording.speed_thousandths", recording.speed_thousandths(), 1, 1000000));
  }
  if (!recording.has_beside()) return absl::OkStatus();
  return CheckMix(recording.beside(), "workload.recording.beside");
}

absl::Status CheckWorkload(const v1::WorkloadSpec& workload) {
  switch (workload.source_case()) {
    case v1::WorkloadSpec::kMix:
      return CheckMix(workload.mix());
    case v1::WorkloadSpec::kReplay:
      return CheckReplay(workload.replay());
    case v1::WorkloadSpec::kRecording:
      return CheckRecording(workload.recording());
    case v1::WorkloadSpec::kNoop:
      return absl::OkStatus();
    case v1::WorkloadSpec::kPreset:  // inlined by Canonicalize
    case v1::WorkloadSpec::SOURCE_NOT_SET:
      break;
  }
  return WrongField("workload", "is required; for example the preset secretmem");
}

absl::Status CheckLength(const v1::LengthSpec& length, const v1::WorkloadSpec& workload) {
  if (workload.has_recording() && length.warmup_us() != 0) {
    return WrongField("length.warmup_us", "must be left out of a recording, all of whose requests count");
  }
  RETURN_IF_ERROR(CheckRange("length.duration_us", length.duration_us(), 0, 10 * kYearUs));
  RETURN_IF_ERROR(CheckRange("length.warmup_us", length.warmup_us(), 0, 10 * kYearUs));
  return CheckRange("length.sample_interval_us", length.sample_interval_us(), 0, 10 * kYearUs);
}

// Every page of an aged machine has a record in memory, a thousandth of its size at most.
constexpr uint64_t kMaxAgedBytes = 4 * kTiB;

absl::Status CheckAgeing(const v1::JobSpec& spec) {
  const v1::AgeingSpec& ageing = spec.ageing();
  if (ageing.source_case() == v1::AgeingSpec::SOURCE_NOT_SET && !ageing.has_duration_us()) return absl::OkStatus();
  if (!spec.workload().has_mix()) return WrongField("ageing", "is for mixes alone; leave it out of a replay, a recording or noop");
  if (!ageing.has_mix()) return WrongField("ageing", "needs a preset or a mix; for example preset: server-months");
  if (!ageing.has_duration_us()) return WrongField("ageing.duration_us", "is required; for example 30d, or 0 for none");
  RETURN_IF_ERROR(CheckMicroseconds("ageing.duration_us", ageing.duration_us(), 0, 10 * kYearUs));
  RETURN_IF_ERROR(CheckMix(ageing.mix(), "ageing.mix"));
  for (const v1::User& user : ageing.mix().users()) {
    if (CategoryOf(user) == v1::USER_CATEGORY_NONE) continue;
    return WrongField(absl::StrCat("ageing.mix.users[", user.name(), "]"),
                      "changes permissions: what such users do depends on the cache, and the aged machine is to be the "
                      "same for all; put it into the workload");
  }
  if (MemoryBytes(spec.machine()) + spec.machine().hotplug_bytes() <= kMaxAgedBytes) return absl::OkStatus();
  return WrongField("ageing", "is for machines of up to 4 TiB; give less memory or leave it out");
}

}  // namespace

absl::Status CheckNumaNodes(const v1::MachineSpec& machine) {
  if (!machine.boot_snapshot_sha256().empty()) return absl::OkStatus();  // they are the snapshot's
  const uint64_t nodes = machine.numa_nodes();
  RETURN_IF_ERROR(CheckRange("machine.numa_nodes", nodes, 1, kMaxNumaNodes));
  if (machine.cpus() < nodes) {
    return WrongField("machine.numa_nodes", absl::StrCat(nodes, " nodes need as many processors, but machine.cpus is ",
                                                         machine.cpus(), "; give fewer nodes or more processors"));
  }
  uint64_t memory = machine.memory_bytes();
  for (const v1::MemoryRange& range : machine.e820()) memory += range.end_bytes() - range.start_bytes();
  if (nodes > 1 && memory / nodes < kMinNodeBytes) {
    return WrongField("machine.numa_nodes", absl::StrCat(nodes, " nodes need ", nodes * kMinNodeBytes / kMiB,
                                                         " MiB of memory, a section of 128 MiB each, but there are ",
                                                         memory / kMiB, "; give fewer nodes or more memory"));
  }
  return absl::OkStatus();
}

absl::Status CheckLimits(const v1::JobSpec& spec) {
  RETURN_IF_ERROR(CheckMachine(spec.machine()));
  if (spec.workload().has_replay() && !spec.machine().boot_snapshot_sha256().empty()) {
    return WrongField("machine.boot_snapshot_sha256",
                      "must be left out of a replay, which starts from its own capture");
  }
  RETURN_IF_ERROR(CheckCache(spec.cache()));
  RETURN_IF_ERROR(CheckWorkload(spec.workload()));
  if (spec.has_ageing()) RETURN_IF_ERROR(CheckAgeing(spec));
  return CheckLength(spec.length(), spec.workload());
}

}  // namespace dmfrag
