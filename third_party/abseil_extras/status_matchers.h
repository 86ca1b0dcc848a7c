#ifndef DMFRAG_THIRD_PARTY_ABSEIL_EXTRAS_STATUS_MATCHERS_H_
#define DMFRAG_THIRD_PARTY_ABSEIL_EXTRAS_STATUS_MATCHERS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"

namespace dmfrag {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

// The argument, an absl::Status or absl::StatusOr, is OK.
MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

// It has this code, and a message that `message_matcher` accepts.
MATCHER_P2(StatusIs, code, message_matcher, "has the status code " + absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         testing::ExplainMatchResult(message_matcher, std::string(StatusOf(arg).message()), result_listener);
}

}  // namespace dmfrag

#define EXPECT_OK(expression) EXPECT_THAT(expression, ::dmfrag::IsOk())
#define ASSERT_OK(expression) ASSERT_THAT(expression, ::dmfrag::IsOk())

#endif  // DMFRAG_THIRD_PARTY_ABSEIL_EXTRAS_STATUS_MATCHERS_H_
