// Any bytes as the text of /proc/pagetypeinfo: counts or an error, never a crash.
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "worker/workload/page_type_info.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::istringstream text(std::string(reinterpret_cast<const char*>(data), size));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  const auto zones = dmfrag::workload::ParsePageTypeInfo(lines);
  // An error says what is wrong.
  if (!zones.ok() && zones.status().message().empty()) std::abort();
  return 0;
}
