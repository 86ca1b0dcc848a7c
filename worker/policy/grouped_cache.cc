#include "worker/policy/grouped_cache.h"

#include <algorithm>
#include <vector>

#include "third_party/abseil_extras/check.h"

namespace dmfrag::policy {

using model::FrameCount;
using model::FrameNumber;
using model::MapLevel;
using model::Migratetype;
using model::Order;
using FreePath = CacheOptions::FreePath;

namespace {

// Page tables of the direct map, told apart from those of processes, which are users of the mix.
constexpr CacheUser kTables = {.number = ~uint32_t{0} - 2, .category_two = true};

}  // namespace

std::optional<FrameNumber> GroupedCache::Tables::TakeTable(MapLevel, FrameNumber) {
  model::Machine& machine = *cache_->machine_;
  if (cache_->at_work_) {
    ++machine.account().refill_recursions;
    return machine.allocator().Allocate(Order(0), Migratetype::kUnmovable);
  }
  const std::optional<CachedPage> table = cache_->GroupedCache::Allocate({.user = kTables});
  if (!table.has_value()) return machine.allocator().Allocate(Order(0), Migratetype::kUnmovable);
  if (table->state == PageState::kMapped) return table->page;
  // It may need a split itself, whose table is the page allocator's.
  cache_->at_work_ = true;
  const bool is_mapped = machine.SetDirectMapDefaultNoflush(table->page, FrameCount(1)) == model::CpaOutcome::kDone;
  cache_->at_work_ = false;
  if (is_mapped) return table->page;
  cache_->GroupedCache::Free(table->page, Order(0), kTables, PageState::kNotPresent);
  return std::nullopt;
}

void GroupedCache::Tables::ReturnTable(FrameNumber table) {
  model::Machine& machine = *cache_->machine_;
  if (cache_->SourceOf(table) == nullptr) return machine.allocator().Free(table, Order(0));
  PageState is = PageState::kMapped;
  if (cache_->GroupedCache::StateOnFree(kTables) == PageState::kNotPresent) {
    is = PageState::kNotPresent;
    CHECK(machine.SetDirectMapInvalidNoflush(table, FrameCount(1)) == model::CpaOutcome::kDone);
    machine.FlushTlbKernelRange(FrameCount(1));
  }
  cache_->GroupedCache::Free(table, Order(0), kTables, is);
}

GroupedCache::GroupedCache(std::string name, model::Machine* machine, const CacheOptions& options, Shape shape)
    : name_(std::move(name)), machine_(machine), options_(options), shape_(std::move(shape)) {
  if (shape_.has_shrinker) {
    shrink_below_ =
        FrameCount(machine->allocator().managed_frames().raw() / 1000 * options.shrink_below_free_per_mille);
  }
  if (options.tables_from_cache) machine->SetTableSource(&tables_);
}

GroupedCache::~GroupedCache() {
  if (options_.tables_from_cache) machine_->SetTableSource(nullptr);
}

GroupedPages::Rules GroupedCache::RulesFrom(const CacheOptions& options) {
  return {.entry = options.entry,
          .restore = options.restore,
          .atomic_miss = options.atomic_miss,
          .atomic_reserve_pages = options.atomic_reserve_pages,
          .draft_refill_defect = options.draft_refill_defect};
}

GroupedPages& GroupedCache::PagesOf(const CacheUser& user, uint32_t node) {
  const Key key = {.user = shape_.by_user ? user.number : 0, .node = options_.per_node ? node : 0};
  const auto found = pages_.find(key);
  if (found != pages_.end()) return found->second;
  return pages_.try_emplace(key, machine_, shape_.make_idle(), shape_.make_source(), shape_.rules).first->second;
}

GroupedPages* GroupedCache::SourceOf(FrameNumber page) {
  for (auto& [key, pages] : pages_) {
    if (pages.Owns(page)) return &pages;
  }
  return nullptr;
}

std::optional<CachedPage> GroupedCache::Allocate(const PageRequest& request) {
  GroupedPages& pages = PagesOf(request.user, machine_->allocator().current_node());
  at_work_ = true;
  const std::optional<FrameNumber> page = pages.Take(request);
  at_work_ = false;
  if (!page.has_value()) return std::nullopt;
  return CachedPage{*page, pages.state()};
}

PageState GroupedCache::StateOnAllocate(const CacheUser&) const {
  const CacheOptions::Entry entry = shape_.rules.entry;
  const bool not_present = entry == CacheOptions::Entry::kNotPresent || entry == CacheOptions::Entry::kNotPresent2M;
  return not_present ? PageState::kNotPresent : PageState::kMapped;
}

PageState GroupedCache::StateOnFree(const CacheUser& user) const {
  return options_.free_path == FreePath::kGatherBatch ? PageState::kMapped : GroupedCache::StateOnAllocate(user);
}

void GroupedCache::Free(FrameNumber block, Order order, const CacheUser& user, PageState is) {
  GroupedPages* pages = SourceOf(block);
  CHECK(pages != nullptr);
  if (checks_frees() && shape_.checks_cost) ++machine_->account().free_checks;
  if (options_.free_path == FreePath::kGatherBatch && is == PageState::kMapped) return pages->Escape(block);
  CHECK(is == pages->state());
  pages->Put(block, order, user);
}

bool GroupedCache::checks_frees() const {
  return options_.free_path == FreePath::kDivert || options_.free_path == FreePath::kBackPointer;
}

bool GroupedCache::DivertFree(FrameNumber block, Order order) {
  if (order > shape_.max_order) return false;
  if (shape_.checks_cost) ++machine_->account().free_checks;
  const bool takes = shape_.takes_ordinary && options_.free_path == FreePath::kDivert &&
                     machine_->allocator().PageblockMark(block) == kMark;
  if (!takes) return false;
  machine_->allocator().SplitAllocated(block, order);
  GroupedPages& pages = PagesOf({}, machine_->allocator().NodeOf(block));
  for (FrameCount i; i < order.frames(); i += FrameCount(1)) {
    if (pages.Adopt(block + i, /*was_used=*/true)) {
      ++machine_->account().diverted_pages;
    } else {
      machine_->allocator().Free(block + i, Order(0));
    }
  }
  return true;
}

// A list may have nothing to give but its reserve, or what needs a split for which there is no memory.
FrameCount GroupedCache::ShrinkLongest(FrameCount at_most) {
  std::vector<GroupedPages*> longest_first;
  for (auto& [key, pages] : pages_) longest_first.push_back(&pages);
  std::ranges::stable_sort(longest_first, std::ranges::greater(), &GroupedPages::idle);
  for (GroupedPages* pages : longest_first) {
    if (const FrameCount given = pages->Shrink(at_most, live_); given > FrameCount(0)) return given;
  }
  return FrameCount(0);
}

FrameCount GroupedCache::Shrink(FrameCount at_most) {
  FrameCount given;
  while (shape_.has_shrinker && given < at_most) {
    const FrameCount more = ShrinkLongest(at_most - given);
    if (more == FrameCount(0)) break;
    given += more;
  }
  return given;
}

FrameCount GroupedCache::idle_pages() const {
  FrameCount idle;
  for (const auto& [key, pages] : pages_) idle += pages.idle();
  return idle;
}

absl::Status GroupedCache::CheckInvariants() const {
  for (const auto& [key, pages] : pages_) {
    if (absl::Status status = pages.CheckInvariants(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace dmfrag::policy
