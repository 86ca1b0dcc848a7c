// Imports of the kernel's own traces, against what the traces' text says when it is read page by page.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/recording/import.h"
#include "gtest/gtest.h"
#include "proto/recording/reader.h"
#include "proto/recording/requests.h"
#include "tests/kernel/captures.h"
#include "tests/kernel/traces.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::tests {
namespace {

using recording::Event;

std::vector<std::string> TraceNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("tests/kernel/traces")) {
    const std::string name = entry.path().filename().string();
    names.push_back(name.substr(0, name.find(".trace.xz")));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// One line of the kernel's text: "comm-pid [cpu] flags time: event: fields".
struct Line {
  std::string comm;
  std::string event;
  std::string fields;

  bool Has(const std::string& key) const { return (" " + fields).find(" " + key + "=") != std::string::npos; }
  uint64_t Number(const std::string& key) const {
    const size_t at = (" " + fields).find(" " + key + "=");
    return at == std::string::npos ? 0 : std::stoull(fields.substr(at + key.size() + 1), nullptr, 0);
  }
};

std::vector<Line> LinesOf(const std::string& text) {
  std::vector<Line> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty() || line.front() == '#') continue;
    const size_t time_end = line.find(": ", line.find("] "));
    const size_t name_end = line.find(": ", time_end + 2);
    const size_t comm = line.find_first_not_of(' ');
    lines.push_back({.comm = line.substr(comm, line.find(" [") - comm),
                     .event = line.substr(time_end + 2, name_end - time_end - 2),
                     .fields = line.substr(name_end + 2)});
  }
  return lines;
}

// What the recorded kernel's memory was used for, page by page.
class PageBalance {
 public:
  // `direct_map`: address of its first byte.
  explicit PageBalance(uint64_t direct_map) : direct_map_(direct_map) {}

  void Apply(const Line& line) {
    const uint64_t pfn = line.Number("pfn");
    const uint64_t order = line.Number("order");
    if (line.event == "mm_page_alloc") return ForRange(pfn, 1ull << order, [&](Page& page) { page = {kLive, order}; });
    if (line.event == "mm_page_free") return Free(line, pfn, order);
    const uint64_t page = (line.Number("page") - line.Number("vmb")) / 64;
    if (line.event == "compact_take" && line.Number("page") != 0) targets_.push_back({page, line.comm});
    if (line.event == "compact_back") std::erase_if(targets_, [&](const Target& one) { return one.pfn == page; });
    if (line.event == "sdm_invalid") Invalid(page, 1);
    if (line.event == "sdm_default") Default(page, 1);
    if (line.event == "sdm_valid")
      line.Number("valid") != 0 ? Default(page, line.Number("nr")) : Invalid(page, line.Number("nr"));
    if (line.event != "cpa" || line.Number("vaddr") < direct_map_) return;
    const uint64_t first = (line.Number("vaddr") - direct_map_) >> 12;
    if (first >= kMaxPfn) return;
    const uint64_t taken = line.Number("clr") & ~line.Number("set");
    if ((taken & 1) != 0) return Invalid(first, line.Number("n"));
    if ((taken & 2) == 0) return;
    ForRange(first, line.Number("n"), [](Page& one) {
      if (one.state != kLive && one.state != kHeld) one = {kLive, kPart};
    });
  }

  int64_t live() const {
    return std::count_if(pages_.begin(), pages_.end(), [](const auto& page) { return page.second.state == kLive; });
  }

 private:
  enum State { kUnknown, kHeld, kLive, kFree };
  static constexpr uint64_t kPart = 99;  // an order that no page has which compaction moves
  static constexpr uint64_t kMaxPfn = 1ull << 30;
  struct Page {
    State state = kUnknown;
    uint64_t order = 0;
  };
  struct Target {
    uint64_t pfn;
    std::string comm;
  };

  template <typename Change>
  void ForRange(uint64_t first, uint64_t count, const Change& change) {
    for (uint64_t pfn = first; pfn < first + count; ++pfn) change(pages_[pfn]);
  }

  void Free(const Line& line, uint64_t pfn, uint64_t order) {
    Page& page = pages_[pfn];
    if (order == 0 && page.state == kUnknown) page = {kHeld, 0};
    if (order == 0 && page.state == kFree) page = {kLive, 0};
    if (order == 0 && page.order == 0 && !targets_.empty() && targets_.front().comm == line.comm) {
      Page& target = pages_[targets_.front().pfn];
      if (target.state != kHeld && target.state != kLive) {
        target = page;
        page.state = kFree;
        targets_.pop_front();
        return;
      }
    }
    ForRange(pfn, 1ull << order, [](Page& one) { one.state = kFree; });
  }

  void Invalid(uint64_t first, uint64_t count) {
    ForRange(first, count, [](Page& page) {
      if (page.state == kUnknown) page = {kHeld, 0};
      if (page.state == kFree) page = {kLive, 0};
    });
  }

  void Default(uint64_t first, uint64_t count) {
    ForRange(first, count, [](Page& page) {
      if (page.state == kUnknown) page = {kHeld, 0};
    });
  }

  uint64_t direct_map_;
  std::map<uint64_t, Page> pages_;
  std::deque<Target> targets_;
};

// The direct map's address in the machine that was recorded.
uint64_t DirectMapOf(const nlohmann::json& run) {
  for (const auto& step : run["steps"]) {
    const auto after = step.find("after");
    if (after == step.end() || !after->contains("page_offset_base")) continue;
    return std::stoull((*after)["page_offset_base"].get<std::string>(), nullptr, 16);
  }
  return 0;
}

