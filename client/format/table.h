#ifndef DMFRAG_CLIENT_FORMAT_TABLE_H_
#define DMFRAG_CLIENT_FORMAT_TABLE_H_

#include <string>
#include <string_view>
#include <vector>

namespace dmfrag::client {

// One cell of a table.
struct Cell {
  std::string text;
  // Bold on a terminal, "*" behind it elsewhere.
  bool best = false;
};

// A table for people: columns as wide as their widest cell, two spaces between them, no rules. Thread-compatible.
class Table {
 public:
  enum class Align { kLeft, kRight };

  void AddColumn(std::string title, Align align);
  // REQUIRES: as many cells as columns.
  void AddRow(std::vector<Cell> cells);

  // Ends with a newline. `styled`: for a terminal.
  std::string Render(bool styled) const;

 private:
  struct Column {
    std::string title;
    Align align;
  };

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// Characters of a UTF-8 text, each taken as one wide; control characters do not belong here.
size_t DisplayWidth(std::string_view text);

// `text` with control characters (a terminal's escapes among them) replaced by "?", for text that came from elsewhere.
std::string Printable(std::string_view text);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_FORMAT_TABLE_H_
