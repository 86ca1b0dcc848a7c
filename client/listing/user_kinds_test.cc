#include "client/listing/user_kinds.h"

#include <algorithm>
#include <string>

#include "dmfrag/v1/annotations.pb.h"
#include "dmfrag/v1/workload.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

const google::protobuf::OneofDescriptor& Kinds() { return *v1::User::descriptor()->FindOneofByName("kind"); }

TEST(UserKindsTest, EveryKindSaysWhatItIs) {
  ASSERT_GE(Kinds().field_count(), 4);
  for (int i = 0; i < Kinds().field_count(); ++i) {
    const Descriptor& kind = *Kinds().field(i)->message_type();
    const v1::UserKind& known = kind.options().GetExtension(v1::user_kind);
    EXPECT_FALSE(known.meaning().empty()) << kind.name();
    EXPECT_NE(known.category(), v1::USER_CATEGORY_UNSPECIFIED) << kind.name();
    EXPECT_NE(known.reach(), v1::PAGE_REACH_UNSPECIFIED) << kind.name();
    EXPECT_FALSE(known.permission().empty()) << kind.name();
    EXPECT_FALSE(known.free_path().empty()) << kind.name();
    EXPECT_FALSE(known.source().empty()) << kind.name();
  }
}

TEST(UserKindsTest, EveryDefaultHasASourceOrIsAGuess) {
  for (int i = 0; i < Kinds().field_count(); ++i) {
    const Descriptor& kind = *Kinds().field(i)->message_type();
    for (int k = 0; k < kind.field_count(); ++k) {
      const FieldDescriptor& field = *kind.field(k);
      if (!field.options().HasExtension(v1::frozen_default) || field.type() == FieldDescriptor::TYPE_BOOL) continue;
      const v1::Figure& figure = field.options().GetExtension(v1::figure);
      EXPECT_TRUE(figure.guess() || !figure.source().empty()) << field.full_name();
    }
  }
}

TEST(UserKindsTest, ListsDefaultsAsSweepFilesWriteThem) {
  const Listing listing = ListUserKinds();
  const auto bpf = std::find_if(listing.entries.begin(), listing.entries.end(),
                                [](const ListedEntry& entry) { return entry.name == "bpf"; });
  ASSERT_NE(bpf, listing.entries.end());
  ASSERT_EQ(bpf->figures.size(), 4u);
  EXPECT_EQ(bpf->figures[0].name, "interval");
  EXPECT_EQ(bpf->figures[0].default_value, "exponential mean=1 s");
  EXPECT_TRUE(bpf->figures[0].guess);
  EXPECT_EQ(bpf->figures[2].name, "image");
  EXPECT_THAT(bpf->figures[2].source, testing::HasSubstr("sockex1"));
  EXPECT_FALSE(bpf->figures[2].guess);
}

TEST(UserKindsTest, WhatHasNoDefaultShowsNone) {
  for (const ListedEntry& entry : ListUserKinds().entries) {
    if (entry.name != "ordinary") continue;
    EXPECT_EQ(entry.figures[0].name, "migratetype");
    EXPECT_EQ(entry.figures[0].default_value, "");
    return;
  }
  FAIL() << "no ordinary users";
}

}  // namespace
}  // namespace dmfrag::client
