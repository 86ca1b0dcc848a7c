#ifndef DMFRAG_CLIENT_ENVIRONMENT_ENVIRONMENT_H_
#define DMFRAG_CLIENT_ENVIRONMENT_ENVIRONMENT_H_

#include <functional>
#include <optional>
#include <ostream>
#include <string>

#include "client/environment/interrupt.h"

namespace dmfrag::client {

// What a command sees of the world around it; tests put their own in place. Outlives every command.
struct Environment {
  // Value of an environment variable; absent if unset or empty.
  std::function<std::optional<std::string>(const std::string& name)> variable;
  // For results.
  std::ostream& out;
  // For progress, hints and errors.
  std::ostream& err;
  // `out` may be styled (bold): a terminal, and NO_COLOR is unset.
  bool style_out = false;
  // `err` is a terminal: a line of progress may be rewritten.
  bool err_is_terminal = false;
  // Ctrl-C.
  Interrupt& interrupt;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_ENVIRONMENT_ENVIRONMENT_H_
