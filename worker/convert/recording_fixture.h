#ifndef DMFRAG_WORKER_CONVERT_RECORDING_FIXTURE_H_
#define DMFRAG_WORKER_CONVERT_RECORDING_FIXTURE_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "proto/recording/event.h"
#include "proto/recording/writer.h"
#include "proto/support/sha256.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/convert/capture_source.h"

namespace dmfrag::convert {

// For tests: files in memory, by their digests.
class FilesInMemory final : public CaptureSource {
 public:
  absl::StatusOr<std::string> ReadCapture(const std::string& sha256_hex) const override {
    const auto found = files_.find(sha256_hex);
    if (found == files_.end()) return absl::NotFoundError("no such capture");
    return found->second;
  }
  // Its digest.
  std::string Add(std::string bytes) {
    const std::string name = ToHex(Sha256(bytes));
    files_[name] = std::move(bytes);
    return name;
  }

 private:
  std::map<std::string, std::string> files_;
};

// One user of a recording: its name and kind, and the migratetype and GFP flags of its one origin.
struct FixtureUser {
  std::string name;
  std::string kind;
  uint32_t migratetype = 0;
};

// A recording of `events`, whose origins are the users, by number: whatever happens to a page stays with its user.
inline std::string RecordingOf(const std::vector<FixtureUser>& users, const std::vector<recording::Event>& events,
                               const v1::RecordingStart& start = {}, v1::RecordingEnd end = {}) {
  std::string bytes;
  const auto writer = recording::Writer::Create(
      [&](std::string_view part) {
        bytes.append(part);
        return absl::OkStatus();
      },
      start);
  EXPECT_OK(writer.status());
  for (uint32_t number = 0; number < users.size(); ++number) {
    v1::RecordingOrigin origin;
    origin.set_comm(users[number].name);
    origin.set_gfp_flags("GFP_KERNEL");
    origin.set_migratetype(users[number].migratetype);
    EXPECT_EQ((*writer)->OriginNumber(origin), number);
    v1::RecordingUser& user = *end.add_users();
    user.set_name(users[number].name);
    user.set_kind(users[number].kind);
    v1::OriginUsers& of_origin = *end.add_origin_users();
    of_origin.set_unchanged(number);
    of_origin.set_not_present(number);
    of_origin.set_read_only(number);
    of_origin.set_other(number);
  }
  for (const recording::Event& event : events) EXPECT_OK((*writer)->Add(event));
  EXPECT_OK((*writer)->Finish(end));
  return bytes;
}

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_RECORDING_FIXTURE_H_
