#ifndef DMFRAG_CLIENT_FORMAT_NUMBER_H_
#define DMFRAG_CLIENT_FORMAT_NUMBER_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "client/statistics/sample.h"

namespace dmfrag::client {

// "1204 ± 31", "3.2 ± 0.4", "17": the mean with as many decimals as its interval makes meaningful (two digits of the
// half-width), without one for a single value, and "-" for none.
std::string FormatMean(const Sample& sample);

// The shortest text that reads back as `value`, for programs.
std::string FormatExact(double value);

// "1,204,000", for people.
std::string FormatCount(int64_t count);

// "45 s", "3 min 20 s", "2 h 5 min", for people; rounded to seconds.
std::string FormatSpan(absl::Duration span);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_FORMAT_NUMBER_H_
