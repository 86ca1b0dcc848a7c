#ifndef DMFRAG_WORKER_CONVERT_RECORDING_OPERATIONS_H_
#define DMFRAG_WORKER_CONVERT_RECORDING_OPERATIONS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dmfrag/v1/recording.pb.h"
#include "proto/recording/reader.h"
#include "proto/recording/requests.h"
#include "worker/experiment/recorded_work.h"
#include "worker/workload/operation.h"
#include "worker/workload/recorded_user.h"
#include "worker/workload/sim_time.h"

namespace dmfrag::convert {

// How a recording is run through.
struct RecordingPace {
  uint32_t loops = 1;
  uint64_t speed_thousandths = 1000;
};

// The users of a recording, by number. Errors: kInvalidArgument if it has none, or one is of a kind that is not known.
absl::StatusOr<std::vector<workload::RecordedUser>> UsersOfRecording(const v1::RecordingEnd& end);

// How long the run is: each round lasts from the first event's microsecond to the end of the last one's.
uint64_t DurationOfRecording(const v1::RecordingEnd& end, const RecordingPace& pace);

// The requests of a recording as operations: each block is an object with one allocation. Objects count from 0 in every
// round, plus the blocks of the rounds before. A round begins with the ends of the blocks that the one before has left,
// in the order in which they were allocated; what was held before the recording ends in the first round alone.
// Thread-compatible. Memory: a record for each block in use.
class RecordingOperations final : public workload::OperationSource {
 public:
  // Reads the recording once; borrows it. Operations name users from `first_user` on; those of blocks held before,
  // which held() has, from `first_held_user` on. Errors: as RequestStream.
  static absl::StatusOr<std::unique_ptr<RecordingOperations>> Create(recording::Reader* reader,
                                                                     const RecordingPace& pace, uint32_t first_user,
                                                                     uint32_t first_held_user);

  std::optional<workload::Operation> Next() override;

  // Why the operations ended before the recording did; OK if they did not.
  const absl::Status& status() const { return status_; }
  std::vector<experiment::HeldBlock> held() const;
  const recording::RequestTotals& totals() const { return totals_; }

 private:
  // A block in use.
  struct Block {
    uint32_t user = 0;
    uint8_t order = 0;
    uint8_t migratetype = 0;
    uint16_t cpu = 0;
  };

  RecordingOperations(recording::Reader* reader, const RecordingPace& pace, uint32_t first_user,
                      uint32_t first_held_user)
      : reader_(reader), pace_(pace), first_user_(first_user), first_held_user_(first_held_user) {}

  workload::SimTime TimeOf(uint64_t recorded_us) const;
  workload::Operation EndOf(uint64_t number, const Block& block, uint64_t recorded_us, uint16_t cpu) const;
  bool StartRound();
  std::optional<workload::Operation> Convert(const recording::Request& request);

  recording::Reader* reader_;
  RecordingPace pace_;
  uint32_t first_user_;
  uint32_t first_held_user_;
  std::unique_ptr<recording::RequestStream> requests_;
  recording::RequestTotals totals_;
  uint64_t round_ = 0;
  uint64_t round_us_ = 1;      // of recorded time
  uint64_t first_object_ = 0;  // of this round
  uint64_t next_block_ = 0;    // above every block of this round
  // By number. Its order reaches no result: what is left of a round is sorted.
  absl::flat_hash_map<uint64_t, Block> live_;
  std::vector<workload::Operation> left_;  // of the round before, the next at the end
  absl::Status status_;
};

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_RECORDING_OPERATIONS_H_
