#include "proto/support/preset.h"

#include <map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/text_format.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag {
namespace {

// Secret areas over a small server's ordinary traffic. All rates are guesses, chosen so that the long-run live pages
// (rate x mean size x mean life) come to about 200,000 4K pages, 780 MiB: three quarters of a 1 GiB machine, a fifth of
// 4 GiB.
//   secretmem 50/s x 32.5 pages x 20 s =  32,500     anon 50/s x 256 x 8 s = 102,400     file 20/s x 136 x 15 s =
//   40,800 slab     500/s x 2.5 pages x 10 s =  12,500     dentry 250/s x 1.5 x 30 s = 11,250
constexpr char kSecretmem[] = R"pb(
  users {
    name: "secretmem"
    secretmem {}
  }
  users {
    name: "anon"
    ordinary {
      migratetype: MIGRATETYPE_MOVABLE
      interval_us { exponential { mean: 20000 } }
      size_allocations { uniform { min: 1 max: 511 } }
      lifetime_us { exponential { mean: 8000000 } }
    }
  }
  users {
    name: "file"
    ordinary {
      migratetype: MIGRATETYPE_MOVABLE
      interval_us { exponential { mean: 50000 } }
      size_allocations { uniform { min: 16 max: 256 } }
      lifetime_us { exponential { mean: 15000000 } }
    }
  }
  users {
    name: "slab"
    ordinary {
      migratetype: MIGRATETYPE_UNMOVABLE
      interval_us { exponential { mean: 2000 } }
      size_allocations { uniform { min: 1 max: 4 } }
      lifetime_us { exponential { mean: 10000000 } }
    }
  }
  users {
    name: "dentry"
    ordinary {
      migratetype: MIGRATETYPE_RECLAIMABLE
      interval_us { exponential { mean: 4000 } }
      size_allocations { uniform { min: 1 max: 2 } }
      lifetime_us { exponential { mean: 30000000 } }
    }
  }
)pb";

const std::map<std::string, const char*>& Presets() {
  static const auto& presets = *new std::map<std::string, const char*>{{"secretmem", kSecretmem}};
  return presets;
}

}  // namespace

absl::StatusOr<v1::Mix> PresetMix(const std::string& name) {
  const auto found = Presets().find(name);
  if (found == Presets().end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("workload.preset: no preset \"", name, "\"; there are: ", absl::StrJoin(PresetNames(), ", ")));
  }
  v1::Mix mix;
  CHECK(google::protobuf::TextFormat::ParseFromString(found->second, &mix));
  return mix;
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  for (const auto& [name, text] : Presets()) names.push_back(name);
  return names;
}

}  // namespace dmfrag
