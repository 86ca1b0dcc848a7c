#ifndef DMFRAG_CLIENT_REPLAY_UPLOAD_H_
#define DMFRAG_CLIENT_REPLAY_UPLOAD_H_

#include "absl/status/status.h"
#include "client/connection/connection.h"
#include "client/replay/capture_file.h"

namespace dmfrag::client {

// Uploads a capture, unless the server has it; after a break, the rest of it. Errors: the server's; DATA_LOSS if the
// file changed meanwhile; CANCELLED when interrupted.
absl::Status UploadCapture(Connection& connection, const CaptureFile& capture);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_UPLOAD_H_
