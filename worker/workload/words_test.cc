#include "worker/workload/words.h"

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

}  // namespace
}  // namespace dmfrag::workload
