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

// A server over months, to age a machine with: what lives for hours and days, and what passes through. Written for 4
// GiB; for N times as much memory, inherit it with `rate: N`. All figures are guesses but the shape: a machine's memory
// is full after days, page cache has most of it, the kernel's own pages are a tenth and come and go slowly (Mel Gorman
// and Andy Whitcroft, "The What, The Why and the Where To of Anti-Fragmentation", OLS 2006: movable, reclaimable and
// unmovable allocations differ in how long they stay, which is what fragments). In 4K pages, rate x mean size x mean
// life:
//   services    1/580 s  x 775  x 2 days  = 231,000   jobs     1/240 s x 136 x 12 h     = 24,500
//   slab        1/20 s   x 8.5  x 1 day   =  36,700   inodes   1/20 s  x 8.5 x 1 day    = 36,700
//   threads     1/160 s  x 4    x 1 day   =   2,200   huge-pages 1/7200 s x 512 x 1 day =  6,100
//   page cache: 3 pages a second, what others leave: full after two days.
// Short-lived traffic is thinned: of the thousands of pages a second that live for milliseconds and seconds the mix has
// one (`passing`). Such a page leaves a trace only while it is there, by forcing a longer-lived one aside; how much of
// it passes changes little (worker/convert/ageing_test.cc doubles it).
constexpr char kServerMonths[] = R"pb(
  users {
    name: "services"
    ordinary {
      migratetype: MIGRATETYPE_MOVABLE
      interval_us { exponential { mean: 580000000 } }
      size_allocations { lognormal { median: 256 p99: 8192 max: 65536 } }
      lifetime_us { exponential { mean: 172800000000 } }
    }
  }
  users {
    name: "jobs"
    ordinary {
      migratetype: MIGRATETYPE_MOVABLE
      interval_us { exponential { mean: 240000000 } }
      size_allocations { uniform { min: 16 max: 256 } }
      lifetime_us { exponential { mean: 43200000000 } }
    }
  }
  users {
    name: "slab"
    ordinary {
      migratetype: MIGRATETYPE_UNMOVABLE
      interval_us { exponential { mean: 20000000 } }
      size_allocations { uniform { min: 1 max: 16 } }
      lifetime_us { exponential { mean: 86400000000 } }
    }
  }
  users {
    name: "inodes"
    ordinary {
      migratetype: MIGRATETYPE_RECLAIMABLE
      interval_us { exponential { mean: 20000000 } }
      size_allocations { uniform { min: 1 max: 16 } }
      lifetime_us { exponential { mean: 86400000000 } }
    }
  }
  users {
    name: "threads"
    ordinary {
      migratetype: MIGRATETYPE_UNMOVABLE
      order: 2
      interval_us { exponential { mean: 160000000 } }
      size_allocations { constant { value: 1 } }
      lifetime_us { exponential { mean: 86400000000 } }
    }
  }
  users {
    name: "huge-pages"
    ordinary {
      migratetype: MIGRATETYPE_MOVABLE
      order: 9
      interval_us { exponential { mean: 7200000000 } }
      size_allocations { constant { value: 1 } }
      lifetime_us { exponential { mean: 86400000000 } }
    }
  }
  users {
    name: "passing"
    ordinary {
      migratetype: MIGRATETYPE_UNMOVABLE
      interval_us { exponential { mean: 10000000 } }
      size_allocations { uniform { min: 1 max: 16 } }
      lifetime_us { exponential { mean: 10000000 } }
    }
  }
  users {
    name: "files"
    page_cache {
      interval_us { exponential { mean: 5333333 } }
      size_pages { exponential { mean: 16 } }
    }
  }
)pb";

const std::map<std::string, const char*>& Presets() {
  static const auto& presets =
      *new std::map<std::string, const char*>{{"secretmem", kSecretmem}, {"server-months", kServerMonths}};
  return presets;
}

}  // namespace

absl::StatusOr<v1::Mix> PresetMix(const std::string& name, const std::string& field) {
  const auto found = Presets().find(name);
  if (found == Presets().end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": no preset \"", name, "\"; there are: ", absl::StrJoin(PresetNames(), ", ")));
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
