#ifndef DMFRAG_CLIENT_RECORDING_GFP_FLAGS_H_
#define DMFRAG_CLIENT_RECORDING_GFP_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmfrag::client {

// GFP flags as a set of bits of our own: the kernel's numbers differ from release to release, its names hardly do. A
// name that stands for several flags (GFP_KERNEL) has the bits of all (include/linux/gfp_types.h, 6.1 to 7.x).
using GfpFlags = uint64_t;

// Bits of one name, for example "GFP_KERNEL" or "__GFP_ZERO"; nullopt if no kernel has it.
std::optional<GfpFlags> GfpFlagsOfName(std::string_view name);

// Bits of what a kernel prints: names joined by "|". Names and numbers that are not known are left out.
GfpFlags GfpFlagsOfText(std::string_view text);

// Every name, flags first.
const std::vector<std::string>& GfpFlagNames();

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_GFP_FLAGS_H_
