#include "client/replay/json_text.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

TEST(JsonTextTest, WhatIsMissingIsNull) {
  EXPECT_EQ(OrNull("").dump(), "null");
  EXPECT_EQ(OrNull("6.1").dump(), "\"6.1\"");
  EXPECT_EQ(OrNull(std::optional<int64_t>()).dump(), "null");
  EXPECT_EQ(OrNull(std::optional<int64_t>(0)).dump(), "0");
  EXPECT_EQ(OrNull(std::optional<double>(0.5)).dump(), "0.5");
}

TEST(JsonTextTest, KeepsTheOrderOfKeysAndReplacesBytesThatAreNoText) {
  EXPECT_EQ(TextOf({{"b", 1}, {"a", "x\xff"}}), "{\n \"b\": 1,\n \"a\": \"x\xef\xbf\xbd\"\n}\n");
}

}  // namespace
}  // namespace dmfrag::client
