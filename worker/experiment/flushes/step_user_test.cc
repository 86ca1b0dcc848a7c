#include "worker/experiment/flushes/step_user.h"

#include "gtest/gtest.h"

namespace dmfrag::experiment {
namespace {

TEST(StepUserTest, TheFirstWordTells) {
  EXPECT_EQ(UserOfAction("secret a 1000"), StepUser::kSecretFault);
  EXPECT_EQ(UserOfAction("psecret a 1500 4"), StepUser::kSecretFaults);
  EXPECT_EQ(UserOfAction("pchurn 4 60 40"), StepUser::kSecretChurn);
  EXPECT_EQ(UserOfAction("rmall"), StepUser::kModuleUnload);
  EXPECT_EQ(UserOfAction("dmat set_memory_ro 5 3"), StepUser::kDirectCall);
}

TEST(StepUserTest, OtherWordsAreNobodys) {
  EXPECT_EQ(UserOfAction("sleep 1"), StepUser::kOther);
  EXPECT_EQ(UserOfAction("secretive"), StepUser::kOther);
  EXPECT_EQ(UserOfAction(""), StepUser::kOther);
  EXPECT_STREQ(StepUserName(StepUser::kOther), "other");
}

}  // namespace
}  // namespace dmfrag::experiment
