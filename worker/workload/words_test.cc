#include "worker/workload/words.h"

#include <cstdint>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::workload {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(WordsTest, AnyNumberOfSeparatorsPartsThem) {
  EXPECT_THAT(WordsOf("secret  NAME 12"), ElementsAre("secret", "NAME", "12"));
  EXPECT_THAT(WordsOf(" dump "), ElementsAre("dump"));
  EXPECT_THAT(WordsOf(""), IsEmpty());
  EXPECT_THAT(WordsOf("  "), IsEmpty());
}

TEST(WordsTest, OtherSeparatorsCanBeGiven) {
  EXPECT_THAT(WordsOf("Node 0, zone\tDMA", " ,\t"), ElementsAre("Node", "0", "zone", "DMA"));
  EXPECT_THAT(WordsOf("a\tb"), ElementsAre("a\tb"));
}

TEST(NumberTest, IsTheWholeText) {
  EXPECT_EQ(NumberOf<uint64_t>("18446744073709551615"), ~uint64_t{0});
  EXPECT_EQ(NumberOf<int64_t>("-12"), -12);
  for (const char* text : {"", "x", "12x", " 12", "12 ", "+12", "-12", "0x12", "18446744073709551616"}) {
    EXPECT_EQ(NumberOf<uint64_t>(text), std::nullopt) << text;
  }
}

TEST(NumberTest, IsOneOfItsType) {
  EXPECT_EQ(NumberOf<uint32_t>("4294967295"), ~uint32_t{0});
  EXPECT_EQ(NumberOf<uint32_t>("4294967296"), std::nullopt);
}

TEST(NumberTest, OfBase16MayStartWith0x) {
  EXPECT_EQ(NumberOf<uint64_t>("0xfF", 16), 255);
  EXPECT_EQ(NumberOf<uint64_t>("10", 16), 16);
  EXPECT_EQ(NumberOf<uint64_t>("0x", 16), std::nullopt);
}

}  // namespace
}  // namespace dmfrag::workload
