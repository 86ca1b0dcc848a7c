#ifndef DMFRAG_CLIENT_TESTING_PROGRAM_RUN_H_
#define DMFRAG_CLIENT_TESTING_PROGRAM_RUN_H_

#include <map>
#include <string>
#include <vector>

#include "client/command/command.h"
#include "client/environment/interrupt.h"

namespace dmfrag::client {

// What one run of the program left.
struct ProgramResult {
  ExitCode code;
  std::string out;
  std::string err;
};

// The world of a test: nothing of the machine's own environment is seen.
struct ProgramWorld {
  std::map<std::string, std::string> variables;
  bool style_out = false;
  bool err_is_terminal = false;
  Interrupt interrupt;
};

// Runs the whole program in this process.
ProgramResult RunIn(ProgramWorld& world, const std::vector<std::string>& arguments);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_TESTING_PROGRAM_RUN_H_
