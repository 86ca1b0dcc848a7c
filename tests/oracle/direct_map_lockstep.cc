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
using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::MapLevel;
using model::VirtualPage;

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
  if (!leaf.has_value()) return {};
  return {true, leaf->level, leaf->flags, frame.raw()};
}

ReferenceDirectMap::Page PageOf(const model::VirtualMap& map, VirtualPage page) {
  const auto leaf = map.Lookup(page);
  if (!leaf.has_value()) return {};
  return {true, leaf->level, leaf->flags, (leaf->frame + (page - leaf->first)).raw()};
}

std::string Flag(bool on, const char* name) { return on ? std::string(", .") + name + " = true" : ""; }

}  // namespace

std::optional<FrameNumber> RecordedTables::TakeTable(MapLevel level, FrameNumber first) {
  if (left == 0) return std::nullopt;
  --left;
  taken.push_back({level, first});
  return FrameNumber(511 + taken.size());
}

namespace {

template <typename Request>
std::string PrintRequest(const Request& request, const std::string& page) {
  std::ostringstream text;
  text << "{.range = {" << page << "(" << request.range.first.raw() << "), " << page << "(" << request.range.end.raw()
       << ")}" << std::hex;
  if (!request.set.empty()) text << ", .set = EntryFlags(0x" << request.set.raw() << ")";
  if (!request.clear.empty()) text << ", .clear = EntryFlags(0x" << request.clear.raw() << ")";
  text << Flag(request.force_4k, "force_4k") << Flag(request.array, "array") << Flag(request.collapse, "collapse");
  if (!request.flush) text << ", .flush = false";
  if (!request.check_alias) text << ", .check_alias = false";
  return text.str() + "}";
}

}  // namespace

std::string Print(const AttributeRequest& request) { return PrintRequest(request, "FrameNumber"); }
std::string Print(const model::VirtualAttributeRequest& request) { return PrintRequest(request, "VirtualPage"); }

DirectMapLockstep::DirectMapLockstep(const std::vector<model::LeafRun>& start, const LockstepOptions& options)
    : map_(MapOf(start)),
      counters_(StartCounters(map_, options.missing)),
      reference_(start, counters_, kCpus, options.rules, &reference_tables_),
      changer_(&map_, &counters_, &tables_, model::TlbFlushes(kCpus), options.rules) {
  MapArea();
  if (options.image) MapImage();
}

void DirectMapLockstep::MapArea() {
  const EntryFlags flags = EntryFlags::PageKernel();
  ReferenceDirectMap::Mapping& reference = reference_.vmalloc;
  reference.first = kArea.raw();
  reference.pages.resize(kAreaPages);
  area_.Map2M(kArea, FrameNumber(512), flags);
  for (uint64_t i = 0; i < 512; ++i) reference.pages[i] = {true, MapLevel::k2M, flags, 512 + i};
  const auto map_4k = [&](uint64_t i, uint64_t frame) {
    area_.Map4K(kArea + FrameCount(i), FrameNumber(frame), flags);
    reference.pages[i] = {true, MapLevel::k4K, flags, frame};
  };
  for (uint64_t i = 0; i < 512; ++i) map_4k(512 + i, 1024 + i * 7 % 512);
  for (uint64_t i = 0; i < 512; ++i) map_4k(1024 + i, 3072 + i);
  for (uint64_t i = 0; i < 64; ++i) map_4k(1536 + i, 3584 + i * 13);
}

void DirectMapLockstep::MapImage() {
  constexpr uint64_t kFirstFrame = 4096;
  const EntryFlags flags = EntryFlags::PageKernel().Without(EntryFlags(EntryFlags::kNoExecute));
  ReferenceDirectMap::Mapping& reference = reference_.image;
  reference.first = kImage.raw();
  for (uint64_t i = 0; i < kImagePages; ++i) reference.pages.push_back({true, MapLevel::k2M, flags, kFirstFrame + i});
  for (uint64_t i = 0; i < kImagePages; i += 512) {
    image_.Map2M(kImage + FrameCount(i), FrameNumber(kFirstFrame + i), flags);
  }
  changer_.AliasKernelImage(&image_, kImage, {FrameNumber(kFirstFrame), FrameNumber(kFirstFrame + kImagePages)});
}

void DirectMapLockstep::Begin(const std::string& request, uint64_t tables_left) {
  tables_.left = reference_tables_.left = tables_left;
  program_ += request;
  if (tables_left != RecordedTables::kEndless) program_ += " with " + std::to_string(tables_left) + " tables";
  program_ += "\n";
}

std::string DirectMapLockstep::Report(const std::string& difference) const {
  return difference.empty() ? "" : difference + "\nafter\n" + program_;
}

std::string DirectMapLockstep::Perform(const AttributeRequest& request, uint64_t tables_left) {
  Begin(Print(request), tables_left);
  last_outcome_ = changer_.Change(request, events_);
  const std::string difference = Difference(reference_.Change(request));
  return Report(difference.empty() ? TouchedDifference(request.range) : difference);
}

std::string DirectMapLockstep::PerformCollapse(model::FrameRange range) {
  Begin("Collapse(" + Print(AttributeRequest{.range = range}) + ".range)", RecordedTables::kEndless);
  changer_.Collapse(range, events_);
  reference_.CollapseBlocks(range);
  const std::string difference = Difference(last_outcome_);
  return Report(difference.empty() ? TouchedDifference(range) : difference);
}

std::string DirectMapLockstep::Perform(const model::VirtualAttributeRequest& request, bool of_image,
                                       uint64_t tables_left) {
  Begin(Print(request), tables_left);
  last_outcome_ = changer_.Change(of_image ? image_ : area_, request, events_);
  return Report(Difference(reference_.Change(of_image ? reference_.image : reference_.vmalloc, request)));
}

std::string DirectMapLockstep::Difference(CpaOutcome reference_outcome) const {
  if (last_outcome_ != reference_outcome) return "another outcome";
  if (std::string text = EventDifference(); !text.empty()) return text;
  if (counters_ != reference_.counters()) return "the kernel's counters";
  if (tables_.taken != reference_tables_.taken) return "page tables taken";
  if (tables_.returned != reference_tables_.returned) return "page tables given back";
  if (changer_.stats() != reference_.stats()) return "cpa_stats";
  if (std::string text = EntryDifference(); !text.empty()) return text;
  if (std::string text = MappingDifference(area_, reference_.vmalloc); !text.empty()) return "area: " + text;
  if (std::string text = MappingDifference(image_, reference_.image); !text.empty()) return "image: " + text;
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
  const auto expect = [&](uint64_t end, ReferenceDirectMap::Page page) {
    for (; next < end && next < pages.size(); ++next) {
      if (page.mapped) page.frame = next;
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

std::string DirectMapLockstep::MappingDifference(const model::VirtualMap& map,
                                                 const ReferenceDirectMap::Mapping& reference) {
  for (uint64_t i = 0; i < reference.pages.size(); ++i) {
    const ReferenceDirectMap::Page page = PageOf(map, VirtualPage(reference.first + i));
    if (page == reference.pages[i]) continue;
    return "page " + std::to_string(i) + " is " + PrintPage(page) + ", by the reference " +
           PrintPage(reference.pages[i]);
  }
  return "";
}

// What was touched, looked up frame by frame, and the blocks around it.
std::string DirectMapLockstep::TouchedDifference(model::FrameRange range) const {
  const auto& pages = reference_.pages();
  const FrameNumber first = std::min(range.first, FrameNumber(pages.size()));
  const FrameNumber end = std::min(range.end, FrameNumber(pages.size()));
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
