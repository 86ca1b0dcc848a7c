#include "worker/workload/boot_input.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/workload/capture_values.h"

namespace dmfrag::workload {
namespace {

using model::FrameNumber;
using model::FrameRange;
using model::VirtualPage;
using Json = nlohmann::json;

constexpr uint32_t kMaxNodes = 1024;

// Consumes a hexadecimal number, with or without 0x.
std::optional<uint64_t> TakeHex(std::string_view& text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

// Whole frames of "begin-last", both hexadecimal, inclusive; what follows is left in `text`.
std::optional<FrameRange> TakeRange(std::string_view& text) {
  const auto first = TakeHex(text);
  if (!first.has_value() || !text.starts_with('-')) return std::nullopt;
  text.remove_prefix(1);
  const auto last = TakeHex(text);
  if (!last.has_value() || *last < *first || *last >= model::MemoryMap::kMaxAddressBytes) return std::nullopt;
  return FrameRange{FrameNumber(*first / model::kFrameBytes), FrameNumber(*last / model::kFrameBytes + 1)};
}

// The range after "[mem " in a line of the kernel's log.
std::optional<FrameRange> RangeOfLine(std::string_view line) {
  constexpr std::string_view kBefore = "[mem ";
  const size_t at = line.find(kBefore);
  if (at == std::string_view::npos) return std::nullopt;
  line.remove_prefix(at + kBefore.size());
  return TakeRange(line);
}

// The frames that a line of /proc/iomem gives for `name`.
std::optional<FrameRange> RangeOfIomem(const Json& iomem, std::string_view name) {
  for (const Json& line : iomem) {
    std::string_view text = line.get_ref<const std::string&>();
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const auto range = TakeRange(text);
    if (range.has_value() && text.starts_with(" : ") && text.substr(3) == name) return range;
  }
  return std::nullopt;
}

// The page of a symbol, rounded up; nullopt if it is not there, or 0, as the kernel shows it to those who may not know.
std::optional<VirtualPage> SymbolPage(const Json& symbols, const char* name) {
  const auto found = symbols.find(name);
  if (found == symbols.end()) return std::nullopt;
  std::string_view text = found->get_ref<const std::string&>();
  const auto address = TakeHex(text);
  if (!address.has_value() || *address == 0 || *address > ~uint64_t{0} - model::kFrameBytes) return std::nullopt;
  return VirtualPage((*address + model::kFrameBytes - 1) / model::kFrameBytes);
}

// Pages of bss before idt_table, for kernels whose symbol is not given: measured in the dumps of tests/kernel, where it
// is the one read-only page.
model::FrameCount PagesBeforeIdt(model::KernelRelease release) {
  return model::FrameCount(release >= model::KernelRelease::k7_3 ? 4 : 3);
}

absl::StatusOr<std::optional<model::KernelImage>> ParseImage(const Json& capture, model::KernelRelease release,
                                                             bool page_isolation) {
  const Json symbols = capture.value("symbols", Json::object());
  const Json iomem = capture.value("iomem", Json::array());
  const auto code = RangeOfIomem(iomem, "Kernel code");
  const auto bss = RangeOfIomem(iomem, "Kernel bss");
  if (!code.has_value() || !bss.has_value() || bss->first < code->first || code->first.raw() == 0) return std::nullopt;
  model::KernelImage image;
  image.first_frame = code->first;
  image.page_isolation = page_isolation;
  const std::pair<const char*, VirtualPage*> kSymbols[] = {
      {"_text", &image.text},
      {"_etext", &image.text_end},
      {"__end_rodata", &image.rodata_end},
      {"_sdata", &image.data},
      {"__init_begin", &image.init_begin},
      {"__init_end", &image.init_end},
      {"__bss_stop", &image.bss_end},
      {"_end", &image.end},
  };
  for (const auto& [name, page] : kSymbols) {
    const auto value = SymbolPage(symbols, name);
    if (!value.has_value()) return std::nullopt;
    *page = *value;
  }
  image.bss = image.text + (bss->first - code->first);
  image.idt_table = SymbolPage(symbols, "idt_table").value_or(image.bss + PagesBeforeIdt(release));
  const absl::StatusOr<model::KernelImage> created = model::KernelImage::Create(image);
  if (!created.ok()) return DamagedCapture("symbols and iomem", std::string(created.status().message()));
  return *created;
}

// Lines like "  node   0: [mem 0x0000000000001000-0x000000000009efff]", cut to what is memory.
std::vector<std::vector<FrameRange>> ParseNodes(const Json& log, const model::MemoryMap& memory) {
  std::vector<std::vector<FrameRange>> nodes;
  for (const Json& json : log) {
    std::string_view line = json.get_ref<const std::string&>();
    constexpr std::string_view kBefore = "  node ";
    const auto range = RangeOfLine(line);
    if (!line.starts_with(kBefore) || !range.has_value()) continue;
    line.remove_prefix(std::min(line.find_first_not_of(' ', kBefore.size()), line.size()));
    uint32_t node = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), node).ec != std::errc() || node >= kMaxNodes) continue;
    if (nodes.size() <= node) nodes.resize(node + 1);
    for (const FrameRange& usable : memory.ranges()) {
      const FrameRange common{std::max(range->first, usable.first), std::min(range->end, usable.end)};
      if (!common.empty()) nodes[node].push_back(common);
    }
  }
  for (auto& node : nodes) {
    std::sort(node.begin(), node.end(), [](const FrameRange& a, const FrameRange& b) { return a.first < b.first; });
  }
  return nodes;
}

