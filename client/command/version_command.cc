#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "client/command/registry.h"
#include "client/format/csv.h"

namespace dmfrag::client {
namespace {

constexpr char kVersion[] = "0.1.0";
constexpr char kProtocol[] = "dmfrag.v1";

// Says which program this is; asks no server.
class VersionCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("version", "Say which program this is");
    sub->footer("Example:\n  dmfrag version");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    switch (options.output) {
      case OutputFormat::kTable:
        environment.out << "dmfrag " << kVersion << ", protocol " << kProtocol << "\n";
        break;
      case OutputFormat::kJson:
        environment.out << nlohmann::ordered_json({{"version", kVersion}, {"protocol", kProtocol}}).dump(2) << "\n";
        break;
      case OutputFormat::kCsv:
        environment.out << CsvRecord({"version", "protocol"}) << CsvRecord({kVersion, kProtocol});
        break;
    }
    return ExitCode::kOk;
  }
};

}  // namespace

std::unique_ptr<Command> NewVersionCommand() { return std::make_unique<VersionCommand>(); }

}  // namespace dmfrag::client
