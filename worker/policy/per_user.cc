#include "worker/policy/per_user.h"

#include <set>

#include "absl/strings/str_cat.h"

namespace dmfrag::policy {

using model::FrameCount;
using model::FrameNumber;

// One user's list, before the whole cache.
class PerUserCache::Face final : public CacheType {
 public:
  explicit Face(PerUserCache* all) : all_(all), pages_(all->machine_, all->options_) {}

  std::string name() const override { return all_->name(); }
  std::optional<FrameNumber> Allocate(const PageRequest& request) override { return TakeFrom(pages_, request); }
  void Free(FrameNumber frame) override { pages_.Put(frame); }
  FrameCount Shrink(FrameCount at_most) override { return all_->Shrink(at_most); }
  FrameCount shrink_below() const override { return all_->shrink_below(); }
  FrameCount idle_pages() const override { return all_->idle_pages(); }
  absl::Status CheckInvariants() const override { return all_->CheckInvariants(); }

  GroupedPages& pages() { return pages_; }
  const GroupedPages& pages() const { return pages_; }

 private:
  PerUserCache* all_;
  GroupedPages pages_;
};

PerUserCache::PerUserCache(model::Machine* machine, const CacheOptions& options)
    : machine_(machine),
      options_{.refill_order = options.refill_order, .map_4k = false},
      shrink_below_(machine->allocator().managed_frames().raw() / 1000 * options.shrink_below_free_per_mille),
      shared_(machine, options_) {}

PerUserCache::~PerUserCache() = default;

CacheType& PerUserCache::ForUser(uint32_t user) {
  std::unique_ptr<Face>& face = faces_[user];
  if (face == nullptr) face = std::make_unique<Face>(this);
  return *face;
}

std::optional<FrameNumber> PerUserCache::TakeFrom(GroupedPages& pages, const PageRequest& request) {
  const std::optional<GroupedPages::Taken> taken = pages.Take(request.type);
  return taken.has_value() ? std::optional(taken->page) : std::nullopt;
}

GroupedPages& PerUserCache::Longest() {
  GroupedPages* longest = &shared_;
  for (const auto& [user, face] : faces_) {
    if (face->pages().idle().size() > longest->idle().size()) longest = &face->pages();
  }
  return *longest;
}

FrameCount PerUserCache::Shrink(FrameCount at_most) {
  FrameCount given;
  while (given < at_most) {
    const FrameCount more = Longest().FreeOldest(at_most - given);
    if (more == FrameCount(0)) break;
    given += more;
  }
  return given;
}

FrameCount PerUserCache::idle_pages() const {
  FrameCount idle(shared_.idle().size());
  for (const auto& [user, face] : faces_) idle += FrameCount(face->pages().idle().size());
  return idle;
}

absl::Status PerUserCache::CheckInvariants() const {
  std::set<FrameNumber> seen;
  const auto check = [&](const GroupedPages& pages) {
    for (const FrameNumber frame : pages.idle()) {
      const std::optional<model::DirectMap::Leaf> leaf = machine_->direct_map().Lookup(frame);
      const bool is_mapped = leaf.has_value() && leaf->flags.Has(model::EntryFlags::kPresent) &&
                             leaf->flags.Has(model::EntryFlags::kWritable);
      if (seen.insert(frame).second && is_mapped) continue;
      return absl::InternalError(
          absl::StrCat("cache per_user: idle frame ", frame.raw(), " is there twice, or not mapped RW"));
    }
    return absl::OkStatus();
  };
  absl::Status status = check(shared_);
  for (const auto& [user, face] : faces_) {
    if (status.ok()) status = check(face->pages());
  }
  return status;
}

}  // namespace dmfrag::policy
