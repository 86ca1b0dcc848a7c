#include "client/command/dispatch.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "client/command/registry.h"
#include "client/sweep/source_node.h"
#include "proto/support/spelling.h"

namespace dmfrag::client {
namespace {

constexpr char kDescription[] = "dmfrag: which allocation policy keeps the x86 direct map large, and at what cost?";

constexpr char kFooter[] =
    "Exit codes:\n"
    "  0    ok\n"
    "  1    wrong usage, bad input, or any error not listed here\n"
    "  2    some jobs failed or were cancelled\n"
    "  3    not found\n"
    "  4    no server, or it went away\n"
    "  5    deadline exceeded\n"
    "  6    not allowed\n"
    "  7    a replay differs from its capture\n"
    "  130  interrupted (Ctrl-C)\n"
    "\n"
    "Where the server is: --server, else DMFRAG_SERVER, else one of your own, whose data lie in DMFRAG_DATA, else in\n"
    "$XDG_DATA_HOME/dmfrag, else in ~/.local/share/dmfrag; it is started for the command if `dmfrag up` did not.\n"
    "An experiment is named by experiments/1, 1, e1 or last.\n"
    "\n"
    "Example:\n"
    "  dmfrag run examples/quickstart.yaml";

// One line, whatever a message holds.
std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

const std::map<std::string, OutputFormat>& OutputFormats() {
  static const auto& formats = *new std::map<std::string, OutputFormat>{
      {"table", OutputFormat::kTable}, {"json", OutputFormat::kJson}, {"csv", OutputFormat::kCsv}};
  return formats;
}

void AddGlobalFlags(CLI::App& app, GlobalOptions& options) {
  app.add_option("--server", options.server, "The server's address: unix:/path")->type_name("ADDRESS");
  app.add_option_function<std::string>(
         "-o,--output", [&options](const std::string& name) { options.output = OutputFormats().at(name); },
         "table (for people, the default), json or csv (for programs)")
      ->check(CLI::IsMember({"table", "json", "csv"}).description(""))
      ->type_name("FORMAT");
}

// What CLI11 says about wrong arguments, and where help is.
ExitCode UsageError(const CLI::App& app, const CLI::ParseError& error, Environment& environment) {
  const std::vector<std::string> rest = app.remaining();
  if (app.get_subcommands().empty() && !rest.empty() && !rest.front().starts_with('-')) {
    std::vector<std::string> names;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(sub->get_name());
    environment.err << "dmfrag: unknown command " << Shown(rest.front()) << "; " << AllowedNames(rest.front(), names)
                    << "\n";
    return ExitCode::kUsage;
  }
  std::string command = "dmfrag";
  for (const CLI::App* sub : app.get_subcommands()) command += " " + sub->get_name();
  environment.err << "dmfrag: " << OneLine(error.what()) << "; see " << command << " --help\n";
  return ExitCode::kUsage;
}

ExitCode RunParsed(const CLI::App& app, const std::vector<std::pair<CLI::App*, Command*>>& commands,
                   const GlobalOptions& options, Environment& environment) {
  for (const auto& [sub, command] : commands) {
    if (!sub->parsed()) continue;
    const absl::StatusOr<ExitCode> code = command->Run(options, environment);
    environment.out.flush();
    if (code.ok()) return *code;
    if (!absl::IsCancelled(code.status())) {
      environment.err << "dmfrag: " << OneLine(std::string(code.status().message())) << "\n";
    }
    return ExitCodeOf(code.status());
  }
  environment.out << app.help();
  return ExitCode::kOk;
}

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kUnavailable:
      return ExitCode::kConnection;
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kDeadline;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return ExitCode::kAuthorization;
    case absl::StatusCode::kCancelled:
      return ExitCode::kInterrupted;
    default:
      return ExitCode::kUsage;
  }
}

ExitCode RunProgram(const std::vector<std::string>& arguments, Environment& environment) {
  GlobalOptions options;
  CLI::App app(kDescription, "dmfrag");
  app.footer(kFooter);
  app.require_subcommand(0, 1);
  AddGlobalFlags(app, options);
  const std::vector<std::unique_ptr<Command>> all = AllCommands();
  std::vector<std::pair<CLI::App*, Command*>> commands;
  for (const std::unique_ptr<Command>& command : all) {
    CLI::App* sub = command->Register(app);
    // Global flags may stand behind the command.
    sub->fallthrough();
    commands.emplace_back(sub, command.get());
  }
  try {
    // CLI11 takes them from the back.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp& help) {
    app.exit(help, environment.out, environment.err);
    return ExitCode::kOk;
  } catch (const CLI::ParseError& error) {
    return UsageError(app, error, environment);
  }
  return RunParsed(app, commands, options, environment);
}

}  // namespace dmfrag::client
