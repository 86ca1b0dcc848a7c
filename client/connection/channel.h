#ifndef DMFRAG_CLIENT_CONNECTION_CHANNEL_H_
#define DMFRAG_CLIENT_CONNECTION_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <filesystem>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/environment/interrupt.h"

namespace dmfrag::client {

// A channel to the server at a Unix socket. Unary calls that the protocol calls safe to repeat are repeated on
// UNAVAILABLE, up to four times within some seconds.
std::shared_ptr<grpc::Channel> OpenChannel(const std::filesystem::path& socket);

// Waits until the server's health service says SERVING. `gone` is asked now and then whether waiting is in vain.
// Errors: UNAVAILABLE if `gone`; DEADLINE_EXCEEDED after `bound`; CANCELLED when interrupted.
absl::Status AwaitServing(const std::shared_ptr<grpc::Channel>& channel, absl::Duration bound,
                          const std::function<bool()>& gone, Interrupt& interrupt);

// The same code and text.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CONNECTION_CHANNEL_H_
