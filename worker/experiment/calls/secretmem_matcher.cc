#include "worker/experiment/calls/secretmem_matcher.h"

#include <algorithm>
#include <variant>

#include "worker/experiment/calls/recorded_calls.h"
#include "worker/workload/calls/secretmem_calls.h"

namespace dmfrag::experiment {
namespace {

using workload::CpaCall;
using workload::DirectMapCall;
using workload::SecretOperation;

// How far a recorded call may be ahead of the next generated one: those between were not recorded.
constexpr size_t kMaxSkipped = 64;

// Of a fault or a free of one page.
DirectMapCall ChangeIn(const workload::UserCalls& calls) { return std::get<DirectMapCall>(calls.front()); }

}  // namespace

void SecretmemMatcher::BeginStep(const workload::StepOperations& operations) {
  step_ = operations.step;
  sequences_.clear();
  for (const SecretOperation& operation : operations.secrets) {
    if (sequences_.empty() || operations.several_threads) sequences_.emplace_back();
    Expect(operation, sequences_.back());
  }
}

void SecretmemMatcher::Expect(const SecretOperation& operation, Sequence& sequence) {
  const bool touch = operation.kind == SecretOperation::Kind::kTouch;
  if (touch) areas_[operation.area] = operation.frames;
  const auto area = areas_.find(operation.area);
  if (area == areas_.end()) return;  // an area of other memory
  for (size_t page = 0; page < area->second.size(); ++page) {
    const std::optional<model::FrameNumber>& frame = area->second[page];
    Expected expected{.call = {}, .area = operation.area, .page = page};
    if (frame.has_value()) {
      expected.call =
          ChangeIn(touch ? workload::SecretmemFault(*frame, release_) : workload::SecretmemFree(std::span(&*frame, 1)));
    } else if (!touch) {
      continue;
    }
    sequence.calls.push_back(std::move(expected));
  }
  if (!touch) areas_.erase(area);
}

bool SecretmemMatcher::Take(const DirectMapCall& recorded, CallTally& tally) {
  return std::any_of(sequences_.begin(), sequences_.end(),
                     [&](Sequence& sequence) { return TakeFrom(sequence, recorded, tally); });
}

bool SecretmemMatcher::TakeFrom(Sequence& sequence, const DirectMapCall& recorded, CallTally& tally) {
  const size_t end = std::min(sequence.calls.size(), sequence.next + kMaxSkipped);
  for (size_t i = sequence.next; i < end; ++i) {
    const Expected& expected = sequence.calls[i];
    if (!expected.call.has_value() || !IsRecordOf(recorded, *expected.call)) continue;
    tally.Equal(step_, CallUser::kSecretmem);
    ++sequence.matched;
    sequence.next = i + 1;
    return true;
  }
  if (sequence.next == sequence.calls.size()) return false;
  const Expected& expected = sequence.calls[sequence.next];
  if (expected.call.has_value() || recorded.op != CpaCall::Op::kSetDirectMapInvalid) return false;
  areas_[expected.area][expected.page] = recorded.request.range.first;
  tally.Learned(step_, CallUser::kSecretmem);
  ++sequence.matched;
  ++sequence.next;
  return true;
}

void SecretmemMatcher::EndStep(CallTally& tally) {
  for (const Sequence& sequence : sequences_) {
    tally.NotRecorded(step_, CallUser::kSecretmem, static_cast<int64_t>(sequence.calls.size() - sequence.matched));
  }
}

}  // namespace dmfrag::experiment
