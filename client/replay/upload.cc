#include "client/replay/upload.h"

#include <algorithm>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// The protocol's largest chunk is 1 MiB; half of it leaves the stream room to breathe on two cores.
constexpr size_t kChunkBytes = 512 << 10;
// Breaks in a row that brought nothing further.
constexpr int kMostIdleTries = 5;
constexpr absl::Duration kBetweenTries = absl::Milliseconds(100);

// Sends the file from `offset` on one stream.
absl::Status SendFrom(Connection& connection, const CaptureFile& capture, int64_t offset) {
  std::ifstream file(capture.path, std::ios::binary);
  file.seekg(offset);
  grpc::ClientContext context;
  const Interrupt::Reaction cancel(connection.interrupt(), [&context] { context.TryCancel(); });
  v1::Capture response;
  const auto writer = connection.captures().UploadCapture(&context, &response);
  v1::UploadCaptureRequest request;
  request.set_name(capture.name());
  request.set_size_bytes(capture.size_bytes);
  request.set_display_name(capture.display_name());
  while (offset < capture.size_bytes) {
    std::string& data = *request.mutable_data();
    data.resize(std::min<size_t>(kChunkBytes, static_cast<size_t>(capture.size_bytes - offset)));
    if (!file.read(data.data(), static_cast<std::streamsize>(data.size()))) {
      context.TryCancel();
      writer->Finish();
      return absl::DataLossError(absl::StrCat(capture.path.native(), " became shorter while it was uploaded"));
    }
    request.set_offset_bytes(offset);
    offset += static_cast<int64_t>(data.size());
    // False: the server has ended the stream, and Finish says why.
    if (!writer->Write(request)) break;
    request.clear_display_name();
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  return status.ok() ? absl::OkStatus() : connection.Explain(status);
}

absl::StatusOr<v1::Upload> GetUpload(Connection& connection, const CaptureFile& capture) {
  v1::GetUploadRequest request;
  request.set_name(capture.name());
  return connection.Call(connection.captures(), &v1::Captures::StubInterface::GetUpload, request);
}

}  // namespace

absl::Status UploadCapture(Connection& connection, const CaptureFile& capture) {
  int64_t furthest = -1;
  for (int idle_tries = 0;;) {
    ASSIGN_OR_RETURN(const v1::Upload upload, GetUpload(connection, capture));
    if (upload.complete()) return absl::OkStatus();
    const absl::Status status = SendFrom(connection, capture, upload.committed_bytes());
    if (status.ok() || !absl::IsUnavailable(status)) return status;
    idle_tries = upload.committed_bytes() > furthest ? 1 : idle_tries + 1;
    furthest = std::max(furthest, upload.committed_bytes());
    if (idle_tries > kMostIdleTries) return status;
    if (connection.interrupt().AwaitFor(kBetweenTries)) return absl::CancelledError("interrupted");
  }
}

}  // namespace dmfrag::client
