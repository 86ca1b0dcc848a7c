#include "client/replay/recording_summary.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/format/csv.h"
#include "client/format/number.h"
#include "client/format/table.h"
#include "client/replay/json_text.h"
#include "client/replay/replay.h"

namespace dmfrag::client {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kOrders = 11;

struct Figure {
  const char* name;   // for programs
  const char* title;  // for people
  Sample RecordingRow::*sample;
};
constexpr Figure kFigures[] = {
    {"live_pages", "live pages", &RecordingRow::live_pages},
    {"splits_2m", "2M splits", &RecordingRow::splits_2m},
    {"flushes", "flushes", &RecordingRow::flushes},
    {"held_pages", "idle pages", &RecordingRow::held_pages},
    {"failed_allocations", "failed", &RecordingRow::failed_allocations},
};

std::string HalfWidth(const Sample& sample) {
  return sample.size() > 0 && sample.HalfWidth95().has_value() ? FormatExact(*sample.HalfWidth95()) : "";
}

// The first that has a result; they agree on what the recording says. Null: none has.
const v1::RecordingReport* Recorded(const std::vector<RecordingRow>& rows) {
  for (const RecordingRow& row : rows) {
    if (row.error.empty()) return &row.report;
  }
  return nullptr;
}

std::string FreeBlocksText(const std::vector<RecordingRow>& rows, const v1::RecordingReport& recorded) {
  Table table;
  table.AddColumn("free blocks of order", Table::Align::kLeft);
  for (int order = 0; order < kOrders; ++order) table.AddColumn(absl::StrCat(order), Table::Align::kRight);
  if (recorded.kernel_free_blocks_size() == kOrders) {
    std::vector<Cell> cells = {{"kernel"}};
    for (const int64_t blocks : recorded.kernel_free_blocks()) cells.push_back({absl::StrCat(blocks)});
    table.AddRow(std::move(cells));
  }
  for (const RecordingRow& row : rows) {
    if (!row.error.empty()) continue;
    std::vector<Cell> cells = {{row.cache}};
    for (const Sample& blocks : row.free_blocks) cells.push_back({FormatMean(blocks)});
    table.AddRow(std::move(cells));
  }
  return table.Render(/*styled=*/false);
}

Json JsonOf(const Sample& sample) {
  Json json = {{"mean", sample.size() > 0 ? Json(sample.mean()) : Json(nullptr)}, {"ci95", nullptr}};
  if (sample.size() > 0 && sample.HalfWidth95().has_value()) json["ci95"] = *sample.HalfWidth95();
  return json;
}

}  // namespace

RecordingRow RecordingRowOf(const std::string& cache, const std::vector<v1::Result>& results) {
  RecordingRow row{.cache = cache};
  row.free_blocks.resize(kOrders);
  if (results.empty()) row.error = "the server sent no result for it";
  for (const v1::Result& result : results) {
    const std::string failure = FailureOf(result);
    if (!failure.empty()) {
      row.error = failure;
      return row;
    }
    const v1::RecordingReport& report = result.result().replay().recording();
    const v1::Metrics& metrics = result.result().metrics();
    if (row.live_pages.size() == 0) row.report = report;
    row.live_pages.Add(static_cast<double>(report.live_pages()));
    row.splits_2m.Add(static_cast<double>(metrics.splits_2m()));
    row.flushes.Add(static_cast<double>(metrics.flushes_all() + metrics.flushes_range()));
    row.held_pages.Add(static_cast<double>(metrics.held_pages()));
    row.failed_allocations.Add(static_cast<double>(report.failed_allocations()));
    for (int order = 0; order < kOrders && order < report.free_blocks_size(); ++order) {
      row.free_blocks[static_cast<size_t>(order)].Add(static_cast<double>(report.free_blocks(order)));
    }
  }
  return row;
}

