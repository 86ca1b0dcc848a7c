#ifndef DMFRAG_CLIENT_CAPTURE_DIRECT_MAP_READER_H_
#define DMFRAG_CLIENT_CAPTURE_DIRECT_MAP_READER_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/capture/system_files.h"
#include "dmfrag/v1/recording.pb.h"

namespace dmfrag::client {

// The direct map of frames below `end_bytes`, by walking the kernel's own page tables (init_top_pgt, 4 or 5 levels)
// through /proc/kcore, with the addresses of /proc/kallsyms. The tables may change meanwhile: a leaf that is split
// while it is read appears as it was before or after. Errors: any; the text is a reason and a remedy.
absl::StatusOr<std::vector<v1::DirectMapRun>> ReadDirectMap(const SystemFiles& files, uint64_t end_bytes);

// Whether the runs agree with the lines DirectMap4k, 2M and 1G of /proc/meminfo. Those count splits of the kernel's
// image too, so a few leaves may differ. Errors: kFailedPrecondition if not; the text gives both figures.
absl::Status CheckDirectMap(const std::vector<v1::DirectMapRun>& runs, std::string_view meminfo);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_DIRECT_MAP_READER_H_
