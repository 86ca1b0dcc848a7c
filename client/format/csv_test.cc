#include "client/format/csv.h"

#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

TEST(CsvTest, PlainFieldsStayAsTheyAre) { EXPECT_EQ(CsvRecord({"a", "", "1.5"}), "a,,1.5\r\n"); }

// RFC 4180, section 2, rules 6 and 7.
TEST(CsvTest, FieldsWithCommasQuotesAndLineBreaksAreQuoted) {
  EXPECT_EQ(CsvRecord({"a,b", "say \"x\"", "two\nlines", "cr\r"}),
            "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",\"cr\r\"\r\n");
}

}  // namespace
}  // namespace dmfrag::client
