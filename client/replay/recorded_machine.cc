#include "client/replay/recorded_machine.h"

#include <cstdio>
#include <tuple>
#include <utility>

namespace dmfrag::client {

bool CanStart(const v1::MachineSnapshot& machine) {
  return !(machine.usable().empty() && machine.meminfo().empty()) &&
         !(machine.pagetypeinfo().empty() && machine.buddyinfo().empty());
}

v1::KernelRelease ReleaseOf(const v1::MachineSnapshot& machine) {
  int major = 0;
  int minor = 0;
  if (std::sscanf(machine.kernel_release().c_str(), "%d.%d", &major, &minor) != 2) {
    return v1::KERNEL_RELEASE_UNSPECIFIED;
  }
  v1::KernelRelease release = v1::KERNEL_RELEASE_5_17;
  for (const auto& [known_major, known_minor, known] :
       {std::tuple(6, 1, v1::KERNEL_RELEASE_6_1), std::tuple(6, 12, v1::KERNEL_RELEASE_6_12),
        std::tuple(6, 16, v1::KERNEL_RELEASE_6_16), std::tuple(6, 18, v1::KERNEL_RELEASE_6_18),
        std::tuple(7, 3, v1::KERNEL_RELEASE_7_3)}) {
    if (std::pair(major, minor) >= std::pair(known_major, known_minor)) release = known;
  }
  return release;
}

}  // namespace dmfrag::client
