#include "client/format/table.h"

#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

Table TwoRows() {
  Table table;
  table.AddColumn("cache", Table::Align::kLeft);
  table.AddColumn("splits", Table::Align::kRight);
  table.AddRow({{"none"}, {"1204 ± 31"}});
  table.AddRow({{"global"}, {"7", /*best=*/true}});
  return table;
}

TEST(TableTest, PlusMinusIsOneCharacterWide) {
  EXPECT_EQ(DisplayWidth("1204 ± 31"), 9u);
  EXPECT_EQ(DisplayWidth(""), 0u);
}

TEST(TableTest, MarksTheBestWithAStarWhereThereIsNoTerminal) {
  EXPECT_EQ(TwoRows().Render(false),
            "cache       splits\n"
            "none    1204 ± 31\n"
            "global          7*\n");
}

TEST(TableTest, MarksTheBestInBoldOnATerminalWithoutMovingColumns) {
  EXPECT_EQ(TwoRows().Render(true),
            "cache      splits\n"
            "none    1204 ± 31\n"
            "global          \x1b[1m7\x1b[0m\n");
}

TEST(TableTest, LinesEndWithoutSpaces) {
  Table table;
  table.AddColumn("a", Table::Align::kLeft);
  table.AddColumn("text", Table::Align::kLeft);
  table.AddRow({{"1"}, {"x"}});
  EXPECT_EQ(table.Render(false), "a  text\n1  x\n");
}

TEST(TableTest, ControlCharactersOfOthersDoNotReachTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[31mb\nc\x7f"), "a?[31mb?c?");
  EXPECT_EQ(Printable("µ ±"), "µ ±");
}

}  // namespace
}  // namespace dmfrag::client
