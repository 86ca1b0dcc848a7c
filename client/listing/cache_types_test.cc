#include "client/listing/cache_types.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dmfrag/v1/cache.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

nlohmann::json TypeInJson(const std::string& name) {
  for (const auto& entry : nlohmann::json::parse(ListingJson(ListCacheTypes()))) {
    if (entry["name"] == name) return entry;
  }
  ADD_FAILURE() << "no " << name;
  return {};
}

nlohmann::json Named(const nlohmann::json& list, const std::string& name) {
  for (const auto& entry : list) {
    if (entry["name"] == name) return entry;
  }
  ADD_FAILURE() << "no " << name << " in " << list;
  return {};
}

TEST(CacheTypesTest, ListsEveryTypeOfTheProtocolWithAllItsOptions) {
  const auto& types = *v1::CacheSpec::descriptor()->FindOneofByName("type");
  const Listing listing = ListCacheTypes();
  ASSERT_EQ(listing.entries.size(), static_cast<size_t>(types.field_count()));
  for (int i = 0; i < types.field_count(); ++i) {
    const ListedEntry& entry = listing.entries[static_cast<size_t>(i)];
    EXPECT_EQ(entry.name, types.field(i)->name());
    EXPECT_EQ(entry.figures.size(), static_cast<size_t>(types.field(i)->message_type()->field_count())) << entry.name;
    EXPECT_FALSE(entry.meaning.empty()) << entry.name;
    for (const auto& [fact, text] : entry.facts) EXPECT_FALSE(text.empty()) << entry.name << " " << fact;
    for (const ListedFigure& option : entry.figures) {
      EXPECT_FALSE(option.default_value.empty()) << entry.name << "." << option.name;
      EXPECT_NE(option.values.empty(), !option.range.has_value()) << entry.name << "." << option.name;
    }
  }
}

TEST(CacheTypesTest, DefaultsAreAmongWhatIsAllowed) {
  for (const ListedEntry& entry : ListCacheTypes().entries) {
    for (const ListedFigure& option : entry.figures) {
      if (!option.values.empty()) {
        EXPECT_THAT(option.values, Contains(option.default_value)) << entry.name << "." << option.name;
        continue;
      }
      const uint64_t value = std::stoull(option.default_value);
      EXPECT_LE(option.range->min, value) << entry.name << "." << option.name;
      EXPECT_GE(option.range->max, value) << entry.name << "." << option.name;
    }
  }
}

TEST(CacheTypesTest, SaysWhatStandsBehindResults) {
  EXPECT_EQ(TypeInJson("none")["evidence"], "checked against a kernel");
  EXPECT_EQ(TypeInJson("migratetype")["evidence"], "against a published figure");
  EXPECT_EQ(TypeInJson("hierarchical")["evidence"], "unchecked");
  EXPECT_EQ(TypeInJson("hierarchical")["evidence_of"], "nobody has built it");
}

TEST(CacheTypesTest, OptionsHaveDefaultRangeAndValues) {
  const nlohmann::json global = TypeInJson("global")["options"];
  const nlohmann::json order = Named(global, "refill_order");
  EXPECT_EQ(order["default"], "9");
  EXPECT_EQ(order["min"], 0);
  EXPECT_EQ(order["max"], 9);
  EXPECT_EQ(order["guess"], false);
  EXPECT_EQ(Named(global, "shrink_below_free_per_mille")["guess"], true);
  EXPECT_THAT(Named(global, "per_node")["allowed"], ElementsAre("false", "true"));
  EXPECT_THAT(Named(global, "placement")["allowed"], ElementsAre("any", "prefer_split_gib", "bounded_region"));
}

TEST(CacheTypesTest, RefusedValuesAreNotAllowedAndSayWhy) {
  const nlohmann::json per_user = TypeInJson("per_user");
  EXPECT_THAT(Named(per_user["options"], "free_path")["allowed"], Not(Contains("divert")));
  EXPECT_EQ(Named(per_user["refused"], "free_path.divert")["reason"],
            "a pageblock mark does not say which user a page belongs to");
  EXPECT_EQ(Named(TypeInJson("unmapped_buddy")["refused"], "per_node")["reason"], "its lists know no nodes");
}

}  // namespace
}  // namespace dmfrag::client
