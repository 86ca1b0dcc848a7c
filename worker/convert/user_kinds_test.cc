// Every kind of user that the protocol has (users.proto) is one that the model makes, and both say the same of it.
#include <string>

#include "dmfrag/v1/annotations.pb.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "dmfrag/v1/workload.pb.h"
#include "gtest/gtest.h"
#include "proto/support/canonical.h"
#include "proto/support/mix_limits.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/convert/capture_source.h"
#include "worker/convert/run_config_from_spec.h"
#include "worker/model/migratetype.h"
#include "worker/workload/mix.h"
#include "worker/workload/permission.h"

namespace dmfrag::convert {
namespace {

using google::protobuf::FieldDescriptor;
using workload::Permission;

class UserKindTest : public ::testing::TestWithParam<std::string> {
 protected:
  const FieldDescriptor& Field() const { return *v1::User::descriptor()->FindFieldByName(GetParam()); }
  v1::UserKind Kind() const { return Field().message_type()->options().GetExtension(v1::user_kind); }

  // A job with one user of the kind, all its figures being defaults; those without a default are chosen.
  v1::JobSpec Spec() const {
    v1::JobSpec spec;
    spec.mutable_cache()->mutable_none();
    v1::User& user = *spec.mutable_workload()->mutable_mix()->add_users();
    user.set_name("u");
    user.GetReflection()->MutableMessage(&user, &Field());
    if (user.has_ordinary()) {
      user.mutable_ordinary()->set_migratetype(v1::MIGRATETYPE_UNMOVABLE);
      user.mutable_ordinary()->mutable_interval_us()->mutable_constant()->set_value(1000);
      user.mutable_ordinary()->mutable_size_allocations()->mutable_constant()->set_value(1);
      user.mutable_ordinary()->mutable_lifetime_us()->mutable_constant()->set_value(1000);
    }
    return spec;
  }

  workload::ObjectTraffic Traffic() const {
    const auto canonical = Canonicalize(Spec());
    EXPECT_OK(canonical);
    const auto config = RunConfigFromSpec(WithDefaults(*canonical), CaptureDirectory(""));
    EXPECT_OK(config);
    return workload::TrafficOf(config->mix.users.front());
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, UserKindTest, ::testing::ValuesIn(UserKindNames()),
                         [](const auto& info) { return info.param; });

v1::UserCategory CategoryOf(const Permission* permission) {
  if (permission == nullptr) return v1::USER_CATEGORY_NONE;
  return permission->category == Permission::Category::kOne ? v1::USER_CATEGORY_ONE : v1::USER_CATEGORY_TWO;
}

v1::PageReach ReachOf(const workload::ObjectTraffic& traffic) {
  if (traffic.permission == nullptr) {
    return traffic.type == model::Migratetype::kMovable ? v1::PAGE_REACH_MOVABLE : v1::PAGE_REACH_ACCESSIBLE;
  }
  switch (traffic.permission->reach) {
    case Permission::Reach::kMovable:
      return v1::PAGE_REACH_MOVABLE;
    case Permission::Reach::kAccessible:
      return v1::PAGE_REACH_ACCESSIBLE;
    case Permission::Reach::kNeither:
      return v1::PAGE_REACH_NEITHER;
  }
  return v1::PAGE_REACH_UNSPECIFIED;
}

// One by one, out of the cache.
bool ChangesSinglePages(const Permission* permission) {
  return permission != nullptr && permission->unit == Permission::Unit::kBlock && !permission->past_cache;
}

TEST_P(UserKindTest, TheModelAgreesWithTheProtocol) {
  const workload::ObjectTraffic traffic = Traffic();
  EXPECT_EQ(CategoryOf(traffic.permission), Kind().category());
  EXPECT_EQ(ReachOf(traffic), Kind().reach());
  EXPECT_EQ(ChangesSinglePages(traffic.permission), Kind().single_pages());
  if (traffic.permission != nullptr) {
    EXPECT_EQ(traffic.permission->name, GetParam());
  }
}

}  // namespace
}  // namespace dmfrag::convert
