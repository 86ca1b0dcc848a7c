#include "worker/model/early_code.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

namespace dmfrag::model {
namespace {

constexpr EntryFlags kWritableDirty(EntryFlags::kWritable | EntryFlags::kDirty);
constexpr FrameNumber kNormalBegin(uint64_t{1} << 20);  // 4 GiB
constexpr FrameNumber kDma32Begin(4096);                // 16 MiB
constexpr FrameNumber k3Gib(3 * kFramesPer1G.raw());
constexpr uint64_t kFramesPerSection = 32768;  // 128 MiB, whose page structures take 2 MiB

using NodeMemory = std::vector<FrameRange>;

constexpr FrameNumber Block(FrameNumber origin, uint64_t blocks) {
  return origin + FrameCount(blocks * kFramesPer2M.raw());
}

constexpr FrameNumber BlockBefore(FrameNumber end) { return FrameNumber(end.raw() - kFramesPer2M.raw()); }

// Pages of one 2M block for code. Half of them stands for however many: what counts is that it is not all.
AttributeRequest ReadOnly(FrameNumber block, FrameCount pages) {
  AttributeRequest request;
  request.range = {block, block + pages};
  request.clear = kWritableDirty;
  return request;
}

constexpr FrameCount kSomePages(256);

class EarlyCode {
 public:
  EarlyCode(const BootMachine& machine, const NodeMemory& node) : machine_(machine), node_(node) {
    if (machine.image.has_value()) image_ = machine.image->frames();
    origin_ = Origin();
  }

  std::vector<AttributeRequest> Pack() {
    if (machine_.release >= KernelRelease::k7_3) {
      Add(UpFrom(Block(origin_, HasNormal() ? 5 : 6)), kFramesPer2M);
    } else if (machine_.release >= KernelRelease::k6_16) {
      Add(UpFrom(Block(origin_, 1)), kSomePages);
      Add(UpFrom(Block(origin_, 4)), kSomePages);
    } else {
      Add(UpFrom(Block(origin_, HasNormal() ? 1 : 2)), kSomePages);
      if (TakesThirdBlock()) Add(UpFrom(Block(origin_, 5)), kSomePages);
      Add(Top(), kSomePages);
    }
    return std::move(requests_);
  }

  std::vector<AttributeRequest> Kprobe() {
    Add(UpFrom(Block(origin_, 8)), FrameCount(1));
    return std::move(requests_);
  }

  // set_memory_4k, whose 2 MiB lie under the page structures.
  std::vector<AttributeRequest> KfencePool() {
    const std::optional<FrameNumber> top = Top();
    if (!top.has_value()) return {};
    Add(DownFrom(BlockBefore(BlockBefore(*top))), kFramesPer2M);
    for (AttributeRequest& request : requests_) {
      request.clear = {};
      request.force_4k = true;
    }
    return std::move(requests_);
  }

 private:
  bool HasNormal() const { return node_.back().end > kNormalBegin; }

  // Where the node's memory begins that the page allocator prefers.
  FrameNumber Origin() const {
    FrameNumber origin = HasNormal() ? kNormalBegin : kDma32Begin;
    if (!HasNormal() && image_.Contains(origin)) origin = image_.end;
    for (const FrameRange& range : node_) {
      if (range.end > origin) return std::max(range.first, origin).AlignedUp(kFramesPer2M);
    }
    return origin;
  }

  bool TakesThirdBlock() const {
    if (machine_.memory.end() > kNormalBegin || Total() > k3Gib - FrameNumber(kFramesPerSection)) return false;
    return machine_.release >= KernelRelease::k6_12 || machine_.cpus == 1;
  }
  FrameCount Total() const {
    FrameCount total;
    for (const FrameRange& range : node_) total += range.count();
    return total;
  }

