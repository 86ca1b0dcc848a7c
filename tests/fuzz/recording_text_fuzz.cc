// Any bytes as the text of a recording: an error, or events whose file can be read. What came before an error can, too.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/recording/byte_source.h"
#include "client/recording/event_builder.h"
#include "client/recording/line_reader.h"
#include "client/recording/text_import.h"
#include "client/recording/user_rules.h"
#include "dmfrag/v1/recording.pb.h"
#include "proto/recording/writer.h"
#include "tests/fuzz/recording_check.h"

namespace {

using namespace dmfrag;

// In small pieces, so that lines lie across their ends.
class Pieces : public client::ByteSource {
 public:
  explicit Pieces(std::string_view bytes) : bytes_(bytes) {}

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    constexpr size_t kPiece = 61;
    const size_t count = bytes_.copy(buffer.data(), std::min(buffer.size(), kPiece));
    bytes_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string file;
  const auto writer = recording::Writer::Create(
      [&file](std::string_view part) {
        file.append(part);
        return absl::OkStatus();
      },
      v1::RecordingStart());
  if (!writer.ok()) std::abort();
  client::EventBuilder builder(writer->get(), client::DetectTextForm(text).with_stacks, /*direct_map_address=*/{});
  Pieces pieces(text);
  client::LineReader lines(&pieces);
  const absl::Status read = client::ImportText(lines, builder);
  if (!read.ok() && read.message().empty()) std::abort();
  if (!builder.Finish().ok()) std::abort();
  v1::RecordingEnd end;
  client::UserRules::Default().Classify((*writer)->origins(), end);
  if (!(*writer)->Finish(end).ok() || !tests::ReadsRight(file)) std::abort();
  return 0;
}
