#include "worker/workload/object_traffic.h"

#include <utility>

namespace dmfrag::workload {

ObjectStream::ObjectStream(const ObjectTraffic& traffic, uint32_t user, const Random& random, SimTime horizon,
                           ArrivalClock clock)
    : traffic_(traffic),
      user_(user),
      intervals_(random.Derive("interval")),
      sizes_(random.Derive("size")),
      lifetimes_(random.Derive("lifetime")),
      details_(random.Derive("detail")),
      horizon_(horizon),
      clock_(std::move(clock)),
      next_creation_(clock_.Next(Draw(traffic_.interval_us, intervals_), horizon_)) {}

std::optional<Operation> ObjectStream::Next() {
  Operation operation;
  operation.user = user_;
  operation.order = traffic_.order;
  operation.type = traffic_.type;
  if (!ends_.empty() && ends_.top().time <= next_creation_) {
    operation.kind = Operation::Kind::kDestroy;
    operation.time = ends_.top().time;
    operation.object = ends_.top().object;
    ends_.pop();
    return operation;
  }
  if (next_creation_ >= horizon_) return std::nullopt;
  operation.kind = Operation::Kind::kCreate;
  operation.time = next_creation_;
  operation.object = next_object_++;
  operation.can_sleep = !IsAtomic(operation.object);
  operation.allocations = Draw(traffic_.size_allocations, sizes_);
  if (traffic_.detail.has_value()) operation.detail = Draw(*traffic_.detail, details_);
  operation.end = next_creation_.AfterUs(Draw(traffic_.lifetime_us, lifetimes_));
  if (operation.end < horizon_) ends_.push({operation.end, operation.object});
  next_creation_ = clock_.Next(Draw(traffic_.interval_us, intervals_), horizon_);
  return operation;
}

// Any step without a common divisor with 1000 spreads them.
bool ObjectStream::IsAtomic(uint64_t object) const { return object * 617 % 1000 < traffic_.atomic_per_mille; }

}  // namespace dmfrag::workload
