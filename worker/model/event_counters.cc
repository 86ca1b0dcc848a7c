#include "worker/model/event_counters.h"

#include <array>
#include <cstddef>

namespace dmfrag::model {

namespace {

// Calls combine(field of `to`, field of `from`) for each field.
template <typename Combine>
void CombineFields(EventCounters& to, const EventCounters& from, const Combine& combine) {
  constexpr size_t kFields = sizeof(EventCounters) / sizeof(int64_t);
  std::array<int64_t, kFields> values = {};
  size_t field = 0;
  EventCounters::ForEach(from, [&](const char*, int64_t value, bool) { values[field++] = value; });
  field = 0;
  EventCounters::ForEach(to, [&](const char*, int64_t& value, bool) { combine(value, values[field++]); });
}

}  // namespace

EventCounters& EventCounters::operator+=(const EventCounters& other) {
  CombineFields(*this, other, [](int64_t& value, int64_t more) { value += more; });
  return *this;
}

EventCounters& EventCounters::operator-=(const EventCounters& other) {
  CombineFields(*this, other, [](int64_t& value, int64_t less) { value -= less; });
  return *this;
}

}  // namespace dmfrag::model
