#include "client/connection/channel.h"

#include <google/protobuf/io/coded_stream.h>
#include <grpcpp/generic/generic_stub.h>

#include <string>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "proto/support/server_address.h"

namespace dmfrag::client {
namespace {

// Results come in pages of 1 MiB, but one result at least, whatever its size.
constexpr int kMaxMessageBytes = 64 << 20;
// A local socket is there or not: no point in backing off for long.
constexpr int kFirstReconnectMs = 20;
constexpr int kLongestReconnectMs = 200;
constexpr absl::Duration kOneHealthCheck = absl::Milliseconds(200);
constexpr absl::Duration kBetweenHealthChecks = absl::Milliseconds(10);

// AIP-194: only UNAVAILABLE. Uploads and watches are streams, which resume by themselves.
constexpr char kServiceConfig[] = R"({
  "methodConfig": [{
    "name": [{"service": "dmfrag.v1.Experiments"}, {"service": "dmfrag.v1.Results"},
             {"service": "dmfrag.v1.Captures", "method": "GetUpload"},
             {"service": "dmfrag.v1.Workers", "method": "ListWorkers"}],
    "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"]}
  }]
})";

// grpc.health.v1.HealthCheckResponse: its field 1 is the status, of which 1 is SERVING. The request for the whole
// server is an empty message. Two fields of a frozen protocol need no generated code.
constexpr char kHealthMethod[] = "/grpc.health.v1.Health/Check";
constexpr uint32_t kServing = 1;

bool IsServing(grpc::ByteBuffer& response) {
  grpc::Slice slice;
  if (!response.DumpToSingleSlice(&slice).ok()) return false;
  google::protobuf::io::CodedInputStream stream(slice.begin(), static_cast<int>(slice.size()));
  uint32_t status = 0;
  return stream.ReadTag() == 8 && stream.ReadVarint32(&status) && status == kServing;
}

bool CheckHealthOnce(const std::shared_ptr<grpc::Channel>& channel, Interrupt& interrupt) {
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(absl::ToChronoTime(absl::Now() + kOneHealthCheck));
  const Interrupt::Reaction cancel(interrupt, [&context] { context.TryCancel(); });
  grpc::GenericStub stub(channel);
  const grpc::Slice nothing;
  grpc::ByteBuffer request(&nothing, 1), response;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, kHealthMethod, grpc::StubOptions(), &request, &response, [&](grpc::Status result) {
    status = std::move(result);
    done.Notify();
  });
  done.WaitForNotification();
  return status.ok() && IsServing(response);
}

}  // namespace

std::shared_ptr<grpc::Channel> OpenChannel(const std::filesystem::path& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kLongestReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLongestReconnectMs);
  return grpc::CreateCustomChannel(GrpcTarget(socket), grpc::InsecureChannelCredentials(), arguments);
}

absl::Status AwaitServing(const std::shared_ptr<grpc::Channel>& channel, absl::Duration bound,
                          const std::function<bool()>& gone, Interrupt& interrupt) {
  const absl::Time deadline = absl::Now() + bound;
  while (!CheckHealthOnce(channel, interrupt)) {
    if (interrupt.requested()) return absl::CancelledError("interrupted");
    if (gone()) return absl::UnavailableError("the server ended while it started");
    if (absl::Now() >= deadline) return absl::DeadlineExceededError("the server does not become ready");
    // A server that answers at once that it does not serve yet.
    interrupt.AwaitFor(kBetweenHealthChecks);
  }
  return absl::OkStatus();
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace dmfrag::client
