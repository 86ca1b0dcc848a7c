#include "tests/oracle/direct_map_lockstep.h"

#include <algorithm>
#include <sstream>

#include "third_party/abseil_extras/check.h"

namespace dmfrag::tests {
namespace {

using model::AttributeRequest;
using model::CpaOutcome;
using model::DirectMap;
using model::DirectMapCounters;
using model::FrameCount;
using model::FrameNumber;
using model::MapLevel;

constexpr uint32_t kCpus = 3;

DirectMap MapOf(const std::vector<model::LeafRun>& runs) {
  auto map = DirectMap::FromRuns(runs);
  CHECK(map.ok());
  return *std::move(map);
}

DirectMapCounters StartCounters(const DirectMap& map, uint64_t missing) {
  DirectMapCounters counters = DirectMapCounters::Of(map);
  for (uint64_t* count : {&counters.pages_4k, &counters.pages_2m, &counters.pages_1g})
    *count -= std::min(*count, missing);
  return counters;
}

std::string PrintPage(const ReferenceDirectMap::Page& page) {
  std::ostringstream text;
  if (!page.mapped) return "a hole";
  text << "level " << static_cast<int>(page.level) << " flags 0x" << std::hex << page.flags.raw();
  return text.str();
}

ReferenceDirectMap::Page PageOf(const DirectMap& map, FrameNumber frame) {
  const auto leaf = map.Lookup(frame);
  return leaf.has_value() ? ReferenceDirectMap::Page{true, leaf->level, leaf->flags} : ReferenceDirectMap::Page{};
}

std::string Flag(bool on, const char* name) { return on ? std::string(", .") + name + " = true" : ""; }

}  // namespace

std::optional<FrameNumber> RecordedTables::TakeTable(MapLevel level, FrameNumber first) {
  if (left == 0) return std::nullopt;
  --left;
  taken.push_back({level, first});
  return FrameNumber(511 + taken.size());
}

std::string Print(const AttributeRequest& request) {
  std::ostringstream text;
  text << "{.range = {FrameNumber(" << request.range.first.raw() << "), FrameNumber(" << request.range.end.raw()
       << ")}";
  text << std::hex;
  if (!request.set.empty()) text << ", .set = EntryFlags(0x" << request.set.raw() << ")";
  if (!request.clear.empty()) text << ", .clear = EntryFlags(0x" << request.clear.raw() << ")";
  text << Flag(request.force_4k, "force_4k") << Flag(request.array, "array") << Flag(request.collapse, "collapse");
  if (!request.flush) text << ", .flush = false";
  return text.str() + "}";
}

DirectMapLockstep::DirectMapLockstep(const std::vector<model::LeafRun>& start, uint64_t missing)
    : map_(MapOf(start)),
      counters_(StartCounters(map_, missing)),
      reference_(start, counters_, kCpus, &reference_tables_),
      changer_(&map_, &counters_, &tables_, model::TlbFlushes(kCpus), {.collapse = model::CollapseDesign::kOnRox}) {}

std::string DirectMapLockstep::Perform(const AttributeRequest& request, uint64_t tables_left) {
  tables_.left = reference_tables_.left = tables_left;
  program_ += Print(request);
  if (tables_left != RecordedTables::kEndless) program_ += " with " + std::to_string(tables_left) + " tables";
  program_ += "\n";
  last_outcome_ = changer_.Change(request, events_);
  const std::string difference = Difference(request, reference_.Change(request));
  return difference.empty() ? "" : difference + "\nafter\n" + program_;
}

std::string DirectMapLockstep::Difference(const AttributeRequest& request, CpaOutcome reference_outcome) const {
  if (last_outcome_ != reference_outcome) return "another outcome";
  if (std::string text = EventDifference(); !text.empty()) return text;
  if (counters_ != reference_.counters()) return "the kernel's counters";
  if (tables_.taken != reference_tables_.taken) return "page tables taken";
  if (tables_.returned != reference_tables_.returned) return "page tables given back";
  if (std::string text = EntryDifference(); !text.empty()) return text;
  if (std::string text = TouchedDifference(request); !text.empty()) return text;
  return map_.CheckInvariants().ok() ? "" : std::string(map_.CheckInvariants().message());
}

std::string DirectMapLockstep::EventDifference() const {
  std::vector<int64_t> expected;
  model::EventCounters::ForEach(reference_.events(),
                                [&](const char*, int64_t value, bool) { expected.push_back(value); });
  std::ostringstream text;
  size_t i = 0;
  model::EventCounters::ForEach(events_, [&](const char* name, int64_t value, bool) {
    if (value != expected[i]) text << name << " is " << value << ", by the reference " << expected[i] << "; ";
    ++i;
  });
  return text.str();
}

// Goes by runs, which is fast enough to look at everything after every request.
std::string DirectMapLockstep::EntryDifference() const {
  const auto& pages = reference_.pages();
  uint64_t next = 0;
  std::ostringstream text;
  const auto expect = [&](uint64_t end, const ReferenceDirectMap::Page& page) {
    for (; next < end && next < pages.size(); ++next) {
      if (pages[next] == page || text.tellp() > 0) continue;
      text << "frame " << next << " is " << PrintPage(page) << ", by the reference " << PrintPage(pages[next]);
    }
  };
  map_.ForEachRun([&](const model::LeafRun& run) {
    expect(run.first.raw(), {});
    expect((run.first + run.frames).raw(), {true, run.level, run.flags});
  });
  expect(pages.size(), {});
  return text.str();
}

// What was touched, looked up frame by frame, and the blocks around it.
std::string DirectMapLockstep::TouchedDifference(const AttributeRequest& request) const {
  const auto& pages = reference_.pages();
  const FrameNumber first = std::min(request.range.first, FrameNumber(pages.size()));
  const FrameNumber end = std::min(request.range.end, FrameNumber(pages.size()));
  for (FrameNumber frame = first; frame < end; frame = frame + FrameCount(1)) {
    if (PageOf(map_, frame) != pages[frame.raw()]) return "lookup of frame " + std::to_string(frame.raw());
  }
  for (MapLevel level : {MapLevel::k2M, MapLevel::k1G}) {
    const FrameCount size = model::FramesOf(level);
    for (FrameNumber block = first.AlignedDown(size); block < end; block = block + size) {
      const bool uniform = reference_.Uniform(block.raw(), level);
      const auto flags = map_.UniformFlags(block, level);
      if (flags.has_value() != uniform || (uniform && *flags != pages[block.raw()].flags)) {
        return "whether the block at frame " + std::to_string(block.raw()) + " is uniform";
      }
    }
  }
  return "";
}

}  // namespace dmfrag::tests
