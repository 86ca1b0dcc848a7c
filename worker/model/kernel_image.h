#ifndef DMFRAG_WORKER_MODEL_KERNEL_IMAGE_H_
#define DMFRAG_WORKER_MODEL_KERNEL_IMAGE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/attribute_request.h"
#include "worker/model/units.h"
#include "worker/model/virtual_map.h"

namespace dmfrag::model {

// Where the kernel's own image lies, and how its sections follow one another: addresses of symbols, by page. The image
// is mapped twice, by 2M entries of its own and by the direct map.
//
// Source: arch/x86/kernel/vmlinux.lds.S. Sections that may begin inside a 2M block are named; those whose begin is
// always aligned to 2M (_text, __start_rodata, _sdata) need no more than their neighbours.
struct KernelImage {
  FrameNumber first_frame;      // of _text; KASLR moves it
  VirtualPage text;             // _text
  VirtualPage text_end;         // _etext, rounded up
  VirtualPage rodata_end;       // __end_rodata
  VirtualPage data;             // _sdata
  VirtualPage init_begin;       // __init_begin
  VirtualPage init_end;         // __init_end
  VirtualPage bss;              // __bss_start
  VirtualPage idt_table;        // idt_table, a page of its own among the first of bss
  VirtualPage bss_end;          // __bss_stop
  VirtualPage end;              // _end, after the room for early allocations (brk)
  bool page_isolation = false;  // pti: freed parts of the image leave its own mapping

  // Errors: kInvalidArgument if the sections do not follow one another in the order above, do not begin at a multiple
  // of 2M, or span more than 1 GiB.
  static absl::StatusOr<KernelImage> Create(const KernelImage& layout);

  // Frames of the image, from _text to _end.
  FrameRange frames() const { return {first_frame, first_frame + (end - text)}; }
};

// The image's own mapping as it is before anything is protected: whole 2M entries, writable and executable, from _text
// up to the end of the room for early allocations. Source: arch/x86/kernel/head_64.S, arch/x86/mm/init_64.c
// cleanup_highmap.
VirtualMap MapKernelImage(const KernelImage& image);

// What the kernel asks of its image's mapping from start to SYSTEM_RUNNING, in order; requests that change nothing
// included. Source: arch/x86/kernel/idt.c idt_setup_apic_and_irq_gates; arch/x86/kernel/alternative.c
// alternative_instructions; arch/x86/mm/init.c free_initmem, free_init_pages, free_kernel_image_pages;
// arch/x86/mm/mem_encrypt_amd.c mem_encrypt_free_decrypted_mem; arch/x86/mm/init_64.c mark_rodata_ro. Their order and
// ranges are the same from 6.1 to 7.3.
//
// Simplifications: of the last 2M of bss, .bss..decrypted, five pages are taken to be in use (5 from 6.12 on, 3
// on 6.1). set_memory_ro is taken to clear DIRTY too, as from 6.12 on.
std::vector<VirtualAttributeRequest> KernelImageRequests(const KernelImage& image);

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_KERNEL_IMAGE_H_
