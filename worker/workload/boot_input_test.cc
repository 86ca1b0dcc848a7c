#include "worker/workload/boot_input.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::workload {
namespace {

using model::FrameNumber;
using model::FrameRange;
using model::KernelRelease;

TEST(ParseCommandLineTest, ReadsWhatConcernsTheDirectMap) {
  const BootOptions none = ParseCommandLine("console=ttyS0 panic=-1 nokaslr");
  EXPECT_TRUE(none.gbpages);
  EXPECT_FALSE(none.debug_pagealloc || none.page_isolation || none.kfence || none.kprobes);
  EXPECT_FALSE(ParseCommandLine("a nogbpages b").gbpages);
  EXPECT_TRUE(ParseCommandLine("nogbpages gbpages").gbpages);
  EXPECT_TRUE(ParseCommandLine("debug_pagealloc=on").debug_pagealloc);
  EXPECT_FALSE(ParseCommandLine("debug_pagealloc=off").debug_pagealloc);
  EXPECT_TRUE(ParseCommandLine("pti=on").page_isolation);
  EXPECT_FALSE(ParseCommandLine("pti=on nopti").page_isolation);
  EXPECT_TRUE(ParseCommandLine("kfence.sample_interval=20").kfence);
  EXPECT_FALSE(ParseCommandLine("kfence.sample_interval=0").kfence);
  EXPECT_TRUE(ParseCommandLine("a \"kprobe_event=p:x f nogbpages\" pti=on").kprobes);
  EXPECT_TRUE(ParseCommandLine("\"kprobe_event=p:x f nogbpages\"").gbpages) << "quoted words hold spaces";
  EXPECT_FALSE(ParseCommandLine("\"unfinished nogbpages").kprobes);
}

nlohmann::json Capture() {
  return nlohmann::json::parse(R"({
    "config": {"cmdline": "nokaslr pti=on"},
    "cpu_flags": {"pdpe1gb": true, "pse": true},
    "symbols": {"_text": "ffffffff81000000", "_etext": "ffffffff81e01d32", "__end_rodata": "ffffffff828eb000",
                "_sdata": "ffffffff82a00000", "__init_begin": "ffffffff83044000", "__init_end": "ffffffff83306000",
                "__bss_stop": "ffffffff84400000", "_end": "ffffffff84430000"},
    "iomem": ["00100000-7ffd9fff : System RAM", "  62400000-63201d31 : Kernel code",
              "  63400000-63ceafff : Kernel rodata", "  64710000-657fffff : Kernel bss"],
    "dmesg_mem": ["RAMDISK: [mem 0x7fcbb000-0x7ffcffff]", "Early memory node ranges",
                  "  node   1: [mem 0x0000000040000000-0x000000007ffd9fff]",
                  "  node   0: [mem 0x0000000000100000-0x000000003fffffff]",
                  "  node   0: [mem 0x0000000000001000-0x000000000009efff]",
                  "node 0 deferred pages initialised in 24ms"]
  })");
}

const model::MemoryMap& Memory() {
  static const auto& memory =
      *new model::MemoryMap(*model::MemoryMap::FromUsableRanges({{0, 640 << 10}, {1 << 20, 0x7ffda000}}));
  return memory;
}

absl::StatusOr<std::optional<model::BootMachine>> Parse(const nlohmann::json& capture) {
  return ParseBootMachine(capture, Memory(), KernelRelease::k6_1, 4);
}

