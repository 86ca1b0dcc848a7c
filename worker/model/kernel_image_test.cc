#include "worker/model/kernel_image.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/attribute_changer.h"
#include "worker/model/cpa_rules.h"
#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/event_counters.h"
#include "worker/model/memory_map.h"
#include "worker/model/table_page_source.h"
#include "worker/model/tlb_flushes.h"

namespace dmfrag::model {
namespace {

constexpr VirtualPage kText(0xffffffff81000);
constexpr uint64_t kMib = uint64_t{1} << 20;

VirtualPage At(uint64_t offset_bytes) { return kText + FrameCount(offset_bytes / kFrameBytes); }

// Debian's 6.1.0-56-amd64, at 16 MiB.
KernelImage Image() {
  return {.first_frame = FrameNumber(4096),
          .text = kText,
          .text_end = At(0xe02000),
          .rodata_end = At(0x18eb000),
          .data = At(0x1a00000),
          .init_begin = At(0x2044000),
          .init_end = At(0x2306000),
          .bss = At(0x2310000),
          .idt_table = At(0x2313000),
          .bss_end = At(0x3400000),
          .end = At(0x3430000)};
}

class EndlessTables : public TablePageSource {
 public:
  std::optional<FrameNumber> TakeTable(MapLevel, FrameNumber) override { return DirectMap::kNoFrame; }
  void ReturnTable(FrameNumber) override {}
};

// The image's two mappings after boot.
struct Booted {
  explicit Booted(const KernelImage& image)
      : map(DirectMap::Boot(*MemoryMap::Pc(1024 * kMib), {}, EntryFlags::PageKernel())),
        counters(DirectMapCounters::Of(map)),
        mapping(MapKernelImage(image)) {
    AttributeChanger changer(&map, &counters, &tables, TlbFlushes(1), CpaRules::Of(KernelRelease::k6_1));
    for (const VirtualAttributeRequest& request : KernelImageRequests(image)) {
      EXPECT_EQ(changer.Change(mapping, request, events), CpaOutcome::kDone);
    }
  }
  DirectMap map;
  DirectMapCounters counters;
  VirtualMap mapping;
  EndlessTables tables;
  EventCounters events;
};

TEST(KernelImageTest, SectionsThatEndInsideALargePageSplitIt) {
  const Booted booted(Image());
  // Own mapping: ends of text and rodata, both ends of init (bss begins in the second's block), shared data at its end.
  EXPECT_EQ(booted.events.vmalloc_splits_2m, 5);
  // Direct map: ends of text and rodata, idt_table.
  EXPECT_EQ(booted.events.splits_2m, 3);
  EXPECT_EQ(booted.counters.pages_2m + 8, DirectMap::Boot(*MemoryMap::Pc(1024 * kMib), {}, {}).counts().pages_2m);
  for (const uint64_t frame : {15, 20, 25}) {
    EXPECT_EQ(booted.map.Lookup(FrameNumber(frame * 512))->level, MapLevel::k4K) << frame;
  }
  EXPECT_EQ(booted.map.Lookup(FrameNumber(16 * 512))->level, MapLevel::k2M);
}

TEST(KernelImageTest, ATextThatEndsAlignedSplitsNothingThere) {
  KernelImage image = Image();
  image.text_end = At(0xe00000);
  const Booted booted(image);
  EXPECT_EQ(booted.events.vmalloc_splits_2m, 4);
  EXPECT_EQ(booted.events.splits_2m, 2);
}

TEST(KernelImageTest, TextAndRodataAreReadOnlyAndTheGapsWritable) {
  const Booted booted(Image());
  const auto writable = [&](VirtualPage page) {
    return booted.map.Lookup(FrameNumber(4096) + (page - kText))->flags.Has(EntryFlags::kWritable);
  };
  EXPECT_FALSE(writable(kText));
  EXPECT_FALSE(writable(At(0xe01000)));
  EXPECT_TRUE(writable(At(0xe02000))) << "freed gap after text";
  EXPECT_FALSE(writable(At(0x1000000)));
  EXPECT_FALSE(writable(At(0x18ea000)));
  EXPECT_TRUE(writable(At(0x18eb000))) << "freed gap after rodata";
  EXPECT_TRUE(writable(At(0x1a00000)));
  EXPECT_TRUE(writable(Image().bss));
  EXPECT_FALSE(writable(Image().idt_table));
  EXPECT_TRUE(writable(Image().idt_table + FrameCount(1)));
  // The direct map is never executable; the image's mapping is, up to the end of text.
  EXPECT_TRUE(booted.map.Lookup(FrameNumber(4096))->flags.Has(EntryFlags::kNoExecute));
  EXPECT_FALSE(booted.mapping.Lookup(At(0xe01000))->flags.Has(EntryFlags::kNoExecute));
  EXPECT_TRUE(booted.mapping.Lookup(At(0xe02000))->flags.Has(EntryFlags::kNoExecute));
}

TEST(KernelImageTest, PageIsolationTakesFreedPartsOutOfTheImageAlone) {
  KernelImage image = Image();
  image.page_isolation = true;
  const Booted booted(image);
  EXPECT_FALSE(booted.mapping.Lookup(image.init_begin)->flags.Has(EntryFlags::kPresent));
  EXPECT_TRUE(booted.map.Lookup(FrameNumber(4096) + (image.init_begin - kText))->flags.Has(EntryFlags::kPresent));
  EXPECT_EQ(booted.events.vmalloc_splits_2m, 5) << "no more than without";
}

TEST(KernelImageTest, CreateRefusesALayoutThatMakesNoSense) {
  EXPECT_OK(KernelImage::Create(Image()));
  const auto refused = [](const std::function<void(KernelImage&)>& spoil) {
    KernelImage image = Image();
    spoil(image);
    return KernelImage::Create(image).status();
  };
  const auto refusal = StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("kernel image"));
  EXPECT_THAT(refused([](KernelImage& image) { image.text_end = image.data + FrameCount(1); }), refusal);
  EXPECT_THAT(refused([](KernelImage& image) { image.text = image.text + FrameCount(1); }), refusal);
  EXPECT_THAT(refused([](KernelImage& image) { image.first_frame = FrameNumber(4097); }), refusal);
  EXPECT_THAT(refused([](KernelImage& image) { image.data = image.data + FrameCount(1); }), refusal);
  EXPECT_THAT(refused([](KernelImage& image) { image.end = At(2048 * kMib); }), refusal);
}

}  // namespace
}  // namespace dmfrag::model
