#include "worker/rpc/capture_cache.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "proto/support/grpc_status.h"
#include "proto/support/names.h"
#include "proto/support/sha256.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::worker {

absl::Status CaptureCache::Ensure(const std::string& sha256_hex) {
  RETURN_IF_ERROR(Sha256FromHex(sha256_hex).status());
  const std::string path = folder_ + "/" + sha256_hex;
  const std::lock_guard lock(mutex_);
  if (std::filesystem::exists(path)) return absl::OkStatus();
  return Download(sha256_hex, path);
}

absl::Status CaptureCache::Download(const std::string& sha256_hex, const std::string& path) {
  grpc::ClientContext context;
  v1::DownloadCaptureRequest request;
  request.set_name(CaptureName(sha256_hex));
  const auto reader = stub_.DownloadCapture(&context, request);
  std::string content;
  v1::DownloadCaptureResponse chunk;
  while (reader->Read(&chunk)) content += chunk.data();
  const absl::Status status = FromGrpcStatus(reader->Finish());
  if (!status.ok())
    return absl::Status(status.code(), absl::StrCat("downloading capture ", sha256_hex, ": ", status.message()));
  if (ToHex(Sha256(content)) != sha256_hex) {
    return absl::DataLossError(absl::StrCat("downloading capture ", sha256_hex, ": the content has another digest"));
  }
  // Workers that share the folder write files of their own; the last rename wins, with the same content.
  const std::string partial = absl::StrCat(path, ".", getpid());
  std::ofstream file(partial, std::ios::binary);
  file << content;
  file.close();
  if (!file || std::rename(partial.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot write ", path));
  }
  return absl::OkStatus();
}

}  // namespace dmfrag::worker
