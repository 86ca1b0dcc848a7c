#include "server/service/captures_service.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "proto/support/grpc_status.h"
#include "proto/support/names.h"
#include "server/service/handle.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::server {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;

}  // namespace

grpc::Status CapturesService::GetUpload(grpc::ServerContext*, const v1::GetUploadRequest* request,
                                        v1::Upload* response) {
  return Handle("GetUpload", response, [&]() -> absl::StatusOr<v1::Upload> {
    ASSIGN_OR_RETURN(const std::string sha256, ParseCaptureName(request->name()));
    ASSIGN_OR_RETURN(const storage::CaptureFiles::Progress progress, files_.GetProgress(sha256));
    v1::Upload upload;
    upload.set_name(request->name());
    upload.set_committed_bytes(progress.committed_bytes);
    upload.set_complete(progress.complete && store_.reader().GetCapture(request->name()).ok());
    return upload;
  });
}

grpc::Status CapturesService::UploadCapture(grpc::ServerContext*, grpc::ServerReader<v1::UploadCaptureRequest>* reader,
                                            v1::Capture* response) {
  return Handle("UploadCapture", response, [&] { return Upload(*reader); });
}

absl::StatusOr<v1::Capture> CapturesService::Upload(grpc::ServerReader<v1::UploadCaptureRequest>& reader) {
  v1::UploadCaptureRequest chunk;
  if (!reader.Read(&chunk)) return absl::InvalidArgumentError("the stream holds no chunk; send one at least");
  ASSIGN_OR_RETURN(const std::string sha256, ParseCaptureName(chunk.name()));
  v1::UploadCaptureRequest first = chunk;
  first.clear_data();
  do {
    if (chunk.name() != first.name() || chunk.size_bytes() != first.size_bytes()) {
      return absl::InvalidArgumentError("name and size_bytes must be the same in every chunk");
    }
    if (chunk.data().size() > kChunkBytes) return absl::InvalidArgumentError("data: a chunk may have 1 MiB");
    RETURN_IF_ERROR(files_.Append(sha256, chunk.size_bytes(), chunk.offset_bytes(), chunk.data()).status());
  } while (reader.Read(&chunk));
  return Complete(first, sha256);
}

absl::StatusOr<v1::Capture> CapturesService::Complete(const v1::UploadCaptureRequest& first,
                                                      const std::string& sha256) {
  RETURN_IF_ERROR(files_.Finish(sha256, first.size_bytes()));
  v1::Capture capture;
  capture.set_name(first.name());
  capture.set_size_bytes(first.size_bytes());
  capture.set_display_name(first.display_name().substr(0, 256));
  *capture.mutable_create_time() =
      google::protobuf::util::TimeUtil::GetCurrentTime();
  RETURN_IF_ERROR(store_.CommitAndWait([&](storage::Writer& writer) { return writer.InsertCapture(capture); }));
  return store_.reader().GetCapture(first.name());
}

grpc::Status CapturesService::DownloadCapture(grpc::ServerContext*, const v1::DownloadCaptureRequest* request,
                                              grpc::ServerWriter<v1::DownloadCaptureResponse>* writer) {
  return ToGrpcStatus(Download(*request, *writer));
}

absl::Status CapturesService::Download(const v1::DownloadCaptureRequest& request,
                                       grpc::ServerWriter<v1::DownloadCaptureResponse>& writer) const {
  ASSIGN_OR_RETURN(const std::string sha256, ParseCaptureName(request.name()));
  int64_t offset = request.offset_bytes();
  while (true) {
    v1::DownloadCaptureResponse chunk;
    ASSIGN_OR_RETURN(*chunk.mutable_data(), files_.Read(sha256, offset, kChunkBytes));
    if (chunk.data().empty()) return absl::OkStatus();
    offset += static_cast<int64_t>(chunk.data().size());
    if (!writer.Write(chunk)) return absl::CancelledError("the client went away");
  }
}

}  // namespace dmfrag::server
