#ifndef DMFRAG_WORKER_WORKLOAD_WORDS_H_
#define DMFRAG_WORKER_WORKLOAD_WORDS_H_

#include <string_view>
#include <vector>

namespace dmfrag::workload {

// The words of a text, in order, which any number of `separators` part; views of `text`. Thread-safe.
std::vector<std::string_view> WordsOf(std::string_view text, std::string_view separators = " ");

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_WORDS_H_
