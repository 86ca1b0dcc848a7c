#include "worker/convert/aged_start.h"

#include <iostream>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/canonical.h"
#include "proto/support/model_version.h"
#include "proto/support/sha256.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/convert/aged_state_bytes.h"
#include "worker/experiment/run.h"

namespace dmfrag::convert {

std::string AgedStateKey(const v1::JobSpec& spec, const experiment::RunConfig& config) {
  v1::JobSpec part;
  part.mutable_kernel()->set_allocator_release(spec.kernel().allocator_release());
  *part.mutable_machine() = spec.machine();
  part.mutable_machine()->clear_cpu_profile();
  part.mutable_machine()->clear_cost();
  *part.mutable_ageing() = spec.ageing();
  part.set_seed(spec.seed());
  // Other sources take no page before the first split.
  if (config.machine.table_source == model::TableSourceKind::kBootReserve) {
    part.mutable_cache()->mutable_none()->set_table_source(v1::TABLE_SOURCE_BOOT_RESERVE);
  }
  return ToHex(Sha256(absl::StrCat("dmfrag aged state of model ", kModelVersion, "\n", CanonicalBytes(part))));
}

absl::StatusOr<AgedStart> GetAgedStart(const v1::JobSpec& spec, const experiment::RunConfig& config,
                                       const AgedStateFolder* folder) {
  const std::string key = AgedStateKey(spec, config);
  if (folder != nullptr) {
    if (const std::optional<std::string> bytes = folder->Load(key); bytes.has_value()) {
      absl::StatusOr<experiment::AgedState> state = AgedStateFromBytes(*bytes);
      if (state.ok()) return AgedStart{*std::move(state), ToHex(Sha256(*bytes))};
    }
  }
  ASSIGN_OR_RETURN(experiment::AgedState state, experiment::Age(config));
  const std::string bytes = BytesFromAgedState(state);
  if (folder != nullptr) {
    const absl::Status saved = folder->Save(key, bytes);
    if (!saved.ok()) std::cerr << "aged state is not kept, the next job makes it again: " << saved.message() << "\n";
  }
  return AgedStart{std::move(state), ToHex(Sha256(bytes))};
}

}  // namespace dmfrag::convert
