#include "worker/experiment/free_running/load_traffic.h"

#include <algorithm>
#include <optional>

#include "worker/workload/words.h"

namespace dmfrag::experiment {
namespace {

using model::KernelRelease;
using model::Migratetype;
using model::Order;

constexpr uint64_t kPackPages = 512;  // BPF_PROG_PACK_SIZE
// bytes / 4096 of a program: struct bpf_insn has 8 bytes an instruction. The verifier's insn_aux_data is about 136
// bytes an instruction, its states and the compiler's buffers come on top (guess, fitted on bpfbig-612-4G-s7: 205 in
// all), and live while the program is loaded.
constexpr uint64_t kInstructionsPerPage = 512;
constexpr uint64_t kInstructionsPerAuxPage = 20;
// Guesses, chosen for the whole table of captures: percent of the recorded pages. The file has symbols and
// relocations too.
constexpr uint64_t kFilePercent = 200;
// Measured, percent of the pages given out for modules (the read-only cache's aside): by how much more MemFree fell
// over the first cycle of loads; most of it is slab, the rest stacks, page tables and what per-CPU lists took.
// nmods-61-2G-a 93, nmods-612-2G-a 66; nmods-616-2G-a 223; nmods-73-2G-a 86.
constexpr uint64_t kKeptPercent = 80;
constexpr uint64_t kKeptPercentFrom616 = 220;
constexpr uint64_t kKeptPercentFrom73 = 86;
constexpr Order kSlabOrder{1};
// Guess: few modules are large. Mean 39 pages, as VmallocUsed grew for each of the 110 modules of nmods-61-2G-a (38)
// and nmods-612-2G-a (43).
constexpr uint64_t kLargeModulePercent = 8;
constexpr uint64_t kLargeModulePages = 350;
constexpr uint64_t kSmallModulePages = 12;
// The lists of insall have 20 to 41 modules; nmods-61-2G-a's four have 110.
constexpr uint64_t kModulesPerList = 28;

uint64_t KeptPercent(KernelRelease release) {
  if (release >= KernelRelease::k7_3) return kKeptPercentFrom73;
  return release >= KernelRelease::k6_16 ? kKeptPercentFrom616 : kKeptPercent;
}

uint64_t Number(const std::vector<std::string_view>& words, size_t index) {
  const auto value = index < words.size() ? workload::NumberOf<uint64_t>(words[index]) : std::nullopt;
  return std::min(value.value_or(0), uint64_t{1} << 24);
}

}  // namespace

bool LoadTraffic::IsLoad(std::string_view action) {
  return action.starts_with("insmod ") || action.starts_with("insall ") || action.starts_with("ebpf ");
}

void LoadTraffic::Begin(std::string_view action, uint64_t recorded_pages) {
  const std::vector<std::string_view> words = workload::WordsOf(action);
  programs_ = words[0] == "ebpf";
  one_module_ = words[0] == "insmod";
  step_pages_ = recorded_pages;
  sizes_ = names_.Derive(action);
  if (!programs_) return;
  name_ = words.size() > 1 ? words[1] : std::string_view();
  programs_left_ = Number(words, 2);
  least_instructions_ = Number(words, 3);
  most_instructions_ = std::max(Number(words, 4), least_instructions_);
  packs_left_ = (recorded_pages + kPackPages - 1) / kPackPages;
}

uint64_t LoadTraffic::NextPart() {
  cpu_ = cpus_ == 1 ? 0 : static_cast<uint32_t>(random_.Below(cpus_));
  if (programs_) {
    // Packs fill up at even distances.
    LoadPrograms(programs_left_ / (packs_left_ + 1));
    if (packs_left_ > 0) --packs_left_;
    return kPackPages;
  }
  LoadModule();
  return module_pages_;
}

void LoadTraffic::End() {
  if (programs_) LoadPrograms(programs_left_);
  FinishModule();
}

void LoadTraffic::LoadModule() {
  FinishModule();
  const uint64_t drawn = sizes_.Below(100) < kLargeModulePercent ? kLargeModulePages : kSmallModulePages;
  module_pages_ = one_module_ ? std::max<uint64_t>(1, step_pages_) : drawn;
  buffer_ = sink_->AllocateArea(module_pages_ * kFilePercent / 100, cpu_);
}

void LoadTraffic::FinishModule() {
  FreePages(&buffer_);
  AllocateSlabs(module_pages_ * KeptPercent(release_) / 100);
  live_module_pages_ += module_pages_;
  module_pages_ = 0;
}

void LoadTraffic::AllocateSlabs(uint64_t pages) {
  for (; pages >= kSlabOrder.frames().raw(); pages -= kSlabOrder.frames().raw()) {
    const auto slab = sink_->Allocate(kSlabOrder, Migratetype::kUnmovable, cpu_);
    if (slab.has_value()) module_slabs_.push_back(*slab);
  }
}

void LoadTraffic::LoadUnrecorded(std::string_view action) {
  Begin(action, kSmallModulePages);
  for (uint64_t module = one_module_ ? 1 : kModulesPerList; module > 0; --module) {
    const uint64_t pages = NextPart();
    for (PageId page : sink_->AllocateArea(pages, cpu_)) {
      sink_->HidePage(page, cpu_);
      unrecorded_.push_back(page);
    }
  }
  End();
}

void LoadTraffic::UnloadUnrecorded() {
  for (PageId page : unrecorded_) sink_->ShowPage(page, cpu_);
  ModulePagesFreed(unrecorded_.size());
  FreePages(&unrecorded_);
}

void LoadTraffic::ModulePagesFreed(uint64_t pages) {
  if (live_module_pages_ == 0) return;
  pages = std::min(pages, live_module_pages_);
  // Pages come one by one, and each is worth a fraction of a slab.
  freed_slab_shares_ += module_slabs_.size() * pages;
  while (freed_slab_shares_ >= live_module_pages_ && !module_slabs_.empty()) {
    freed_slab_shares_ -= live_module_pages_;
    sink_->Free(module_slabs_.back(), cpu_);
    module_slabs_.pop_back();
  }
  live_module_pages_ -= pages;
}

void LoadTraffic::LoadPrograms(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t instructions = least_instructions_ + random_.Below(most_instructions_ - least_instructions_ + 1);
    Program program{sink_->AllocateArea(instructions / kInstructionsPerPage + 1, cpu_)};
    std::vector<PageId> aux = sink_->AllocateArea(instructions / kInstructionsPerAuxPage + 1, cpu_);
    FreePages(&aux);
    loaded_[name_].push_back(std::move(program));
  }
  programs_left_ -= count;
}

bool LoadTraffic::FreePrograms(std::string_view action) {
  const std::vector<std::string_view> words = workload::WordsOf(action);
  if (words.size() < 2 || (words[0] != "free" && words[0] != "freepct")) return false;
  const auto programs = loaded_.find(words[1]);
  if (programs == loaded_.end()) return false;
  const uint64_t percent = words[0] == "free" ? 100 : Number(words, 2);
  std::erase_if(programs->second, [&](Program& program) {
    if (random_.Below(100) >= percent) return false;
    FreePages(&program.pages);
    return true;
  });
  if (programs->second.empty()) loaded_.erase(programs);
  return true;
}

void LoadTraffic::FreePages(std::vector<PageId>* pages) {
  for (PageId page : *pages) sink_->Free(page, cpu_);
  pages->clear();
}

}  // namespace dmfrag::experiment
