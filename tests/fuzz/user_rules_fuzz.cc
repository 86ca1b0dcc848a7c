// Any bytes as rules of users: an error, or rules that know the users of any origin.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "client/recording/user_rules.h"
#include "dmfrag/v1/recording.pb.h"

namespace {

using dmfrag::v1::RecordingOrigin;

std::vector<RecordingOrigin> Origins() {
  std::vector<RecordingOrigin> origins(3);
  origins[0].set_comm("kworker/0:1");
  origins[0].set_gfp_flags("GFP_KERNEL|__GFP_ZERO");
  origins[0].set_migratetype(2);
  origins[0].add_stack("bpf_prog_pack_alloc");
  origins[0].add_stack("vmalloc");
  origins[1].set_comm("[a");
  origins[1].set_gfp_flags("GFP_HIGHUSER_MOVABLE");
  origins[1].set_migratetype(1);
  return origins;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dmfrag;
  const auto rules = client::UserRules::Parse({reinterpret_cast<const char*>(data), size}, "users.yaml");
  if (!rules.ok()) {
    if (rules.status().message().empty()) std::abort();
    return 0;
  }
  static const auto& origins = *new std::vector<RecordingOrigin>(Origins());
  v1::RecordingEnd end;
  rules->Classify(origins, end);
  if (end.users().empty() || end.origin_users_size() != static_cast<int>(origins.size())) std::abort();
  for (const v1::OriginUsers& users : end.origin_users()) {
    const uint32_t most = std::max({users.unchanged(), users.not_present(), users.read_only(), users.other()});
    if (most >= static_cast<uint32_t>(end.users_size())) std::abort();
  }
  return 0;
}
