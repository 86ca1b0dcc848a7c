#ifndef DMFRAG_CLIENT_RECORDING_TEXT_IMPORT_H_
#define DMFRAG_CLIENT_RECORDING_TEXT_IMPORT_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/recording/event_builder.h"
#include "client/recording/line_reader.h"

namespace dmfrag::client {

// What the first bytes of a recording's text say.
struct TextForm {
  std::string source;  // "ftrace", "trace-cmd report" or "perf script"
  bool with_stacks = false;
};

TextForm DetectTextForm(std::string_view head);

// Gives every event of the text to `builder`. Errors: kInvalidArgument with the line's number; those of the input and
// the builder. What came before an error was given.
absl::Status ImportText(LineReader& lines, EventBuilder& builder);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_TEXT_IMPORT_H_
