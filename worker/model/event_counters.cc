#include "worker/model/event_counters.h"

#include <array>
#include <cstddef>

namespace dmfrag::model {

EventCounters& EventCounters::operator+=(const EventCounters& other) {
  constexpr size_t kFields = sizeof(EventCounters) / sizeof(int64_t);
  std::array<int64_t, kFields> values = {};
  size_t field = 0;
  ForEach(other, [&](const char*, int64_t value, bool) { values[field++] = value; });
  field = 0;
  ForEach(*this, [&](const char*, int64_t& value, bool) { value += values[field++]; });
  return *this;
}

}  // namespace dmfrag::model
