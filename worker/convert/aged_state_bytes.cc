#include "worker/convert/aged_state_bytes.h"

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "worker/model/allocator_snapshot.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/sim_time.h"

namespace dmfrag::convert {
namespace {

using experiment::AgedState;
using experiment::HeldObject;
using model::FrameCount;
using model::FrameNumber;
using model::Order;

constexpr char kHead[] = "dmfrag aged state 2\n";
constexpr workload::SimTime kNever(std::numeric_limits<uint64_t>::max());

// Both walk a state in the same order: each Visit below is how it is written and how it is read. A Writer appends what
// it is shown, a Reader fills it in.
class Writer {
 public:
  explicit Writer(std::string* out) : stream_(out), coded_(&stream_) { coded_.WriteRaw(kHead, sizeof(kHead) - 1); }

  void Number(uint64_t value) { coded_.WriteVarint64(value); }
  // At most `max`; `Value` may be an enumeration.
  template <typename Value>
  void Small(Value value, uint64_t) {
    Number(static_cast<uint64_t>(value));
  }
  template <typename Elements>
  void Size(const Elements& elements) {
    Number(elements.size());
  }
  bool ok() const { return true; }

 private:
  google::protobuf::io::StringOutputStream stream_;
  google::protobuf::io::CodedOutputStream coded_;
};

class Reader {
 public:
  explicit Reader(const std::string& in)
      : coded_(reinterpret_cast<const uint8_t*>(in.data()), static_cast<int>(in.size())), left_(in.size()) {
    std::string head;
    ok_ = coded_.ReadString(&head, sizeof(kHead) - 1) && head == kHead;
  }

  void Number(uint64_t& value) { ok_ = ok_ && coded_.ReadVarint64(&value); }
  template <typename Value>
  void Small(Value& value, uint64_t max) {
    uint64_t number = 0;
    Number(number);
    ok_ = ok_ && number <= max;
    if (ok_) value = static_cast<Value>(number);
  }
  // Every element takes a byte at least.
  template <typename Elements>
  void Size(Elements& elements) {
    uint64_t size = 0;
    Number(size);
    ok_ = ok_ && size <= left_;
    if (ok_) elements.resize(size);
  }
  bool ok() const { return ok_; }
  bool AtEnd() { return ok_ && coded_.CurrentPosition() == static_cast<int>(left_); }

