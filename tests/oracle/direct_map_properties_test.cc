// What must hold of the direct map and CPA whatever is asked of them. RapidCheck writes the requests, and shrinks those
// that break a property; the seed is set in BUILD.bazel, other seeds by RC_PARAMS.
#include <algorithm>
#include <iterator>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"
#include "tests/oracle/direct_map_lockstep.h"
#include "worker/model/attribute_changer.h"
#include "worker/model/cpa_rules.h"
#include "worker/model/direct_map.h"
#include "worker/model/kernel_release.h"
#include "worker/model/virtual_map.h"

namespace dmfrag::tests {
namespace {

using model::AttributeRequest;
using model::CpaOutcome;
using model::DirectMap;
using model::DirectMapCounters;
using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::LeafRun;
using model::MapLevel;

constexpr EntryFlags kFlags = EntryFlags::PageKernel();
constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);
constexpr uint64_t kBlocks = 8;                       // of 2M, from frame 0
constexpr uint64_t kGib = 262144;                     // a page of 1G, after a hole
constexpr uint64_t kMapped = kBlocks * 512 + 262144;  // in frames
constexpr uint64_t kPossible2MEntries = kBlocks + 512;

// A direct map and what it takes to change it.
struct Cpa {
  Cpa() : Cpa(Start()) {}
  explicit Cpa(const model::CpaRules& rules) : Cpa(Start(), rules) {}
  explicit Cpa(DirectMap start, const model::CpaRules& rules = model::CpaRules::Of(model::KernelRelease::k7_3))
      : map(std::move(start)),
        counters(DirectMapCounters::Of(map)),
        changer(&map, &counters, &tables, model::TlbFlushes(2), rules) {}

  static DirectMap Start() {
    return *DirectMap::FromRuns({{FrameNumber(0), FrameCount(kBlocks * 512), MapLevel::k2M, kFlags},
                                 {FrameNumber(kGib), model::kFramesPer1G, MapLevel::k1G, kFlags}});
  }
  CpaOutcome Change(const AttributeRequest& request) { return changer.Change(request, events); }