// Splits of the direct map alone, which have a frame.
int64_t DirectMapSplits(const nlohmann::json& run) {
  int64_t count = 0;
  const auto add = [&](const nlohmann::json& changes) {
    for (const auto& split : changes["splits"]) count += split[2].is_null() ? 0 : 1;
  };
  for (const auto& step : run["steps"]) {
    if (step.contains("dm")) add(step["dm"]);
  }
  const auto outside = run["trace"].find("outside_steps");
  if (outside == run["trace"].end()) return count;
  for (const auto& [step, changes] : outside->items()) add(changes);
  return count;
}

class RecordingTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string path = "tests/kernel/traces/" + GetParam() + ".trace.xz";
    const auto summary = client::ImportRecording(path, {}, [this](std::string_view bytes) {
      file_.append(bytes);
      return absl::OkStatus();
    });
    ASSERT_OK(summary.status());
    summary_ = *summary;
    run_ = CaptureJson(GetParam());
    lines_ = LinesOf(Trace(GetParam()));
  }

  int64_t Imported(Event::Kind kind) const { return summary_.by_kind[static_cast<size_t>(kind)]; }
  int64_t Skipped(const std::string& what) const {
    for (const auto& one : summary_.end.skipped()) {
      if (one.what() == what) return one.count();
    }
    return 0;
  }
  // What the run says it counted.
  int64_t Counted(const std::string& event) const {
    const auto& counts = run_["trace"]["event_counts"];
    return counts.value(event, int64_t{0});
  }
  int64_t InText(const std::string& event) const {
    return std::count_if(lines_.begin(), lines_.end(), [&](const Line& line) { return line.event == event; });
  }

  std::string file_;
  client::ImportSummary summary_;
  nlohmann::json run_;
  std::vector<Line> lines_;
};

TEST_P(RecordingTest, EveryEventOfTheTraceIsImportedOrSaidToBeSkipped) {
  for (const auto& [name, kind] : std::map<std::string, Event::Kind>{{"mm_page_alloc", Event::Kind::kAllocate},
                                                                     {"mm_page_free", Event::Kind::kFree},
                                                                     {"mm_page_pcpu_drain", Event::Kind::kPerCpuDrain},
                                                                     {"sdm_invalid", Event::Kind::kSetInvalid},
                                                                     {"bulk_ret", Event::Kind::kBulkAllocate},
                                                                     {"tracing_mark_write", Event::Kind::kMark}}) {
    EXPECT_EQ(Imported(kind), InText(name)) << name;
    EXPECT_EQ(Imported(kind), Counted(name)) << name;
  }
  EXPECT_EQ(Imported(Event::Kind::kSetDefault), Counted("sdm_default") + Counted("sdm_valid"));
  EXPECT_EQ(Imported(Event::Kind::kChangeAttributes) + Skipped("changes of attributes outside of the direct map") +
                Skipped("changes of attributes of no page"),
            Counted("cpa"));
  EXPECT_EQ(Imported(Event::Kind::kSplit) + Skipped("splits outside of the direct map"), Counted("split"));
  EXPECT_EQ(Skipped("events with a missing or impossible field"), 0);
  EXPECT_EQ(summary_.end.lost_events(), 0);
}

TEST_P(RecordingTest, ChangesOfTheDirectMapAreAllKept) {
  const uint64_t direct_map = DirectMapOf(run_);
  if (direct_map == 0) GTEST_SKIP() << "the run does not say where the direct map is";
  const uint64_t end = direct_map + (run_["max_pfn"].get<uint64_t>() << 12);
  int64_t changes = 0;
  for (const Line& line : lines_) {
    if (line.event != "cpa" || line.Number("n") == 0) continue;
    changes += line.Number("vaddr") >= direct_map && line.Number("vaddr") < end;
  }
  EXPECT_EQ(Imported(Event::Kind::kChangeAttributes), changes);
}

TEST_P(RecordingTest, SplitsAreThoseOfTheRunsDirectMap) {
  const auto reader = recording::Reader::Open(file_);
  ASSERT_OK(reader.status());
  const auto stream = recording::RequestStream::Create(reader->get());
  ASSERT_OK(stream.status());
  EXPECT_EQ((*stream)->totals().splits_2m + (*stream)->totals().splits_1g, DirectMapSplits(run_));
  EXPECT_EQ(Imported(Event::Kind::kSplit), DirectMapSplits(run_));
}

TEST_P(RecordingTest, PagesInUseAtTheEndAreThoseOfThePageByPageBalance) {
  PageBalance balance(DirectMapOf(run_) == 0 ? 0xffff888000000000 : DirectMapOf(run_));
  for (const Line& line : lines_) balance.Apply(line);
  const auto reader = recording::Reader::Open(file_);
  ASSERT_OK(reader.status());
  const auto stream = recording::RequestStream::Create(reader->get());
  ASSERT_OK(stream.status());
  // Page tables that splits took are no requests; none was given back while it was recorded.
  const int64_t requested = balance.live() - (*stream)->totals().table_pages;
  EXPECT_EQ((*stream)->totals().live_pages, requested);
  // The requests themselves say the same.
  int64_t live = 0;
  const uint64_t held = (*stream)->held_before().size();
  for (;;) {
    const auto request = (*stream)->Next();
    ASSERT_OK(request.status());
    if (!request->has_value()) break;
    if ((*request)->block < held) continue;
    live += ((*request)->kind == recording::Request::Kind::kAllocate ? 1 : -1) * (int64_t{1} << (*request)->order);
  }
  EXPECT_EQ(live, requested);
}

INSTANTIATE_TEST_SUITE_P(Traces, RecordingTest, testing::ValuesIn(TraceNames()), [](const auto& name) {
  std::string text = name.param;
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
});

}  // namespace
}  // namespace dmfrag::tests
