#include "server/service/filter.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/service/page_token.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(FilterTest, ParsesComparisonsJoinedByAnd) {
  const auto comparisons = ParseFilter("splits_2m>10 AND replicate = 0 AND state != SUCCEEDED AND held_pages >= -1");
  ASSERT_OK(comparisons);
  ASSERT_EQ(comparisons->size(), 4u);
  EXPECT_EQ((*comparisons)[0].field, "splits_2m");
  EXPECT_EQ((*comparisons)[0].op, ">");
  EXPECT_EQ((*comparisons)[0].value, 10);
  EXPECT_EQ((*comparisons)[2].value, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ((*comparisons)[3].value, -1);
  EXPECT_TRUE(ParseFilter("")->empty());
  EXPECT_TRUE(ParseFilter("   ")->empty());
}

TEST(FilterTest, RefusalNamesTheColumn) {
  const auto refusal = [](const std::string& filter) { return std::string(ParseFilter(filter).status().message()); };
  EXPECT_THAT(refusal("splits_2m >"), HasSubstr("column 1: an unfinished comparison"));
  EXPECT_THAT(refusal("splits_2m > 10 OR point = 1"), HasSubstr("column 16: comparisons are joined by AND"));
  EXPECT_THAT(refusal("splits_2m > 10 AND"), HasSubstr("column 16"));
  EXPECT_THAT(refusal("splits_2m > ten"), HasSubstr("column 13: \"ten\" is no 64-bit integer"));
  EXPECT_THAT(refusal("state = DONE"), HasSubstr("is no state"));
  EXPECT_THAT(refusal("a = 1; DROP TABLE"), HasSubstr("column 6: unexpected character"));
  EXPECT_THAT(refusal("= = ="), HasSubstr("no comparison"));
  EXPECT_THAT(refusal(std::string(5000, 'a')), HasSubstr("longer than"));
}

TEST(PageTokenTest, RoundTripsAndRefusesOtherArguments) {
  const std::string token = MakePageToken("List\nexperiments/1", {7, -3});
  EXPECT_THAT(*ParsePageToken(token, "List\nexperiments/1", 2), ElementsAre(7, -3));
  for (const std::string& wrong : {std::string("x"), std::string("!!"), token.substr(1), std::string()}) {
    EXPECT_THAT(ParsePageToken(wrong, "List\nexperiments/1", 2),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("page_token")));
  }
  EXPECT_FALSE(ParsePageToken(token, "List\nexperiments/2", 2).ok());
  EXPECT_FALSE(ParsePageToken(token, "List\nexperiments/1", 1).ok());
}

TEST(PageTokenTest, PageSizeIsCoercedNotRefused) {
  EXPECT_EQ(*PageSize(0, 50), 50);
  EXPECT_EQ(*PageSize(5000, 50), 1000);
  EXPECT_FALSE(PageSize(-1, 50).ok());
}

}  // namespace
}  // namespace dmfrag::server
