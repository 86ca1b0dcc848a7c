#include "client/listing/user_kinds.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "client/listing/figures.h"
#include "client/sweep/message_reader.h"
#include "dmfrag/v1/annotations.pb.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "proto/support/canonical.h"

namespace dmfrag::client {
namespace {

using google::protobuf::FieldDescriptor;

const char* CategoryText(v1::UserCategory category) {
  switch (category) {
    case v1::USER_CATEGORY_ONE:
      return "one: used through another mapping, the direct map's is taken away or narrowed";
    case v1::USER_CATEGORY_TWO:
      return "two: used through the direct map, which gets the permission";
    default:
      return "none: changes no permission";
  }
}

const char* ReachText(v1::PageReach reach) {
  switch (reach) {
    case v1::PAGE_REACH_MOVABLE:
      return "movable";
    case v1::PAGE_REACH_ACCESSIBLE:
      return "accessible, not movable";
    default:
      return "neither movable nor accessible";
  }
}

// A spec whose only user is of `kind`, with every default written down.
v1::JobSpec SpecOf(const FieldDescriptor& kind) {
  v1::JobSpec spec;
  v1::User& user = *spec.mutable_workload()->mutable_mix()->add_users();
  user.GetReflection()->MutableMessage(&user, &kind);
  return WithDefaults(spec);
}

ListedEntry EntryOf(const FieldDescriptor& kind) {
  const v1::UserKind& known = kind.message_type()->options().GetExtension(v1::user_kind);
  const v1::JobSpec spec = SpecOf(kind);
  const v1::User& user = spec.workload().mix().users(0);
  return {.name = SweepName(kind),
          .meaning = known.meaning(),
          .facts = {{"category", CategoryText(known.category())},
                    {"pages", ReachText(known.reach())},
                    {"permission", known.permission()},
                    {"free_path", known.free_path()},
                    {"atomic_per_mille", known.single_pages() ? "taken" : "refused"},
                    {"source", known.source()}},
          .figures = FiguresOf(user.GetReflection()->GetMessage(user, &kind))};
}

}  // namespace

Listing ListUserKinds() {
  const google::protobuf::OneofDescriptor& kinds = *v1::User::descriptor()->FindOneofByName("kind");
  Listing listing{.figures_are = "figure", .values_are = "default"};
  for (int i = 0; i < kinds.field_count(); ++i) listing.entries.push_back(EntryOf(*kinds.field(i)));
  return listing;
}

}  // namespace dmfrag::client
