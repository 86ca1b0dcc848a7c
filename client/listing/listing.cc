#include "client/listing/listing.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/format/csv.h"
#include "client/format/table.h"

namespace dmfrag::client {
namespace {

constexpr size_t kIndent = 2;

// `text` in lines of at most `columns`, all indented, with `first` before the first word.
std::string Wrapped(const std::string& first, const std::string& text, size_t columns) {
  std::istringstream words(text);
  const std::string margin(kIndent, ' ');
  std::string all;
  std::string line = margin + first;
  for (std::string word; words >> word;) {
    if (DisplayWidth(line) + 1 + DisplayWidth(word) > columns && line != margin) {
      absl::StrAppend(&all, line, "\n");
      line = margin;
    }
    absl::StrAppend(&line, line.size() > kIndent ? " " : "", word);
  }
  return absl::StrCat(all, line, "\n");
}

std::string OriginOf(const ListedFigure& figure) {
  if (!figure.guess) return figure.source;
  return figure.source.empty() ? "a guess" : absl::StrCat("a guess: ", figure.source);
}

// "any, bounded_region", or "0 to 9".
std::string AllowedOf(const ListedFigure& figure) {
  if (figure.range.has_value()) return absl::StrCat(figure.range->min, " to ", figure.range->max);
  return absl::StrJoin(figure.values, ", ");
}

std::string DefaultOf(const ListedFigure& figure) {
  return figure.default_value.empty() ? "(to be given)" : figure.default_value;
}

// Columns whose text is empty for all figures are left out.
std::string FigureTable(const Listing& listing, const std::vector<ListedFigure>& figures) {
  struct Column {
    const char* title;
    std::string (*text)(const ListedFigure& figure);
  };
  std::vector<Column> columns = {{listing.values_are.c_str(), DefaultOf}, {"allowed", AllowedOf}, {"from", OriginOf}};
  std::erase_if(columns, [&](const Column& column) {
    return std::all_of(figures.begin(), figures.end(),
                       [&](const ListedFigure& figure) { return column.text(figure).empty(); });
  });
  Table table;
  table.AddColumn("  " + listing.figures_are, Table::Align::kLeft);
  for (const Column& column : columns) table.AddColumn(column.title, Table::Align::kLeft);
  for (const ListedFigure& figure : figures) {
    std::vector<Cell> row = {{"  " + figure.name}};
    for (const Column& column : columns) row.push_back({column.text(figure)});
    table.AddRow(std::move(row));
  }
  return table.Render(/*styled=*/false);
}

std::string RefusalTable(const std::vector<ListedRefusal>& refused) {
  Table table;
  table.AddColumn("  refused", Table::Align::kLeft);
  table.AddColumn("because", Table::Align::kLeft);
  for (const ListedRefusal& refusal : refused) table.AddRow({{"  " + refusal.name}, {refusal.reason}});
  return table.Render(/*styled=*/false);
}

nlohmann::ordered_json FigureJson(const ListedFigure& figure) {
  nlohmann::ordered_json json{{"name", figure.name}};
  if (!figure.default_value.empty()) json["default"] = figure.default_value;
  if (!figure.values.empty()) json["allowed"] = figure.values;
  if (figure.range.has_value()) {
    json["min"] = figure.range->min;
    json["max"] = figure.range->max;
  }
  json["guess"] = figure.guess;
  json["source"] = figure.source;
  return json;
}

bool HasRefusals(const Listing& listing) {
  return std::any_of(listing.entries.begin(), listing.entries.end(),
                     [](const ListedEntry& entry) { return !entry.refused.empty(); });
}

nlohmann::ordered_json EntryJson(const Listing& listing, const ListedEntry& entry) {
  nlohmann::ordered_json json{{"name", entry.name}, {"meaning", entry.meaning}};
  for (const auto& [name, text] : entry.facts) json[name] = text;
  json[listing.figures_key] = nlohmann::ordered_json::array();
  for (const ListedFigure& figure : entry.figures) json[listing.figures_key].push_back(FigureJson(figure));
  for (const ListedRefusal& refusal : entry.refused) {
    json["refused"].push_back({{"name", refusal.name}, {"reason", refusal.reason}});
  }
  return json;
}

}  // namespace

std::string ListingText(const Listing& listing, size_t columns) {
  std::string text;
  for (const ListedEntry& entry : listing.entries) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", entry.name, "\n", Wrapped("", entry.meaning, columns));
    for (const auto& [name, fact] : entry.facts) {
      if (!fact.empty()) text += Wrapped(absl::StrCat(name, ":"), fact, columns);
    }
    if (!entry.figures.empty()) text += FigureTable(listing, entry.figures);
    if (!entry.refused.empty()) text += RefusalTable(entry.refused);
  }
  return text;
}

std::string ListingJson(const Listing& listing) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const ListedEntry& entry : listing.entries) json.push_back(EntryJson(listing, entry));
  return json.dump(2) + "\n";
}

std::string ListingCsv(const Listing& listing) {
  const bool has_refusals = HasRefusals(listing);
  const auto record = [&](std::vector<std::string> row, const std::string& refused) {
    if (has_refusals) row.push_back(refused);
    return CsvRecord(row);
  };
  std::string csv = record({"name", "figure", "default", "allowed", "guess", "source"}, "refused");
  for (const ListedEntry& entry : listing.entries) {
    if (entry.figures.empty()) csv += record({entry.name, "", "", "", "", ""}, "");
    for (const ListedFigure& figure : entry.figures) {
      csv += record({entry.name, figure.name, figure.default_value, AllowedOf(figure), figure.guess ? "true" : "false",
                     figure.source},
                    "");
    }
    for (const ListedRefusal& refusal : entry.refused) {
      csv += record({entry.name, refusal.name, "", "", "", ""}, refusal.reason);
    }
  }
  return csv;
}

}  // namespace dmfrag::client
