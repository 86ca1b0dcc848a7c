// Bytes as a program of requests, carried out by the direct map and by its reference, which must agree after each.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/oracle/direct_map_program.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dmfrag;
  model::EventCounters events;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string difference = tests::RunInLockstep(tests::ProgramFromBytes(bytes), events);
  if (difference.empty()) return 0;
  std::fputs(difference.c_str(), stderr);
  std::abort();
}
