#include "proto/support/cache_limits.h"

#include <map>
#include <set>

#include "dmfrag/v1/annotations.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "proto/support/value_name.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Optional;

// Numbers below this are for options that several types have; the others belong to one type.
constexpr int kFirstOwnOption = 20;

std::vector<const FieldDescriptor*> Types() {
  const auto& types = *v1::CacheSpec::descriptor()->FindOneofByName("type");
  std::vector<const FieldDescriptor*> all;
  for (int i = 0; i < types.field_count(); ++i) all.push_back(types.field(i));
  return all;
}

const v1::CacheTypeInfo& InfoOf(const FieldDescriptor& type) {
  return type.message_type()->options().GetExtension(v1::cache_type);
}

std::vector<const FieldDescriptor*> OptionsOf(const FieldDescriptor& type) {
  std::vector<const FieldDescriptor*> options;
  for (int i = 0; i < type.message_type()->field_count(); ++i) options.push_back(type.message_type()->field(i));
  return options;
}

std::set<std::string> SharedOptions() {
  std::set<std::string> names;
  for (const FieldDescriptor* type : Types()) {
    for (const FieldDescriptor* option : OptionsOf(*type)) {
      if (option->number() < kFirstOwnOption) names.insert(option->name());
    }
  }
  return names;
}

std::set<std::string> RefusedBy(const FieldDescriptor& type) {
  std::set<std::string> names;
  for (const v1::RefusedOption& entry : InfoOf(type).refuses()) names.insert(entry.option());
  return names;
}

std::string Refusal(const std::string& text) {
  v1::CacheSpec cache;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &cache)) << text;
  const absl::Status status = CheckCache(cache);
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(CacheLimitsTest, EveryTypeSaysWhatItIsAndWhatStandsBehindIt) {
  ASSERT_GE(Types().size(), 9u);
  for (const FieldDescriptor* type : Types()) {
    const v1::CacheTypeInfo& info = InfoOf(*type);
    for (const std::string* text : {&info.meaning(), &info.source(), &info.departures(), &info.evidence_of()}) {
      EXPECT_FALSE(text->empty()) << type->name();
    }
    EXPECT_NE(info.evidence(), v1::EVIDENCE_UNSPECIFIED) << type->name();
  }
}

// A shared option is there or refused with a reason, never both and never neither.
TEST(CacheLimitsTest, EveryTypeTakesOrRefusesEverySharedOption) {
  ASSERT_GE(SharedOptions().size(), 12u);
  for (const FieldDescriptor* type : Types()) {
    const std::set<std::string> refused = RefusedBy(*type);
    EXPECT_EQ(refused.size(), static_cast<size_t>(InfoOf(*type).refuses_size())) << type->name() << ": one twice";
    for (const std::string& option : SharedOptions()) {
      const bool has_it = type->message_type()->FindFieldByName(option) != nullptr;
      EXPECT_NE(has_it, refused.contains(option)) << type->name() << "." << option;
    }
  }
}

// An entry that is misspelled would refuse nothing.
TEST(CacheLimitsTest, EveryRefusalNamesAnOptionOfOtherTypesOrAValueOfItsOwn) {
  for (const FieldDescriptor* type : Types()) {
    for (const v1::RefusedOption& entry : InfoOf(*type).refuses()) {
      EXPECT_FALSE(entry.reason().empty()) << type->name() << " " << entry.option();
      const size_t dot = entry.option().find('.');
      if (dot == std::string::npos) {
        EXPECT_THAT(SharedOptions(), Contains(entry.option())) << type->name();
        continue;
      }
      const FieldDescriptor* option = type->message_type()->FindFieldByName(entry.option().substr(0, dot));
      ASSERT_NE(option, nullptr) << type->name() << " " << entry.option();
      EXPECT_THAT(ValueNames(*option->enum_type()), Contains(entry.option().substr(dot + 1))) << type->name();
      EXPECT_THAT(AllowedValues(*option), Not(Contains(entry.option().substr(dot + 1)))) << type->name();
    }
  }
}

TEST(CacheLimitsTest, NoTypeRefusesItsOwnDefaults) {
  for (const FieldDescriptor* type : Types()) {
    for (const FieldDescriptor* option : OptionsOf(*type)) {
      ASSERT_TRUE(option->options().HasExtension(v1::frozen_default)) << option->full_name();
      if (option->cpp_type() != FieldDescriptor::CPPTYPE_ENUM) continue;
      const auto* value = option->enum_type()->FindValueByName(option->options().GetExtension(v1::frozen_default));
      ASSERT_NE(value, nullptr) << option->full_name();
      EXPECT_EQ(WhyNoValue(*option, *value), std::nullopt) << option->full_name();
    }
  }
}

