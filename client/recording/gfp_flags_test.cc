#include "client/recording/gfp_flags.h"

#include <optional>

#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

TEST(GfpFlagsTest, CombinedNamesAreTheirFlags) {
  EXPECT_EQ(GfpFlagsOfText("GFP_KERNEL"),
            GfpFlagsOfText("__GFP_IO|__GFP_FS|__GFP_DIRECT_RECLAIM|__GFP_KSWAPD_RECLAIM"));
  EXPECT_EQ(GfpFlagsOfText("GFP_HIGHUSER_MOVABLE"),
            GfpFlagsOfText("GFP_KERNEL|__GFP_HARDWALL|__GFP_HIGHMEM|__GFP_MOVABLE"));
  EXPECT_EQ(GfpFlagsOfText("GFP_NOFS|__GFP_FS|__GFP_ACCOUNT"), GfpFlagsOfText("GFP_KERNEL_ACCOUNT"));
}

TEST(GfpFlagsTest, WhatIsNotKnownIsLeftOut) {
  EXPECT_EQ(GfpFlagsOfText("0xcc0"), 0u);
  EXPECT_EQ(GfpFlagsOfText(""), 0u);
  EXPECT_EQ(GfpFlagsOfText("none"), 0u);
  EXPECT_EQ(GfpFlagsOfText("GFP_ATOMIC|0x8000000"), GfpFlagsOfText("GFP_ATOMIC"));
  EXPECT_EQ(GfpFlagsOfName("GFP_KERNAL"), std::nullopt);
}

TEST(GfpFlagsTest, EveryNameHasFlagsAndSingleOnesDiffer) {
  GfpFlags all = 0;
  for (const std::string& name : GfpFlagNames()) {
    const std::optional<GfpFlags> flags = GfpFlagsOfName(name);
    ASSERT_TRUE(flags.has_value() && *flags != 0) << name;
    if (name.starts_with("__GFP_") && name != "__GFP_RECLAIM") {
      EXPECT_EQ(all & *flags, 0u) << name;
      all |= *flags;
    }
  }
}

}  // namespace
}  // namespace dmfrag::client
