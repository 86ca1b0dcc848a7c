#include "tests/kernel/traces.h"

#include <cstddef>
#include <fstream>
#include <sstream>

#include "third_party/abseil_extras/check.h"
#include "worker/workload/xz.h"

namespace dmfrag::tests {

std::string Trace(const std::string& name) {
  constexpr size_t kMaxBytes = size_t{256} << 20;
  std::ifstream file("tests/kernel/traces/" + name + ".trace.xz", std::ios::binary);
  std::ostringstream content;
  CHECK(file && content << file.rdbuf());
  const auto text = workload::DecompressXz(content.str(), kMaxBytes);
  CHECK(text.ok());
  return *text;
}

}  // namespace dmfrag::tests
