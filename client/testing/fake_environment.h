#ifndef DMFRAG_CLIENT_TESTING_FAKE_ENVIRONMENT_H_
#define DMFRAG_CLIENT_TESTING_FAKE_ENVIRONMENT_H_

#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "client/environment/environment.h"
#include "client/environment/interrupt.h"

namespace dmfrag::client {

// An environment with the variables of a test alone; what is written to it can be read. Not movable.
struct FakeEnvironment {
  FakeEnvironment() = default;
  FakeEnvironment(const FakeEnvironment&) = delete;
  FakeEnvironment& operator=(const FakeEnvironment&) = delete;

  std::map<std::string, std::string> variables;
  std::ostringstream out;  // and errors
  Interrupt interrupt;
  Environment environment = {.variable = [this](const std::string& name) -> std::optional<std::string> {
                               const auto found = variables.find(name);
                               return found == variables.end() ? std::nullopt : std::optional(found->second);
                             },
                             .out = out,
                             .err = out,
                             .interrupt = interrupt};
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_TESTING_FAKE_ENVIRONMENT_H_
