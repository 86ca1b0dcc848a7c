#include "worker/convert/cache_from_proto.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::convert {
namespace {

using policy::CacheOptions;

absl::Status NoChoice(const char* option) {
  return absl::InvalidArgumentError(absl::StrCat("cache: ", option, " has a value that is not known"));
}

absl::StatusOr<CacheOptions::Restore> From(v1::RestorePolicy restore) {
  switch (restore) {
    case v1::RESTORE_POLICY_NEVER:
      return CacheOptions::Restore::kNever;
    case v1::RESTORE_POLICY_ON_SHRINK:
      return CacheOptions::Restore::kOnShrink;
    case v1::RESTORE_POLICY_ON_COALESCE:
      return CacheOptions::Restore::kOnCoalesce;
    case v1::RESTORE_POLICY_COLLAPSE:
      return CacheOptions::Restore::kCollapse;
    default:
      return NoChoice("restore");
  }
}

absl::StatusOr<CacheOptions::Placement> From(v1::Placement placement) {
  switch (placement) {
    case v1::PLACEMENT_ANY:
      return CacheOptions::Placement::kAny;
    case v1::PLACEMENT_PREFER_SPLIT_GIB:
      return CacheOptions::Placement::kPreferSplitGib;
    case v1::PLACEMENT_BOUNDED_REGION:
      return CacheOptions::Placement::kBoundedRegion;
    default:
      return NoChoice("placement");
  }
}

absl::StatusOr<CacheOptions::Entry> From(v1::CachedEntry entry) {
  switch (entry) {
    case v1::CACHED_ENTRY_RW_4K:
      return CacheOptions::Entry::kRw4K;
    case v1::CACHED_ENTRY_NOT_PRESENT:
      return CacheOptions::Entry::kNotPresent;
    case v1::CACHED_ENTRY_NOT_PRESENT_2M:
      return CacheOptions::Entry::kNotPresent2M;
    case v1::CACHED_ENTRY_MAPPED:
      return CacheOptions::Entry::kMapped;
    default:
      return NoChoice("cached_entry");
  }
}

absl::StatusOr<CacheOptions::FreePath> From(v1::FreePath path) {
  switch (path) {
    case v1::FREE_PATH_DIVERT:
      return CacheOptions::FreePath::kDivert;
    case v1::FREE_PATH_DEDICATED_API:
      return CacheOptions::FreePath::kDedicatedApi;
    case v1::FREE_PATH_BACK_POINTER:
      return CacheOptions::FreePath::kBackPointer;
    case v1::FREE_PATH_GATHER_BATCH:
      return CacheOptions::FreePath::kGatherBatch;
    default:
      return NoChoice("free_path");
  }
}

absl::StatusOr<CacheOptions::AtomicMiss> From(v1::AtomicMiss miss) {
  switch (miss) {
    case v1::ATOMIC_MISS_DENY:
      return CacheOptions::AtomicMiss::kDeny;
    case v1::ATOMIC_MISS_RESERVE:
      return CacheOptions::AtomicMiss::kReserve;
    case v1::ATOMIC_MISS_SINGLE_PAGE:
      return CacheOptions::AtomicMiss::kSinglePage;
    default:
      return NoChoice("atomic_miss");
  }
}

// The options that `type` has, whichever type it is: an option has one name in all of them.
template <typename Type>
absl::StatusOr<CacheOptions> OptionsFrom(const Type& type) {
  CacheOptions options;
  if constexpr (requires { type.table_source(); }) {
    options.tables_from_cache = type.table_source() == v1::TABLE_SOURCE_CACHE;
  }
  if constexpr (requires { type.refill_order(); }) options.refill_order = model::Order(type.refill_order());
  if constexpr (requires { type.shrink_below_free_per_mille(); }) {
    options.shrink_below_free_per_mille = type.shrink_below_free_per_mille();
  }
  if constexpr (requires { type.restore(); }) {
    ASSIGN_OR_RETURN(options.restore, From(type.restore()));
    options.restore_global = type.restore_global();
  }
  if constexpr (requires { type.placement(); }) {
    ASSIGN_OR_RETURN(options.placement, From(type.placement()));
    options.region_per_mille = type.region_per_mille();
  }
  if constexpr (requires { type.cached_entry(); }) {
    ASSIGN_OR_RETURN(options.entry, From(type.cached_entry()));
  }
  if constexpr (requires { type.free_path(); }) {
    ASSIGN_OR_RETURN(options.free_path, From(type.free_path()));
  }
  if constexpr (requires { type.atomic_miss(); }) {
    ASSIGN_OR_RETURN(options.atomic_miss, From(type.atomic_miss()));
  }
  if constexpr (requires { type.atomic_reserve_pages(); }) options.atomic_reserve_pages = type.atomic_reserve_pages();
  if constexpr (requires { type.per_node(); }) options.per_node = type.per_node();
  if constexpr (requires { type.prepopulate(); }) options.prepopulate = type.prepopulate();
  if constexpr (requires { type.draft_refill_defect(); }) options.draft_refill_defect = type.draft_refill_defect();
  if constexpr (requires { type.category_two_batch(); }) {
    options.category_two_batch = type.category_two_batch();
    options.category_two_high = type.category_two_high();
  }
  return options;
}

// What `visit` makes of the type that is set, whichever that is.
template <typename Visit>
auto VisitType(const v1::CacheSpec& cache, const Visit& visit) -> decltype(visit(cache.none())) {
  switch (cache.type_case()) {
    case v1::CacheSpec::kNone:
      return visit(cache.none());
    case v1::CacheSpec::kDebugPagealloc:
      return visit(cache.debug_pagealloc());
    case v1::CacheSpec::kGlobal:
      return visit(cache.global());
    case v1::CacheSpec::kPerUser:
      return visit(cache.per_user());
    case v1::CacheSpec::kMigratetype:
      return visit(cache.migratetype());
    case v1::CacheSpec::kUnmappedBuddy:
      return visit(cache.unmapped_buddy());
    case v1::CacheSpec::kHierarchical:
      return visit(cache.hierarchical());
    case v1::CacheSpec::kRoxPack:
      return visit(cache.rox_pack());
    case v1::CacheSpec::kFreetype:
      return visit(cache.freetype());
    case v1::CacheSpec::TYPE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("cache: is required; for example none or global");
}

absl::StatusOr<model::TableSourceKind> From(v1::TableSource source) {
  switch (source) {
    case v1::TABLE_SOURCE_BUDDY:
    case v1::TABLE_SOURCE_CACHE:
      return model::TableSourceKind::kBuddy;
    case v1::TABLE_SOURCE_BOOT_RESERVE:
      return model::TableSourceKind::kBootReserve;
    case v1::TABLE_SOURCE_GROUPED:
      return model::TableSourceKind::kGrouped;
    default:
      return NoChoice("table_source");
  }
}

}  // namespace

absl::StatusOr<policy::CacheConfig> CacheFrom(const v1::CacheSpec& cache) {
  absl::StatusOr<CacheOptions> options = VisitType(cache, [](const auto& type) { return OptionsFrom(type); });
  if (!options.ok()) return options.status();
  const auto* type = v1::CacheSpec::descriptor()->FindFieldByNumber(cache.type_case());
  return policy::CacheConfig{.type = std::string(type->name()), .options = *options};
}

absl::StatusOr<model::TableSourceKind> TableSourceFrom(const v1::CacheSpec& cache) {
  return VisitType(cache, [](const auto& type) -> absl::StatusOr<model::TableSourceKind> {
    if constexpr (requires { type.table_source(); }) return From(type.table_source());
    return model::TableSourceKind::kBuddy;  // nothing is ever split
  });
}

}  // namespace dmfrag::convert
