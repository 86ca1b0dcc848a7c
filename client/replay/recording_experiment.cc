#include "client/replay/recording_experiment.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/replay/recorded_machine.h"
#include "client/sweep/message_reader.h"
#include "proto/recording/reader.h"
#include "proto/recording/writer.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr uint64_t kDefaultMemoryBytes = uint64_t{4} << 30;

// The machine before the first event.
absl::StatusOr<v1::MachineSnapshot> MachineBefore(const CaptureFile& file) {
  std::ifstream content(file.path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(content)), std::istreambuf_iterator<char>());
  const auto reader = recording::Reader::Open(bytes);
  if (!reader.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file.path.native(), ": ", reader.status().message()));
  }
  return (*reader)->start().before();
}

absl::Status AddCache(const std::string& name, v1::Axis& axis) {
  const google::protobuf::FieldDescriptor* type = FindField(*v1::CacheSpec::descriptor(), name);
  if (type == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--cache: ", UnknownName("no cache type ", *v1::CacheSpec::descriptor(), name)));
  }
  const std::string label = SweepName(*type);
  const auto is_same = [&](const v1::AxisValue& value) { return value.label() == label; };
  if (std::any_of(axis.values().begin(), axis.values().end(), is_same)) {
    return absl::InvalidArgumentError(absl::StrCat("--cache: ", label, " is there twice; leave one"));
  }
  v1::AxisValue& value = *axis.add_values();
  value.set_label(label);
  v1::CacheSpec& cache = *value.mutable_spec()->mutable_cache();
  cache.GetReflection()->MutableMessage(&cache, type);
  return absl::OkStatus();
}

}  // namespace

bool IsRecordingFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head(recording::kMagic.size(), '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  return recording::LooksLikeRecording(std::string_view(head).substr(0, static_cast<size_t>(file.gcount())));
}

absl::StatusOr<v1::Experiment> RecordingExperiment(const CaptureFile& recording, const RecordingOptions& options) {
  ASSIGN_OR_RETURN(const v1::MachineSnapshot before, MachineBefore(recording));
  v1::Experiment experiment;
  experiment.set_display_name(absl::StrCat("replay ", recording.path.stem().native()).substr(0, 128));
  experiment.set_replicates(options.seeds);
  v1::JobSpec& base = *experiment.mutable_base();
  base.mutable_workload()->mutable_recording()->set_file_sha256(recording.sha256);
  if (CanStart(before) && !options.memory_bytes.has_value()) {
    base.mutable_machine()->set_boot_snapshot_sha256(recording.sha256);
  } else {
    base.mutable_machine()->set_memory_bytes(options.memory_bytes.value_or(kDefaultMemoryBytes));
  }
  if (const v1::KernelRelease release = ReleaseOf(before); release != v1::KERNEL_RELEASE_UNSPECIFIED) {
    base.mutable_kernel()->set_allocator_release(release);
    base.mutable_kernel()->set_cpa_release(release);
  }
  v1::Axis& axis = *experiment.add_axes();
  axis.set_path("cache");
  for (const std::string& cache : options.caches) RETURN_IF_ERROR(AddCache(cache, axis));
  return experiment;
}

}  // namespace dmfrag::client
