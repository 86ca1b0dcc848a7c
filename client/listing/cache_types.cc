#include "client/listing/cache_types.h"

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

const char* EvidenceText(v1::Evidence evidence) {
  switch (evidence) {
    case v1::EVIDENCE_KERNEL:
      return "checked against a kernel";
    case v1::EVIDENCE_PUBLISHED:
      return "against a published figure";
    default:
      return "unchecked";
  }
}

// A spec with that cache, with every default written down.
v1::JobSpec SpecOf(const FieldDescriptor& type) {
  v1::JobSpec spec;
  v1::CacheSpec& cache = *spec.mutable_cache();
  cache.GetReflection()->MutableMessage(&cache, &type);
  return WithDefaults(spec);
}

ListedEntry EntryOf(const FieldDescriptor& type) {
  const v1::CacheTypeInfo& known = type.message_type()->options().GetExtension(v1::cache_type);
  const v1::JobSpec spec = SpecOf(type);
  const v1::CacheSpec& cache = spec.cache();
  ListedEntry entry{.name = SweepName(type),
                    .meaning = known.meaning(),
                    .facts = {{"source", known.source()},
                              {"departures", known.departures()},
                              {"evidence", EvidenceText(known.evidence())},
                              {"evidence_of", known.evidence_of()}},
                    .figures = FiguresOf(cache.GetReflection()->GetMessage(cache, &type))};
  for (const v1::RefusedOption& refused : known.refuses()) {
    entry.refused.push_back({.name = refused.option(), .reason = refused.reason()});
  }
  return entry;
}

}  // namespace

Listing ListCacheTypes() {
  const google::protobuf::OneofDescriptor& types = *v1::CacheSpec::descriptor()->FindOneofByName("type");
  Listing listing{.figures_are = "option", .values_are = "default", .figures_key = "options"};
  for (int i = 0; i < types.field_count(); ++i) listing.entries.push_back(EntryOf(*types.field(i)));
  return listing;
}

}  // namespace dmfrag::client
