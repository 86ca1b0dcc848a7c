#include "client/statistics/sample.h"

#include <boost/math/distributions/students_t.hpp>
#include <cmath>

namespace dmfrag::client {
namespace {

// Two-sided 95 %: 2.5 % in each tail.
constexpr double kTail = 0.025;

}  // namespace

void Sample::Add(double value) {
  ++size_;
  const double difference = value - mean_;
  mean_ += difference / static_cast<double>(size_);
  squares_ += difference * (value - mean_);
}

std::optional<double> Sample::HalfWidth95() const {
  if (size_ < 2) return std::nullopt;
  const boost::math::students_t_distribution<double> distribution(static_cast<double>(size_ - 1));
  const double quantile = boost::math::quantile(boost::math::complement(distribution, kTail));
  const double variance = squares_ / static_cast<double>(size_ - 1);
  return quantile * std::sqrt(variance / static_cast<double>(size_));
}

}  // namespace dmfrag::client
