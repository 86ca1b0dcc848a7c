#include "worker/workload/calls/module_calls.h"

#include <initializer_list>

#include "worker/workload/calls/execmem_calls.h"
#include "worker/workload/calls/set_memory.h"

namespace dmfrag::workload {
namespace {

using model::KernelRelease;
using Kind = ModuleMemory;

constexpr std::array<Kind, kModuleMemories> kAllKinds = {
    Kind::kText, Kind::kData, Kind::kRodata, Kind::kRoAfterInit, Kind::kInitText, Kind::kInitData, Kind::kInitRodata};

UserCalls SetMemoryOf(SetMemoryFunction function, const ModuleLayout& layout, std::initializer_list<Kind> kinds,
                      KernelRelease release) {
  UserCalls calls;
  for (const Kind kind : kinds) {
    if (!layout[kind].empty()) Append(SetMemory(function, layout[kind], release), calls);
  }
  return calls;
}

UserCalls FreeOfRoxCache(const ModuleLayout& layout, Kind kind, KernelRelease release) {
  if (layout[kind].empty() || !IsInRoxCache(kind, release)) return {};
  return ExecmemFree(layout[kind], release);
}

}  // namespace

bool IsInRoxCache(ModuleMemory kind, KernelRelease release) {
  return release >= KernelRelease::k6_16 && (kind == Kind::kText || kind == Kind::kInitText);
}

UserCalls ModuleAllocate(const ModuleLayout& layout, KernelRelease release) {
  UserCalls calls;
  for (const Kind kind : kAllKinds) {
    if (layout[kind].empty()) continue;
    const bool writes = release >= KernelRelease::k6_18 || IsInRoxCache(kind, release);
    if (writes) Append(ExecmemForceRw(layout[kind], release), calls);
  }
  return calls;
}

UserCalls ModuleProtect(const ModuleLayout& layout, KernelRelease release) {
  using Function = SetMemoryFunction;
  UserCalls calls;
  if (release < KernelRelease::k6_12) {
    Append(
        SetMemoryOf(Function::kRo, layout, {Kind::kText, Kind::kRodata, Kind::kInitText, Kind::kInitRodata}, release),
        calls);
    Append(SetMemoryOf(Function::kNx, layout,
                       {Kind::kRodata, Kind::kRoAfterInit, Kind::kData, Kind::kInitRodata, Kind::kInitData}, release),
           calls);
    Append(SetMemoryOf(Function::kX, layout, {Kind::kText, Kind::kInitText}, release), calls);
    return calls;
  }
  Append(SetMemoryOf(Function::kRo, layout, {Kind::kRodata, Kind::kInitRodata}, release), calls);
  Append(SetMemoryOf(Function::kNx, layout,
                     {Kind::kData, Kind::kRodata, Kind::kRoAfterInit, Kind::kInitData, Kind::kInitRodata}, release),
         calls);
  Append(SetMemoryOf(Function::kRox, layout, {Kind::kText, Kind::kInitText}, release), calls);
  return calls;
}

UserCalls ModuleProtectAfterInit(const ModuleLayout& layout, KernelRelease release) {
  using Function = SetMemoryFunction;
  if (release < KernelRelease::k6_12) {
    return SetMemoryOf(Function::kRo, layout,
                       {Kind::kText, Kind::kRodata, Kind::kInitText, Kind::kInitRodata, Kind::kRoAfterInit}, release);
  }
  if (release < KernelRelease::k6_16) {
    return SetMemoryOf(Function::kRo, layout, {Kind::kRodata, Kind::kInitRodata, Kind::kRoAfterInit}, release);
  }
  return SetMemoryOf(Function::kRo, layout, {Kind::kRoAfterInit}, release);
}

UserCalls ModuleFreeInit(const ModuleLayout& layout, KernelRelease release) {
  return FreeOfRoxCache(layout, Kind::kInitText, release);
}

UserCalls ModuleFreeCore(const ModuleLayout& layout, KernelRelease release) {
  return FreeOfRoxCache(layout, Kind::kText, release);
}

}  // namespace dmfrag::workload
