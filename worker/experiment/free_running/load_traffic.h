#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_LOAD_TRAFFIC_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_LOAD_TRAFFIC_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "worker/experiment/free_running/step_expansion.h"
#include "worker/model/kernel_release.h"
#include "worker/workload/random.h"

namespace dmfrag::experiment {

// What loads of modules and eBPF programs ask for beside the pages whose attributes they change: the buffer the
// module's file is read into, its slab objects; a program's instructions, the verifier's work space. These pages lie
// between the recorded ones, and so decide how many blocks the recorded ones are spread over. Thread-compatible.
class LoadTraffic {
 public:
  // Borrows `sink`, which must outlive it.
  LoadTraffic(RequestSink* sink, model::KernelRelease release, uint32_t cpus, workload::Random random)
      : sink_(sink),
        release_(release),
        cpus_(cpus),
        random_(random),
        names_(random.Derive("modules")),
        sizes_(names_) {}

  // insmod, insall, ebpf.
  static bool IsLoad(std::string_view action);

  // A load begins that is recorded with so many pages that were not there before.
  void Begin(std::string_view action, uint64_t recorded_pages);
  // Makes the requests that come before the next recorded pages; returns how many pages those are, 1 at least.
  uint64_t NextPart();
  // Processor that the part in work runs on. A load sleeps between modules, and wakes up on any.
  uint32_t cpu() const { return cpu_; }
  void End();

  // insmod and insall of a capture that recorded no requests: the modules' own pages too, each set read-only. Stands
  // for it: HidePage, which splits the same.
  void LoadUnrecorded(std::string_view action);
  // rmmod and rmall of such; frees everything that LoadUnrecorded loaded.
  void UnloadUnrecorded();

  // Recorded pages of modules were freed, and what belonged to them is.
  void ModulePagesFreed(uint64_t pages);
  // free NAME, freepct NAME P of programs. False: there are none of that name.
  bool FreePrograms(std::string_view action);

 private:
  struct Program {
    std::vector<PageId> pages;
  };

  void LoadPrograms(uint64_t count);
  void LoadModule();
  // The module's file is let go before its own code runs and takes slabs (kernel/module/main.c load_module).
  void FinishModule();
  void AllocateSlabs(uint64_t pages);
  void FreePages(std::vector<PageId>* pages);

  RequestSink* sink_;
  model::KernelRelease release_;
  uint32_t cpus_;
  uint32_t cpu_ = 0;
  workload::Random random_;
  workload::Random names_;  // gives the modules of a list the same sizes whenever it is loaded
  workload::Random sizes_;
  bool programs_ = false;
  // Of the load in work.
  std::string name_;
  uint64_t programs_left_ = 0;
  uint64_t packs_left_ = 0;
  uint64_t least_instructions_ = 0;
  uint64_t most_instructions_ = 0;
  uint64_t module_pages_ = 0;
  uint64_t step_pages_ = 0;
  bool one_module_ = false;
  std::vector<PageId> buffer_;

  std::vector<PageId> unrecorded_;
  std::vector<PageId> module_slabs_;
  uint64_t live_module_pages_ = 0;
  uint64_t freed_slab_shares_ = 0;  // in slabs / live_module_pages_
  std::map<std::string, std::vector<Program>, std::less<>> loaded_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_LOAD_TRAFFIC_H_
