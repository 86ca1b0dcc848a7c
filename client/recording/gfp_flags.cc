#include "client/recording/gfp_flags.h"

#include <map>

#include "absl/strings/str_split.h"

namespace dmfrag::client {
namespace {

// Single flags, in no order that matters. __GFP_SKIP_KASAN is new in 6.x, and was two flags before.
constexpr const char* kSingleFlags[] = {
    "__GFP_DMA",
    "__GFP_HIGHMEM",
    "__GFP_DMA32",
    "__GFP_MOVABLE",
    "__GFP_RECLAIMABLE",
    "__GFP_HIGH",
    "__GFP_IO",
    "__GFP_FS",
    "__GFP_ZERO",
    "__GFP_ATOMIC",
    "__GFP_DIRECT_RECLAIM",
    "__GFP_KSWAPD_RECLAIM",
    "__GFP_WRITE",
    "__GFP_NOWARN",
    "__GFP_RETRY_MAYFAIL",
    "__GFP_NOFAIL",
    "__GFP_NORETRY",
    "__GFP_MEMALLOC",
    "__GFP_COMP",
    "__GFP_NOMEMALLOC",
    "__GFP_HARDWALL",
    "__GFP_THISNODE",
    "__GFP_ACCOUNT",
    "__GFP_ZEROTAGS",
    "__GFP_SKIP_ZERO",
    "__GFP_SKIP_KASAN",
    "__GFP_SKIP_KASAN_POISON",
    "__GFP_SKIP_KASAN_UNPOISON",
    "__GFP_NOLOCKDEP",
    "__GFP_NO_OBJ_EXT",
};

struct CombinedFlags {
  const char* name;
  const char* flags;
};

// What each name stands for. Those behind it are single flags or names above it. The kernel's GFP_TRANSHUGE_LIGHT is
// without __GFP_RECLAIM, and GFP_HIGHUSER_MOVABLE with __GFP_SKIP_KASAN on kernels that have it: flags that change
// nothing of what a page is for are left out.
constexpr CombinedFlags kCombinedFlags[] = {
    {"__GFP_RECLAIM", "__GFP_DIRECT_RECLAIM|__GFP_KSWAPD_RECLAIM"},
    {"GFP_ATOMIC", "__GFP_HIGH|__GFP_KSWAPD_RECLAIM"},
    {"GFP_KERNEL", "__GFP_RECLAIM|__GFP_IO|__GFP_FS"},
    {"GFP_KERNEL_ACCOUNT", "GFP_KERNEL|__GFP_ACCOUNT"},
    {"GFP_NOWAIT", "__GFP_KSWAPD_RECLAIM"},
    {"GFP_NOIO", "__GFP_RECLAIM"},
    {"GFP_NOFS", "__GFP_RECLAIM|__GFP_IO"},
    {"GFP_USER", "__GFP_RECLAIM|__GFP_IO|__GFP_FS|__GFP_HARDWALL"},
    {"GFP_DMA", "__GFP_DMA"},
    {"GFP_DMA32", "__GFP_DMA32"},
    {"GFP_HIGHUSER", "GFP_USER|__GFP_HIGHMEM"},
    {"GFP_HIGHUSER_MOVABLE", "GFP_HIGHUSER|__GFP_MOVABLE"},
    {"GFP_TRANSHUGE_LIGHT",
     "__GFP_IO|__GFP_FS|__GFP_HARDWALL|__GFP_HIGHMEM|__GFP_MOVABLE|__GFP_COMP|__GFP_NOMEMALLOC|__GFP_NOWARN"},
    {"GFP_TRANSHUGE", "GFP_TRANSHUGE_LIGHT|__GFP_DIRECT_RECLAIM"},
};

using FlagMap = std::map<std::string, GfpFlags, std::less<>>;

GfpFlags Combine(const FlagMap& known, std::string_view text) {
  GfpFlags flags = 0;
  for (const absl::string_view name : absl::StrSplit(absl::string_view(text.data(), text.size()), '|')) {
    const auto found = known.find(std::string_view(name.data(), name.size()));
    if (found != known.end()) flags |= found->second;
  }
  return flags;
}

FlagMap MakeFlags() {
  FlagMap flags;
  GfpFlags bit = 1;
  for (const char* name : kSingleFlags) {
    flags[name] = bit;
    bit <<= 1;
  }
  for (const CombinedFlags& combined : kCombinedFlags) flags[combined.name] = Combine(flags, combined.flags);
  return flags;
}

const FlagMap& Flags() {
  static const auto& flags = *new FlagMap(MakeFlags());
  return flags;
}

std::vector<std::string> MakeNames() {
  std::vector<std::string> names(std::begin(kSingleFlags), std::end(kSingleFlags));
  for (const CombinedFlags& combined : kCombinedFlags) names.push_back(combined.name);
  return names;
}

}  // namespace

std::optional<GfpFlags> GfpFlagsOfName(std::string_view name) {
  const auto found = Flags().find(name);
  if (found == Flags().end()) return std::nullopt;
  return found->second;
}

GfpFlags GfpFlagsOfText(std::string_view text) { return Combine(Flags(), text); }

const std::vector<std::string>& GfpFlagNames() {
  static const auto& names = *new std::vector<std::string>(MakeNames());
  return names;
}

}  // namespace dmfrag::client
