#include "client/command/daemon_output.h"

#include <nlohmann/json.hpp>

#include "client/format/csv.h"

namespace dmfrag::client {
namespace {

void PrintJson(const std::string& state, const DataFolder& data, const std::vector<Daemon>& daemons,
               std::ostream& out) {
  nlohmann::ordered_json processes = nlohmann::ordered_json::array();
  for (const Daemon& daemon : daemons) processes.push_back({{"name", daemon.name}, {"pid", daemon.process.pid}});
  const nlohmann::ordered_json document = {{"state", state},
                                           {"server", "unix:" + data.socket().native()},
                                           {"data", data.root().native()},
                                           {"processes", processes}};
  out << document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
}

}  // namespace

void PrintDaemons(const std::string& state, const DataFolder& data, const std::vector<Daemon>& daemons,
                  OutputFormat output, std::ostream& out) {
  switch (output) {
    case OutputFormat::kJson:
      PrintJson(state, data, daemons, out);
      break;
    case OutputFormat::kCsv:
      out << CsvRecord({"state", "name", "pid"});
      for (const Daemon& daemon : daemons) {
        out << CsvRecord({state, daemon.name, std::to_string(daemon.process.pid)});
      }
      break;
    case OutputFormat::kTable:
      out << state << ": unix:" << data.socket().native() << ", data in " << data.root().native() << "\n";
      for (const Daemon& daemon : daemons) out << "  " << daemon.name << ", process " << daemon.process.pid << "\n";
      break;
  }
}

}  // namespace dmfrag::client
