// Bytes as a program of allocations and frees, carried out by the page allocator and by its reference, which must agree
// after each.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/oracle/page_allocator_program.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dmfrag::tests::PageAllocatorEvents events;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string difference = dmfrag::tests::RunPageAllocatorProgram(bytes, events, 32);
  if (difference.empty()) return 0;
  std::fputs(difference.c_str(), stderr);
  std::abort();
}