TEST(ParseBootMachineTest, ReadsTheMachineAsItWasBeforeBoot) {
  const auto parsed = Parse(Capture());
  ASSERT_OK(parsed);
  ASSERT_TRUE(parsed->has_value());
  const model::BootMachine& machine = **parsed;
  EXPECT_TRUE(machine.rules.gbpages);
  EXPECT_EQ(machine.cpus, 4u);
  EXPECT_TRUE(machine.page_isolation);
  EXPECT_TRUE(machine.image->page_isolation);
  EXPECT_EQ(machine.image->first_frame, FrameNumber(0x62400));
  EXPECT_EQ(machine.image->text, model::VirtualPage(0xffffffff81000));
  EXPECT_EQ(machine.image->text_end, model::VirtualPage(0xffffffff81e02)) << "rounded up";
  EXPECT_EQ(machine.image->bss, model::VirtualPage(0xffffffff83310));
  EXPECT_EQ(machine.image->idt_table, model::VirtualPage(0xffffffff83313)) << "where 6.1 has it";
  EXPECT_EQ(machine.initrd, (FrameRange{FrameNumber(0x7fcbb), FrameNumber(0x7ffd0)}));
  EXPECT_FALSE(machine.moved_initrd.has_value());
  ASSERT_EQ(machine.nodes.size(), 2u);
  EXPECT_EQ(machine.nodes[0],
            (std::vector<FrameRange>{{FrameNumber(1), FrameNumber(0x9f)}, {FrameNumber(0x100), FrameNumber(0x40000)}}));
  EXPECT_EQ(machine.nodes[1].back().end, FrameNumber(0x7ffda));
}

TEST(ParseBootMachineTest, ASymbolOfTheIdtIsBelieved) {
  nlohmann::json capture = Capture();
  capture["symbols"]["idt_table"] = "ffffffff83312000";
  const auto parsed = Parse(capture);
  ASSERT_OK(parsed);
  EXPECT_EQ((*parsed)->image->idt_table, model::VirtualPage(0xffffffff83312));
}

TEST(ParseBootMachineTest, PageSizesFollowFlagsAndCommandLine) {
  nlohmann::json capture = Capture();
  capture["cpu_flags"]["pdpe1gb"] = false;
  EXPECT_FALSE(ParseMappingRules(capture).gbpages);
  capture = Capture();
  capture["config"]["cmdline"] = "nogbpages";
  EXPECT_FALSE(ParseMappingRules(capture).gbpages);
  capture["config"]["cmdline"] = "debug_pagealloc=on";
  EXPECT_FALSE(ParseMappingRules(capture).gbpages);
  EXPECT_TRUE(ParseMappingRules(capture).debug_pagealloc);
  capture = Capture();
  capture["cpu_flags"].erase("pdpe1gb");
  EXPECT_FALSE(ParseMappingRules(capture).gbpages);
  capture["using_gb_pages"] = true;
  EXPECT_TRUE(ParseMappingRules(capture).gbpages);
  capture["cpu_flags"]["pse"] = false;
  EXPECT_FALSE(ParseMappingRules(capture).gbpages);
  EXPECT_FALSE(ParseMappingRules(capture).pse);
}

TEST(ParseBootMachineTest, WithoutSymbolsOrTheImagesPlaceThereIsNoMachine) {
  nlohmann::json capture = Capture();
  capture["symbols"].erase("_end");
  auto parsed = Parse(capture);
  ASSERT_OK(parsed);
  EXPECT_FALSE(parsed->has_value());
  capture = Capture();
  capture["symbols"]["_text"] = "0000000000000000";
  parsed = Parse(capture);
  ASSERT_OK(parsed);
  EXPECT_FALSE(parsed->has_value());
  capture = Capture();
  capture["iomem"] = {"00000000-00000000 : Kernel code", "00000000-00000000 : Kernel bss"};
  parsed = Parse(capture);
  ASSERT_OK(parsed);
  EXPECT_FALSE(parsed->has_value());
}

TEST(ParseBootMachineTest, RefusesWhatMakesNoSense) {
  nlohmann::json capture = Capture();
  capture["symbols"]["_etext"] = "ffffffff8fe01d32";
  EXPECT_THAT(Parse(capture).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("symbols and iomem")));
}

TEST(ParseBootMachineTest, OddLinesAreLeftOut) {
  nlohmann::json capture = Capture();
  capture["dmesg_mem"] = {"  node   0: [mem zzz]",
                          "  node 999999: [mem 0x1000-0x2fff]",
                          "  node",
                          "RAMDISK: nothing",
                          "  node   0: [mem 0x2000-0x1000]",
                          "  node   0: [mem 0xffffffffffff0000-0xffffffffffffffff]"};
  const auto parsed = Parse(capture);
  ASSERT_OK(parsed);
  EXPECT_TRUE((*parsed)->nodes.empty() || (*parsed)->nodes[0].empty());
  EXPECT_FALSE((*parsed)->initrd.has_value());
}

}  // namespace
}  // namespace dmfrag::workload
