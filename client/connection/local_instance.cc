#include "client/connection/local_instance.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/connection/channel.h"
#include "client/connection/program_files.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

namespace fs = std::filesystem;

// A server replays its store before it serves.
constexpr absl::Duration kServerStartBound = absl::Seconds(60);
constexpr std::streamoff kLogTailBytes = 300;

int SlotsOf(const WorkerOptions& options) {
  if (options.slots > 0) return options.slots;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / std::max(1, options.workers));
}

}  // namespace

std::string LogTail(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  if (!stream) return "";
  const std::streamoff size = stream.tellg();
  stream.seekg(std::max<std::streamoff>(0, size - kLogTailBytes));
  std::string tail((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  while (!tail.empty() && tail.back() == '\n') tail.pop_back();
  // Whole lines, joined to one.
  if (size > kLogTailBytes && tail.find('\n') != std::string::npos) tail.erase(0, tail.find('\n') + 1);
  std::replace(tail.begin(), tail.end(), '\n', '|');
  return tail;
}

absl::StatusOr<std::unique_ptr<ChildProcess>> StartServer(const DataFolder& data, bool daemon,
                                                          const Environment& environment) {
  ASSIGN_OR_RETURN(const fs::path program, FindProgram(Program::kServer, OwnProgram(), environment));
  const fs::path log = data.log_folder() / "server.log";
  StartOptions options = {.program = program,
                          .arguments = {"--db", data.database(), "--listen", "unix:" + data.socket().native()},
                          .log_file = log,
                          .daemon = daemon};
  if (!daemon) options.arguments.push_back("--stop-on-eof");
  ASSIGN_OR_RETURN(std::unique_ptr<ChildProcess> server, ChildProcess::Start(options));
  const absl::Status serving = AwaitServing(
      OpenChannel(data.socket()), kServerStartBound, [&] { return server->HasEnded(); }, environment.interrupt);
  if (serving.ok()) return server;
  server->Stop(absl::Seconds(5));
  if (absl::IsCancelled(serving)) return serving;
  return absl::FailedPreconditionError(
      absl::StrCat(serving.message(), "; its log ", log.native(), " ends: ", LogTail(log)));
}

absl::StatusOr<std::vector<std::unique_ptr<ChildProcess>>> StartWorkers(const DataFolder& data, const fs::path& socket,
                                                                        const WorkerOptions& options, bool daemon,
                                                                        const Environment& environment) {
  ASSIGN_OR_RETURN(const fs::path program, FindProgram(Program::kWorker, OwnProgram(), environment));
  std::vector<std::unique_ptr<ChildProcess>> workers;
  for (int number = 1; number <= options.workers; ++number) {
    const std::string name = absl::StrCat("worker-", number);
    StartOptions start = {.program = program,
                          .arguments = {"--server", "unix:" + socket.native(), "--slots",
                                        absl::StrCat(SlotsOf(options)), "--cache-dir", data.cache_folder() / name},
                          .log_file = data.log_folder() / (name + ".log"),
                          .daemon = daemon};
    if (!daemon) start.arguments.push_back("--stop-on-eof");
    ASSIGN_OR_RETURN(std::unique_ptr<ChildProcess> worker, ChildProcess::Start(start));
    workers.push_back(std::move(worker));
  }
  return workers;
}

}  // namespace dmfrag::client