std::string RecordingText(const std::vector<RecordingRow>& rows) {
  const v1::RecordingReport* recorded = Recorded(rows);
  Table table;
  table.AddColumn("cache", Table::Align::kLeft);
  table.AddColumn("events", Table::Align::kRight);
  for (const Figure& figure : kFigures) table.AddColumn(figure.title, Table::Align::kRight);
  if (recorded != nullptr) {
    const std::string splits = recorded->has_kernel_splits_2m() ? absl::StrCat(recorded->kernel_splits_2m()) : "-";
    table.AddRow({{"(kernel)"},
                  {absl::StrCat(recorded->events())},
                  {absl::StrCat(recorded->recorded_live_pages())},
                  {splits},
                  {"-"},
                  {"-"},
                  {"0"}});
  }
  std::string errors;
  for (const RecordingRow& row : rows) {
    if (!row.error.empty()) {
      absl::StrAppend(&errors, row.cache, ": error: ", Printable(row.error), "\n");
      continue;
    }
    std::vector<Cell> cells = {{row.cache}, {absl::StrCat(row.report.events())}};
    for (const Figure& figure : kFigures) cells.push_back({FormatMean(row.*figure.sample)});
    table.AddRow(std::move(cells));
  }
  if (recorded == nullptr) return errors;
  std::string text = absl::StrCat(table.Render(/*styled=*/false), "\n", FreeBlocksText(rows, *recorded), errors);
  if (recorded->lost_events() != 0) {
    absl::StrAppend(&text, "lost: ",
                    recorded->lost_events() < 0 ? "some events, not known how many"
                                                : absl::StrCat("at least ", recorded->lost_events(), " events"),
                    "\n");
  }
  for (const std::string& limitation : recorded->limitations()) {
    absl::StrAppend(&text, "limitation: ", Printable(limitation), "\n");
  }
  return text;
}

std::string RecordingCsv(const std::vector<RecordingRow>& rows) {
  std::vector<std::string> header = {"cache", "error", "seeds", "events", "recorded_live_pages", "kernel_splits_2m"};
  for (const Figure& figure : kFigures) {
    header.push_back(figure.name);
    header.push_back(absl::StrCat(figure.name, "_ci95"));
  }
  for (int order = 0; order < kOrders; ++order) {
    header.push_back(absl::StrCat("kernel_free_blocks_", order));
    header.push_back(absl::StrCat("free_blocks_", order));
  }
  std::string text = CsvRecord(header);
  for (const RecordingRow& row : rows) {
    const v1::RecordingReport& report = row.report;
    std::vector<std::string> fields = {row.cache,
                                       row.error,
                                       absl::StrCat(row.live_pages.size()),
                                       absl::StrCat(report.events()),
                                       absl::StrCat(report.recorded_live_pages()),
                                       report.has_kernel_splits_2m() ? absl::StrCat(report.kernel_splits_2m()) : ""};
    const auto mean = [](const Sample& sample) { return sample.size() > 0 ? FormatExact(sample.mean()) : ""; };
    for (const Figure& figure : kFigures) {
      fields.push_back(mean(row.*figure.sample));
      fields.push_back(HalfWidth(row.*figure.sample));
    }
    for (int order = 0; order < kOrders; ++order) {
      const bool is_known = order < report.kernel_free_blocks_size();
      fields.push_back(is_known ? absl::StrCat(report.kernel_free_blocks(order)) : "");
      fields.push_back(mean(row.free_blocks[static_cast<size_t>(order)]));
    }
    text += CsvRecord(fields);
  }
  return text;
}

std::string RecordingJson(const std::vector<RecordingRow>& rows) {
  Json json = Json::object();
  if (const v1::RecordingReport* recorded = Recorded(rows); recorded != nullptr) {
    json["events"] = recorded->events();
    json["lost_events"] = recorded->lost_events();
    json["recorded_live_pages"] = recorded->recorded_live_pages();
    json["kernel_splits_2m"] = nullptr;
    if (recorded->has_kernel_splits_2m()) json["kernel_splits_2m"] = recorded->kernel_splits_2m();
    json["kernel_free_blocks"] =
        Json(std::vector<int64_t>(recorded->kernel_free_blocks().begin(), recorded->kernel_free_blocks().end()));
    json["limitations"] =
        Json(std::vector<std::string>(recorded->limitations().begin(), recorded->limitations().end()));
  }
  json["caches"] = Json::array();
  for (const RecordingRow& row : rows) {
    Json one = {{"cache", row.cache}, {"error", row.error}, {"seeds", row.live_pages.size()}};
    for (const Figure& figure : kFigures) one[figure.name] = JsonOf(row.*figure.sample);
    one["free_blocks"] = Json::array();
    for (const Sample& blocks : row.free_blocks) one["free_blocks"].push_back(JsonOf(blocks));
    json["caches"].push_back(std::move(one));
  }
  return TextOf(json);
}

}  // namespace dmfrag::client
