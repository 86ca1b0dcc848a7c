// Any bytes as the text of a kernel trace: events or an error, never a crash, and no text outside of the trace.
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string_view>

#include "worker/workload/ftrace_text.h"

namespace {

bool Inside(std::string_view part, std::string_view whole) {
  constexpr std::less_equal<const char*> kNotAfter;
  return part.empty() ||
         (kNotAfter(whole.data(), part.data()) && kNotAfter(part.data() + part.size(), whole.data() + whole.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dmfrag;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  workload::FtraceReader reader(text);
  uint64_t line = 0;
  while (true) {
    const auto event = reader.Next();
    if (!event.ok()) {
      if (event.status().message().empty()) std::abort();
      return 0;
    }
    if (!event->has_value()) return 0;
    // Lines ascend, orders exist, and what points into the trace does.
    if ((*event)->line <= line || (*event)->order > model::kMaxOrder) std::abort();
    if (!Inside((*event)->task, text) || !Inside((*event)->text, text)) std::abort();
    line = (*event)->line;
  }
}
