#ifndef DMFRAG_WORKER_MODEL_KERNEL_RELEASE_H_
#define DMFRAG_WORKER_MODEL_KERNEL_RELEASE_H_

namespace dmfrag::model {

// A kernel release whose rules are known; later ones compare greater. No capture is of 5.17, the last release without
// BPF packs: its rules of CPA and of the page allocator are taken to be 6.1's, since no commit between the two is known
// to change a rule that is modelled.
enum class KernelRelease { k5_17, k6_1, k6_12, k6_16, k6_18, k7_3 };

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_KERNEL_RELEASE_H_
