// Replays captures with dumps of free lists against the page allocator and prints, step by step, how many frames are
// the kernel's own. For traces too large for the tree.
//
//   allocator_replay_report [--free-running] CAPTURE.json.xz TRACE.xz ...
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/allocator_replay.h"
#include "worker/workload/allocator_capture.h"
#include "worker/workload/kernel_capture.h"
#include "worker/workload/xz.h"

namespace dmfrag::tests {
namespace {

constexpr size_t kMaxTraceBytes = size_t{1} << 30;

const char* NameOf(experiment::DivergenceCause cause) {
  switch (cause) {
    case experiment::DivergenceCause::kCompaction:
      return "compaction ran before";
    case experiment::DivergenceCause::kOtherPerCpu:
      return "the kernel's frame is on a per-CPU list, not next";
    case experiment::DivergenceCause::kOtherFree:
      return "the kernel's frame is on a free list, not next";
    case experiment::DivergenceCause::kInUse:
      return "the kernel's frame is in use";
    case experiment::DivergenceCause::kNoMemory:
      return "no memory";
  }
  return "";
}

absl::StatusOr<std::string> Contents(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  if (!file || !(content << file.rdbuf())) return absl::NotFoundError(std::string(path) + ": cannot be read");
  return content.str();
}

void Print(const char* path, const experiment::AllocatorReplayResult& result) {
  std::printf("%s: %lu of %lu frames equal; %lu unexpected frees; %lu decays\n", path, result.equal(),
              result.allocations(), result.unexpected_frees, result.decays);
  for (const auto& step : result.steps) {
    if (step.allocations + step.bulk_frames + step.compaction_frames == 0) continue;
    std::printf("  step %2d %-28s allocated %7lu equal %7lu; bulk %5lu, compaction %5lu", step.index,
                step.action.c_str(), step.allocations, step.equal, step.bulk_frames, step.compaction_frames);
    if (step.first.has_value()) std::printf("; first at line %lu: %s", step.first->line, NameOf(step.first->cause));
    std::printf("\n");
  }
  for (const auto& dump : result.dumps) {
    const auto& lists = dump.lists;
    std::printf("  dump %lu, step %2d: lists %lu/%lu, per-CPU lists %lu/%lu, high %lu/%lu, pageblocks %lu/%lu%s%s\n",
                dump.dump, dump.step, lists.lists_equal, lists.lists, lists.per_cpu_lists_equal, lists.per_cpu_lists,
                lists.highs_equal, lists.highs, lists.blocks_equal, lists.blocks,
                lists.first_difference.empty() ? "" : "; ", lists.first_difference.c_str());
  }
}

absl::Status Report(const char* capture_path, const char* trace_path, experiment::ReplayMode mode) {
  ASSIGN_OR_RETURN(const std::string capture_bytes, Contents(capture_path));
  ASSIGN_OR_RETURN(const auto capture, workload::ReadKernelCapture(capture_bytes));
  ASSIGN_OR_RETURN(const auto dumps, workload::ReadAllocatorDumps(capture_bytes));
  ASSIGN_OR_RETURN(const std::string trace_bytes, Contents(trace_path));
  ASSIGN_OR_RETURN(const std::string trace, workload::DecompressXz(trace_bytes, kMaxTraceBytes));
  experiment::AllocatorReplayOptions options;
  options.mode = mode;
  ASSIGN_OR_RETURN(const auto result, experiment::ReplayAllocator(
                                          dumps, trace, model::AllocatorRules::Of(capture.input.release), options));
  Print(trace_path, result);
  return absl::OkStatus();
}

}  // namespace
}  // namespace dmfrag::tests

int main(int argc, char** argv) {
  auto mode = dmfrag::experiment::ReplayMode::kFollowKernel;
  int first = 1;
  if (argc > 1 && std::string_view(argv[1]) == "--free-running") {
    mode = dmfrag::experiment::ReplayMode::kFreeRunning;
    ++first;
  }
  if (first == argc || (argc - first) % 2 != 0) {
    std::fprintf(stderr, "usage: %s [--free-running] CAPTURE.json.xz TRACE.xz ...\n", argv[0]);
    return 2;
  }
  for (int i = first; i < argc; i += 2) {
    const absl::Status status = dmfrag::tests::Report(argv[i], argv[i + 1], mode);
    if (status.ok()) continue;
    std::fprintf(stderr, "%s: %s\n", argv[i + 1], std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
