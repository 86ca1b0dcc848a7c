#include "worker/convert/cache_from_proto.h"

#include <string>

#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "proto/support/canonical.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::convert {
namespace {

// The canonical form of a spec, with every default filled in, as a worker sees it.
v1::CacheSpec CacheOf(const std::string& cache) {
  v1::JobSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString("cache { " + cache + " } workload { noop {} }", &spec));
  const absl::StatusOr<v1::JobSpec> canonical = Canonicalize(spec);
  EXPECT_OK(canonical);
  return WithDefaults(*canonical).cache();
}

TEST(CacheFromProtoTest, EveryTypeOfTheProtocolIsThereWithTheDefaultsOfTheProtocol) {
  const auto* types = v1::CacheSpec::descriptor()->FindOneofByName("type");
  ASSERT_EQ(static_cast<size_t>(types->field_count()), policy::CacheTypeNames().size());
  for (int i = 0; i < types->field_count(); ++i) {
    const std::string name(types->field(i)->name());
    EXPECT_EQ(policy::CacheTypeNames()[static_cast<size_t>(i)], name);
    const absl::StatusOr<policy::CacheConfig> config = CacheFrom(CacheOf(name + " {}"));
    ASSERT_OK(config);
    EXPECT_EQ(config->type, name);
    EXPECT_TRUE(config->options == policy::DefaultConfig(name).options) << name;
  }
}

TEST(CacheFromProtoTest, OptionsReachTheModel) {
  const auto options = [](const std::string& cache) { return CacheFrom(CacheOf(cache))->options; };
  using policy::CacheOptions;
  EXPECT_EQ(options("global { refill_order: 3 }").refill_order, model::Order(3));
  EXPECT_EQ(options("global { restore: RESTORE_POLICY_ON_SHRINK }").restore, CacheOptions::Restore::kOnShrink);
  EXPECT_TRUE(options("global { restore: RESTORE_POLICY_COLLAPSE restore_global: true }").restore_global);
  EXPECT_EQ(options("per_user { placement: PLACEMENT_BOUNDED_REGION region_per_mille: 7 }").region_per_mille, 7U);
  EXPECT_EQ(options("per_user { cached_entry: CACHED_ENTRY_NOT_PRESENT_2M }").entry,
            CacheOptions::Entry::kNotPresent2M);
  EXPECT_EQ(options("per_user { free_path: FREE_PATH_GATHER_BATCH }").free_path, CacheOptions::FreePath::kGatherBatch);
  EXPECT_EQ(options("global { atomic_miss: ATOMIC_MISS_RESERVE atomic_reserve_pages: 5 }").atomic_reserve_pages, 5U);
  EXPECT_TRUE(options("global { per_node: true }").per_node);
  EXPECT_TRUE(options("global { prepopulate: true }").prepopulate);
  EXPECT_TRUE(options("unmapped_buddy { table_source: TABLE_SOURCE_CACHE }").tables_from_cache);
  EXPECT_TRUE(options("unmapped_buddy { draft_refill_defect: true }").draft_refill_defect);
  EXPECT_EQ(options("hierarchical { category_two_batch: 8 category_two_high: 9 }").category_two_high, 9U);
}

TEST(CacheFromProtoTest, TablesComeFromWhereTheTypeSays) {
  EXPECT_EQ(*TableSourceFrom(CacheOf("none { table_source: TABLE_SOURCE_GROUPED }")), model::TableSourceKind::kGrouped);
  EXPECT_EQ(*TableSourceFrom(CacheOf("freetype { table_source: TABLE_SOURCE_BOOT_RESERVE }")),
            model::TableSourceKind::kBootReserve);
  EXPECT_EQ(*TableSourceFrom(CacheOf("global { table_source: TABLE_SOURCE_CACHE }")), model::TableSourceKind::kBuddy);
  EXPECT_EQ(*TableSourceFrom(CacheOf("debug_pagealloc {}")), model::TableSourceKind::kBuddy);
}

}  // namespace
}  // namespace dmfrag::convert