  // The block under what memblock handed out at the top: page structures, and less than 4 MiB of other things.
  std::optional<FrameNumber> Top() const {
    FrameNumber end = node_.back().end;
    const auto& initrd = machine_.moved_initrd.has_value() ? machine_.moved_initrd : machine_.initrd;
    if (initrd.has_value() && initrd->first < end && initrd->end.AlignedUp(kFramesPer2M) >= end) end = initrd->first;
    uint64_t sections = 0;
    uint64_t next = 0;
    for (const FrameRange& range : node_) {
      const uint64_t last = (range.end.raw() - 1) / kFramesPerSection;
      next = std::max(next, range.first.raw() / kFramesPerSection);
      if (last < next) continue;
      sections += last + 1 - next;
      next = last + 1;
    }
    const uint64_t top = (end.raw() - 1) / kFramesPer2M.raw();
    if (top < sections + 2) return std::nullopt;
    return DownFrom(Block(FrameNumber(0), top - sections - 2));
  }

  // The first block at or above `block` that is memory of the node and not the image's.
  std::optional<FrameNumber> UpFrom(FrameNumber block) const {
    for (const FrameRange& range : node_) {
      FrameNumber first = std::max(range.first, block).AlignedUp(kFramesPer2M);
      if (InImage(first)) first = image_.end.AlignedUp(kFramesPer2M);
      if (first + kFramesPer2M <= range.end) return first;
    }
    return std::nullopt;
  }
  // The last block at or below `block`.
  std::optional<FrameNumber> DownFrom(FrameNumber block) const {
    for (auto range = node_.rbegin(); range != node_.rend(); ++range) {
      FrameNumber end = std::min(range->end, block + kFramesPer2M).AlignedDown(kFramesPer2M);
      if (end.raw() >= kFramesPer2M.raw() && InImage(BlockBefore(end))) {
        end = image_.first.AlignedDown(kFramesPer2M);
      }
      if (end.raw() >= kFramesPer2M.raw() && BlockBefore(end) >= std::max(range->first, kDma32Begin)) {
        return BlockBefore(end);
      }
    }
    return std::nullopt;
  }
  bool InImage(FrameNumber block) const { return block < image_.end && block + kFramesPer2M > image_.first; }
  void Add(std::optional<FrameNumber> block, FrameCount pages) {
    if (block.has_value()) requests_.push_back(ReadOnly(*block, pages));
  }

  const BootMachine& machine_;
  const NodeMemory& node_;
  FrameRange image_;
  FrameNumber origin_;
  std::vector<AttributeRequest> requests_;
};

}  // namespace

std::string EarlyCodeLimitation(const BootMachine& machine) {
  if (machine.release < KernelRelease::k6_16) {
    return "whether the first BPF pack takes its single pages from two or three 2M blocks depends on the free pages "
           "that "
           "earlier allocations of boot left, which are not known";
  }
  if (machine.release >= KernelRelease::k7_3 && machine.nodes.size() > 1) {
    return "the first BPF pack lies on the node whose processor asked for it, taken to be the first";
  }
  return "";
}

std::vector<AttributeRequest> EarlyCodeRequests(const BootMachine& machine) {
  std::vector<NodeMemory> nodes;
  for (const NodeMemory& node : machine.nodes) {
    if (!node.empty()) nodes.push_back(node);
  }
  if (nodes.empty()) nodes.push_back(machine.memory.ranges());

  std::vector<AttributeRequest> requests;
  const auto append = [&requests](const std::vector<AttributeRequest>& more) {
    requests.insert(requests.end(), more.begin(), more.end());
  };
  if (machine.kfence) append(EarlyCode(machine, nodes.front()).KfencePool());
  // A pack is 2 MiB per node up to 6.18; one block of whichever node's processor ran the call on 7.3.
  const size_t packs = machine.release >= KernelRelease::k7_3 ? 1 : nodes.size();
  for (size_t i = 0; i < packs; ++i) append(EarlyCode(machine, nodes[i]).Pack());
  if (machine.boot_kprobes) append(EarlyCode(machine, nodes.front()).Kprobe());
  return requests;
}

}  // namespace dmfrag::model
