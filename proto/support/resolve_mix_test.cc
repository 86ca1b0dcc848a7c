#include "proto/support/resolve_mix.h"

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "proto/support/mix_limits.h"
#include "proto/support/preset.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

v1::Mix Parse(const std::string& text) {
  v1::Mix mix;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &mix)) << text;
  return mix;
}

v1::Mix Resolved(const std::string& text) {
  const auto mix = ResolveMix(Parse(text));
  EXPECT_OK(mix) << text;
  return mix.ok() ? *mix : v1::Mix();
}

std::vector<std::string> Users(const v1::Mix& mix) {
  std::vector<std::string> names;
  for (const v1::User& user : mix.users()) names.push_back(user.name());
  return names;
}

MATCHER_P(Equals, other, "") { return google::protobuf::util::MessageDifferencer::Equals(arg, other); }

absl::Status Refusal(const std::string& text) {
  const auto mix = ResolveMix(Parse(text));
  return mix.ok() ? CheckMix(*mix) : mix.status();
}

TEST(ResolveMixTest, AMixThatInheritsNothingIsItself) {
  const v1::Mix mix = Parse("users { name: 'a' secretmem {} } phases { name: 'p' duration_us: 5 }");
  EXPECT_THAT(*ResolveMix(mix), Equals(mix));
}

TEST(ResolveMixTest, InheritingAloneIsThePreset) {
  EXPECT_THAT(Resolved("inherits: 'secretmem'"), Equals(*PresetMix("secretmem")));
}

TEST(ResolveMixTest, EveryPresetIsWholeAndAllowed) {
  for (const std::string& name : PresetNames()) EXPECT_OK(Refusal("inherits: '" + name + "'")) << name;
}

TEST(ResolveMixTest, UsersAreAddedBehindAndRemovedByName) {
  EXPECT_THAT(Users(Resolved("inherits: 'secretmem' users { name: 'new' secretmem {} } remove_users: 'file' "
                             "remove_users: 'secretmem'")),
              ElementsAre("anon", "slab", "dentry", "new"));
}

TEST(ResolveMixTest, OfAnInheritedUserOnlyWhatIsSetIsChanged) {
  const v1::Mix mix = Resolved(R"pb(
    inherits: "secretmem"
    users {
      name: "anon"
      ordinary {
        order: 3
        size_allocations { uniform { max: 7 } }
      }
      rate_thousandths: 2000
    }
    users { name: "file" rate_thousandths: 500 }
  )pb");
  ASSERT_THAT(Users(mix), ElementsAre("secretmem", "anon", "file", "slab", "dentry"));
  v1::Mix expected = *PresetMix("secretmem");
  v1::OrdinaryUser& anon = *expected.mutable_users(1)->mutable_ordinary();
  anon.set_order(3);
  anon.mutable_size_allocations()->mutable_uniform()->set_max(7);
  anon.mutable_size_allocations()->mutable_uniform()->clear_min();  // a distribution is replaced whole
  expected.mutable_users(1)->set_rate_thousandths(2000);
  expected.mutable_users(2)->set_rate_thousandths(500);
  EXPECT_THAT(mix, Equals(expected));
}

TEST(ResolveMixTest, AnotherKindTakesThePlaceOfTheWhole) {
  const v1::Mix mix = Resolved("inherits: 'secretmem' users { name: 'anon' secretmem {} }");
  EXPECT_THAT(mix.users(1), Equals(Parse("users { name: 'anon' secretmem {} }").users(0)));
}

TEST(ResolveMixTest, ScalesEveryRateInherited_OwnAndAdded) {
  const v1::Mix mix = Resolved(
      "inherits: 'secretmem' rate_thousandths: 2500 users { name: 'anon' rate_thousandths: 400 } "
      "users { name: 'new' secretmem {} rate_thousandths: 2000 }");
  EXPECT_FALSE(mix.has_rate_thousandths());
  EXPECT_EQ(mix.users(0).rate_thousandths(), 2500);
  EXPECT_FALSE(mix.users(1).has_rate_thousandths());  // 0.4 x 2.5
  EXPECT_EQ(mix.users(5).rate_thousandths(), 5000);
}

TEST(ResolveMixTest, IsIdempotent) {
  const v1::Mix once = Resolved(
      "inherits: 'secretmem' rate_thousandths: 2500 remove_users: 'file' phases { name: 'p' duration_us: 5 rates { "
      "user: 'anon' rate_thousandths: 0 } }");
  EXPECT_THAT(*ResolveMix(once), Equals(once));
}

TEST(ResolveMixTest, RefusalsNamePlaceAndRemedy) {
  EXPECT_THAT(Refusal("inherits: 'secretmen'").message(),
              HasSubstr("workload.mix.inherits: no preset \"secretmen\"; allowed: "));
  EXPECT_THAT(Refusal("inherits: 'secretmen'").message(), HasSubstr("(did you mean \"secretmem\"?)"));
  EXPECT_THAT(Refusal("inherits: 'secretmem' remove_users: 'anom'").message(),
              HasSubstr("remove_users[0]: nothing named \"anom\" is inherited; allowed: "));
  EXPECT_THAT(Refusal("inherits: 'secretmem' remove_phases: 'p'").message(), HasSubstr("remove_phases[0]"));
  EXPECT_THAT(Refusal("users { name: 'a' secretmem {} } remove_users: 'a'").message(), HasSubstr("inherits nothing"));
  EXPECT_THAT(Refusal("inherits: 'secretmem' users { name: 'new' rate_thousandths: 2000 }").message(),
              HasSubstr("users[new]: needs a kind"));
  EXPECT_THAT(Refusal("rate_thousandths: 1333 users { name: 'a' secretmem {} rate_thousandths: 1500 }").message(),
              HasSubstr("1.333 times the rate 1.5 of user \"a\""));
  EXPECT_THAT(Refusal("rate_thousandths: 0 users { name: 'a' secretmem {} }").message(),
              HasSubstr("0 is out of range; allowed are 0.001 to 1000"));
}

TEST(ResolveMixTest, OwnPhasesMustNotNameRemovedUsers) {
  v1::Mix mix =
      Resolved("inherits: 'secretmem' phases { name: 'p' duration_us: 5 rates { user: 'anon' rate_thousandths: 0 } }");
  EXPECT_OK(CheckMix(mix));
  EXPECT_THAT(Refusal("inherits: 'secretmem' remove_users: 'anon' phases { name: 'p' duration_us: 5 rates { user: "
                      "'anon' rate_thousandths: 0 } }")
                  .message(),
              HasSubstr("phases[p].rates[anon]: the mix has no such user"));
}

}  // namespace
}  // namespace dmfrag
