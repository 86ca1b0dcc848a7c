#include "server/expansion/expansion.h"

#include <set>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "proto/support/canonical.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kTwoAxes[] = R"pb(
  display_name: "t"
  base {
    cache { global { refill_order: 5 } }
    workload { noop {} }
    machine { cpus: 8 }
  }
  axes {
    path: "cache"
    values {
      label: "none"
      spec { cache { none {} } }
    }
    values {
      label: "global"
      spec { cache { global {} } }
    }
  }
  axes {
    path: "machine.memory_bytes"
    values {
      label: "1 GiB"
      spec { machine { memory_bytes: 1073741824 } }
    }
    values {
      label: "2 GiB"
      spec { machine { memory_bytes: 2147483648 } }
    }
    values {
      label: "4 GiB"
      spec { machine { memory_bytes: 4294967296 } }
    }
  }
  replicates: 5
)pb";

v1::Experiment Parse(const std::string& text) {
  v1::Experiment experiment;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &experiment));
  return experiment;
}

std::string Refusal(const v1::Experiment& experiment) {
  return std::string(Expansion::Create(experiment).status().message());
}

TEST(ExpansionTest, LastAxisIsFastest) {
  const auto expansion = Expansion::Create(Parse(kTwoAxes));
  ASSERT_OK(expansion);
  EXPECT_EQ(expansion->points(), 6);
  EXPECT_EQ(expansion->jobs(), 30);
  EXPECT_THAT(expansion->Labels(0), ElementsAre("none", "1 GiB"));
  EXPECT_THAT(expansion->Labels(1), ElementsAre("none", "2 GiB"));
  EXPECT_THAT(expansion->Labels(5), ElementsAre("global", "4 GiB"));
}

TEST(ExpansionTest, AxisValueReplacesTheFieldAndNothingElse) {
  const auto expansion = Expansion::Create(Parse(kTwoAxes));
  ASSERT_OK(expansion);
  const auto none = expansion->PointSpec(1);
  ASSERT_OK(none);
  EXPECT_TRUE(none->cache().has_none());
  EXPECT_EQ(none->machine().cpus(), 8u);
  EXPECT_EQ(none->machine().memory_bytes(), uint64_t{2} << 30);
  const auto global = expansion->PointSpec(3);
  ASSERT_OK(global);
  EXPECT_FALSE(global->cache().global().has_refill_order()) << "the base's option must not shine through";
}

TEST(ExpansionTest, ExperimentWithoutAxesIsOnePoint) {
  const auto expansion = Expansion::Create(Parse("display_name: 't' base { cache { none {} } workload { noop {} } }"));
  ASSERT_OK(expansion);
  EXPECT_EQ(expansion->jobs(), 1);
  EXPECT_TRUE(expansion->Labels(0).empty());
}

TEST(ExpansionTest, ReplicateSeedsEqualAnIndependentComputation) {
  // python3: int.from_bytes(sha256(b"dmfrag.replicate\n" + struct.pack("<QQ", base, i)).digest()[:8], "little")
  EXPECT_EQ(Expansion::ReplicateSeed(1, 0), 12312703112309739019u);
  EXPECT_EQ(Expansion::ReplicateSeed(1, 1), 3680649803068503555u);
  EXPECT_EQ(Expansion::ReplicateSeed(18446744073709551615u, 4), 12774397857284603988u);
}

TEST(ExpansionTest, RefusalsNameFieldAndRemedy) {
  v1::Experiment e = Parse(kTwoAxes);
  e.mutable_axes(1)->set_path("machine.memory");
  EXPECT_THAT(
      Refusal(e),
      HasSubstr("axes[1].path: \"machine.memory\" is no field of JobSpec: there is no \"memory\" in MachineSpec"));
  e.mutable_axes(1)->set_path("cache.unmapped_buddy.per_node");
  EXPECT_THAT(Refusal(e), HasSubstr("axes[1].path: \"cache.unmapped_buddy.per_node\": per_node is no option of "
                                    "unmapped_buddy: its lists know no nodes; leave it out"));
  e = Parse(kTwoAxes);
  e.mutable_axes(1)->clear_values();
  EXPECT_THAT(Refusal(e), HasSubstr("axes[1]: has no values"));
  e = Parse(kTwoAxes);
  e.mutable_axes(0)->mutable_values(1)->set_label("none");
  EXPECT_THAT(Refusal(e), HasSubstr("axes[0].values[1].label: \"none\" is there twice"));
  e = Parse(kTwoAxes);
  e.mutable_axes(1)->mutable_values(2)->clear_spec();
  EXPECT_THAT(Refusal(e), HasSubstr("axes[1].values[2].spec: does not set machine.memory_bytes"));
  e = Parse(kTwoAxes);
  *e.add_axes() = e.axes(0);
  EXPECT_THAT(Refusal(e), HasSubstr("change the same field"));
  e = Parse(kTwoAxes);
  e.set_replicates(100001);
  EXPECT_THAT(Refusal(e), HasSubstr("replicates: 100001"));
  e = Parse(kTwoAxes);
  e.mutable_axes(1)->mutable_values(0)->mutable_spec()->mutable_machine()->set_memory_bytes(1);
  EXPECT_THAT(Refusal(e), HasSubstr("machine.memory_bytes: 1 is out of range"));
  e = Parse(kTwoAxes);
  e.clear_display_name();
  EXPECT_THAT(Refusal(e), HasSubstr("display_name"));
}

TEST(ExpansionTest, TooManyJobsAreRefusedBeforeTheyAreMade) {
  v1::Experiment e = Parse(kTwoAxes);
  e.set_replicates(100000);
  for (int i = 0; i < 3; ++i) {
    v1::AxisValue* value = e.mutable_axes(0)->add_values();
    *value = e.axes(0).values(1);
    value->set_label(std::string(1, static_cast<char>('a' + i)));
  }
  EXPECT_OK(Expansion::Create(e));
  for (int i = 0; i < 40; ++i) {
    v1::AxisValue* value = e.mutable_axes(0)->add_values();
    *value = e.axes(0).values(1);
    value->set_label(std::string("x") + std::to_string(i));
  }
  EXPECT_THAT(Refusal(e), HasSubstr("more than 10000000 jobs"));
}

TEST(ExpansionTest, AxisOverSeedAndNestedOption) {
  v1::Experiment e = Parse(kTwoAxes);
  e.clear_axes();
  v1::Axis* axis = e.add_axes();
  axis->set_path("cache.global.refill_order");
  for (uint32_t order : {3, 4}) {
    v1::AxisValue* value = axis->add_values();
    value->set_label(std::to_string(order));
    value->mutable_spec()->mutable_cache()->mutable_global()->set_refill_order(order);
  }
  const auto expansion = Expansion::Create(e);
  ASSERT_OK(expansion);
  EXPECT_EQ(expansion->PointSpec(1)->cache().global().refill_order(), 4u);
}

}  // namespace
}  // namespace dmfrag::server
