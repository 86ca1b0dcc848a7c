#include "worker/workload/xz.h"

#include <lzma.h>

#include <algorithm>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::workload {
namespace {

constexpr uint64_t kDecoderMemoryBytes = uint64_t{128} << 20;  // xz -9 needs 65 MiB
constexpr size_t kChunkBytes = size_t{1} << 16;

absl::Status ErrorOf(lzma_ret result) {
  switch (result) {
    case LZMA_BUF_ERROR:
      return absl::InvalidArgumentError("the .xz file is truncated; copy it again");
    case LZMA_FORMAT_ERROR:
      return absl::InvalidArgumentError("not an .xz file; give the capture as it was recorded");
    case LZMA_MEMLIMIT_ERROR:
      return absl::InvalidArgumentError(
          "the .xz file needs more than 128 MiB to decompress; compress it with xz -9 or less");
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("the .xz file is damaged (liblzma code ", static_cast<int>(result), "); copy it again"));
  }
}

}  // namespace

absl::StatusOr<std::string> DecompressXz(std::string_view compressed, size_t max_bytes) {
  lzma_stream stream = LZMA_STREAM_INIT;
  if (lzma_stream_decoder(&stream, kDecoderMemoryBytes, 0) != LZMA_OK) {
    return absl::ResourceExhaustedError("no memory for liblzma's decoder");
  }
  const std::unique_ptr<lzma_stream, void (*)(lzma_stream*)> end(&stream, lzma_end);
  stream.next_in = reinterpret_cast<const uint8_t*>(compressed.data());
  stream.avail_in = compressed.size();
  std::string content;
  for (;;) {
    const size_t before = content.size();
    content.resize(before + kChunkBytes);
    stream.next_out = reinterpret_cast<uint8_t*>(content.data() + before);
    stream.avail_out = kChunkBytes;
    const lzma_ret result = lzma_code(&stream, LZMA_FINISH);
    content.resize(before + kChunkBytes - stream.avail_out);
    if (content.size() > max_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("the .xz file holds more than ", max_bytes, " bytes; such captures are refused"));
    }
    if (result == LZMA_STREAM_END) return content;
    if (result != LZMA_OK) return ErrorOf(result);
  }
}

std::string CompressXz(std::string_view content) {
  constexpr uint32_t kFast = 1;
  std::string compressed(lzma_stream_buffer_bound(content.size()), '\0');
  size_t size = 0;
  const lzma_ret result =
      lzma_easy_buffer_encode(kFast, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const uint8_t*>(content.data()),
                              content.size(), reinterpret_cast<uint8_t*>(compressed.data()), &size, compressed.size());
  CHECK(result == LZMA_OK);  // the bound is liblzma's own; it fails for lack of memory alone
  compressed.resize(size);
  return compressed;
}

}  // namespace dmfrag::workload
