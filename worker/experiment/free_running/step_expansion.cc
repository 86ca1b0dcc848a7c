#include "worker/experiment/free_running/step_expansion.h"

#include <algorithm>
#include <utility>

#include "worker/workload/words.h"

namespace dmfrag::experiment {
namespace {

using model::Migratetype;
using model::Order;

constexpr uint64_t kPagesPerTable = 512;
constexpr uint64_t kPagesPerNode = 64;  // XA_CHUNK_SIZE
// Objects and order of a slab. Guesses from the sizes of the structures (radix_tree_node 576 bytes, shmem_inode_cache
// about 768, dentry 192); no capture holds a slabinfo. All three are SLAB_RECLAIM_ACCOUNT.
constexpr Order kNodeSlab{2};
constexpr uint32_t kNodesPerSlab = 28;
constexpr Order kInodeSlab{2};
constexpr uint32_t kInodesPerSlab = 21;
constexpr Order kEntrySlab{0};
constexpr uint32_t kEntriesPerSlab = 21;
// Guess: sockets with their inodes, about 4 KiB each, and files.
constexpr Order kSocketSlab{3};
constexpr uint32_t kSocketsPerSlab = 8;
constexpr Order kFileSlab{0};
constexpr uint32_t kFilesPerSlab = 16;
// Guesses of what the recorder's churn does: half of its operations free, a third of its areas are secret.
constexpr uint64_t kChurnFreePercent = 50;
constexpr uint64_t kChurnSecretPercent = 33;
constexpr uint64_t kParallelChurnLive = 8;
// No capture's machine has more pages; a larger count is damage.
constexpr uint64_t kMaxCount = uint64_t{1} << 34;

// The number that is word `index`.
std::optional<uint64_t> Number(const std::vector<std::string_view>& words, size_t index) {
  const auto value = index < words.size() ? workload::NumberOf<uint64_t>(words[index]) : std::nullopt;
  return value > kMaxCount ? std::nullopt : value;
}

std::string ThreadName(std::string_view name, uint64_t thread) {
  return std::string(name) + "." + std::to_string(thread);
}

}  // namespace

void SlabCache::Add(RequestSink* sink, uint32_t cpu) {
  if (live_ == room_) {
    if (!sink->Allocate(order_, type_, cpu).has_value()) return;
    room_ += objects_per_slab_;
  }
  ++live_;
}

StepExpander::StepExpander(RequestSink* sink, uint32_t cpus, workload::Random random)
    : sink_(sink),
      cpus_(cpus),
      random_(random),
      nodes_(kNodeSlab, Migratetype::kReclaimable, kNodesPerSlab),
      inodes_(kInodeSlab, Migratetype::kReclaimable, kInodesPerSlab),
      entries_(kEntrySlab, Migratetype::kReclaimable, kEntriesPerSlab),
      sockets_(kSocketSlab, Migratetype::kUnmovable, kSocketsPerSlab),
      socket_files_(kFileSlab, Migratetype::kUnmovable, kFilesPerSlab) {}

bool StepExpander::Apply(std::string_view action) {
  using Expansion = bool (StepExpander::*)(const Words&);
  static constexpr std::pair<std::string_view, Expansion> kExpansions[] = {
      {"secret", &StepExpander::Secret},      {"psecret", &StepExpander::ParallelSecret},
      {"pfree", &StepExpander::ParallelFree}, {"anon", &StepExpander::Anon},
      {"anonpfn", &StepExpander::Anon},       {"anonthp", &StepExpander::HugeAnon},
      {"anonfill", &StepExpander::FillAnon},  {"apunch", &StepExpander::Punch},
      {"files", &StepExpander::MakeFiles},    {"socks", &StepExpander::Sockets},
      {"freepct", &StepExpander::FreeShare},  {"free", &StepExpander::FreeAll},
      {"churn", &StepExpander::Churn},        {"pchurn", &StepExpander::ParallelChurn},
  };
  const Words words = workload::WordsOf(action);
  if (words.empty()) return false;
  if (words[0] == "pin") {
    const auto cpu = Number(words, 1);
    cpu_ = cpu.has_value() && *cpu < cpus_ ? static_cast<uint32_t>(*cpu) : 0;
    return true;
  }
  if (words[0] == "write" && words.size() > 1 && words[1] == "/proc/sys/vm/compact_memory") {
    sink_->CompactAll();
    return true;
  }
  for (const auto& [name, expansion] : kExpansions) {
    if (words[0] == name) return words.size() > 1 && (this->*expansion)(words);
  }
  return false;
}

bool StepExpander::Touch(Area* area, Migratetype type) {
  if (area->touched % kPagesPerTable == 0) {
    const auto table = sink_->Allocate(Order(0), Migratetype::kUnmovable, area->cpu);
    if (!table.has_value()) return false;
    area->tables.push_back(*table);
  }
  if (area->secret && area->touched % kPagesPerNode == 0) {
    nodes_.Add(sink_, area->cpu);
    ++area->nodes;
  }
  const auto page = sink_->Allocate(Order(0), type, area->cpu);
  if (!page.has_value()) return false;
  if (area->secret) sink_->HidePage(*page, area->cpu);
  area->pages.push_back(*page);
  ++area->touched;
  return true;
}

void StepExpander::TouchAll(Area* area, Migratetype type, uint64_t pages) {
  for (uint64_t i = 0; i < pages && Touch(area, type); ++i) {
  }
}

void StepExpander::Release(Area* area) {
  for (PageId page : area->pages) {
    if (area->secret) sink_->ShowPage(page, area->cpu);
    sink_->Free(page, area->cpu);
  }
  for (PageId table : area->tables) sink_->Free(table, area->cpu);
  nodes_.Remove(area->nodes);
  *area = {};
}

StepExpander::Area& StepExpander::AreaOf(std::string_view name) {
  Area& area = areas_[std::string(name)];
  area.cpu = cpu_;
  return area;
}

bool StepExpander::Secret(const Words& words) {
  const auto pages = Number(words, 2);
  if (!pages.has_value()) return false;
  Area& area = AreaOf(words[1]);
  area.secret = true;
  // Secret pages are GFP_HIGHUSER: unmovable (mm/secretmem.c secretmem_fault).
  TouchAll(&area, Migratetype::kUnmovable, *pages);
  return true;
}

bool StepExpander::ParallelSecret(const Words& words) {
  const auto pages = Number(words, 2);
  const auto threads = Number(words, 3);
  if (!pages.has_value() || !threads.has_value()) return false;
  std::vector<Area*> areas;
  for (uint64_t thread = 0; thread < *threads; ++thread) {
    areas.push_back(&areas_[ThreadName(words[1], thread)]);
    areas.back()->secret = true;
    areas.back()->cpu = static_cast<uint32_t>(thread % cpus_);
  }
  for (uint64_t i = 0; i < *pages; ++i) {
    for (Area* area : areas) Touch(area, Migratetype::kUnmovable);
  }
  return true;
}

bool StepExpander::ParallelFree(const Words& words) {
  const auto threads = Number(words, 2);
  if (!threads.has_value()) return false;
  for (uint64_t thread = 0; thread < *threads; ++thread) {
    const auto area = areas_.find(ThreadName(words[1], thread));
    if (area == areas_.end()) continue;
    Release(&area->second);
    areas_.erase(area);
  }
  return true;
}

bool StepExpander::Anon(const Words& words) {
  const auto pages = Number(words, 2);
  if (!pages.has_value()) return false;
  Area& area = AreaOf(words[1]);
  TouchAll(&area, Migratetype::kMovable, *pages);
  return true;
}

bool StepExpander::HugeAnon(const Words& words) {
  const auto pages = Number(words, 2);
  if (!pages.has_value()) return false;
  Area& area = AreaOf(words[1]);
  uint64_t left = *pages;
  for (; left >= kPagesPerTable; left -= kPagesPerTable) {
    // A table is put by for the day the huge page is split.
    const auto page = sink_->Allocate(model::kPageblockOrder, Migratetype::kMovable, cpu_);
    if (!page.has_value()) break;
    area.pages.push_back(*page);
    const auto table = sink_->Allocate(Order(0), Migratetype::kUnmovable, cpu_);
    if (table.has_value()) area.tables.push_back(*table);
  }
  TouchAll(&area, Migratetype::kMovable, left);
  return true;
}

bool StepExpander::FillAnon(const Words& words) {
  const auto kib = Number(words, 2);
  if (!kib.has_value()) return false;
  Area& area = AreaOf(words[1]);
  while (sink_->FreeFrames().in_kib() > *kib && Touch(&area, Migratetype::kMovable)) {
  }
  return true;
}

bool StepExpander::Punch(const Words& words) {
  const auto percent = Number(words, 2);
  const auto area = areas_.find(words[1]);
  if (!percent.has_value() || area == areas_.end()) return false;
  std::vector<PageId> kept;
  for (PageId page : area->second.pages) {
    if (Hits(*percent)) {
      sink_->Free(page, area->second.cpu);
    } else {
      kept.push_back(page);
    }
  }
  area->second.pages = std::move(kept);
  return true;
}

bool StepExpander::MakeFiles(const Words& words) {
  const auto count = Number(words, 2);
  const auto least = Number(words, 3);
  const auto most = Number(words, 4);
  if (!count.has_value() || !least.has_value() || !most.has_value() || *most < *least) return false;
  Files& files = files_[std::string(words[1])];
  for (uint64_t i = 0; i < *count; ++i) {
    inodes_.Add(sink_, cpu_);
    entries_.Add(sink_, cpu_);
    Area& file = files.emplace_back();
    file.cpu = cpu_;
    const uint64_t pages = *least + random_.Below(*most - *least + 1);
    // A file of one page needs no node, others one for each 64 pages.
    file.nodes = pages <= 1 ? 0 : (pages + kPagesPerNode - 1) / kPagesPerNode;
    for (uint64_t node = 0; node < file.nodes; ++node) nodes_.Add(sink_, cpu_);
    for (uint64_t page = 0; page < pages; ++page) {
      const auto frame = sink_->Allocate(Order(0), Migratetype::kMovable, cpu_);
      if (!frame.has_value()) return true;
      file.pages.push_back(*frame);
    }
  }
  return true;
}

bool StepExpander::Sockets(const Words& words) {
  const auto count = Number(words, 2);
  if (!count.has_value()) return false;
  for (uint64_t i = 0; i < *count; ++i) {
    sockets_.Add(sink_, cpu_);
    socket_files_.Add(sink_, cpu_);
  }
  socket_groups_[std::string(words[1])] += *count;
  return true;
}

bool StepExpander::FreeShare(const Words& words) {
  const auto percent = Number(words, 2);
  if (!percent.has_value()) return false;
  if (const auto sockets = socket_groups_.find(words[1]); sockets != socket_groups_.end()) {
    const uint64_t freed = std::min(sockets->second * *percent / 100, sockets_.live());
    sockets->second -= freed;
    sockets_.Remove(freed);
    socket_files_.Remove(std::min(freed, socket_files_.live()));
    return true;
  }
  const auto files = files_.find(words[1]);
  if (files == files_.end()) return false;
  std::erase_if(files->second, [&](Area& file) {
    if (!Hits(*percent)) return false;
    Release(&file);
    return true;
  });
  return true;
}

bool StepExpander::FreeAll(const Words& words) {
  if (const auto area = areas_.find(words[1]); area != areas_.end()) {
    Release(&area->second);
    areas_.erase(area);
    return true;
  }
  if (const auto files = files_.find(words[1]); files != files_.end()) {
    for (Area& file : files->second) Release(&file);
    files_.erase(files);
    return true;
  }
  if (const auto sockets = socket_groups_.find(words[1]); sockets != socket_groups_.end()) {
    sockets_.Remove(std::min(sockets->second, sockets_.live()));
    socket_files_.Remove(std::min(sockets->second, socket_files_.live()));
    socket_groups_.erase(sockets);
    return true;
  }
  return false;
}

void StepExpander::ChurnOnce(std::vector<Area>* live, uint64_t max_secret, uint64_t max_anon, uint64_t max_live,
                             uint32_t cpu) {
  if (!live->empty() && (live->size() >= max_live || Hits(kChurnFreePercent))) {
    const auto victim = live->begin() + static_cast<int64_t>(random_.Below(live->size()));
    Release(&*victim);
    live->erase(victim);
    return;
  }
  Area& area = live->emplace_back();
  area.cpu = cpu;
  area.secret = max_anon == 0 || Hits(kChurnSecretPercent);
  TouchAll(&area, area.secret ? Migratetype::kUnmovable : Migratetype::kMovable,
           1 + random_.Below(area.secret ? max_secret : max_anon));
}

bool StepExpander::Churn(const Words& words) {
  const auto operations = Number(words, 2);
  const auto max_secret = Number(words, 3);
  const auto max_anon = Number(words, 4);
  const auto max_live = Number(words, 5);
  if (!operations.has_value() || max_secret.value_or(0) == 0 || max_anon.value_or(0) == 0 || !max_live.has_value()) {
    return false;
  }
  std::vector<Area> live;
  for (uint64_t i = 0; i < *operations; ++i) ChurnOnce(&live, *max_secret, *max_anon, *max_live, cpu_);
  for (Area& area : live) files_[std::string(words[1])].push_back(std::move(area));
  return true;
}

bool StepExpander::ParallelChurn(const Words& words) {
  const auto threads = Number(words, 1);
  const auto operations = Number(words, 2);
  const auto max_pages = Number(words, 3);
  if (!threads.has_value() || !operations.has_value() || max_pages.value_or(0) == 0) return false;
  std::vector<std::vector<Area>> live(*threads);
  for (uint64_t i = 0; i < *operations; ++i) {
    for (uint64_t thread = 0; thread < *threads; ++thread) {
      ChurnOnce(&live[thread], *max_pages, /*max_anon=*/0, kParallelChurnLive, static_cast<uint32_t>(thread % cpus_));
    }
  }
  for (std::vector<Area>& areas : live) {
    for (Area& area : areas) Release(&area);
  }
  return true;
}

}  // namespace dmfrag::experiment
