// Any bytes as a recording file: read or refused, and what is read agrees with itself. Digests and compression would
// keep a fuzzer out of the sections: bytes that do not begin as a recording are sections laid bare, each its type, its
// length in two bytes, and its content.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proto/recording/reader.h"
#include "proto/recording/section.h"
#include "proto/recording/writer.h"
#include "tests/fuzz/recording_check.h"

namespace {

using namespace dmfrag;

std::string Packed(std::string_view bare) {
  constexpr size_t kHead = 3;
  std::string file(recording::kMagic);
  while (bare.size() >= kHead) {
    const size_t length = static_cast<uint8_t>(bare[1]) + 256 * static_cast<size_t>(static_cast<uint8_t>(bare[2]));
    const std::string_view content = bare.substr(kHead, std::min(length, bare.size() - kHead));
    file += recording::PackSection(static_cast<recording::SectionType>(bare[0]), content);
    bare.remove_prefix(kHead + content.size());
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string file = recording::LooksLikeRecording(bytes) ? std::string(bytes) : Packed(bytes);
  const bool is_read = tests::ReadsRight(file);
  const auto repaired = recording::Repair(file);
  if (!repaired.ok() && repaired.status().message().empty()) std::abort();
  // A whole file needs no repair.
  if (is_read && (!repaired.ok() || *repaired != file)) std::abort();
  if (repaired.ok()) tests::ReadsRight(*repaired);
  return 0;
}
