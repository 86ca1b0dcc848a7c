#include "worker/experiment/aged_state.h"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/migratetype.h"
#include "worker/workload/mix.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using model::Order;

absl::Status Adopt(FrameNumber block, Order order, model::Migratetype type, model::Machine& machine) {
  if (machine.allocator().Adopt(block, order, type)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("aged state: the block at frame ", block.raw(), " of order ",
                                                 order.raw(), " is free, in use twice, or no memory"));
}

}  // namespace

std::string AgedUserName(const std::string& name) { return absl::StrCat("aged:", name); }

absl::StatusOr<std::unique_ptr<model::Machine>> StartAged(const RunConfig& config, const AgedState& state) {
  model::DirectMap map = config.start.has_value() ? config.start->map : model::Machine::BootMap(config.machine);
  const model::DirectMapCounters counters =
      config.start.has_value() ? config.start->counters : model::DirectMapCounters::Of(map);
  ASSIGN_OR_RETURN(std::unique_ptr<model::Machine> machine,
                   model::Machine::Start(config.machine, {.allocator = state.allocator,
                                                          .map = std::move(map),
                                                          .counters = counters,
                                                          .free_tables = state.free_tables}));
  for (const FrameNumber table : state.free_tables) {
    RETURN_IF_ERROR(Adopt(table, Order(0), model::Migratetype::kUnmovable, *machine));
  }
  const std::vector<workload::ObjectTraffic> traffic = workload::TrafficOf(config.ageing->mix.users);
  for (const HeldObject& object : state.survivors) {
    if (object.user >= traffic.size()) {
      return absl::InvalidArgumentError(absl::StrCat("aged state: an object of user ", object.user, " of ",
                                                     traffic.size(), "; it is of another ageing"));
    }
    for (const FrameNumber block : object.blocks) {
      RETURN_IF_ERROR(Adopt(block, traffic[object.user].order, traffic[object.user].type, *machine));
    }
  }
  return machine;
}

std::vector<workload::Operation> EndsOfSurvivors(const AgeingConfig& ageing, const AgedState& state,
                                                 uint32_t first_user, workload::SimTime horizon) {
  const std::vector<workload::ObjectTraffic> traffic = workload::TrafficOf(ageing.mix.users);
  std::vector<workload::Operation> ends;
  for (const HeldObject& object : state.survivors) {
    if (object.end >= horizon) continue;
    ends.push_back({.time = object.end,
                    .kind = workload::Operation::Kind::kDestroy,
                    .user = first_user + object.user,
                    .object = object.number,
                    .order = traffic[object.user].order,
                    .type = traffic[object.user].type});
  }
  std::sort(ends.begin(), ends.end(), [](const workload::Operation& a, const workload::Operation& b) {
    return std::tie(a.time, a.user, a.object) < std::tie(b.time, b.user, b.object);
  });
  return ends;
}

}  // namespace dmfrag::experiment