 private:
  google::protobuf::io::CodedInputStream coded_;
  uint64_t left_;
  bool ok_ = false;
};

// Differences of either sign: small ones have few bytes.
uint64_t ZigZag(uint64_t from, uint64_t to) {
  const uint64_t difference = to - from;
  return difference << 1 ^ (difference >> 63 != 0 ? ~uint64_t{0} : 0);
}
uint64_t UnZigZag(uint64_t from, uint64_t coded) { return from + (coded >> 1 ^ ((coded & 1) != 0 ? ~uint64_t{0} : 0)); }

// A number beside the one before it, which it becomes.
void Delta(Writer& writer, uint64_t& before, uint64_t value) {
  writer.Number(ZigZag(before, value));
  before = value;
}
void Delta(Reader& reader, uint64_t& before, uint64_t& value) {
  uint64_t coded = 0;
  reader.Number(coded);
  value = before = UnZigZag(before, coded);
}

// Values of the model's own number types, which are read by way of a plain one.
template <typename Unit>
void Plain(Writer& writer, const Unit& value) {
  writer.Number(value.raw());
}
template <typename Unit>
void Plain(Reader& reader, Unit& value) {
  uint64_t number = 0;
  reader.Number(number);
  value = Unit(number);
}
void Small(Writer& writer, const Order& order) { writer.Small(order.raw(), model::kMaxOrder.raw()); }
void Small(Reader& reader, Order& order) {
  unsigned number = 0;
  reader.Small(number, model::kMaxOrder.raw());
  order = Order(number);
}
void Frame(Writer& writer, uint64_t& before, const FrameNumber& frame) { Delta(writer, before, frame.raw()); }
void Frame(Reader& reader, uint64_t& before, FrameNumber& frame) {
  uint64_t number = 0;
  Delta(reader, before, number);
  frame = FrameNumber(number);
}
// 0: never.
void End(Writer& writer, const workload::SimTime& end) { writer.Number(end == kNever ? 0 : end.us() + 1); }
void End(Reader& reader, workload::SimTime& end) {
  uint64_t number = 0;
  reader.Number(number);
  end = number == 0 ? kNever : workload::SimTime(number - 1);
}

// `Frames`, `Lists`, `Zone`, `State`: const for a Writer.
template <typename Coder, typename Frames>
void VisitFrames(Coder& coder, uint64_t& before, Frames& frames) {
  coder.Size(frames);
  for (size_t i = 0; i < frames.size() && coder.ok(); ++i) Frame(coder, before, frames[i]);
}

template <typename Coder, typename Lists>
void VisitLists(Coder& coder, Lists& lists) {
  coder.Size(lists);
  uint64_t before = 0;
  for (auto& list : lists) {
    if (!coder.ok()) return;
    Small(coder, list.order);
    coder.Small(list.type, model::kMigratetypes - 1);
    VisitFrames(coder, before, list.blocks);
  }
}

template <typename Coder, typename Zone>
void VisitZone(Coder& coder, Zone& zone) {
  coder.Small(zone.node, std::numeric_limits<uint32_t>::max());
  coder.Small(zone.movable, 1);
  Plain(coder, zone.bounds.first);
  Plain(coder, zone.bounds.end);
  Plain(coder, zone.managed);
  Plain(coder, zone.min_mark);
  Plain(coder, zone.low_mark);
  VisitLists(coder, zone.free);
  coder.Size(zone.per_cpu);
  for (auto& lists : zone.per_cpu) {
    coder.Number(lists.high);
    coder.Number(lists.batch);
    VisitLists(coder, lists.lists);
  }
  coder.Size(zone.block_types);
  for (auto& run : zone.block_types) {
    Plain(coder, run.first);
    coder.Number(run.blocks);
    coder.Small(run.type, model::kMigratetypes - 1);
  }
}

// By columns, which compress better than rows.
template <typename Coder, typename Objects>
void VisitSurvivors(Coder& coder, Objects& objects) {
  coder.Size(objects);
  uint64_t number = 0;
  uint64_t frame = 0;
  for (auto& object : objects) coder.Small(object.user, std::numeric_limits<uint32_t>::max());
  for (auto& object : objects) coder.Small(object.list, static_cast<uint64_t>(experiment::CacheList::kActive));
  for (auto& object : objects) Delta(coder, number, object.number);
  for (auto& object : objects) End(coder, object.end);
  for (auto& object : objects) {
    if (!coder.ok()) return;
    VisitFrames(coder, frame, object.blocks);
  }
}

template <typename Coder, typename State>
void VisitState(Coder& coder, State& state) {
  coder.Small(state.allocator.knows_frames_in_use, 1);
  coder.Size(state.allocator.node_of_cpu);
  for (auto& node : state.allocator.node_of_cpu) coder.Small(node, std::numeric_limits<uint32_t>::max());
  coder.Size(state.allocator.zones);
  for (auto& zone : state.allocator.zones) {
    if (!coder.ok()) return;
    VisitZone(coder, zone);
  }
  uint64_t before = 0;
  VisitFrames(coder, before, state.free_tables);
  VisitSurvivors(coder, state.survivors);
}

}  // namespace

std::string BytesFromAgedState(const AgedState& state) {
  std::string bytes;
  Writer writer(&bytes);
  VisitState(writer, state);
  return bytes;
}

absl::StatusOr<AgedState> AgedStateFromBytes(const std::string& bytes) {
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return absl::DataLossError("aged state: larger than any that is kept");
  }
  Reader reader(bytes);
  AgedState state;
  VisitState(reader, state);
  if (!reader.AtEnd()) return absl::DataLossError("aged state: damaged, or of another version; it can be made anew");
  return state;
}

}  // namespace dmfrag::convert
