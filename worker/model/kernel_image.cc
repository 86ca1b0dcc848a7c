#include "worker/model/kernel_image.h"

#include <array>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"

namespace dmfrag::model {
namespace {

constexpr EntryFlags kWritable(EntryFlags::kWritable);
constexpr EntryFlags kWritableDirty(EntryFlags::kWritable | EntryFlags::kDirty);
constexpr EntryFlags kNoExecute(EntryFlags::kNoExecute);
constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);
// One page of data_nosave lies between the SMP alternatives and bss.
constexpr FrameCount kNosavePages(1);
// 2M less what "Freeing unused decrypted memory" frees (2036K on 6.1, 2028K from 6.12 on).
constexpr FrameCount kDecryptedUsedPages(5);

// The calls of free_init_pages and its like, each one request.
class RequestList {
 public:
  void Ask(VirtualRange range, EntryFlags set, EntryFlags clear, bool check_alias = true) {
    if (range.empty()) return;
    VirtualAttributeRequest request;
    request.range = range;
    request.set = set;
    request.clear = clear;
    request.check_alias = check_alias;
    requests_.push_back(request);
  }
  // set_memory_ro.
  void ReadOnly(VirtualRange range) { Ask(range, {}, kWritableDirty); }
  // set_memory_nx.
  void NoExecute(VirtualRange range) { Ask(range, kNoExecute, {}); }
  // free_init_pages.
  void Free(VirtualRange range) {
    NoExecute(range);
    Ask(range, kWritable, {});
  }
  // free_kernel_image_pages.
  void FreeOfImage(VirtualRange range, bool page_isolation) {
    Free(range);
    if (page_isolation) Ask(range, {}, kPresentWritable, /*check_alias=*/false);
  }
  std::vector<VirtualAttributeRequest> Take() { return std::move(requests_); }

 private:
  std::vector<VirtualAttributeRequest> requests_;
};

}  // namespace

absl::StatusOr<KernelImage> KernelImage::Create(const KernelImage& layout) {
  const std::array<VirtualPage, 10> sections = {layout.text,       layout.text_end, layout.rodata_end, layout.data,
                                                layout.init_begin, layout.init_end, layout.bss,        layout.idt_table,
                                                layout.bss_end,    layout.end};
  bool ordered = true;
  for (size_t i = 1; i < sections.size(); ++i) ordered = ordered && sections[i - 1] <= sections[i];
  if (!ordered || !layout.text.IsAligned(kFramesPer2M) || !layout.first_frame.IsAligned(kFramesPer2M) ||
      !layout.data.IsAligned(kFramesPer2M) || layout.end - layout.text > kFramesPer1G) {
    return absl::InvalidArgumentError(
        "kernel image: its sections must follow one another (_text, _etext, __end_rodata, _sdata, __init_begin, "
        "__init_end, __bss_start, idt_table, __bss_stop, _end), _text and _sdata lie at a multiple of 2M, and all "
        "within 1 GiB; "
        "give the symbols of the kernel that booted");
  }
  return layout;
}

VirtualMap MapKernelImage(const KernelImage& image) {
  const EntryFlags flags(EntryFlags::kPresent | EntryFlags::kWritable | EntryFlags::kDirty |
                         (image.page_isolation ? 0 : EntryFlags::kGlobal));
  VirtualMap map(VirtualMap::Kind::kKernelImage);
  for (VirtualPage page = image.text; page < image.end; page = page + kFramesPer2M) {
    map.Map2M(page, image.first_frame + (page - image.text), flags);
  }
  return map;
}

std::vector<VirtualAttributeRequest> KernelImageRequests(const KernelImage& image) {
  RequestList list;
  list.ReadOnly({image.idt_table, image.idt_table + FrameCount(1)});
  if (image.bss - image.init_end > kNosavePages) {  // SMP alternatives
    list.Free({image.init_end, VirtualPage(image.bss.raw() - kNosavePages.raw())});
  }

  // free_initmem. With CONFIG_AMD_MEM_ENCRYPT the last 2M of bss are for data shared with a hypervisor, unused mostly.
  if (image.bss_end.IsAligned(kFramesPer2M) && image.bss_end - image.bss >= kFramesPer2M) {
    const VirtualPage shared(image.bss_end.raw() - kFramesPer2M.raw());
    list.Free({shared + kDecryptedUsedPages, image.bss_end});
  }
  list.FreeOfImage({image.init_begin, image.init_end}, image.page_isolation);

  // mark_rodata_ro.
  list.ReadOnly({image.text, image.rodata_end.AlignedUp(kFramesPer2M)});
  list.NoExecute({image.text_end, image.end.AlignedUp(kFramesPer2M)});
  list.FreeOfImage({image.text_end, image.text_end.AlignedUp(kFramesPer2M)}, image.page_isolation);
  list.FreeOfImage({image.rodata_end, image.data}, image.page_isolation);
  return list.Take();
}

}  // namespace dmfrag::model
