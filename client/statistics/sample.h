#ifndef DMFRAG_CLIENT_STATISTICS_SAMPLE_H_
#define DMFRAG_CLIENT_STATISTICS_SAMPLE_H_

#include <cstdint>
#include <optional>

namespace dmfrag::client {

// Mean and spread of a sample, value by value (Welford 1962), in constant memory. Thread-compatible.
class Sample {
 public:
  void Add(double value);

  int64_t size() const { return size_; }

  // REQUIRES: size() > 0.
  double mean() const { return mean_; }

  // Half the width of the 95 % confidence interval of the mean, by Student's t with size() - 1 degrees of freedom;
  // absent for fewer than two values. Assumes independent values, near enough to normal for their number.
  std::optional<double> HalfWidth95() const;

 private:
  int64_t size_ = 0;
  double mean_ = 0;
  // Sum of squared differences from the mean.
  double squares_ = 0;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_STATISTICS_SAMPLE_H_
