#ifndef DMFRAG_THIRD_PARTY_ABSEIL_EXTRAS_STATUS_MACROS_H_
#define DMFRAG_THIRD_PARTY_ABSEIL_EXTRAS_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the function if `expression`, an absl::Status, is not OK.
#define RETURN_IF_ERROR(expression)                                       \
  do {                                                                    \
    if (absl::Status status_macro_ = (expression); !status_macro_.ok()) { \
      return status_macro_;                                               \
    }                                                                     \
  } while (false)

// Sets or declares `target` from `expression`, an absl::StatusOr, or returns its status.
#define ASSIGN_OR_RETURN(target, expression) \
  DMFRAG_ASSIGN_OR_RETURN_(DMFRAG_STATUS_CONCAT_(status_or_, __LINE__), target, expression)

#define DMFRAG_ASSIGN_OR_RETURN_(temporary, target, expression) \
  auto temporary = (expression);                                \
  if (!temporary.ok()) return std::move(temporary).status();    \
  target = *std::move(temporary)

#define DMFRAG_STATUS_CONCAT_(a, b) DMFRAG_STATUS_CONCAT_INNER_(a, b)
#define DMFRAG_STATUS_CONCAT_INNER_(a, b) a##b

#endif  // DMFRAG_THIRD_PARTY_ABSEIL_EXTRAS_STATUS_MACROS_H_
