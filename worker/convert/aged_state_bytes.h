#ifndef DMFRAG_WORKER_CONVERT_AGED_STATE_BYTES_H_
#define DMFRAG_WORKER_CONVERT_AGED_STATE_BYTES_H_

#include <string>

#include "absl/status/statusor.h"
#include "worker/experiment/aged_state.h"

namespace dmfrag::convert {

// An aged state as bytes, whose SHA-256 is its digest in results: equal states have equal bytes, on any machine. A head
// with a version, then varints; frames as differences to the one before. Uncompressed, one to three bytes a page in
// use.
std::string BytesFromAgedState(const experiment::AgedState& state);

// Errors: kDataLoss if these are not the bytes of a state. That the state makes sense is not checked (StartAged).
absl::StatusOr<experiment::AgedState> AgedStateFromBytes(const std::string& bytes);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_AGED_STATE_BYTES_H_
