#ifndef DMFRAG_WORKER_POLICY_GROUPED_CACHE_H_
#define DMFRAG_WORKER_POLICY_GROUPED_CACHE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "worker/model/machine.h"
#include "worker/model/table_page_source.h"
#include "worker/model/units.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/grouped_pages.h"
#include "worker/policy/interface.h"

namespace dmfrag::policy {

// A cache type that consists of instances of GroupedPages, and says which of them serves whom. It does what all such
// types do alike: free paths, page tables of the direct map out of the cache, nodes, the shrinker.
class GroupedCache : public CacheType {
 public:
  GroupedCache(const GroupedCache&) = delete;
  GroupedCache& operator=(const GroupedCache&) = delete;
  ~GroupedCache() override;

  std::string name() const override { return name_; }
  std::optional<CachedPage> Allocate(const PageRequest& request) override;
  model::Order max_order() const override { return shape_.max_order; }
  PageState StateOnAllocate(const CacheUser& user) const override;
  PageState StateOnFree(const CacheUser& user) const override;
  void Free(model::FrameNumber block, model::Order order, const CacheUser& user, PageState is) override;
  bool checks_frees() const override;
  bool DivertFree(model::FrameNumber block, model::Order order) override;
  model::FrameCount Shrink(model::FrameCount at_most) override;
  model::FrameCount shrink_below() const override { return shrink_below_; }
  model::FrameCount idle_pages() const override;
  void SetLivePages(LiveCachedPages* live) override { live_ = live; }
  absl::Status CheckInvariants() const override;

 protected:
  // What makes a type of it.
  struct Shape {
    model::Order max_order = model::Order(0);
    bool by_user = false;         // an instance for each user, instead of one for all
    bool takes_ordinary = false;  // ordinary pages of marked pageblocks are taken when they are freed
    bool checks_cost = true;      // the page allocator has to look for what it did not know before
    bool has_shrinker = true;
    GroupedPages::Rules rules = {};
    std::function<std::unique_ptr<IdlePages>()> make_idle = {};
    std::function<std::unique_ptr<BlockSource>()> make_source = {};
  };
  // Mark of pageblocks that GroupedPages::Rules names.
  static constexpr uint8_t kMark = 1;  // PB_pte_mapped and its like

  // Borrows `machine`.
  GroupedCache(std::string name, model::Machine* machine, const CacheOptions& options, Shape shape);

  // Rules that follow from options alone.
  static GroupedPages::Rules RulesFrom(const CacheOptions& options);

  model::Machine& machine() const { return *machine_; }
  // The instance of a user, for a node.
  GroupedPages& PagesOf(const CacheUser& user, uint32_t node);

 private:
  // Page tables of splits are one more user: whoever takes one while a refill is under way has no other way than to
  // ask the page allocator.
  class Tables final : public model::TablePageSource {
   public:
    explicit Tables(GroupedCache* cache) : cache_(cache) {}
    std::optional<model::FrameNumber> TakeTable(model::MapLevel level, model::FrameNumber first) override;
    void ReturnTable(model::FrameNumber table) override;

   private:
    GroupedCache* cache_;
  };
  struct Key {
    uint32_t user = 0;
    uint32_t node = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  // The instance that a page of this user's came from; null: none.
  GroupedPages* SourceOf(model::FrameNumber page);
  // Of the longest list that has some to give.
  model::FrameCount ShrinkLongest(model::FrameCount at_most);

  const std::string name_;
  model::Machine* machine_;
  const CacheOptions options_;
  const Shape shape_;
  model::FrameCount shrink_below_;
  LiveCachedPages* live_ = nullptr;
  std::map<Key, GroupedPages> pages_;
  Tables tables_{this};
  bool at_work_ = false;  // an allocation of the cache's is under way
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_GROUPED_CACHE_H_
