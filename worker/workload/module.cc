#include "worker/workload/module.h"

#include <algorithm>

namespace dmfrag::workload {
namespace {

using Kind = ModuleMemory;

constexpr uint64_t kTextPercent = 40;
constexpr uint64_t kConstantsPercent = 26;
constexpr uint64_t kInitDataPercent = 25;
constexpr uint64_t kPagesWithConstants = 3;
constexpr uint64_t kPagesWithRoAfterInit = 21;

// To nearest, at least one.
uint64_t Share(uint64_t pages, uint64_t percent) { return std::max<uint64_t>(1, (pages * percent + 50) / 100); }

// 6.1: include/linux/module.h struct module_layout; kernel/module/main.c layout_sections.
constexpr Kind kCoreOf61[] = {Kind::kText, Kind::kRodata, Kind::kRoAfterInit, Kind::kData};
constexpr Kind kInitOf61[] = {Kind::kInitText, Kind::kInitRodata, Kind::kInitData};
constexpr ModuleArea kCoreAreasOf61[] = {kCoreOf61};
constexpr ModuleArea kInitAreasOf61[] = {kInitOf61};

// 6.4: enum mod_mem_type.
constexpr Kind kKinds[] = {Kind::kText,     Kind::kData,     Kind::kRodata,    Kind::kRoAfterInit,
                           Kind::kInitText, Kind::kInitData, Kind::kInitRodata};
constexpr ModuleArea Alone(size_t kind) { return ModuleArea(kKinds).subspan(kind, 1); }
constexpr ModuleArea kCoreAreas[] = {Alone(0), Alone(1), Alone(2), Alone(3)};
constexpr ModuleArea kInitAreas[] = {Alone(4), Alone(5), Alone(6)};

constexpr Permission kPermission = {.name = "module", .unit = Permission::Unit::kModule};

bool HasTwoAreas(model::KernelRelease release) { return release < model::KernelRelease::k6_12; }

}  // namespace

ModuleSizes ModuleSizesOf(uint64_t pages) {
  ModuleSizes sizes = {};
  const auto of = [&](Kind kind) -> uint64_t& { return sizes[static_cast<size_t>(kind)]; };
  if (pages == 0) return sizes;
  of(Kind::kText) = Share(pages, kTextPercent);
  if (pages >= kPagesWithConstants) of(Kind::kRodata) = Share(pages, kConstantsPercent);
  if (pages >= kPagesWithRoAfterInit) {
    of(Kind::kRoAfterInit) = 1;
    of(Kind::kRodata) -= 1;
  }
  of(Kind::kData) = pages - of(Kind::kText) - of(Kind::kRodata) - of(Kind::kRoAfterInit);
  of(Kind::kInitText) = 1;
  of(Kind::kInitData) = Share(pages, kInitDataPercent);
  return sizes;
}

std::span<const ModuleArea> ModuleCoreAreas(model::KernelRelease release) {
  return HasTwoAreas(release) ? std::span<const ModuleArea>(kCoreAreasOf61) : kCoreAreas;
}

std::span<const ModuleArea> ModuleInitAreas(model::KernelRelease release) {
  return HasTwoAreas(release) ? std::span<const ModuleArea>(kInitAreasOf61) : kInitAreas;
}

ObjectTraffic ModuleTraffic(const ModuleConfig& config) {
  return PageTraffic(config, model::Migratetype::kUnmovable, &kPermission);
}

}  // namespace dmfrag::workload
