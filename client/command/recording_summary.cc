#include "client/command/recording_summary.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/format/csv.h"
#include "client/format/table.h"

namespace dmfrag::client {
namespace {

constexpr const char* kKindNames[recording::Event::kKinds] = {"allocations",
                                                              "frees",
                                                              "bulk allocations",
                                                              "compaction took",
                                                              "compaction gave back",
                                                              "per-cpu drains",
                                                              "set invalid",
                                                              "set default",
                                                              "attributes changed",
                                                              "splits",
                                                              "collapses",
                                                              "marks",
                                                              "losses"};

constexpr char kLost[] = "events lost";

using Counts = std::vector<std::pair<std::string, int64_t>>;

// Whatever the form: (what, count), in this order. Losses of which no number is known are -1.
Counts CountsOf(const RecordingSummary& summary) {
  Counts counts;
  for (size_t i = 0; i < summary.by_kind.size(); ++i) {
    if (summary.by_kind[i] > 0) counts.emplace_back(kKindNames[i], summary.by_kind[i]);
  }
  counts.emplace_back(kLost, summary.end.lost_events());
  for (const v1::RecordingCount& one : summary.end.skipped())
    counts.emplace_back("skipped: " + one.what(), one.count());
  return counts;
}

std::string Json(const RecordingSummary& summary) {
  nlohmann::ordered_json json = {{"file", summary.file}, {"source", summary.source}};
  json["fileBytes"] = std::to_string(summary.file_bytes);
  json["events"] = std::to_string(summary.end.events());
  json["durationUs"] = std::to_string(summary.end.duration_us());
  for (const auto& [what, count] : CountsOf(summary)) json["counts"][what] = std::to_string(count);
  json["users"] = nlohmann::ordered_json::array();
  for (const v1::RecordingUser& user : summary.end.users()) {
    json["users"].push_back({{"name", user.name()}, {"kind", user.kind()}});
  }
  json["limitations"] = nlohmann::ordered_json::array();
  for (const std::string& sentence : summary.end.limitations()) json["limitations"].push_back(sentence);
  json["missing"] = summary.missing;
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string Csv(const RecordingSummary& summary) {
  std::string text = CsvRecord({"what", "count"});
  for (const auto& [what, count] : CountsOf(summary)) text += CsvRecord({what, std::to_string(count)});
  return text;
}

std::string Text(const RecordingSummary& summary, bool style) {
  const v1::RecordingEnd& end = summary.end;
  const double seconds = static_cast<double>(end.duration_us()) / 1e6;
  std::string text = absl::StrCat(Printable(summary.file), ", ", summary.file_bytes, " bytes, from ", summary.source);
  absl::StrAppendFormat(&text, ": %d events in %.3f s", end.events(), seconds);
  if (seconds > 0) absl::StrAppendFormat(&text, ", %.0f events/s", static_cast<double>(end.events()) / seconds);
  Table table;
  table.AddColumn("what", Table::Align::kLeft);
  table.AddColumn("count", Table::Align::kRight);
  for (const auto& [what, count] : CountsOf(summary)) {
    table.AddRow({{Printable(what)}, {count < 0 ? "not known" : absl::StrCat(count)}});
  }
  absl::StrAppend(&text, "\n", table.Render(style));
  if (end.users_size() > 0) {
    text += "users:";
    for (const v1::RecordingUser& user : end.users()) {
      absl::StrAppend(&text, " ", Printable(user.name()), " (", Printable(user.kind()), ")");
    }
    text += "\n";
  }
  for (const std::string& sentence : summary.missing) absl::StrAppend(&text, "missing: ", Printable(sentence), "\n");
  for (const std::string& sentence : end.limitations()) {
    // The file keeps what is missing as a limitation, too.
    if (std::find(summary.missing.begin(), summary.missing.end(), sentence) != summary.missing.end()) continue;
    absl::StrAppend(&text, "limitation: ", Printable(sentence), "\n");
  }
  return text;
}

}  // namespace

void PrintRecordingSummary(const RecordingSummary& summary, OutputFormat output, Environment& environment) {
  switch (output) {
    case OutputFormat::kJson:
      environment.out << Json(summary);
      return;
    case OutputFormat::kCsv:
      environment.out << Csv(summary);
      return;
    case OutputFormat::kTable:
      environment.out << Text(summary, environment.style_out);
  }
}

CLI::Option* AddOutputFile(CLI::App& app, std::string& file, const std::string& description,
                           const std::string& type_name) {
  const auto check = [](const std::string& name) -> std::string {
    if (name.empty()) return "an empty name; name a file";
    if (name != "json" && name != "csv" && name != "table") return "";
    return absl::StrCat("-o names the file to write here: say --output ", name, " for the form of the answer, or ./",
                        name, " for a file of that name");
  };
  return app.add_option("-o,--file", file, description)
      ->type_name(type_name)
      ->check(CLI::Validator(check, /*validator_desc=*/""));
}

}  // namespace dmfrag::client
