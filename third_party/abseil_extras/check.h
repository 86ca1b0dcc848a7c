#ifndef DMFRAG_THIRD_PARTY_ABSEIL_EXTRAS_CHECK_H_
#define DMFRAG_THIRD_PARTY_ABSEIL_EXTRAS_CHECK_H_

#include <cstdio>
#include <cstdlib>

// Ends the process when `condition` is false: a bug of ours. Never for bad input. absl/log/check.h in newer Abseil.
#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

// CHECK in debug builds; compiled, and not evaluated, in others.
#ifdef NDEBUG
#define DCHECK(condition)       \
  do {                          \
    if (false && (condition)) { \
    }                           \
  } while (false)
#else
#define DCHECK(condition) CHECK(condition)
#endif

#endif  // DMFRAG_THIRD_PARTY_ABSEIL_EXTRAS_CHECK_H_
