#include "client/format/table.h"

#include <algorithm>
#include <utility>

#include "third_party/abseil_extras/check.h"

namespace dmfrag::client {
namespace {

constexpr char kBold[] = "\x1b[1m";
constexpr char kPlain[] = "\x1b[0m";
constexpr char kGap[] = "  ";

// `starred`: the column has stars, and the digits of a cell without one must stay in line.
std::string CellText(const Cell& cell, bool starred) {
  if (!starred) return cell.text;
  return cell.text + (cell.best ? "*" : " ");
}

}  // namespace

size_t DisplayWidth(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::string Printable(std::string_view text) {
  std::string printable(text);
  for (char& c : printable) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return printable;
}

void Table::AddColumn(std::string title, Align align) { columns_.push_back({std::move(title), align}); }

void Table::AddRow(std::vector<Cell> cells) {
  CHECK(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::Render(bool styled) const {
  std::vector<size_t> widths;
  std::vector<bool> starred;
  for (size_t i = 0; i < columns_.size(); ++i) {
    starred.push_back(!styled && std::any_of(rows_.begin(), rows_.end(), [i](const auto& row) { return row[i].best; }));
    size_t width = DisplayWidth(columns_[i].title);
    for (const std::vector<Cell>& row : rows_) width = std::max(width, DisplayWidth(CellText(row[i], starred[i])));
    widths.push_back(width);
  }
  std::string text;
  const auto append_cell = [&](size_t i, const std::string& cell, bool bold) {
    const std::string padding(widths[i] - DisplayWidth(cell), ' ');
    const std::string shown = bold ? kBold + cell + kPlain : cell;
    if (i > 0) text += kGap;
    text += columns_[i].align == Align::kRight ? padding + shown : shown + padding;
  };
  const auto end_line = [&] {
    while (!text.empty() && text.back() == ' ') text.pop_back();
    text += '\n';
  };
  for (size_t i = 0; i < columns_.size(); ++i) append_cell(i, columns_[i].title, false);
  end_line();
  for (const std::vector<Cell>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) append_cell(i, CellText(row[i], starred[i]), row[i].best && styled);
    end_line();
  }
  return text;
}

}  // namespace dmfrag::client
