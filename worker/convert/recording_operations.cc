#include "worker/convert/recording_operations.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/canonical.h"
#include "proto/support/mix_limits.h"
#include "proto/support/spelling.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/convert/mix_from_proto.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/mix.h"

namespace dmfrag::convert {
namespace {

using recording::Request;
using workload::Operation;
using workload::SimTime;

constexpr SimTime kEndOfTime = SimTime(std::numeric_limits<uint64_t>::max());

// What a kind of user does by default.
absl::StatusOr<workload::ObjectTraffic> TrafficOfKind(const std::string& kind) {
  v1::JobSpec spec;
  v1::User& user = *spec.mutable_workload()->mutable_mix()->add_users();
  user.set_name("recorded");
  if (kind == "ordinary") {
    v1::OrdinaryUser& ordinary = *user.mutable_ordinary();
    ordinary.set_migratetype(v1::MIGRATETYPE_UNMOVABLE);
    for (v1::Distribution* figure :
         {ordinary.mutable_interval_us(), ordinary.mutable_size_allocations(), ordinary.mutable_lifetime_us()}) {
      figure->mutable_constant()->set_value(1);
    }
  } else {
    user.GetReflection()->MutableMessage(&user, v1::User::descriptor()->FindFieldByName(kind));
  }
  const v1::JobSpec filled = WithDefaults(spec);
  ASSIGN_OR_RETURN(const workload::MixConfig mix, MixFrom(filled.workload().mix(), "recording"));
  return workload::TrafficOf(mix.users.front());
}

bool IsKind(const std::string& name) {
  const std::vector<std::string> names = UserKindNames();
  return std::find(names.begin(), names.end(), name) != names.end();
}

// `us` of recorded time, in the run.
uint64_t Scaled(unsigned __int128 us, uint64_t speed_thousandths) {
  const unsigned __int128 scaled = us * 1000 / speed_thousandths;
  return static_cast<uint64_t>(
      std::min(scaled, static_cast<unsigned __int128>(std::numeric_limits<uint64_t>::max() - 1)));
}

uint64_t RoundOf(uint64_t duration_us) {
  constexpr uint64_t kMostUs = uint64_t{1} << 53;  // 285 years
  return std::min(duration_us, kMostUs) + 1;
}

model::Migratetype TypeOf(uint8_t migratetype) {
  return migratetype < model::kMigratetypes ? static_cast<model::Migratetype>(migratetype)
                                            : model::Migratetype::kUnmovable;
}

}  // namespace

absl::StatusOr<std::vector<workload::RecordedUser>> UsersOfRecording(const v1::RecordingEnd& end) {
  if (end.users().empty()) {
    return absl::InvalidArgumentError("recording: it has no users; import it again");
  }
  std::vector<workload::RecordedUser> users;
  for (const v1::RecordingUser& user : end.users()) {
    if (!IsKind(user.kind())) {
      return absl::InvalidArgumentError(
          absl::StrCat("recording, user \"", user.name(), "\": ", user.kind(), " is no kind of user; ",
                       AllowedNames(user.kind(), UserKindNames()), "; change the rules, and import it again"));
    }
    ASSIGN_OR_RETURN(const workload::ObjectTraffic traffic, TrafficOfKind(user.kind()));
    users.push_back(workload::RecordedUserOf(user.name(), traffic));
  }
  return users;
}

uint64_t DurationOfRecording(const v1::RecordingEnd& end, const RecordingPace& pace) {
  const unsigned __int128 recorded = static_cast<unsigned __int128>(RoundOf(end.duration_us())) * pace.loops;
  // The last microsecond is within the run.
  return Scaled(recorded - 1, pace.speed_thousandths) + 1;
}

absl::StatusOr<std::unique_ptr<RecordingOperations>> RecordingOperations::Create(recording::Reader* reader,
                                                                                 const RecordingPace& pace,
                                                                                 uint32_t first_user,
                                                                                 uint32_t first_held_user) {
  std::unique_ptr<RecordingOperations> operations(new RecordingOperations(reader, pace, first_user, first_held_user));
  operations->round_us_ = RoundOf(reader->end().duration_us());
  if (!operations->StartRound()) return operations->status_;
  operations->totals_ = operations->requests_->totals();
  return operations;
}

SimTime RecordingOperations::TimeOf(uint64_t recorded_us) const {
  const unsigned __int128 since_start =
      static_cast<unsigned __int128>(round_) * round_us_ + std::min(recorded_us, round_us_ - 1);
  return SimTime(Scaled(since_start, pace_.speed_thousandths));
}

Operation RecordingOperations::EndOf(uint64_t number, const Block& block, uint64_t recorded_us, uint16_t cpu) const {
  return {.time = TimeOf(recorded_us),
          .kind = Operation::Kind::kDestroy,
          .user = block.user,
          .object = number,
          .order = model::Order(block.order),
          .type = TypeOf(block.migratetype),
          .cpu = cpu};
}

// What the round before left is freed at the beginning of this one.
bool RecordingOperations::StartRound() {
  auto requests = recording::RequestStream::Create(reader_);
  if (!requests.ok()) {
    status_ = requests.status();
    return false;
  }
  requests_ = *std::move(requests);
  first_object_ += next_block_;
  next_block_ = 0;
  std::vector<std::pair<uint64_t, Block>> left(live_.begin(), live_.end());
  std::sort(left.begin(), left.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  left_.clear();
  for (const auto& [number, block] : left) left_.push_back(EndOf(number, block, 0, block.cpu));
  live_.clear();
  for (const Request& held : requests_->held_before()) {
    next_block_ = std::max(next_block_, held.block + 1);
    if (round_ > 0) continue;
    live_[held.block] = {first_held_user_ + held.user, held.order, held.migratetype, held.cpu};
  }
  return true;
}

std::vector<experiment::HeldBlock> RecordingOperations::held() const {
  std::vector<experiment::HeldBlock> held;
  for (const Request& request : requests_->held_before()) {
    held.push_back({.operation = {.user = first_held_user_ + request.user,
                                  .object = request.block,
                                  .allocations = 1,
                                  .order = model::Order(request.order),
                                  .type = TypeOf(request.migratetype),
                                  .end = kEndOfTime,
                                  .cpu = request.cpu},
                    .frame = model::FrameNumber(request.frame)});
  }
  return held;
}

std::optional<Operation> RecordingOperations::Next() {
  while (status_.ok()) {
    if (!left_.empty()) {
      const Operation operation = left_.back();
      left_.pop_back();
      return operation;
    }
    absl::StatusOr<std::optional<Request>> request = requests_->Next();
    if (!request.ok()) {
      status_ = request.status();
      return std::nullopt;
    }
    if (!request->has_value()) {
      if (++round_ >= pace_.loops || !StartRound()) return std::nullopt;
      continue;
    }
    if (std::optional<Operation> operation = Convert(**request); operation.has_value()) return operation;
  }
  return std::nullopt;
}

// nullopt: the free of a block that was held before the recording, in a later round.
std::optional<Operation> RecordingOperations::Convert(const Request& request) {
  const uint64_t number = first_object_ + request.block;
  if (request.kind == Request::Kind::kFree) {
    const auto block = live_.find(number);
    if (block == live_.end()) return std::nullopt;
    const Operation end = EndOf(number, block->second, request.time_us, request.cpu);
    live_.erase(block);
    return end;
  }
  next_block_ = std::max(next_block_, request.block + 1);
  const Block block = {first_user_ + request.user, request.order, request.migratetype, request.cpu};
  live_[number] = block;
  return Operation{.time = TimeOf(request.time_us),
                   .kind = Operation::Kind::kCreate,
                   .user = block.user,
                   .object = number,
                   .allocations = 1,
                   .order = model::Order(block.order),
                   .type = TypeOf(block.migratetype),
                   .end = kEndOfTime,
                   .can_sleep = request.can_sleep,
                   .cpu = request.cpu};
}

}  // namespace dmfrag::convert
