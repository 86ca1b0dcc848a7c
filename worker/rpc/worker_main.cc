// dmfrag-worker: runs jobs for a server.

#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "CLI/CLI.hpp"
#include "absl/time/time.h"
#include "proto/support/model_version.h"
#include "proto/support/server_address.h"
#include "spdlog/sinks/basic_file_sink.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"
#include "worker/convert/aged_state_folder.h"
#include "worker/rpc/worker.h"
#include "worker/slot/slot_child.h"

namespace dmfrag::worker {
namespace {

constexpr int kMaxMessageBytes = 16 << 20;
constexpr int kKeepaliveMs = 20000;
constexpr int kKeepaliveTimeoutMs = 10000;

struct Flags {
  std::string server;
  uint32_t slots = 1;
  std::string cache_dir;
  uint64_t aged_mib = convert::AgedStateFolder::kDefaultMaxBytes >> 20;
  std::string log_file;
  bool stop_on_eof = false;
  bool slot_child = false;
};

std::string DefaultCacheFolder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return std::string(cache) + "/dmfrag/captures";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return std::string(home) + "/.cache/dmfrag/captures";
  return "/tmp/dmfrag-captures-" + std::to_string(geteuid());
}

std::string NewUuid() {
  std::string uuid;
  std::getline(std::ifstream("/proc/sys/kernel/random/uuid") >> std::ws, uuid);
  return uuid;
}

void SetUpLog(const std::string& file) {
  auto logger =
      file.empty() ? spdlog::stderr_logger_mt("dmfrag-worker") : spdlog::basic_logger_mt("dmfrag-worker", file);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

bool StdinEnded() {
  pollfd poll_stdin{STDIN_FILENO, POLLIN, 0};
  if (poll(&poll_stdin, 1, 0) <= 0) return false;
  char byte = 0;
  return read(STDIN_FILENO, &byte, 1) <= 0;
}

int Work(const Flags& flags) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread starts
  std::signal(SIGPIPE, SIG_IGN);                  // a slot's child that died is noticed when its report does not come
  umask(077);
  std::error_code error;
  std::filesystem::create_directories(flags.cache_dir, error);
  if (error) {
    spdlog::error("--cache-dir {}: {}", flags.cache_dir, error.message());
    return 1;
  }

  const absl::StatusOr<std::filesystem::path> socket = ParseServerAddress(flags.server);
  if (!socket.ok()) {
    spdlog::error("--server: {}", std::string(socket.status().message()));
    return 1;
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  const auto channel = grpc::CreateCustomChannel(GrpcTarget(*socket), grpc::InsecureChannelCredentials(), arguments);

  WorkerOptions options;
  options.worker_id = NewUuid();
  options.slots = flags.slots;
  options.capture_folder = flags.cache_dir;
  options.slot_command = {"/proc/self/exe", "--slot-child", "--cache-dir",
                          flags.cache_dir,  "--aged-mib",   std::to_string(flags.aged_mib)};
  const auto stop = [&, stopping = false](absl::Duration wait) mutable {
    if (stopping) return true;
    const timespec timeout = absl::ToTimespec(wait);
    const int signal = sigtimedwait(&signals, nullptr, &timeout);
    stopping = signal > 0 || (flags.stop_on_eof && StdinEnded());
    if (stopping) {
      spdlog::info("stopping");
      pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // a second signal ends the process at once
    }
    return stopping;
  };
  Worker worker(std::move(options), channel);
  const absl::Status status = worker.Run(stop);
  if (status.ok()) return 0;
  spdlog::error("{}", std::string(status.message()));
  return 1;
}

}  // namespace
}  // namespace dmfrag::worker

int main(int argc, char** argv) {
  dmfrag::worker::Flags flags;
  flags.cache_dir = dmfrag::worker::DefaultCacheFolder();
  CLI::App app(
      "dmfrag-worker: runs jobs for a dmfrag-server.\n"
      "Example: dmfrag-worker --server unix:/run/user/1000/dmfrag/s.sock --slots 2");
  app.set_version_flag("--version", dmfrag::kProgramVersion);
  auto* server = app.add_option("--server", flags.server, "the server's address, unix:PATH");
  app.add_option("--slots", flags.slots, "jobs to run at once, each in a process of its own")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--cache-dir", flags.cache_dir, "folder for downloaded captures and aged machines")
      ->capture_default_str();
  app.add_option("--aged-mib", flags.aged_mib, "MiB of aged machines to keep there, those used last; 0: none")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1} << 30))
      ->capture_default_str();
  app.add_option("--log-file", flags.log_file, "append the log to this file instead of standard error");
  app.add_flag("--stop-on-eof", flags.stop_on_eof, "stop when standard input ends: with the process that holds it");
  app.add_flag("--slot-child", flags.slot_child)->group("");  // how a worker starts its own slots
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;  // 0: --help, --version
  }
  if (flags.slot_child) return dmfrag::worker::RunSlotChild(flags.cache_dir, flags.aged_mib << 20);
  if (server->count() == 0) {
    std::fprintf(stderr, "dmfrag-worker: --server is required, for example --server unix:PATH\n");
    return 1;
  }
  dmfrag::worker::SetUpLog(flags.log_file);
  return dmfrag::worker::Work(flags);
}
