#ifndef DMFRAG_WORKER_MODEL_MIGRATETYPE_H_
#define DMFRAG_WORKER_MODEL_MIGRATETYPE_H_

#include <cstdint>

namespace dmfrag::model {

// Mobility of pages, numbered as in the kernel (include/linux/mmzone.h). HIGHATOMIC, CMA and ISOLATE are not modelled.
enum class Migratetype : uint8_t { kUnmovable = 0, kMovable = 1, kReclaimable = 2 };
inline constexpr unsigned kMigratetypes = 3;

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_MIGRATETYPE_H_
