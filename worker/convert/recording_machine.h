#ifndef DMFRAG_WORKER_CONVERT_RECORDING_MACHINE_H_
#define DMFRAG_WORKER_CONVERT_RECORDING_MACHINE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dmfrag/v1/recording.pb.h"
#include "worker/experiment/boot_snapshot.h"
#include "worker/model/units.h"
#include "worker/workload/random.h"

namespace dmfrag::convert {

// A machine as a recording's snapshot has it, and what had to be drawn for it; a sentence each.
struct RecordedMachine {
  experiment::BootSnapshot snapshot;
  std::vector<std::string> limitations;
};

// Of what the snapshot does not say, `random` draws, and the same gives the same:
// - without `direct_map`, the boot rule's map, in which as many 1G and 2M entries, each as likely as any other, are
// split
//   as meminfo's DirectMap lines have fewer of them;
// - without pagetypeinfo, but with buddyinfo of one node: of each zone's pageblocks one in eight is unmovable and one
// in
//   16 reclaimable, and so are its free blocks below a pageblock's size; larger ones are movable.
// Frames and list order are drawn by whoever starts from it (StartFrom). Errors: kInvalidArgument if neither usable
// memory nor meminfo is there, or neither pagetypeinfo nor buddyinfo, or a text is not what the kernel prints.
absl::StatusOr<RecordedMachine> MachineOfRecording(const v1::MachineSnapshot& machine, workload::Random random);

// The number behind `name` and blanks, or a colon and blanks, at the beginning of a line; nullopt: there is none. For
// /proc/meminfo (KiB) and /proc/vmstat.
std::optional<int64_t> LineValue(std::string_view text, std::string_view name);

// Free blocks by order, all zones and nodes, as /proc/buddyinfo prints them. nullopt: it is not such a text.
std::optional<std::array<int64_t, model::kOrders>> BuddyInfoTotals(std::string_view text);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_RECORDING_MACHINE_H_
