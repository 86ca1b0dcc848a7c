// Any bytes as a dump of free lists: an error, or a state from which the page allocator either starts, and keeps it,
// and goes on from it, or refuses to.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "worker/model/page_allocator.h"
#include "worker/workload/free_lists.h"

namespace {

using namespace dmfrag;

// An allocator keeps 12 bytes for each frame its zones span: larger machines than this take the fuzzer's time.
constexpr model::FrameNumber kMaxEnd(1 << 21);

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

void Run(const model::AllocatorSnapshot& state, model::KernelRelease release) {
  const auto allocator = model::PageAllocator::FromSnapshot(state, model::AllocatorRules::Of(release));
  if (!allocator.ok()) {
    if (allocator.status().message().empty()) std::abort();
    return;
  }
  model::PageAllocator& pages = **allocator;
  Require(pages.CheckInvariants());
  // What an allocator says of itself is what another one starts from.
  if (!model::PageAllocator::FromSnapshot(pages.Snapshot(), model::AllocatorRules::Of(release)).ok()) std::abort();
  std::vector<model::FrameNumber> live;
  for (unsigned i = 0; i < 300; ++i) {
    const auto frame = pages.Allocate(model::Order(0), static_cast<model::Migratetype>(i % model::kMigratetypes));
    if (!frame.has_value()) break;
    live.push_back(*frame);
  }
  Require(pages.CheckInvariants());
  for (model::FrameNumber frame : live) pages.Free(frame, model::Order(0));
  pages.DecayPerCpu();
  pages.DrainPerCpu();
  Require(pages.CheckInvariants());
  if (pages.per_cpu_frames().raw() != 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::istringstream text(std::string(reinterpret_cast<const char*>(data), size));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  const auto state = workload::ParseFreeLists(lines);
  if (!state.ok()) {
    if (state.status().message().empty()) std::abort();
    return 0;
  }
  for (const model::ZoneSnapshot& zone : state->zones) {
    if (zone.bounds.end > kMaxEnd) return 0;
  }
  Run(*state, model::KernelRelease::k6_1);
  Run(*state, model::KernelRelease::k7_3);
  return 0;
}
