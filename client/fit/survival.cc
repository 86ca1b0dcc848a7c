#include "client/fit/survival.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace dmfrag::client {
namespace {

// Weights of a table are integers up to this; Kaplan-Meier's shares are rounded to it.
constexpr double kShareUnits = 1e8;
constexpr uint64_t kMostWeight = 1'000'000'000;

uint64_t TotalWeight(const std::vector<WeightedValue>& values) {
  uint64_t total = 0;
  for (const WeightedValue& value : values) total += value.weight;
  return total;
}

// Equal neighbours of an ascending table become one.
std::vector<WeightedValue> Joined(const std::vector<WeightedValue>& values) {
  std::vector<WeightedValue> joined;
  for (const WeightedValue& value : values) {
    if (!joined.empty() && joined.back().value == value.value) {
      joined.back().weight += value.weight;
    } else {
      joined.push_back(value);
    }
  }
  return joined;
}

// Groups of neighbours of about equal weight, each at its mean.
std::vector<WeightedValue> Coarsened(const std::vector<WeightedValue>& values, size_t most) {
  if (values.size() <= most) return values;
  std::vector<WeightedValue> coarse;
  const uint64_t share = TotalWeight(values) / most + 1;
  uint64_t weight = 0;
  double sum = 0;
  for (const WeightedValue& value : values) {
    weight += value.weight;
    sum += static_cast<double>(value.value) * static_cast<double>(value.weight);
    if (weight < share && &value != &values.back()) continue;
    coarse.push_back(
        {.value = static_cast<uint64_t>(std::llround(sum / static_cast<double>(weight))), .weight = weight});
    weight = 0;
    sum = 0;
  }
  return Joined(coarse);
}

}  // namespace

v1::Distribution TableOf(std::vector<WeightedValue> values, size_t most) {
  std::sort(values.begin(), values.end(),
            [](const WeightedValue& a, const WeightedValue& b) { return a.value < b.value; });
  const std::vector<WeightedValue> table = Coarsened(Joined(values), most);
  v1::Distribution distribution;
  if (table.size() == 1) {
    distribution.mutable_constant()->set_value(table.front().value);
    return distribution;
  }
  const uint64_t divisor = TotalWeight(table) / kMostWeight + 1;
  for (const WeightedValue& value : table) {
    distribution.mutable_empirical()->add_values(value.value);
    distribution.mutable_empirical()->add_weights(std::max<uint64_t>(1, value.weight / divisor));
  }
  return distribution;
}

v1::Distribution LifetimesOf(std::vector<WeightedValue> lives, uint64_t beyond_us, size_t most) {
  // Of equal values, ends come before what went on.
  std::sort(lives.begin(), lives.end(), [](const WeightedValue& a, const WeightedValue& b) {
    return a.value != b.value ? a.value < b.value : a.is_censored < b.is_censored;
  });
  uint64_t at_risk = TotalWeight(lives);
  double surviving = 1;
  std::vector<WeightedValue> ends;
  for (const WeightedValue& life : lives) {
    if (!life.is_censored) {
      const double ending = surviving * static_cast<double>(life.weight) / static_cast<double>(at_risk);
      surviving -= ending;
      ends.push_back({.value = life.value, .weight = static_cast<uint64_t>(std::llround(ending * kShareUnits))});
    }
    at_risk -= life.weight;
  }
  std::erase_if(ends, [](const WeightedValue& end) { return end.weight == 0; });
  const auto beyond = static_cast<uint64_t>(std::llround(std::max(0.0, surviving) * kShareUnits));
  if (beyond == 0 && !ends.empty()) return TableOf(std::move(ends), most);
  if (ends.empty()) return TableOf({{.value = beyond_us, .weight = 1}}, most);
  // What lives beyond the end must not be averaged with what ended.
  std::vector<WeightedValue> table = Coarsened(Joined(ends), most - 1);
  table.push_back({.value = std::max(beyond_us, table.back().value + 1), .weight = beyond});
  return TableOf(std::move(table), most);
}

}  // namespace dmfrag::client