// An option that several types have has one name, one number and one type.
TEST(CacheLimitsTest, SharedOptionsAgree) {
  std::map<std::string, const FieldDescriptor*> first;
  for (const FieldDescriptor* type : Types()) {
    for (const FieldDescriptor* option : OptionsOf(*type)) {
      const FieldDescriptor& other = *first.emplace(option->name(), option).first->second;
      EXPECT_EQ(option->cpp_type(), other.cpp_type()) << option->full_name();
      EXPECT_EQ(option->enum_type(), other.enum_type()) << option->full_name();
      // `none` had its one option first.
      if (type->name() == "none" || other.containing_type() == v1::NoneCache::descriptor()) continue;
      EXPECT_EQ(option->number(), other.number()) << option->full_name();
    }
  }
}

TEST(CacheLimitsTest, EveryNumberHasARangeAndIsCheckedAgainstIt) {
  int checked = 0;
  for (const FieldDescriptor* type : Types()) {
    for (const FieldDescriptor* option : OptionsOf(*type)) {
      if (option->cpp_type() != FieldDescriptor::CPPTYPE_UINT32) continue;
      const v1::Figure& figure = option->options().GetExtension(v1::figure);
      ASSERT_NE(figure.max(), 0u) << option->full_name();
      EXPECT_TRUE(figure.guess() || !figure.source().empty()) << option->full_name();
      const auto spec = [&](uint64_t value) {
        return type->name() + " { " + option->name() + ": " + std::to_string(value) + " }";
      };
      EXPECT_EQ(Refusal(spec(figure.max())), "");
      EXPECT_EQ(Refusal(spec(figure.min())), "");
      EXPECT_EQ(Refusal(spec(figure.max() + 1)), "cache." + type->name() + "." + option->name() + ": " +
                                                     std::to_string(figure.max() + 1) +
                                                     " is out of range; allowed are " + std::to_string(figure.min()) +
                                                     " to " + std::to_string(figure.max()));
      ++checked;
    }
  }
  EXPECT_GE(checked, 15);
}

TEST(CacheLimitsTest, RefusedValuesNameTheReasonAndWhatIsAllowed) {
  EXPECT_EQ(Refusal("per_user { free_path: FREE_PATH_DIVERT }"),
            "cache.per_user.free_path: divert is refused by per_user: a pageblock mark does not say which user a page "
            "belongs to; allowed: dedicated_api, back_pointer, gather_batch");
  EXPECT_THAT(Refusal("none { table_source: TABLE_SOURCE_CACHE }"),
              HasSubstr("cache.none.table_source: cache is refused by none: there is no cache; allowed: buddy, "));
  EXPECT_THAT(Refusal("migratetype { restore: RESTORE_POLICY_ON_SHRINK }"), HasSubstr("it has no shrinker"));
  EXPECT_THAT(Refusal("hierarchical { cached_entry: CACHED_ENTRY_RW_4K }"), HasSubstr("its pages are not present"));
  EXPECT_EQ(Refusal(""), "cache: is required; for example none or global");
}

TEST(CacheLimitsTest, EveryValueThatIsNotRefusedIsTaken) {
  for (const FieldDescriptor* type : Types()) {
    for (const FieldDescriptor* option : OptionsOf(*type)) {
      if (option->cpp_type() != FieldDescriptor::CPPTYPE_ENUM) continue;
      for (int i = 1; i < option->enum_type()->value_count(); ++i) {
        const EnumValueDescriptor& value = *option->enum_type()->value(i);
        const bool refused = RefusedBy(*type).contains(option->name() + "." + ValueName(value));
        EXPECT_EQ(Refusal(type->name() + " { " + option->name() + ": " + value.name() + " }").empty(), !refused)
            << option->full_name() << " " << value.name();
      }
    }
  }
}

TEST(CacheLimitsTest, OptionsThatATypeDoesNotHaveAreExplained) {
  const Descriptor& buddy = *v1::UnmappedBuddyCache::descriptor();
  EXPECT_THAT(WhyNoOption(buddy, "per_node"),
              Optional(std::string("is no option of unmapped_buddy: its lists know no nodes; leave it out")));
  EXPECT_THAT(WhyNoOption(buddy, "prepopulate"),
              Optional(std::string("is no option of unmapped_buddy: only global has it; leave it out")));
  EXPECT_EQ(WhyNoOption(buddy, "colour"), std::nullopt);
  EXPECT_EQ(WhyNoOption(*v1::CacheSpec::descriptor(), "per_node"), std::nullopt);
}

TEST(CacheLimitsTest, OptionsWithoutRefusalsTakeEveryValue) {
  const FieldDescriptor& placement = *v1::UnmappedBuddyCache::descriptor()->FindFieldByName("placement");
  EXPECT_THAT(AllowedValues(placement), ElementsAre("any", "prefer_split_gib", "bounded_region"));
}

}  // namespace
}  // namespace dmfrag
