#include "worker/workload/calls/trace_excerpt.h"

#include <fstream>
#include <sstream>

#include "third_party/abseil_extras/check.h"

namespace dmfrag::workload {
namespace {

using model::EntryFlags;
using model::KernelRelease;

constexpr char kDirectory[] = "worker/workload/calls/testdata/";
// With 5-level page tables, which the traced machines had: Documentation/arch/x86/x86_64/mm.rst.
constexpr uint64_t kDirectMapBase = 0xff11000000000000;
constexpr uint64_t kModules = 0xffffffff80000000;

KernelRelease ReleaseOf(const std::string& name) {
  if (name == "6.1") return KernelRelease::k6_1;
  if (name == "6.12") return KernelRelease::k6_12;
  CHECK(name == "7.3");
  return KernelRelease::k7_3;
}

uint64_t Field(std::istringstream& line, const std::string& name) {
  std::string word;
  CHECK(line >> word && word.starts_with(name + "="));
  return std::stoull(word.substr(name.size() + 1), nullptr, 0);
}

}  // namespace

std::vector<TracedCall> ReadTraceExcerpt(const std::string& name) {
  std::ifstream file(kDirectory + name);
  CHECK(file);
  std::vector<TracedCall> calls;
  KernelRelease release = KernelRelease::k6_1;
  for (std::string text; std::getline(file, text);) {
    if (text.starts_with("# kernel ")) release = ReleaseOf(text.substr(9));
    if (text.starts_with("#")) continue;
    std::istringstream line(text);
    TracedCall call;
    call.release = release;
    const uint64_t address = Field(line, "vaddr");
    call.direct_map = address < kModules;
    call.page = (call.direct_map ? address - kDirectMapBase : address) / model::kFrameBytes;
    call.pages = Field(line, "n");
    call.set = EntryFlags::FromX86(Field(line, "set"), model::MapLevel::k4K);
    call.clear = EntryFlags::FromX86(Field(line, "clr"), model::MapLevel::k4K);
    calls.push_back(call);
  }
  return calls;
}

}  // namespace dmfrag::workload
