#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_RECORDING_SINK_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_RECORDING_SINK_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "worker/experiment/free_running/step_expansion.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::experiment {

// For tests: a kernel that keeps what it was asked for, and expects that only what is in use is freed, and that pages
// are shown before. It has 100,000 frames.
class RecordingSink : public RequestSink {
 public:
  struct Request {
    model::Order order;
    model::Migratetype type;
    uint32_t cpu;
  };

  std::optional<PageId> Allocate(model::Order order, model::Migratetype type, uint32_t cpu) override {
    if (frames_left_ < order.frames()) return std::nullopt;
    frames_left_ -= order.frames();
    requests.push_back({order, type, cpu});
    const auto id = static_cast<PageId>(requests.size() - 1);
    live.insert(id);
    return id;
  }
  void Free(PageId page, uint32_t) override {
    EXPECT_EQ(live.erase(page), 1);
    EXPECT_FALSE(hidden.contains(page));
    frames_left_ += requests[page].order.frames();
  }
  std::vector<PageId> AllocateArea(uint64_t pages, uint32_t cpu) override {
    std::vector<PageId> area;
    while (area.size() < pages) {
      const auto page = Allocate(model::Order(0), model::Migratetype::kUnmovable, cpu);
      if (!page.has_value()) break;
      area.push_back(*page);
    }
    return area;
  }
  void HidePage(PageId page, uint32_t) override { EXPECT_TRUE(hidden.insert(page).second); }
  void ShowPage(PageId page, uint32_t) override { EXPECT_EQ(hidden.erase(page), 1); }
  model::FrameCount FreeFrames() const override { return frames_left_; }
  void CompactAll() override { ++compactions; }

  uint64_t Count(unsigned order, model::Migratetype type) const {
    return static_cast<uint64_t>(std::count_if(requests.begin(), requests.end(), [&](const Request& request) {
      return request.order == model::Order(order) && request.type == type;
    }));
  }

  std::vector<Request> requests;  // by PageId
  std::set<PageId> live;
  std::set<PageId> hidden;
  int compactions = 0;

 private:
  model::FrameCount frames_left_{100000};
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_RECORDING_SINK_H_
