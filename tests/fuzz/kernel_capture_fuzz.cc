// Any bytes as a capture: an error or a capture, never a crash.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "worker/workload/kernel_capture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto capture = dmfrag::workload::ReadKernelCapture({reinterpret_cast<const char*>(data), size});
  // An error says what is wrong.
  if (!capture.ok() && capture.status().message().empty()) std::abort();
  return 0;
}
