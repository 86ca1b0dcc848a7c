#ifndef DMFRAG_TESTS_KERNEL_TRACES_H_
#define DMFRAG_TESTS_KERNEL_TRACES_H_

#include <string>

namespace dmfrag::tests {

// The text of the trace that was recorded along with the capture of this name; read at each call. Dies if there is
// none, or the program does not run in the root of the tree, as tests do.
std::string Trace(const std::string& name);

}  // namespace dmfrag::tests

#endif  // DMFRAG_TESTS_KERNEL_TRACES_H_
