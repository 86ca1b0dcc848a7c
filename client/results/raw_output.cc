#include "client/results/raw_output.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/format/csv.h"
#include "client/format/table.h"
#include "client/results/aggregate.h"

namespace dmfrag::client {
namespace {

using google::protobuf::FieldDescriptor;
using Json = nlohmann::ordered_json;

constexpr size_t kDigestHead = 12;

// The value of an enum without its prefix, in lower case: "succeeded".
std::string StateName(v1::JobState state) {
  constexpr size_t kPrefixLength = sizeof("JOB_STATE_") - 1;
  std::string name = v1::JobState_Name(state);
  name.erase(0, std::min(kPrefixLength, name.size()));
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return name;
}

// One field of a row: a name, and a value or nothing. Numbers of 64 bits stay text.
struct Field {
  std::string name;
  std::optional<std::string> text;
  // Written without quotes in JSON.
  bool small_number = false;
};

std::optional<std::string> NonEmpty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

// Frozen default of JobSpec.seed: the canonical form clears it.
uint64_t SeedOf(const v1::Result& result) { return result.spec().has_seed() ? result.spec().seed() : 1; }

std::vector<Field> RowOf(const std::vector<std::string>& axis_titles, const v1::Result& result) {
  std::vector<Field> row;
  row.push_back({.name = "job", .text = result.name()});
  row.push_back({.name = "point", .text = absl::StrCat(result.point()), .small_number = true});
  row.push_back({.name = "replicate", .text = absl::StrCat(result.replicate()), .small_number = true});
  for (int i = 0; i < static_cast<int>(axis_titles.size()); ++i) {
    row.push_back({.name = axis_titles[i],
                   .text = i < result.axis_labels_size() ? std::optional(result.axis_labels(i)) : std::nullopt});
  }
  row.push_back({.name = "state", .text = StateName(result.state())});
  row.push_back({.name = "seed", .text = absl::StrCat(SeedOf(result))});
  row.push_back({.name = "spec_sha256", .text = NonEmpty(result.spec_sha256())});
  row.push_back({.name = "result_sha256", .text = NonEmpty(result.result_sha256())});
  row.push_back({.name = "aged_state_sha256", .text = NonEmpty(result.result().aged_state_sha256())});
  row.push_back({.name = "model_version", .text = absl::StrCat(result.model_version()), .small_number = true});
  row.push_back({.name = "attempts", .text = absl::StrCat(result.attempts()), .small_number = true});
  row.push_back({.name = "duplicates", .text = absl::StrCat(result.duplicates()), .small_number = true});
  const v1::Metrics& metrics = result.result().metrics();
  for (int i = 0; i < metrics.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = metrics.GetDescriptor()->field(i);
    const bool present = metrics.GetReflection()->HasField(metrics, field);
    row.push_back({.name = field->name(),
                   .text = present ? std::optional(absl::StrCat(metrics.GetReflection()->GetInt64(metrics, field)))
                                   : std::nullopt});
  }
  row.push_back({.name = "failure", .text = NonEmpty(result.failure())});
  return row;
}

class RawCsv : public RawOutput {
 public:
  RawCsv(const v1::Experiment& experiment, std::ostream& out) : titles_(AxisTitles(experiment)), out_(out) {
    std::vector<std::string> head;
    for (const Field& field : RowOf(titles_, v1::Result())) head.push_back(field.name);
    out_ << CsvRecord(head);
  }

  void Add(const v1::Result& result) override {
    std::vector<std::string> record;
    for (const Field& field : RowOf(titles_, result)) record.push_back(field.text.value_or(""));
    out_ << CsvRecord(record);
  }

  void Finish() override {}

 private:
  std::vector<std::string> titles_;
  std::ostream& out_;
};

class RawJson : public RawOutput {
 public:
  RawJson(const v1::Experiment& experiment, std::ostream& out) : titles_(AxisTitles(experiment)), out_(out) {
    out_ << "{\n  \"experiment\": " << Json(experiment.name()).dump() << ",\n  \"results\": [";
  }

  void Add(const v1::Result& result) override {
    Json row = Json::object();
    for (const Field& field : RowOf(titles_, result)) {
      if (!field.text.has_value()) {
        row[field.name] = nullptr;
      } else if (field.small_number) {
        row[field.name] = std::stol(*field.text);
      } else {
        row[field.name] = *field.text;
      }
    }
    out_ << (first_ ? "\n    " : ",\n    ") << row.dump(-1, ' ', false, Json::error_handler_t::replace);
    first_ = false;
  }

  void Finish() override { out_ << "\n  ]\n}\n"; }

 private:
  std::vector<std::string> titles_;
  std::ostream& out_;
  bool first_ = true;
};

class RawTable : public RawOutput {
 public:
  RawTable(const v1::Experiment& experiment, std::ostream& out) : titles_(AxisTitles(experiment)), out_(out) {
    for (const char* title : {"job", "rep"}) table_.AddColumn(title, Table::Align::kRight);
    for (const std::string& title : titles_) table_.AddColumn(title, Table::Align::kLeft);
    table_.AddColumn("state", Table::Align::kLeft);
    for (const char* title : {"seed", "splits 2M", "splits 1G", "DirectMap4k KiB"}) {
      table_.AddColumn(title, Table::Align::kRight);
    }
    table_.AddColumn("result sha256", Table::Align::kLeft);
    table_.AddColumn("failure", Table::Align::kLeft);
  }

  void Add(const v1::Result& result) override {
    const v1::Metrics& metrics = result.result().metrics();
    std::vector<Cell> cells = {{result.name()}, {absl::StrCat(result.replicate())}};
    for (int i = 0; i < static_cast<int>(titles_.size()); ++i) {
      cells.push_back({i < result.axis_labels_size() ? Printable(result.axis_labels(i)) : "?"});
    }
    cells.push_back({StateName(result.state())});
    cells.push_back({absl::StrCat(SeedOf(result))});
    cells.push_back({metrics.has_splits_2m() ? absl::StrCat(metrics.splits_2m()) : "-"});
    cells.push_back({metrics.has_splits_1g() ? absl::StrCat(metrics.splits_1g()) : "-"});
    cells.push_back({metrics.has_direct_map_4k_kib() ? absl::StrCat(metrics.direct_map_4k_kib()) : "-"});
    cells.push_back({result.result_sha256().substr(0, kDigestHead)});
    cells.push_back({Printable(result.failure())});
    table_.AddRow(std::move(cells));
  }

  void Finish() override { out_ << table_.Render(/*styled=*/false); }

 private:
  std::vector<std::string> titles_;
  std::ostream& out_;
  Table table_;
};

}  // namespace

std::unique_ptr<RawOutput> NewRawCsv(const v1::Experiment& experiment, std::ostream& out) {
  return std::make_unique<RawCsv>(experiment, out);
}

std::unique_ptr<RawOutput> NewRawJson(const v1::Experiment& experiment, std::ostream& out) {
  return std::make_unique<RawJson>(experiment, out);
}

std::unique_ptr<RawOutput> NewRawTable(const v1::Experiment& experiment, std::ostream& out) {
  return std::make_unique<RawTable>(experiment, out);
}

}  // namespace dmfrag::client
