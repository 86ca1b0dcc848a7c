#include "tests/oracle/direct_map_program.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

#include "worker/model/entry_flags.h"
#include "worker/model/units.h"

namespace dmfrag::tests {
namespace {

using model::AttributeRequest;
using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::LeafRun;
using model::MapLevel;

constexpr size_t kBytesPerStep = 8;
constexpr size_t kMaxSteps = 64;

LeafRun Run(uint64_t first, uint64_t end, MapLevel level) {
  return {FrameNumber(first), FrameCount(end - first), level, EntryFlags::PageKernel()};
}

// Whole GiBs are slow to compare: programs on them are few and short.
constexpr uint8_t kGibStarts = 6;
constexpr size_t kMaxStepsOnGibs = 12;

std::vector<LeafRun> GibStart(int choice) {
  switch (choice) {
    case 0:
      return {Run(0, 262144, MapLevel::k1G)};
    case 1:
      return {Run(0, 262144, MapLevel::k2M)};
    default:  // the end of a GiB with a hole of one page, then a whole one
      return {Run(261120, 261632, MapLevel::k4K), Run(261633, 262144, MapLevel::k4K),
              Run(262144, 524288, MapLevel::k1G)};
  }
}

// A few blocks, the first and one in the middle with holes.
std::vector<LeafRun> SmallStart() {
  return {Run(0, 0x9f, MapLevel::k4K), Run(256, 512, MapLevel::k4K), Run(512, 2048, MapLevel::k2M),
          Run(2048, 2500, MapLevel::k4K), Run(3072, 5120, MapLevel::k2M)};
}

// What requests of the kernel set and clear, and single bits.
EntryFlags Flags(uint8_t choice) {
  static constexpr uint16_t kChoices[] = {
      0,
      EntryFlags::kPresent | EntryFlags::kWritable,
      EntryFlags::kWritable,
      EntryFlags::kWritable | EntryFlags::kDirty,
      EntryFlags::kWritable | EntryFlags::kDirty | EntryFlags::kNoExecute,
      EntryFlags::kPresent,
      EntryFlags::kCacheDisable,
      EntryFlags::kCacheDisable | EntryFlags::kWriteThrough | EntryFlags::kPat,
      EntryFlags::kKernel4K,
      EntryFlags::kGlobal,
      EntryFlags::kNoExecute,
      EntryFlags::kDirty,
  };
  return EntryFlags(kChoices[choice % std::size(kChoices)]);
}

model::CpaRules Rules(uint8_t choice) {
  model::CpaRules rules;
  static constexpr model::CollapseDesign kDesigns[] = {model::CollapseDesign::kOnRox, model::CollapseDesign::kOnRox,
                                                       model::CollapseDesign::kWhenUniform,
                                                       model::CollapseDesign::kNever};
  rules.collapse = kDesigns[choice % 4];
  rules.skip_alias_of_nx = (choice & 4) != 0;
  rules.restore_global = (choice & 0x18) == 0x18;
  rules.restore_dirty = (choice & 0x60) == 0x60;
  rules.clflush = (choice & 0x80) == 0;
  return rules;
}

DirectMapProgram::Step StepFromBytes(std::string_view bytes, uint64_t frames) {
  using Target = DirectMapProgram::Target;
  static constexpr Target kTargets[] = {Target::kDirectMap, Target::kDirectMap, Target::kArea, Target::kImage};
  static constexpr uint64_t kAlignments[] = {1, 1, 1, 512, 512, 512, 1024, 262144};
  static constexpr uint64_t kLengths[] = {1, 1, 2, 33, 34, 511, 512, 512, 513, 1024, 2048, 262144};
  std::array<uint8_t, kBytesPerStep> b;
  std::transform(bytes.begin(), bytes.end(), b.begin(), [](char c) { return static_cast<uint8_t>(c); });
  DirectMapProgram::Step step;
  step.target = kTargets[b[7] % 4];
  if (step.target == Target::kDirectMap && b[6] % 16 == 5) step.target = Target::kCollapse;
  if (step.target == Target::kArea) frames = DirectMapLockstep::kAreaPages;
  if (step.target == Target::kImage) frames = DirectMapLockstep::kImagePages;
  const uint64_t place = b[0] | b[1] << 8 | (b[2] & 0x0f) << 16;
  const uint64_t alignment = kAlignments[b[2] >> 5];
  const uint64_t first = place % (frames + 64) / alignment * alignment;
  const uint64_t usual_length = b[3] < 192 ? kLengths[b[3] % std::size(kLengths)] : uint64_t{b[3]} * b[3] % 1500;
  // Whole 1G pages are what puts 1G pages together.
  const uint64_t length = alignment == 262144 && b[3] < 224 ? alignment : usual_length;
  AttributeRequest& request = step.request;
  request.range = {FrameNumber(first), FrameNumber(first) + FrameCount(length)};
  request.set = Flags(b[4] < 128 ? 0 : b[4]);
  request.clear = Flags(b[5] < 64 ? 0 : b[5]);
  request.force_4k = b[6] % 16 == 1;
  request.array = b[6] % 16 == 2 || b[6] % 16 == 3;
  request.check_alias = b[6] % 16 != 4;
  request.collapse = b[6] % 16 >= 10;
  request.flush = b[6] < 192;
  if (b[7] < 64) step.tables_left = b[7] / 4 % 4;
  return step;
}

model::VirtualAttributeRequest At(model::VirtualPage first, const AttributeRequest& request) {
  model::VirtualAttributeRequest moved;
  moved.range = {first + FrameCount(request.range.first.raw()), first + FrameCount(request.range.end.raw())};
  moved.set = request.set;
  moved.clear = request.clear;
  moved.force_4k = request.force_4k;
  moved.array = request.array;
  moved.collapse = request.collapse;
  moved.flush = request.flush;
  moved.check_alias = request.check_alias;
  return moved;
}

}  // namespace

DirectMapProgram ProgramFromBytes(std::string_view bytes) {
  DirectMapProgram program;
  const auto take = [&](uint8_t without) {
    const uint8_t taken = bytes.empty() ? without : static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(std::min<size_t>(1, bytes.size()));
    return taken;
  };
  const uint8_t start = take(kGibStarts);
  const uint8_t rules = take(0);
  const bool gibs = start < kGibStarts;
  program.start = gibs ? GibStart(start % 3) : SmallStart();
  program.options.missing = (gibs ? start >= 3 : start >= 224) ? 2 : 0;
  program.options.image = start % 2 == 0;
  program.options.rules = Rules(rules);
  const size_t max_steps = gibs ? kMaxStepsOnGibs : kMaxSteps;
  const uint64_t frames = (program.start.back().first + program.start.back().frames).raw();
  for (; bytes.size() >= kBytesPerStep && program.steps.size() < max_steps; bytes.remove_prefix(kBytesPerStep)) {
    program.steps.push_back(StepFromBytes(bytes.substr(0, kBytesPerStep), frames));
  }
  return program;
}

std::string RunInLockstep(const DirectMapProgram& program, model::EventCounters& events) {
  using Target = DirectMapProgram::Target;
  DirectMapLockstep maps(program.start, program.options);
  std::string difference;
  for (const DirectMapProgram::Step& step : program.steps) {
    if (step.target == Target::kDirectMap) {
      difference = maps.Perform(step.request, step.tables_left);
    } else if (step.target == Target::kCollapse) {
      difference = maps.PerformCollapse(step.request.range);
    } else {
      const bool of_image = step.target == Target::kImage;
      const auto first = of_image ? DirectMapLockstep::kImage : DirectMapLockstep::kArea;
      difference = maps.Perform(At(first, step.request), of_image, step.tables_left);
    }
    if (!difference.empty()) break;
  }
  events += maps.events();
  return difference;
}

}  // namespace dmfrag::tests
