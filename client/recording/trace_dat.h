#ifndef DMFRAG_CLIENT_RECORDING_TRACE_DAT_H_
#define DMFRAG_CLIENT_RECORDING_TRACE_DAT_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/recording/event_builder.h"

namespace dmfrag::client {

// Whether a file begins as trace-cmd's own form does.
bool LooksLikeTraceDat(std::string_view head);

// Gives every event of a trace.dat to `builder`, in order of time over its main buffer and its instances. `fd` is
// borrowed, its position moves; `name` is for errors. libtracecmd trusts what it reads: it runs in a child process, whose
// crash or standstill is an error here. Errors: kDataLoss if libtracecmd cannot read it; kUnavailable if there is no
// child to be had; the builder's.
absl::Status ImportTraceDat(int fd, const std::string& name, EventBuilder& builder);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_TRACE_DAT_H_
