#ifndef DMFRAG_WORKER_MODEL_KERNEL_RELEASE_H_
#define DMFRAG_WORKER_MODEL_KERNEL_RELEASE_H_

namespace dmfrag::model {

// A kernel release whose rules are known; later ones compare greater.
enum class KernelRelease { k6_1, k6_12, k6_16, k6_18, k7_3 };

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_KERNEL_RELEASE_H_
