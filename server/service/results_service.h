#ifndef DMFRAG_SERVER_SERVICE_RESULTS_SERVICE_H_
#define DMFRAG_SERVER_SERVICE_RESULTS_SERVICE_H_

#include "dmfrag/v1/results.grpc.pb.h"
#include "server/coordinator/coordinator.h"
#include "storage/store.h"

namespace dmfrag::server {

// See the proto for what each RPC promises.
class ResultsService : public v1::Results::Service {
 public:
  ResultsService(const storage::Reader& reader, const Coordinator& coordinator)
      : reader_(reader), coordinator_(coordinator) {}

  grpc::Status GetResult(grpc::ServerContext* context, const v1::GetResultRequest* request,
                         v1::Result* response) override;
  grpc::Status ListResults(grpc::ServerContext* context, const v1::ListResultsRequest* request,
                           v1::ListResultsResponse* response) override;
  grpc::Status ListAttempts(grpc::ServerContext* context, const v1::ListAttemptsRequest* request,
                            v1::ListAttemptsResponse* response) override;

 private:
  absl::StatusOr<v1::ListResultsResponse> List(const v1::ListResultsRequest& request) const;
  // The state as it is now: the store knows only of jobs that wait or have ended.
  void SetLiveState(v1::Result& result, v1::ExperimentState experiment) const;

  const storage::Reader& reader_;
  const Coordinator& coordinator_;
};

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_SERVICE_RESULTS_SERVICE_H_
