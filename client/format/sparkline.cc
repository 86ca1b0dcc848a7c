#include "client/format/sparkline.h"

#include <algorithm>

namespace dmfrag::client {
namespace {

constexpr const char* kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr size_t kLastBar = std::size(kBars) - 1;

}  // namespace

std::string Sparkline(const std::vector<int64_t>& values, size_t width) {
  if (values.empty() || width == 0) return "";
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double span = static_cast<double>(*high) - static_cast<double>(*low);
  const size_t characters = std::min(width, values.size());
  std::string line;
  for (size_t i = 0; i < characters; ++i) {
    const size_t first = i * values.size() / characters;
    const size_t end = (i + 1) * values.size() / characters;
    double sum = 0;
    for (size_t k = first; k < end; ++k) sum += static_cast<double>(values[k]);
    const double height = sum / static_cast<double>(end - first) - static_cast<double>(*low);
    line += kBars[span > 0 ? static_cast<size_t>(height / span * kLastBar + 0.5) : 0];
  }
  return line;
}

}  // namespace dmfrag::client
