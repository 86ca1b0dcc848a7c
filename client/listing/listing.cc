#include "client/listing/listing.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
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

// Figures with where they come from, if that is known of any.
std::string FigureTable(const Listing& listing, const std::vector<ListedFigure>& figures) {
  const bool has_origins =
      std::any_of(figures.begin(), figures.end(), [](const ListedFigure& figure) { return !OriginOf(figure).empty(); });
  Table table;
  table.AddColumn("  " + listing.figures_are, Table::Align::kLeft);
  table.AddColumn(listing.values_are, Table::Align::kLeft);
  if (has_origins) table.AddColumn("from", Table::Align::kLeft);
  for (const ListedFigure& figure : figures) {
    std::vector<Cell> row = {{"  " + figure.name},
                             {figure.default_value.empty() ? "(to be given)" : figure.default_value}};
    if (has_origins) row.push_back({OriginOf(figure)});
    table.AddRow(std::move(row));
  }
  return table.Render(/*styled=*/false);
}

nlohmann::ordered_json EntryJson(const ListedEntry& entry) {
  nlohmann::ordered_json json{{"name", entry.name}, {"meaning", entry.meaning}};
  for (const auto& [name, text] : entry.facts) json[name] = text;
  json["figures"] = nlohmann::ordered_json::array();
  for (const ListedFigure& figure : entry.figures) {
    nlohmann::ordered_json one{{"name", figure.name}};
    if (!figure.default_value.empty()) one["default"] = figure.default_value;
    one["guess"] = figure.guess;
    one["source"] = figure.source;
    json["figures"].push_back(std::move(one));
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
  }
  return text;
}

std::string ListingJson(const Listing& listing) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const ListedEntry& entry : listing.entries) json.push_back(EntryJson(entry));
  return json.dump(2) + "\n";
}

std::string ListingCsv(const Listing& listing) {
  std::string csv = CsvRecord({"name", "figure", "default", "guess", "source"});
  for (const ListedEntry& entry : listing.entries) {
    if (entry.figures.empty()) csv += CsvRecord({entry.name, "", "", "", ""});
    for (const ListedFigure& figure : entry.figures) {
      csv += CsvRecord({entry.name, figure.name, figure.default_value, figure.guess ? "true" : "false", figure.source});
    }
  }
  return csv;
}

}  // namespace dmfrag::client
