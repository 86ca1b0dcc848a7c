#ifndef DMFRAG_CLIENT_COMMAND_DAEMON_OUTPUT_H_
#define DMFRAG_CLIENT_COMMAND_DAEMON_OUTPUT_H_

#include <ostream>
#include <string>
#include <vector>

#include "client/command/command.h"
#include "client/connection/daemon.h"

namespace dmfrag::client {

// Says what `up` or `down` found or did: `state` is "up", "already up", "stopped" or "not up".
void PrintDaemons(const std::string& state, const DataFolder& data, const std::vector<Daemon>& daemons,
                  OutputFormat output, std::ostream& out);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_DAEMON_OUTPUT_H_
