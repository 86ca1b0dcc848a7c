#ifndef DMFRAG_CLIENT_FORMAT_SPARKLINE_H_
#define DMFRAG_CLIENT_FORMAT_SPARKLINE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dmfrag::client {

// A curve in one line of at most `width` characters, for people: the lowest value is the lowest bar, the highest the
// highest; values that share a character are averaged. "" for none.
std::string Sparkline(const std::vector<int64_t>& values, size_t width);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_FORMAT_SPARKLINE_H_
