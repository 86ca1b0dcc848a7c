#ifndef DMFRAG_SERVER_SERVICE_WORKERS_SERVICE_H_
#define DMFRAG_SERVER_SERVICE_WORKERS_SERVICE_H_

#include "dmfrag/v1/workers.grpc.pb.h"
#include "server/coordinator/coordinator.h"

namespace dmfrag::server {

// See the proto for what each RPC promises.
class WorkersService : public v1::Workers::WithCallbackMethod_Work<v1::Workers::Service> {
 public:
  explicit WorkersService(Coordinator& coordinator) : coordinator_(coordinator) {}

  grpc::ServerBidiReactor<v1::WorkRequest, v1::WorkResponse>* Work(grpc::CallbackServerContext* context) override;
  grpc::Status ListWorkers(grpc::ServerContext* context, const v1::ListWorkersRequest* request,
                           v1::ListWorkersResponse* response) override;

 private:
  Coordinator& coordinator_;
};

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_SERVICE_WORKERS_SERVICE_H_
