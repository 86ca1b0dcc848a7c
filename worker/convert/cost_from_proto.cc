#include "worker/convert/cost_from_proto.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/cost/cpu_profile.h"
#include "worker/cost/operation_cost.h"
#include "worker/cost/range.h"
#include "worker/cost/tlb_model.h"
#include "worker/model/units.h"

namespace dmfrag::convert {
namespace {

constexpr uint64_t kMostCycles = 1'000'000'000;

absl::StatusOr<cost::CpuModel> CpuFrom(v1::CpuProfile profile) {
  switch (profile) {
    case v1::CPU_PROFILE_SKYLAKE_SP:
      return cost::CpuModel::kSkylakeSp;
    case v1::CPU_PROFILE_ICE_LAKE_SP:
      return cost::CpuModel::kIceLakeSp;
    case v1::CPU_PROFILE_SAPPHIRE_RAPIDS:
      return cost::CpuModel::kSapphireRapids;
    case v1::CPU_PROFILE_ZEN_1:
      return cost::CpuModel::kZen1;
    case v1::CPU_PROFILE_ZEN_2:
      return cost::CpuModel::kZen2;
    case v1::CPU_PROFILE_ZEN_3:
      return cost::CpuModel::kZen3;
    case v1::CPU_PROFILE_ZEN_4:
      return cost::CpuModel::kZen4;
    case v1::CPU_PROFILE_ZEN_5:
      return cost::CpuModel::kZen5;
    default:
      return absl::InvalidArgumentError(absl::StrCat("machine.cpu_profile: ", v1::CpuProfile_Name(profile),
                                                     " is not modelled; take CPU_PROFILE_SKYLAKE_SP to _ZEN_5"));
  }
}

absl::Status WrongConstant(const std::string& name, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("machine.cost.constants[", name, "]: ", std::string(what)));
}

// Ascending and without repeats, so that what is the same has one form.
absl::Status SetConstants(const v1::CostSpec& spec, cost::CpuProfile& profile) {
  const std::vector<std::string> known = cost::NamesOfCycles();
  const std::string* last = nullptr;
  for (const v1::CostConstant& constant : spec.constants()) {
    const std::string& name = constant.name();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return WrongConstant(name, absl::StrCat("no constant has this name; known are ", absl::StrJoin(known, ", ")));
    }
    if (last != nullptr && *last == name) return WrongConstant(name, "is given twice; leave one out");
    if (last != nullptr && *last > name) {
      return WrongConstant(name, absl::StrCat("stands behind ", *last, "; give names in ascending order"));
    }
    if (constant.cycles() > kMostCycles) {
      return WrongConstant(name,
                           absl::StrCat(constant.cycles(), " cycles is out of range; allowed are 0 to ", kMostCycles));
    }
    cost::FindFigure(profile, name)->value = cost::Range::Exactly(static_cast<int64_t>(constant.cycles()));
    last = &name;
  }
  return absl::OkStatus();
}

cost::WorkingSets WorkingSetsFrom(const v1::CostSpec& spec, int64_t memory_bytes) {
  cost::WorkingSets sets = cost::WorkingSets::Guess(memory_bytes);
  const auto set = [](uint64_t bytes, cost::WorkingSet& target) {
    if (bytes != 0) target.bytes = cost::Range::Exactly(static_cast<int64_t>(bytes));
  };
  set(spec.kernel_working_set_bytes(), sets.kernel_cold);
  set(spec.user_4k_working_set_bytes(), sets.user_4k);
  set(spec.user_2m_working_set_bytes(), sets.user_2m);
  return sets;
}

}  // namespace

absl::StatusOr<std::optional<experiment::CostConfig>> CostFrom(const v1::MachineSpec& spec,
                                                               const model::MachineConfig& machine) {
  const v1::CostSpec& cost = spec.cost();
  if (spec.cpu_profile() == v1::CPU_PROFILE_UNSPECIFIED) {
    if (cost.constants().empty()) return std::nullopt;
    return absl::InvalidArgumentError(
        "machine.cost.constants: needs machine.cpu_profile; give one, for example zen_3, or leave the constants out");
  }
  ASSIGN_OR_RETURN(const cost::CpuModel cpu, CpuFrom(spec.cpu_profile()));
  const auto memory_bytes = static_cast<int64_t>((machine.memory.total() + machine.hotplugged).in_bytes());
  experiment::CostConfig config = {.profile = cost::ProfileOf(cpu),
                                   .targets = {.cpus = spec.cpus(),
                                               .isolated = cost.isolated_cpus(),
                                               .interrupts_per_mille = cost::FlushTargets::kUnknown,
                                               .local_flushes_are_full = machine.mapping.debug_pagealloc},
                                   .working_sets = WorkingSetsFrom(cost, memory_bytes)};
  RETURN_IF_ERROR(SetConstants(cost, config.profile));
  if (cost.sent_interrupts_per_mille() != 0) {
    config.targets.interrupts_per_mille = cost::Range::Exactly(cost.sent_interrupts_per_mille());
  }
  return config;
}

}  // namespace dmfrag::convert
