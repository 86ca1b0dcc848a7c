#include "worker/workload/page_tables.h"

#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/calls/page_table_calls.h"

namespace dmfrag::workload {
namespace {

UserCalls Set(const UserPages& table, model::KernelRelease release) {
  return PageTableAllocate(table.frames.front(), release);
}
UserCalls Reset(const UserPages& table, model::KernelRelease) { return PageTableFree(table.frames).front(); }

constexpr Permission kPermission = {.name = "page_tables",
                                    .unit = Permission::Unit::kBlock,
                                    .category = Permission::Category::kTwo,
                                    .reach = Permission::Reach::kAccessible,
                                    .set = Set,
                                    .reset = Reset,
                                    .by_page = true,
                                    .free_batch = kMaxTableBatch,
                                    .zeroes_new = true};

}  // namespace

ObjectTraffic PageTablesTraffic(const PageTablesConfig& config) {
  return PageTraffic(config, model::Migratetype::kUnmovable, &kPermission);
}

}  // namespace dmfrag::workload
