#ifndef DMFRAG_TESTS_KERNEL_CAPTURES_H_
#define DMFRAG_TESTS_KERNEL_CAPTURES_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "worker/workload/kernel_capture.h"

namespace dmfrag::tests {

// Names of the captures beside this file, without ".json.xz", sorted.
std::vector<std::string> CaptureNames();

// The bytes of one. Ends the test program if there is no such file.
std::string CaptureBytes(const std::string& name);

// Its JSON. Ends the test program if it is none.
nlohmann::json CaptureJson(const std::string& name);

// It, read. Ends the test program if it cannot be.
workload::KernelCapture Capture(const std::string& name);

}  // namespace dmfrag::tests

#endif  // DMFRAG_TESTS_KERNEL_CAPTURES_H_
