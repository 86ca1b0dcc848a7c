// Usage: help, wrong arguments, addresses.

#include "client/command/dispatch.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/command/registry.h"
#include "client/testing/program_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

ProgramResult RunAlone(const std::vector<std::string>& arguments) {
  ProgramWorld world;
  return RunIn(world, arguments);
}

TEST(DispatchTest, HelpNamesTheExitCodesAndEndsWithAnExample) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"}, {}}) {
    const ProgramResult result = RunAlone(arguments);
    EXPECT_EQ(result.code, ExitCode::kOk);
    EXPECT_THAT(result.out, HasSubstr("  2    some jobs failed or were cancelled\n"));
    EXPECT_THAT(result.out, EndsWith("Example:\n  dmfrag run examples/quickstart.yaml\n"));
  }
}

TEST(DispatchTest, HelpOfEveryCommandEndsWithAnExampleOfIt) {
  CLI::App app;
  for (const auto& command : AllCommands()) {
    const std::string name = command->Register(app)->get_name();
    const ProgramResult result = RunAlone({name, "--help"});
    EXPECT_EQ(result.code, ExitCode::kOk) << name;
    EXPECT_THAT(result.out, testing::ContainsRegex("Example:\n  dmfrag " + name + "[^\n]*\n$")) << name;
  }
}

TEST(DispatchTest, WrongArgumentsAreOneLineOnErr) {
  for (const auto& [arguments, message] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"rnu"},
            "dmfrag: unknown command \"rnu\"; allowed: run, submit, wait, watch, cancel, experiments, results, "
            "timeseries, replay, import, capture, inspect, fit, logs, workers, list, up, down, version (did you mean \"run\"?)\n"},
           {{"run"}, "dmfrag: file is required; see dmfrag run --help\n"},
           {{"version", "--nonsense"},
            "dmfrag: The following argument was not expected: --nonsense; see dmfrag version --help\n"},
           {{"version", "-o", "xml"}, "dmfrag: --output: xml not in {table,json,csv}; see dmfrag version --help\n"},
           {{"run", "x.yaml", "--workers", "0"},
            "dmfrag: --workers: Value 0 not in range 1 to 64; see dmfrag run --help\n"}}) {
    const ProgramResult result = RunAlone(arguments);
    EXPECT_EQ(result.code, ExitCode::kUsage);
    EXPECT_EQ(result.err, message);
    EXPECT_THAT(result.out, IsEmpty());
  }
}

TEST(DispatchTest, GlobalFlagsMayStandBeforeAndBehindTheCommand) {
  const std::string before = RunAlone({"-o", "json", "version"}).out;
  EXPECT_EQ(before, RunAlone({"version", "-o", "json"}).out);
  EXPECT_EQ(nlohmann::json::parse(before)["protocol"], "dmfrag.v1");
  EXPECT_EQ(RunAlone({"version", "-o", "csv"}).out, "version,protocol\r\n0.1.0,dmfrag.v1\r\n");
  EXPECT_EQ(RunAlone({"version"}).out, "dmfrag 0.1.0, protocol dmfrag.v1\n");
}

TEST(DispatchTest, AServerThatIsNotThereGivesExitCodeFour) {
  const ProgramResult result = RunAlone({"experiments", "--server", "unix:/no/such.sock"});
  EXPECT_EQ(result.code, ExitCode::kConnection);
  EXPECT_EQ(result.err,
            "dmfrag: no server listens at unix:/no/such.sock; start it, or leave --server and DMFRAG_SERVER out "
            "to use one of your own\n");
}

TEST(DispatchTest, OtherAddressesThanUnixSocketsAreRefusedWithTheReason) {
  for (const char* address : {"localhost:50051", "127.0.0.1:1", "dns:///host", "unix:relative", "/path"}) {
    EXPECT_EQ(RunAlone({"experiments", "--server", address}).code, ExitCode::kUsage) << address;
  }
  EXPECT_THAT(RunAlone({"experiments", "--server", "localhost:50051"}).err,
              HasSubstr("only Unix sockets can be used until TLS stands"));
}

}  // namespace
}  // namespace dmfrag::client
