// dmfrag: the client.

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "client/command/dispatch.h"
#include "client/environment/environment.h"
#include "client/environment/interrupt.h"

namespace dmfrag::client {
namespace {

std::optional<std::string> ProcessVariable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

// Takes SIGINT and SIGTERM on a thread of its own: the first asks the command to end, the second ends the program. To
// be called before any other thread exists, so that all inherit the mask.
void StartSignalThread(Interrupt& interrupt) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([&interrupt, signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    interrupt.Request();
    sigwait(&signals, &signal);
    _exit(static_cast<int>(ExitCode::kInterrupted));
  }).detach();
}

int Main(int argc, char** argv) {
  // A pipe that was closed (`dmfrag results | head`) is an error of the stream, not the end of the program: the private
  // server must be stopped.
  signal(SIGPIPE, SIG_IGN);
  // Lives as long as the signal thread, which outlives Main.
  static auto& interrupt = *new Interrupt;
  StartSignalThread(interrupt);
  Environment environment = {.variable = ProcessVariable,
                             .out = std::cout,
                             .err = std::cerr,
                             .style_out = isatty(STDOUT_FILENO) != 0 && !ProcessVariable("NO_COLOR").has_value(),
                             .err_is_terminal = isatty(STDERR_FILENO) != 0,
                             .interrupt = interrupt};
  return static_cast<int>(RunProgram(std::vector<std::string>(argv + 1, argv + argc), environment));
}

}  // namespace
}  // namespace dmfrag::client

int main(int argc, char** argv) { return dmfrag::client::Main(argc, argv); }
