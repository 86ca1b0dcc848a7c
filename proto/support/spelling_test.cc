#include "proto/support/spelling.h"

#include "gtest/gtest.h"

namespace dmfrag {
namespace {

const std::vector<std::string>& Names() {
  static const auto& names = *new std::vector<std::string>{"memory", "cpus", "gbpages", "pse"};
  return names;
}

TEST(SpellingTest, FindsTheNameWithTheFewestEdits) {
  EXPECT_EQ(NearestName("memroy", Names()), "memory");
  EXPECT_EQ(NearestName("mem0ry", Names()), "memory");
  EXPECT_EQ(NearestName("cpu", Names()), "cpus");
  EXPECT_EQ(NearestName("psee", Names()), "pse");
}

TEST(SpellingTest, DoesNotGuessAtWhatIsNothingLikeIt) {
  EXPECT_EQ(NearestName("threads", Names()), std::nullopt);
  EXPECT_EQ(NearestName("", Names()), std::nullopt);
  EXPECT_EQ(NearestName(std::string(100'000, 'c'), Names()), std::nullopt);
}

TEST(SpellingTest, ListsWhatIsAllowedAndTheGuess) {
  EXPECT_EQ(AllowedNames("cpsu", Names()), "allowed: memory, cpus, gbpages, pse (did you mean \"cpus\"?)");
  EXPECT_EQ(AllowedNames("x", Names()), "allowed: memory, cpus, gbpages, pse");
}

TEST(SpellingTest, LongListsAreCut) {
  EXPECT_TRUE(AllowedNames("zzz", std::vector<std::string>(25, "longname")).ends_with(", and 5 more"));
}

}  // namespace
}  // namespace dmfrag
