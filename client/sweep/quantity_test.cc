#include "client/sweep/quantity.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using testing::HasSubstr;

constexpr auto kWrong = absl::StatusCode::kInvalidArgument;

TEST(QuantityTest, SizesAreBinary) {
  EXPECT_EQ(ParseSize("4096B").value(), 4096u);
  EXPECT_EQ(ParseSize("64KiB").value(), 65536u);
  EXPECT_EQ(ParseSize("512MiB").value(), 536870912u);
  EXPECT_EQ(ParseSize("4 GiB").value(), 4294967296u);
  EXPECT_EQ(ParseSize("64TiB").value(), uint64_t{1} << 46);
  EXPECT_EQ(ParseSize("0").value(), 0u);
}

TEST(QuantityTest, DurationsAreMicroseconds) {
  EXPECT_EQ(ParseDuration("500us").value(), 500u);
  EXPECT_EQ(ParseDuration("20ms").value(), 20'000u);
  EXPECT_EQ(ParseDuration("60s").value(), 60'000'000u);
  EXPECT_EQ(ParseDuration("5m").value(), 300'000'000u);
  EXPECT_EQ(ParseDuration("2h").value(), 7'200'000'000u);
  EXPECT_EQ(ParseDuration("1d").value(), 86'400'000'000u);
}

TEST(QuantityTest, ThousandthsAreDecimalNumbers) {
  EXPECT_EQ(ParseThousandths("1.5").value(), 1500u);
  EXPECT_EQ(ParseThousandths("0.001").value(), 1u);
  EXPECT_EQ(ParseThousandths("12").value(), 12000u);
  EXPECT_EQ(ParseThousandths("18446744073709551.615").value(), std::numeric_limits<uint64_t>::max());
  for (const char* wrong :
       {"", ".", "1.", ".5", "-1", "1.2345", "1.5x", "1.-5", "1.2.3", "18446744073709551.616", "18446744073709552"}) {
    EXPECT_THAT(ParseThousandths(wrong), StatusIs(kWrong, HasSubstr("e.g. 1.5"))) << wrong;
  }
}

TEST(QuantityTest, CountsAreDecimalOrHexadecimal) {
  EXPECT_EQ(ParseCount("512").value(), 512u);
  EXPECT_EQ(ParseCount("0x200").value(), 512u);
  EXPECT_EQ(ParseCount("18446744073709551615").value(), std::numeric_limits<uint64_t>::max());
}

TEST(QuantityTest, WrongOnesSayWhatIsMeant) {
  EXPECT_THAT(ParseSize("4"), StatusIs(kWrong, HasSubstr("has no unit; write a whole number and B, KiB")));
  EXPECT_THAT(ParseSize("4G"), StatusIs(kWrong, HasSubstr("(did you mean \"4GiB\"?)")));
  EXPECT_THAT(ParseSize("4kb"), StatusIs(kWrong, HasSubstr("(did you mean \"4KiB\"?)")));
  EXPECT_THAT(ParseSize("4XiB"), StatusIs(kWrong, testing::Not(HasSubstr("did you mean"))));
  EXPECT_THAT(ParseDuration("5min"), StatusIs(kWrong, HasSubstr("(did you mean \"5m\"?)")));
  EXPECT_THAT(ParseDuration("60S"), StatusIs(kWrong, HasSubstr("(did you mean \"60s\"?)")));
  for (const char* text : {"", "x", "0x", "0xg", "1e3", "1 2", "+1", "18446744073709551616"}) {
    EXPECT_THAT(ParseCount(text), StatusIs(kWrong, HasSubstr("write a whole number"))) << text;
  }
  EXPECT_THAT(ParseSize("16777216TiB"), StatusIs(kWrong, HasSubstr("is too large")));
}

TEST(QuantityTest, FormatsWithTheLargestUnitThatDivides) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(4096), "4 KiB");
  EXPECT_EQ(FormatSize(uint64_t{1} << 30), "1 GiB");
  EXPECT_EQ(FormatSize(1536ull << 20), "1536 MiB");
  EXPECT_EQ(FormatDuration(20'000), "20 ms");
  EXPECT_EQ(FormatDuration(90'000'000), "90 s");
}

TEST(QuantityTest, WhatIsFormattedReadsBack) {
  for (const uint64_t value : {uint64_t{1}, uint64_t{4097}, uint64_t{1} << 46, std::numeric_limits<uint64_t>::max()}) {
    EXPECT_EQ(ParseSize(FormatSize(value)).value(), value);
    EXPECT_EQ(ParseDuration(FormatDuration(value)).value(), value);
  }
}

}  // namespace
}  // namespace dmfrag::client
