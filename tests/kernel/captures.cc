#include "tests/kernel/captures.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "third_party/abseil_extras/check.h"
#include "worker/workload/xz.h"

namespace dmfrag::tests {
namespace {

constexpr char kDirectory[] = "tests/kernel/captures/";
constexpr char kSuffix[] = ".json.xz";
constexpr size_t kMaxBytes = size_t{256} << 20;

}  // namespace

std::vector<std::string> CaptureNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kDirectory)) {
    const std::string file = entry.path().filename();
    if (file.ends_with(kSuffix)) names.push_back(file.substr(0, file.size() - sizeof(kSuffix) + 1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string CaptureBytes(const std::string& name) {
  std::ifstream file(kDirectory + name + kSuffix, std::ios::binary);
  std::ostringstream content;
  CHECK(file && content << file.rdbuf());
  return content.str();
}

nlohmann::json CaptureJson(const std::string& name) {
  const auto text = workload::DecompressXz(CaptureBytes(name), kMaxBytes);
  CHECK(text.ok());
  return nlohmann::json::parse(*text);
}

workload::KernelCapture Capture(const std::string& name) {
  auto capture = workload::ReadKernelCapture(CaptureBytes(name));
  if (!capture.ok()) std::cerr << name << ": " << capture.status() << "\n";
  CHECK(capture.ok());
  return *std::move(capture);
}

}  // namespace dmfrag::tests