  DirectMap map;
  DirectMapCounters counters;
  RecordedTables tables;
  model::AttributeChanger changer;
  model::EventCounters events;
};

std::vector<LeafRun> Runs(const DirectMap& map) {
  std::vector<LeafRun> runs;
  map.ForEachRun([&](const LeafRun& run) { runs.push_back(run); });
  return runs;
}

// Flags of every frame in which the tests make requests, whatever size its entry is.
std::vector<std::optional<EntryFlags>> FlagsByFrame(const DirectMap& map) {
  std::vector<std::optional<EntryFlags>> flags;
  for (uint64_t base : {uint64_t{0}, kGib}) {
    for (uint64_t i = 0; i < (kBlocks + 3) * 512; ++i) {
      const auto leaf = map.Lookup(FrameNumber(base + i));
      flags.push_back(leaf.has_value() ? std::optional(leaf->flags) : std::nullopt);
    }
  }
  return flags;
}

// A request that can be printed.
struct Asked {
  AttributeRequest request;
};
std::ostream& operator<<(std::ostream& out, const Asked& asked) { return out << Print(asked.request); }

// Integers of [low, high), all alike; RapidCheck's own range grows with the size of the test.
rc::Gen<uint64_t> Between(uint64_t low, uint64_t high) {
  return rc::gen::resize(rc::kNominalSize, rc::gen::inRange(low, high));
}

rc::Gen<FrameNumber> AnyFrame() {
  return rc::gen::map(rc::gen::tuple(rc::gen::element<uint64_t>(0, kGib), Between(0, (kBlocks + 1) * 512)),
                      [](const auto& place) { return FrameNumber(std::get<0>(place) + std::get<1>(place)); });
}

model::FrameRange Range(FrameNumber first, uint64_t pages) { return {first, first + FrameCount(pages)}; }

rc::Gen<model::FrameRange> WholeBlocks() {
  return rc::gen::map(rc::gen::tuple(AnyFrame(), Between(1, 4)), [](const auto& range) {
    return Range(std::get<0>(range).AlignedDown(model::kFramesPer2M), std::get<1>(range) * 512);
  });
}

rc::Gen<model::FrameRange> AnyRange() {
  const auto some_pages = rc::gen::map(
      rc::gen::tuple(AnyFrame(), rc::gen::weightedOneOf<uint64_t>(
                                     {{3, rc::gen::just(uint64_t{1})}, {2, Between(1, 40)}, {1, Between(1, 1200)}})),
      [](const auto& range) { return Range(std::get<0>(range), std::get<1>(range)); });
  return rc::gen::weightedOneOf<model::FrameRange>(
      {{10, some_pages}, {6, WholeBlocks()}, {1, rc::gen::just(Range(FrameNumber(kGib), 262144))}});
}

rc::Gen<EntryFlags> AnyFlags() {
  return rc::gen::map(
      rc::gen::element<int>(EntryFlags::kPresent | EntryFlags::kWritable, EntryFlags::kWritable,
                            EntryFlags::kWritable | EntryFlags::kDirty | EntryFlags::kNoExecute, EntryFlags::kPresent,
                            EntryFlags::kCacheDisable, EntryFlags::kKernel4K, EntryFlags::kGlobal, 0),
      [](int raw) { return EntryFlags(static_cast<uint16_t>(raw)); });
}

// Of any kind: set, clear, forced, as an array, collapsing, flushing or not.
rc::Gen<Asked> AnyRequest() {
  return rc::gen::map(rc::gen::tuple(AnyRange(), AnyFlags(), AnyFlags(), Between(0, 12), rc::gen::arbitrary<bool>()),
                      [](const auto& parts) {
                        Asked asked;
                        asked.request.range = std::get<0>(parts);
                        asked.request.set = std::get<1>(parts);
                        asked.request.clear = std::get<2>(parts);
                        const uint64_t kind = std::get<3>(parts);
                        asked.request.force_4k = kind == 11;
                        asked.request.array = kind == 9 || kind == 10;
                        asked.request.collapse = kind >= 4 && kind < 8;
                        asked.request.flush = std::get<4>(parts);
                        return asked;
                      });
}

std::vector<Asked> AnyProgram() { return *rc::gen::container<std::vector<Asked>>(AnyRequest()); }

void RunAll(const std::vector<Asked>& program, Cpa& cpa) {
  for (const Asked& asked : program) cpa.Change(asked.request);
}

RC_GTEST_PROP(DirectMapProperties, NoRequestMapsMoreOrLessMemory, ()) {
  Cpa cpa;
  for (const Asked& asked : AnyProgram()) {
    cpa.tables.left = *rc::gen::element<uint64_t>(0, 1, 2, RecordedTables::kEndless);
    cpa.Change(asked.request);
    const auto& counters = cpa.counters;
    RC_ASSERT(counters.pages_4k + 512 * counters.pages_2m + 262144 * counters.pages_1g == kMapped);
  }
  RC_ASSERT(cpa.map.CheckInvariants().ok());
}

RC_GTEST_PROP(DirectMapProperties, TheKernelsCountersAreThoseOfTheMap, ()) {
  Cpa cpa;
  RunAll(AnyProgram(), cpa);
  DirectMapCounters recounted = DirectMapCounters::Of(*DirectMap::FromRuns(Runs(cpa.map)));
  recounted.level2_splits = static_cast<uint64_t>(cpa.events.splits_2m);
  recounted.level3_splits = static_cast<uint64_t>(cpa.events.splits_1g);
  recounted.level2_collapses = static_cast<uint64_t>(cpa.events.collapses_2m);
  recounted.level3_collapses = static_cast<uint64_t>(cpa.events.collapses_1g);
  RC_ASSERT(cpa.counters == recounted);
}

RC_GTEST_PROP(DirectMapProperties, WithoutCollapsesEachLargePageSplitsAtMostOnce, ()) {
  Cpa cpa;
  for (Asked asked : AnyProgram()) {
    asked.request.collapse = false;
    cpa.Change(asked.request);
  }
  const std::set<RecordedTables::Taken> different(cpa.tables.taken.begin(), cpa.tables.taken.end());
  RC_ASSERT(different.size() == cpa.tables.taken.size());
  RC_ASSERT(cpa.events.splits_2m <= static_cast<int64_t>(kPossible2MEntries));
  RC_ASSERT(cpa.events.splits_1g <= 1);
}

RC_GTEST_PROP(DirectMapProperties, EverySplitTakesOneTableAndFlushesAll, ()) {
  Cpa cpa;
  RunAll(AnyProgram(), cpa);
  const int64_t splits = cpa.events.splits_2m + cpa.events.splits_1g;
  RC_ASSERT(cpa.events.table_pages == splits);
  RC_ASSERT(static_cast<int64_t>(cpa.tables.taken.size()) == splits);
  RC_ASSERT(cpa.events.flushes_all >= splits);
}

RC_GTEST_PROP(DirectMapProperties, EveryCollapseUndoesASplitAndGivesItsTableBack, ()) {
  Cpa cpa;
  RunAll(AnyProgram(), cpa);
  const model::EventCounters& events = cpa.events;
  RC_ASSERT(static_cast<int64_t>(cpa.tables.returned.size()) == events.collapses_2m + events.collapses_1g);
  std::set<FrameNumber> returned(cpa.tables.returned.begin(), cpa.tables.returned.end());
  RC_ASSERT(returned.size() == cpa.tables.returned.size());
  // What was taken and not given back is in use.
  const model::LeafCounts counts = cpa.map.counts();
  RC_ASSERT(static_cast<int64_t>(counts.pages_4k / 512) == events.splits_2m - events.collapses_2m);
  RC_ASSERT(1 - static_cast<int64_t>(counts.pages_1g) == events.splits_1g - events.collapses_1g);
}

RC_GTEST_PROP(DirectMapProperties, ARepeatedRequestDoesNothing, ()) {
  Cpa cpa;
  RunAll(AnyProgram(), cpa);
  const AttributeRequest request = (*AnyRequest()).request;
  cpa.Change(request);
  const std::vector<LeafRun> before = Runs(cpa.map);
  model::EventCounters expected = cpa.events;
  ++expected.cpa_requests;
  RC_ASSERT(cpa.Change(request) == CpaOutcome::kDone);
  RC_ASSERT(cpa.events == expected);
  RC_ASSERT(Runs(cpa.map) == before);
}

RC_GTEST_PROP(DirectMapProperties, ARequestForWhatIsAlreadySoDoesNothing, ()) {
  Cpa cpa;
  AttributeRequest request = (*AnyRequest()).request;
  request.set = EntryFlags(request.set.raw() & kFlags.raw());
  request.clear = request.clear.Without(kFlags);
  request.force_4k = false;
  const std::vector<LeafRun> before = Runs(cpa.map);
  cpa.Change(request);
  RC_ASSERT(Runs(cpa.map) == before);
  RC_ASSERT(cpa.events.flushes_all + cpa.events.flushes_range + cpa.events.entries_written == 0);
}

RC_GTEST_PROP(DirectMapProperties, WholeBlocksOutOfTheMapAndBackLeaveNo2MSplit, ()) {
  Cpa cpa;
  for (const model::FrameRange& range : *rc::gen::container<std::vector<model::FrameRange>>(WholeBlocks())) {
    cpa.Change({.range = range, .clear = kPresentWritable});
    cpa.Change({.range = range, .set = kPresentWritable});
  }
  RC_ASSERT(cpa.events.splits_2m == 0);
  RC_ASSERT(cpa.map.counts().pages_4k == 0);
}

RC_GTEST_PROP(DirectMapProperties, SinglePagesMayComeInAnyOrder, ()) {
  const auto frames = *rc::gen::container<std::vector<FrameNumber>>(AnyFrame());
  const EntryFlags clear = *AnyFlags();
  const auto change_all = [&](const std::vector<FrameNumber>& order, Cpa& cpa) {
    for (FrameNumber frame : order) cpa.Change({.range = Range(frame, 1), .clear = clear});
  };
  Cpa ascending;
  Cpa descending;
  std::vector<FrameNumber> order = frames;
  std::sort(order.begin(), order.end());
  change_all(order, ascending);
  std::reverse(order.begin(), order.end());
  change_all(order, descending);
  Cpa as_given;
  change_all(frames, as_given);
  RC_ASSERT(Runs(ascending.map) == Runs(descending.map));
  RC_ASSERT(Runs(ascending.map) == Runs(as_given.map));
  RC_ASSERT(ascending.events.splits_2m == descending.events.splits_2m);
  RC_ASSERT(ascending.events.flush_ipis == as_given.events.flush_ipis);
}

RC_GTEST_PROP(DirectMapProperties, RequestsForDifferentBlocksCommute, ()) {
  Asked first = *AnyRequest();
  Asked second = *AnyRequest();
  // Each inside its own half of the 2M pages.
  first.request.range =
      Range(FrameNumber(first.request.range.first.raw() % 1024), first.request.range.count().raw() % 1024);
  second.request.range =
      Range(FrameNumber(2048 + second.request.range.first.raw() % 1024), second.request.range.count().raw() % 1024);
  Cpa one;
  Cpa other;
  RunAll({first, second}, one);
  RunAll({second, first}, other);
  RC_ASSERT(Runs(one.map) == Runs(other.map));
  one.events.table_pages_in_split_block = other.events.table_pages_in_split_block = 0;  // frames of tables differ
  RC_ASSERT(one.events == other.events);
}

RC_GTEST_PROP(DirectMapProperties, AnArrayIsItsPagesOneByOne, ()) {
  Cpa array;
  RunAll(AnyProgram(), array);
  Cpa singles(array.map);
  AttributeRequest request = (*AnyRequest()).request;
  request.range = Range(request.range.first, request.range.count().raw() % 1200);
  request.collapse = false;
  request.array = true;
  array.Change(request);
  for (FrameNumber frame = request.range.first; frame < request.range.end; frame = frame + FrameCount(1)) {
    AttributeRequest single = request;
    single.range = Range(frame, 1);
    single.array = false;
    singles.Change(single);
  }
  RC_ASSERT(Runs(array.map) == Runs(singles.map));
}

RC_GTEST_PROP(DirectMapProperties, CollapsingChangesSizesAlone, ()) {
  Cpa collapsing;
  RunAll(AnyProgram(), collapsing);
  Cpa plain(collapsing.map);
  AttributeRequest request = (*AnyRequest()).request;
  request.collapse = true;
  request.flush = true;
  collapsing.Change(request);
  request.collapse = false;
  plain.Change(request);
  RC_ASSERT(FlagsByFrame(collapsing.map) == FlagsByFrame(plain.map));
  RC_ASSERT(collapsing.map.counts().pages_4k <= plain.map.counts().pages_4k);
}

RC_GTEST_PROP(DirectMapProperties, RoundTripsLeaveNoTraceWhereCollapsesAreAutomaticAndGlobalComesBack, ()) {
  Cpa cpa(model::CpaRules{.collapse = model::CollapseDesign::kWhenUniform, .restore_global = true});
  const std::vector<LeafRun> before = Runs(cpa.map);
  const auto frames = *rc::gen::container<std::vector<FrameNumber>>(AnyFrame());
  for (FrameNumber frame : frames) cpa.Change({.range = Range(frame, 1), .clear = kPresentWritable});
  for (FrameNumber frame : frames) cpa.Change({.range = Range(frame, 1), .set = kPresentWritable});
  RC_ASSERT(Runs(cpa.map) == before);
  RC_ASSERT(cpa.events.splits_2m == cpa.events.collapses_2m);
  RC_ASSERT(cpa.tables.returned.size() == cpa.tables.taken.size());
}

RC_GTEST_PROP(DirectMapProperties, AutomaticCollapseLeavesNothingToCollapse, ()) {
  Cpa cpa(model::CpaRules{.collapse = model::CollapseDesign::kWhenUniform});
  for (Asked asked : AnyProgram()) {
    asked.request.force_4k = false;  // what is forced stays until it is written again
    cpa.Change(asked.request);
  }
  const model::EventCounters before = cpa.events;
  cpa.changer.Collapse({FrameNumber(0), cpa.map.end()}, cpa.events);
  RC_ASSERT(cpa.events == before);
}

// Modules, BPF and vmalloc users never make the direct map executable, whatever they ask for.
RC_GTEST_PROP(DirectMapProperties, AliasesLeaveNoExecuteAlone, ()) {
  Cpa cpa;
  model::VirtualMap area(model::VirtualMap::Kind::kVmalloc);
  constexpr model::VirtualPage kArea(512);
  area.Map2M(kArea, FrameNumber(1024), kFlags);
  for (uint64_t i = 0; i < 512; ++i) {
    area.Map4K(kArea + FrameCount(512 + i), FrameNumber(kGib + i * 3), kFlags);
  }
  for (const Asked& asked : AnyProgram()) {
    const uint64_t first = asked.request.range.first.raw() % 1100;
    model::VirtualAttributeRequest request;
    request.range = {kArea + FrameCount(first), kArea + FrameCount(first + asked.request.range.count().raw() % 1100)};
    request.set = asked.request.set;
    request.clear = asked.request.clear;
    request.array = asked.request.array;
    request.collapse = asked.request.collapse;
    cpa.changer.Change(area, request, cpa.events);
  }
  for (const std::optional<EntryFlags>& flags : FlagsByFrame(cpa.map)) {
    RC_ASSERT(!flags.has_value() || flags->Has(EntryFlags::kNoExecute));
  }
}

RC_GTEST_PROP(DirectMapProperties, WithoutAFlushOnlySplitsFlush, ()) {
  Cpa cpa;
  for (Asked asked : AnyProgram()) {
    asked.request.flush = false;
    cpa.Change(asked.request);
  }
  RC_ASSERT(cpa.events.flushes_all == cpa.events.splits_2m + cpa.events.splits_1g);
  RC_ASSERT(cpa.events.flushes_range == 0);
  RC_ASSERT(cpa.events.collapses_2m == 0);
}

RC_GTEST_PROP(DirectMapProperties, ForcedRangesEndAs4KThroughout, ()) {
  Cpa cpa;
  RunAll(AnyProgram(), cpa);
  const model::FrameRange range = *AnyRange();
  cpa.Change({.range = range, .force_4k = true});
  const FrameNumber end = std::min(range.end, range.first + FrameCount(4096));
  for (FrameNumber frame = range.first; frame < end; frame = frame + FrameCount(1)) {
    const auto leaf = cpa.map.Lookup(frame);
    RC_ASSERT(!leaf.has_value() || leaf->level == MapLevel::k4K);
  }
}

RC_GTEST_PROP(DirectMapProperties, ARequestThatFindsNoMemoryStopsAtThePageItFailedAt, ()) {
  Cpa whole;
  RunAll(AnyProgram(), whole);
  whole.tables.taken.clear();
  Cpa failing(whole.map);
  const auto before = FlagsByFrame(failing.map);
  const AttributeRequest request = (*AnyRequest()).request;
  whole.Change(request);
  RC_PRE(!whole.tables.taken.empty());
  failing.tables.left = *Between(0, whole.tables.taken.size());
  RC_ASSERT(failing.Change(request) == CpaOutcome::kNoMemory);
  RC_ASSERT(failing.events.split_enomem == 1);
  RC_ASSERT(failing.map.CheckInvariants().ok());
  // The splits that found memory stand.
  RC_ASSERT(
      failing.tables.taken ==
      std::vector<RecordedTables::Taken>(
          whole.tables.taken.begin(), whole.tables.taken.begin() + static_cast<int64_t>(failing.tables.taken.size())));
  const FrameNumber refused = whole.tables.taken[failing.tables.taken.size()].second;
  const FrameNumber failed_page = std::max(request.range.first, refused);
  const auto after = FlagsByFrame(failing.map);
  const auto done = FlagsByFrame(whole.map);
  for (size_t i = 0; i < after.size(); ++i) {
    const size_t half = after.size() / 2;
    const FrameNumber frame(i < half ? i : kGib + (i - half));
    RC_ASSERT(after[i] == (frame < failed_page ? done[i] : before[i]));
  }
}

RC_GTEST_PROP(DirectMapProperties, RestoringNeedsNoMemory, ()) {
  Cpa cpa;
  const auto frames = *rc::gen::container<std::vector<FrameNumber>>(AnyFrame());
  for (FrameNumber frame : frames) cpa.Change({.range = Range(frame, 1), .clear = kPresentWritable, .flush = false});
  cpa.tables.left = 0;
  for (FrameNumber frame : frames) {
    RC_ASSERT(cpa.Change({.range = Range(frame, 1), .set = kPresentWritable, .flush = false}) == CpaOutcome::kDone);
  }
}

}  // namespace
}  // namespace dmfrag::tests
