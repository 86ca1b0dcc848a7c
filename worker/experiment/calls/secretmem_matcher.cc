#include "worker/experiment/calls/secretmem_matcher.h"

#include <algorithm>
#include <unordered_set>
#include <utility>
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

// Of a fault.
DirectMapCall ChangeIn(const workload::UserCalls& calls) { return std::get<DirectMapCall>(calls.front()); }

// Calls that take a frame out which a later one of the step puts back: no faults, where nothing was freed. A frame that
// vmalloc frees is often the next secret page.
std::vector<bool> PutBackLater(const workload::StepOperations& operations, const std::vector<DirectMapCall>& recorded) {
  std::vector<bool> later(recorded.size());
  const bool frees =
      std::any_of(operations.secrets.begin(), operations.secrets.end(),
                  [](const SecretOperation& operation) { return operation.kind == SecretOperation::Kind::kFree; });
  if (frees) return later;
  std::unordered_set<uint64_t> put_back;
  for (size_t i = recorded.size(); i-- > 0;) {
    const uint64_t frame = recorded[i].request.range.first.raw();
    if (recorded[i].op == CpaCall::Op::kSetDirectMapDefault) put_back.insert(frame);
    if (recorded[i].op == CpaCall::Op::kSetDirectMapInvalid) later[i] = put_back.erase(frame) > 0;
  }
  return later;
}

}  // namespace

std::vector<SecretmemMatcher::Sequence> SecretmemMatcher::Generate(const workload::StepOperations& operations) {
  std::vector<Sequence> sequences;
  for (const SecretOperation& operation : operations.secrets) {
    if (sequences.empty() || operations.several_threads) sequences.emplace_back();
    Expect(operation, sequences.back());
  }
  return sequences;
}

void SecretmemMatcher::Expect(const SecretOperation& operation, Sequence& sequence) {
  if (operation.kind == SecretOperation::Kind::kTouch) {
    areas_[operation.area] = operation.frames;
    for (size_t page = 0; page < operation.frames.size(); ++page) {
      const std::optional<model::FrameNumber>& frame = operation.frames[page];
      Expected expected{.call = {}, .area = operation.area, .page = page};
      if (frame.has_value()) expected.call = ChangeIn(workload::SecretmemFault(*frame, release_));
      sequence.calls.push_back(std::move(expected));
    }
    return;
  }
  const auto area = areas_.find(operation.area);
  if (area == areas_.end()) return;  // an area of other memory
  std::vector<model::FrameNumber> frames;
  for (const std::optional<model::FrameNumber>& frame : area->second) {
    if (frame.has_value()) frames.push_back(*frame);
  }
  for (const workload::UserCall& call : workload::SecretmemFree(frames)) {
    sequence.calls.push_back({.call = std::get<DirectMapCall>(call), .area = operation.area, .page = 0});
  }
  areas_.erase(area);
}

bool SecretmemMatcher::TakeFrom(Sequence& sequence, const DirectMapCall& recorded, size_t skip) {
  const size_t end = std::min(sequence.calls.size(), sequence.next + skip + 1);
  for (size_t i = sequence.next; i < end; ++i) {
    const Expected& expected = sequence.calls[i];
    if (!expected.call.has_value() || !IsRecordOf(recorded, *expected.call)) continue;
    ++sequence.equal;
    sequence.next = i + 1;
    return true;
  }
  if (sequence.next == sequence.calls.size()) return false;
  const Expected& expected = sequence.calls[sequence.next];
  if (expected.call.has_value() || recorded.op != CpaCall::Op::kSetDirectMapInvalid) return false;
  areas_[expected.area][expected.page] = recorded.request.range.first;
  ++sequence.learned;
  ++sequence.next;
  return true;
}

std::vector<DirectMapCall> SecretmemMatcher::MatchChurn(const workload::StepOperations& operations,
                                                        const std::vector<DirectMapCall>& recorded, CallTally& tally) {
  std::vector<DirectMapCall> others;
  std::unordered_set<uint64_t> out;
  uint64_t touched = 0;
  uint64_t freed = 0;
  for (const DirectMapCall& call : recorded) {
    const uint64_t frame = call.request.range.first.raw();
    const bool is_page = call.request.range.count() == model::kFramesPer4K;
    if (is_page && call.op == CpaCall::Op::kSetDirectMapInvalid && touched < operations.churned_secret_pages) {
      out.insert(frame);
      ++touched;
      tally.Learned(operations.step, CallUser::kSecretmem);
    } else if (is_page && call.op == CpaCall::Op::kSetDirectMapDefault && out.erase(frame) > 0) {
      ++freed;
      tally.Equal(operations.step, CallUser::kSecretmem);
    } else {
      others.push_back(call);
    }
  }
  tally.NotRecorded(operations.step, CallUser::kSecretmem,
                    static_cast<int64_t>(2 * operations.churned_secret_pages - touched - freed));
  return others;
}

std::vector<DirectMapCall> SecretmemMatcher::Match(const workload::StepOperations& operations,
                                                   const std::vector<DirectMapCall>& recorded, CallTally& tally) {
  if (operations.churned_secret_pages > 0) return MatchChurn(operations, recorded, tally);
  const std::vector<Sequence> generated = Generate(operations);
  std::vector<Sequence> sequences;
  std::vector<DirectMapCall> others;
  const std::vector<bool> put_back_later = PutBackLater(operations, recorded);
  const auto is_complete = [](const Sequence& sequence) { return sequence.next == sequence.calls.size(); };
  // First by the book; if that comes to a halt, leave out what was not recorded in its place.
  for (const size_t skip : {size_t{0}, kMaxSkipped}) {
    sequences = generated;
    others.clear();
    for (size_t i = 0; i < recorded.size(); ++i) {
      const auto takes = [&](Sequence& sequence) { return TakeFrom(sequence, recorded[i], skip); };
      const bool taken = !put_back_later[i] && std::any_of(sequences.begin(), sequences.end(), takes);
      if (!taken) others.push_back(recorded[i]);
    }
    if (std::all_of(sequences.begin(), sequences.end(), is_complete)) break;
  }
  for (const Sequence& sequence : sequences) {
    for (size_t i = 0; i < sequence.equal; ++i) tally.Equal(operations.step, CallUser::kSecretmem);
    for (size_t i = 0; i < sequence.learned; ++i) tally.Learned(operations.step, CallUser::kSecretmem);
    tally.NotRecorded(operations.step, CallUser::kSecretmem,
                      static_cast<int64_t>(sequence.calls.size() - sequence.equal - sequence.learned));
  }
  return others;
}

}  // namespace dmfrag::experiment
