#include "worker/model/frame_table.h"

namespace dmfrag::model {

FrameIndex FrameTable::Touch(FrameNumber frame) {
  uint32_t& slot = slot_of_section_[frame.raw() >> kSectionShift];
  if (slot == kNoSlot) {
    slot = static_cast<uint32_t>(sections_.size());
    sections_.push_back(std::make_unique<Section>());
    sections_.back()->first = frame.AlignedDown(FrameCount(kSectionFrames));
  }
  return IndexOf(frame);
}

std::vector<FrameNumber> FrameTable::TouchedSections() const {
  std::vector<FrameNumber> firsts;
  firsts.reserve(sections_.size());
  for (const auto& section : sections_) firsts.push_back(section->first);
  return firsts;
}

}  // namespace dmfrag::model
