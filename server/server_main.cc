// dmfrag-server: the coordinator.

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "proto/support/model_version.h"
#include "server/coordinator/coordinator.h"
#include "server/listen_address.h"
#include "server/service/captures_service.h"
#include "server/service/experiments_service.h"
#include "server/service/results_service.h"
#include "server/service/workers_service.h"
#include "spdlog/sinks/basic_file_sink.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"
#include "storage/captures/capture_files.h"
#include "storage/sqlite/sqlite_store.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::server {
namespace {

constexpr auto kTick = absl::Milliseconds(250);
constexpr auto kShutdownGrace = absl::Seconds(2);
constexpr int kMaxMessageBytes = 16 << 20;  // an Assign of 4,096 jobs with a template each
// Below the rate at which workers ping (Worker::Channel): gRPC's own limit of one in five minutes would cut them off.
constexpr int kMinPingIntervalMs = 5000;

struct Flags {
  std::string database;
  std::string listen;
  std::string durability = "full";
  std::string log_file;
  uint32_t lease_ms = 10000;
  uint32_t heartbeat_ms = 2000;
  bool stop_on_eof = false;
};

void SetUpLog(const std::string& file) {
  auto logger =
      file.empty() ? spdlog::stderr_logger_mt("dmfrag-server") : spdlog::basic_logger_mt("dmfrag-server", file);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

absl::StatusOr<storage::Durability> ParseDurability(const std::string& name) {
  if (name == "full") return storage::Durability::kFull;
  if (name == "normal") return storage::Durability::kNormal;
  if (name == "off") return storage::Durability::kOff;
  return absl::InvalidArgumentError("--durability: must be full, normal or off");
}

bool StdinEnded() {
  pollfd poll_stdin{STDIN_FILENO, POLLIN, 0};
  if (poll(&poll_stdin, 1, 0) <= 0) return false;
  char byte = 0;
  return read(STDIN_FILENO, &byte, 1) <= 0;
}

// Waits for SIGTERM, SIGINT or the end of stdin, and ticks meanwhile. The signals are blocked in every thread.
void RunUntilStopped(Coordinator& coordinator, const sigset_t& signals, bool stop_on_eof) {
  const timespec interval = absl::ToTimespec(kTick);
  while (true) {
    const int signal = sigtimedwait(&signals, nullptr, &interval);
    if (signal > 0) {
      spdlog::info("stopping: signal {}", signal);
      return;
    }
    if (stop_on_eof && StdinEnded()) {
      spdlog::info("stopping: standard input ended");
      return;
    }
    coordinator.Tick();
  }
}

absl::Status Serve(const Flags& flags) {
  umask(077);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread starts

  ASSIGN_OR_RETURN(const storage::Durability durability, ParseDurability(flags.durability));
  ASSIGN_OR_RETURN(const std::string socket, PrepareUnixSocket(flags.listen));
  storage::SqliteOptions store_options;
  store_options.durability = durability;
  ASSIGN_OR_RETURN(const std::unique_ptr<storage::Store> store,
                   storage::OpenSqliteStore(flags.database, store_options));
  ASSIGN_OR_RETURN(const std::unique_ptr<storage::CaptureFiles> captures,
                   storage::CaptureFiles::Open(flags.database + ".captures"));
  CoordinatorOptions options;
  options.scheduler.lease = absl::Milliseconds(flags.lease_ms);
  options.heartbeat = absl::Milliseconds(flags.heartbeat_ms);
  ASSIGN_OR_RETURN(const std::unique_ptr<Coordinator> coordinator, Coordinator::Create(*store, options, absl::Now));

  ExperimentsService experiments(*coordinator);
  ResultsService results(store->reader(), *coordinator);
  WorkersService workers(*coordinator);
  CapturesService capture_service(*store, *captures);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
  for (grpc::Service* service :
       std::initializer_list<grpc::Service*>{&experiments, &results, &workers, &capture_service}) {
    builder.RegisterService(service);
  }
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return absl::UnavailableError("cannot listen on " + flags.listen);
  server->GetHealthCheckService()->SetServingStatus(true);
  spdlog::info("dmfrag-server {} (model {}) serves {} from {}; {}; durability {}", kProgramVersion, kModelVersion,
               flags.listen, flags.database, storage::SqliteVersion(), flags.durability);

  RunUntilStopped(*coordinator, signals, flags.stop_on_eof);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // a second signal ends the process at once
  server->GetHealthCheckService()->SetServingStatus(false);
  coordinator->Drain();
  server->Shutdown(absl::ToChronoTime(absl::Now() + kShutdownGrace));
  server->Wait();
  spdlog::info("stopped");
  return absl::OkStatus();
}

}  // namespace
}  // namespace dmfrag::server

int main(int argc, char** argv) {
  dmfrag::server::Flags flags;
  CLI::App app(
      "dmfrag-server: takes experiments, hands their jobs to workers, keeps the results.\n"
      "Example: dmfrag-server --db results.db --listen unix:/run/user/1000/dmfrag/s.sock");
  app.set_version_flag("--version", dmfrag::kProgramVersion);
  app.add_option("--db", flags.database, "SQLite file; made if it is not there. Captures lie beside it.")->required();
  app.add_option("--listen", flags.listen, "unix:PATH, in a folder of mode 0700")->required();
  app.add_option("--durability", flags.durability,
                 "full: what is acknowledged survives power loss; normal: it survives a crash of this program, power "
                 "loss may take the "
                 "last commits; off: for benchmarks")
      ->capture_default_str();
  app.add_option("--log-file", flags.log_file, "append the log to this file instead of standard error");
  app.add_option("--lease-ms", flags.lease_ms, "a job of a silent worker is given to another after this time")
      ->check(CLI::Range(100, 3600000))
      ->capture_default_str();
  app.add_option("--heartbeat-ms", flags.heartbeat_ms,
                 "workers say that they live this often; at most a third of the lease")
      ->check(CLI::Range(10, 600000))
      ->capture_default_str();
  app.add_flag("--stop-on-eof", flags.stop_on_eof, "stop when standard input ends: with the process that holds it");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;  // 0: --help, --version
  }
  if (flags.heartbeat_ms * 3 > flags.lease_ms) {
    std::fprintf(stderr, "dmfrag-server: --heartbeat-ms: must be at most a third of --lease-ms\n");
    return 1;
  }
  dmfrag::server::SetUpLog(flags.log_file);
  const absl::Status status = dmfrag::server::Serve(flags);
  if (status.ok()) return 0;
  spdlog::error("{}", std::string(status.message()));
  if (!flags.log_file.empty()) std::fprintf(stderr, "dmfrag-server: %s\n", std::string(status.message()).c_str());
  return 1;
}
