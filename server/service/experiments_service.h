#ifndef DMFRAG_SERVER_SERVICE_EXPERIMENTS_SERVICE_H_
#define DMFRAG_SERVER_SERVICE_EXPERIMENTS_SERVICE_H_

#include "dmfrag/v1/experiments.grpc.pb.h"
#include "server/coordinator/coordinator.h"

namespace dmfrag::server {

// See the proto for what each RPC promises. Unary calls may wait for the disk and run on gRPC's threads; a watch never
// blocks, and is a state machine of its own: write, wait a tenth of a second, write again if something changed.
class ExperimentsService : public v1::Experiments::WithCallbackMethod_WatchExperiment<v1::Experiments::Service> {
 public:
  explicit ExperimentsService(Coordinator& coordinator) : coordinator_(coordinator) {}

  grpc::Status CreateExperiment(grpc::ServerContext* context, const v1::CreateExperimentRequest* request,
                                v1::Experiment* response) override;
  grpc::Status GetExperiment(grpc::ServerContext* context, const v1::GetExperimentRequest* request,
                             v1::Experiment* response) override;
  grpc::Status ListExperiments(grpc::ServerContext* context, const v1::ListExperimentsRequest* request,
                               v1::ListExperimentsResponse* response) override;
  grpc::Status CancelExperiment(grpc::ServerContext* context, const v1::CancelExperimentRequest* request,
                                v1::Experiment* response) override;
  grpc::ServerWriteReactor<v1::WatchExperimentResponse>* WatchExperiment(
      grpc::CallbackServerContext* context, const v1::WatchExperimentRequest* request) override;

 private:
  Coordinator& coordinator_;
};

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_SERVICE_EXPERIMENTS_SERVICE_H_
