#include "client/connection/daemon.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "client/connection/connection.h"
#include "client/connection/file_lock.h"
#include "proto/support/server_address.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

namespace fs = std::filesystem;

constexpr char kSuffix[] = ".pid";
constexpr char kServerName[] = "server";
constexpr absl::Duration kStopBound = absl::Seconds(20);
constexpr absl::Duration kLockBound = absl::Seconds(90);

fs::path PidFile(const DataFolder& data, const std::string& name) { return data.run_folder() / (name + kSuffix); }

absl::Status WritePidFile(const DataFolder& data, const std::string& name, const ProcessIdentity& process) {
  std::ofstream file(PidFile(data, name), std::ios::trunc);
  file << process.pid << " " << process.start_ticks << "\n";
  file.close();
  if (file.good()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("writing ", PidFile(data, name).native(), " failed; is the disk full?"));
}

std::optional<ProcessIdentity> ReadPidFile(const fs::path& path) {
  std::ifstream file(path);
  ProcessIdentity process;
  if (!(file >> process.pid >> process.start_ticks) || process.pid <= 0) return std::nullopt;
  // Another process may have the id now.
  if (FindProcess(process.pid) != process) return std::nullopt;
  return process;
}

absl::Status StartAll(const DataFolder& data, const WorkerOptions& options, const Environment& environment) {
  ASSIGN_OR_RETURN(const std::unique_ptr<ChildProcess> server, StartServer(data, /*daemon=*/true, environment));
  RETURN_IF_ERROR(WritePidFile(data, kServerName, server->identity()));
  ASSIGN_OR_RETURN(const std::vector<std::unique_ptr<ChildProcess>> workers,
                   StartWorkers(data, data.socket(), options, /*daemon=*/true, environment));
  for (size_t i = 0; i < workers.size(); ++i) {
    RETURN_IF_ERROR(WritePidFile(data, absl::StrCat("worker-", i + 1), workers[i]->identity()));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<Daemon> FindDaemons(const DataFolder& data) {
  std::vector<Daemon> daemons;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(data.run_folder(), error)) {
    if (entry.path().extension() != kSuffix) continue;
    if (const auto process = ReadPidFile(entry.path())) {
      daemons.push_back({.name = entry.path().stem(), .process = *process});
    } else {
      fs::remove(entry.path(), error);
    }
  }
  std::sort(daemons.begin(), daemons.end(), [](const Daemon& a, const Daemon& b) {
    return std::pair(a.name == kServerName, a.name) < std::pair(b.name == kServerName, b.name);
  });
  return daemons;
}

absl::Status StartDaemons(const DataFolder& data, const WorkerOptions& options, const Environment& environment) {
  ASSIGN_OR_RETURN(const FileLock starting,
                   FileLock::Await(StartLockFile(data), FileLock::Mode::kExclusive, kLockBound, environment.interrupt));
  if (SomebodyListens(data.socket())) {
    return absl::AlreadyExistsError(absl::StrCat("a server listens at unix:", data.socket().native()));
  }
  const absl::Status started = StartAll(data, options, environment);
  if (!started.ok()) StopDaemons(data).IgnoreError();
  return started;
}

absl::Status StopDaemons(const DataFolder& data) {
  absl::Status status;
  for (const Daemon& daemon : FindDaemons(data)) {
    const absl::Status stopped = StopProcess(daemon.process, kStopBound);
    if (!stopped.ok()) {
      status.Update(absl::Status(stopped.code(), absl::StrCat(daemon.name, ": ", stopped.message())));
      continue;
    }
    std::error_code error;
    fs::remove(PidFile(data, daemon.name), error);
  }
  return status;
}

}  // namespace dmfrag::client