std::optional<FrameRange> ParseInitrd(const Json& log, std::string_view prefix) {
  for (const Json& line : log) {
    if (line.get_ref<const std::string&>().starts_with(prefix)) return RangeOfLine(line.get_ref<const std::string&>());
  }
  return std::nullopt;
}

bool IsOn(std::string_view value) { return value == "on" || value == "1" || value == "y" || value == "Y"; }

}  // namespace

BootOptions ParseCommandLine(std::string_view command_line) {
  BootOptions options;
  while (!command_line.empty()) {
    // Words may be quoted as a whole, and then hold spaces.
    const bool quoted = command_line.front() == '"';
    if (quoted) command_line.remove_prefix(1);
    const size_t end = std::min(command_line.find(quoted ? '"' : ' '), command_line.size());
    const std::string_view word = command_line.substr(0, end);
    command_line.remove_prefix(std::min(end + 1, command_line.size()));
    const size_t equals = std::min(word.find('='), word.size());
    const std::string_view name = word.substr(0, equals);
    const std::string_view value = word.substr(std::min(equals + 1, word.size()));
    if (word == "gbpages") options.gbpages = true;
    if (word == "nogbpages") options.gbpages = false;
    if (name == "debug_pagealloc") options.debug_pagealloc = IsOn(value);
    if (name == "pti") options.page_isolation = value == "on";
    if (word == "nopti") options.page_isolation = false;
    if (name == "kfence.sample_interval") options.kfence = value.find_first_not_of('0') != std::string_view::npos;
    if (name == "kprobe_event") options.kprobes = true;
  }
  return options;
}

model::BootMappingRules ParseMappingRules(const Json& capture) {
  const BootOptions options = ParseCommandLine(capture.at("config").value("cmdline", ""));
  const Json& flags = capture.at("cpu_flags");
  model::BootMappingRules rules;
  rules.pse = flags.at("pse").get<bool>();
  rules.debug_pagealloc = options.debug_pagealloc;
  const bool has_1g = flags.value("pdpe1gb", capture.value("using_gb_pages", false));
  rules.gbpages = options.gbpages && rules.pse && !rules.debug_pagealloc && has_1g;
  return rules;
}

absl::StatusOr<std::optional<model::BootMachine>> ParseBootMachine(const Json& capture, const model::MemoryMap& memory,
                                                                   model::KernelRelease release, uint32_t cpus) {
  const BootOptions options = ParseCommandLine(capture.at("config").value("cmdline", ""));
  ASSIGN_OR_RETURN(const std::optional<model::KernelImage> image, ParseImage(capture, release, options.page_isolation));
  if (!image.has_value()) return std::nullopt;
  const Json log = capture.value("dmesg_mem", Json::array());
  return model::BootMachine{
      .release = release,
      .memory = memory,
      .rules = ParseMappingRules(capture),
      .image = image,
      .initrd = ParseInitrd(log, "RAMDISK: "),
      .moved_initrd = ParseInitrd(log, "Allocated new RAMDISK: "),
      .nodes = ParseNodes(log, memory),
      .cpus = cpus,
      .page_isolation = options.page_isolation,
      .kfence = options.kfence,
      .boot_kprobes = options.kprobes,
  };
}

}  // namespace dmfrag::workload
