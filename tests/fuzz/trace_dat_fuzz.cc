// Any bytes as a trace.dat: an error, or events whose file can be read. What came before an error can, too.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "client/recording/event_builder.h"
#include "client/recording/trace_dat.h"
#include "client/recording/user_rules.h"
#include "dmfrag/v1/recording.pb.h"
#include "proto/recording/writer.h"
#include "tests/fuzz/recording_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dmfrag;
  const int fd = memfd_create("trace.dat", MFD_CLOEXEC);
  if (fd < 0 || write(fd, data, size) != static_cast<ssize_t>(size) || lseek(fd, 0, SEEK_SET) != 0) std::abort();
  std::string file;
  const auto writer = recording::Writer::Create(
      [&file](std::string_view part) {
        file.append(part);
        return absl::OkStatus();
      },
      v1::RecordingStart());
  if (!writer.ok()) std::abort();
  client::EventBuilder builder(writer->get(), /*with_stacks=*/true, /*direct_map_address=*/{});
  const absl::Status read = client::ImportTraceDat(fd, "trace.dat", builder);
  close(fd);
  if (!read.ok() && read.message().empty()) std::abort();
  if (!builder.Finish().ok()) std::abort();
  v1::RecordingEnd end;
  client::UserRules::Default().Classify((*writer)->origins(), end);
  if (!(*writer)->Finish(end).ok() || !tests::ReadsRight(file)) std::abort();
  return 0;
}
