#include "client/listing/presets.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/sweep/axis_label.h"
#include "client/sweep/message_reader.h"
#include "dmfrag/v1/workload.pb.h"
#include "proto/support/mix_limits.h"
#include "proto/support/preset.h"

namespace dmfrag::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// "slab, order=0, interval=exponential mean=50 ms": the kind, and what the preset changes of its defaults.
std::string UserText(const v1::User& user) {
  const FieldDescriptor* kind = KindOf(user);
  const Message& figures = user.GetReflection()->GetMessage(user, kind);
  std::vector<const FieldDescriptor*> changed;
  figures.GetReflection()->ListFields(figures, &changed);
  std::string text = SweepName(*kind);
  for (const FieldDescriptor* field : changed) {
    absl::StrAppend(&text, ", ", SweepName(*field), "=", FieldLabel(figures, *field));
  }
  return text;
}

}  // namespace

Listing ListPresets() {
  Listing listing{.figures_are = "user", .values_are = "kind, and what it changes"};
  for (const v1::Preset& preset : Presets()) {
    ListedEntry& entry = listing.entries.emplace_back();
    entry.name = preset.name();
    entry.meaning = preset.about();
    for (const v1::User& user : preset.mix().users()) {
      entry.figures.push_back({.name = user.name(), .default_value = UserText(user), .source = ""});
    }
  }
  return listing;
}

}  // namespace dmfrag::client
