// A result that changes without a new kModelVersion is a mistake, or a bump that was forgotten: results of the old and the
// new model would be mixed in the stores of all users.

#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "proto/support/canonical.h"
#include "proto/support/golden_set.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/convert/run_job.h"

namespace dmfrag {
namespace {

TEST(GoldenTest, ResultsEqualThoseOfThisModelVersion) {
  ASSERT_GE(GoldenSet().size(), 3u);
  const convert::CaptureDirectory no_captures("");
  for (const GoldenJob& golden : GoldenSet()) {
    v1::JobSpec spec;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(golden.spec_text, &spec)) << golden.name;
    const auto canonical = Canonicalize(spec);
    ASSERT_OK(canonical) << golden.name;
    const auto result = convert::RunJob(*canonical, no_captures);
    ASSERT_OK(result) << golden.name;
    // A golden job that did nothing would prove nothing.
    EXPECT_GT(result->metrics().splits_2m(), 0) << golden.name;
    EXPECT_EQ(SpecSha256Hex(*canonical), golden.spec_sha256) << golden.name;
    EXPECT_EQ(ResultSha256Hex(*result), golden.result_sha256)
        << golden.name << "; if the change is meant, bump kModelVersion and write the new digest into the golden set";
  }
}

}  // namespace
}  // namespace dmfrag
