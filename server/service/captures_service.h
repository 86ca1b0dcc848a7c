#ifndef DMFRAG_SERVER_SERVICE_CAPTURES_SERVICE_H_
#define DMFRAG_SERVER_SERVICE_CAPTURES_SERVICE_H_

#include "dmfrag/v1/captures.grpc.pb.h"
#include "storage/captures/capture_files.h"
#include "storage/store.h"

namespace dmfrag::server {

// See the proto for what each RPC promises. A capture is known once its row is committed, after its file is durable.
class CapturesService : public v1::Captures::Service {
 public:
  CapturesService(storage::Store& store, storage::CaptureFiles& files) : store_(store), files_(files) {}

  grpc::Status GetUpload(grpc::ServerContext* context, const v1::GetUploadRequest* request,
                         v1::Upload* response) override;
  grpc::Status UploadCapture(grpc::ServerContext* context, grpc::ServerReader<v1::UploadCaptureRequest>* reader,
                             v1::Capture* response) override;
  grpc::Status DownloadCapture(grpc::ServerContext* context, const v1::DownloadCaptureRequest* request,
                               grpc::ServerWriter<v1::DownloadCaptureResponse>* writer) override;

 private:
  absl::StatusOr<v1::Capture> Upload(grpc::ServerReader<v1::UploadCaptureRequest>& reader);
  absl::StatusOr<v1::Capture> Complete(const v1::UploadCaptureRequest& first, const std::string& sha256);
  absl::Status Download(const v1::DownloadCaptureRequest& request,
                        grpc::ServerWriter<v1::DownloadCaptureResponse>& writer) const;

  storage::Store& store_;
  storage::CaptureFiles& files_;
};

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_SERVICE_CAPTURES_SERVICE_H_
