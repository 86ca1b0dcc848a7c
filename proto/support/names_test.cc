#include "proto/support/names.h"

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag {
namespace {

TEST(NamesTest, RoundTrip) {
  EXPECT_EQ(*ParseExperimentName(ExperimentName(12)), 12);
  EXPECT_EQ(*ParseJobName(JobName(9223372036854775807)), 9223372036854775807);
  const std::string hex(64, 'a');
  EXPECT_EQ(*ParseCaptureName(CaptureName(hex)), hex);
}

TEST(NamesTest, RefusesEverythingElse) {
  for (const char* name : {"", "experiments", "experiments/", "experiments/0", "experiments/-1", "experiments/01",
                           "experiments/1x", "jobs/1", "experiments/99999999999999999999"}) {
    EXPECT_FALSE(ParseExperimentName(name).ok()) << name;
  }
  EXPECT_FALSE(ParseCaptureName("captures/ABC").ok());
  EXPECT_FALSE(ParseCaptureName("captures/../../etc/passwd").ok());
}

}  // namespace
}  // namespace dmfrag
