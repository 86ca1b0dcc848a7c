#ifndef DMFRAG_TESTS_FUZZ_RECORDING_CHECK_H_
#define DMFRAG_TESTS_FUZZ_RECORDING_CHECK_H_

#include <string_view>

namespace dmfrag::tests {

// Reads a recording file to its end, as events and as requests; aborts if they contradict themselves: times that go
// back, a block freed twice or never allocated, totals that are not those of the requests, an error without a text.
// False if the file is refused.
bool ReadsRight(std::string_view bytes);

}  // namespace dmfrag::tests

#endif  // DMFRAG_TESTS_FUZZ_RECORDING_CHECK_H_
