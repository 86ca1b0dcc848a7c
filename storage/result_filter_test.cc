#include "storage/result_filter.h"

#include <string>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::storage {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(ResultFilterTest, KnowsMetricsPlacesAndState) {
  EXPECT_EQ(CheckComparison({"point", "=", 3})->field, FilterField::kPoint);
  EXPECT_EQ(CheckComparison({"replicate", "<", 3})->field, FilterField::kReplicate);
  EXPECT_EQ(CheckComparison({"state", ">=", 3})->field, FilterField::kState);
  const auto metric = CheckComparison({"held_pages_max", "!=", 3});
  ASSERT_OK(metric);
  EXPECT_EQ(metric->field, FilterField::kMetric);
  EXPECT_EQ(metric->metric->name(), "held_pages_max");
  EXPECT_EQ(metric->op, FilterOperator::kNotEqual);
  EXPECT_EQ(metric->value, 3);
}

TEST(ResultFilterTest, AnUnknownFieldIsAnsweredWithTheNearest) {
  EXPECT_THAT(CheckComparison({"replicte", "=", 1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nearest are replicate,")));
  EXPECT_THAT(CheckComparison({"heldpages", "=", 1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nearest are held_pages,")));
}

TEST(ResultFilterTest, AnEndlessNameIsAnsweredShortly) {
  const absl::Status status = CheckComparison({std::string(1 << 20, 'x'), "=", 1}).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("...")));
  EXPECT_LT(status.message().size(), 400u);
}

TEST(ResultFilterTest, NothingOfAFilterCanBeMoreThanAName) {
  for (const char* field : {"", "splits_2m OR 1", "splits_2m; DROP TABLE jobs", "results.splits_2m", "SPLITS_2M"}) {
    EXPECT_THAT(CheckComparison({field, "=", 1}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unknown")));
  }
  for (const char* op : {"", "==", "= 1 OR", "LIKE", "<>"}) {
    EXPECT_THAT(CheckComparison({"point", op, 1}),
                StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("operator"), HasSubstr("point"))));
  }
}

}  // namespace
}  // namespace dmfrag::storage
