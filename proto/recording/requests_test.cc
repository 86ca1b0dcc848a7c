#include "proto/recording/requests.h"

#include <cstdint>
#include <initializer_list>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/recording/writer.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::recording {
namespace {

using Kind = Event::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Users by number, and attributes.
enum User : uint32_t { kUnchanged, kNotPresent, kReadOnly, kOther };
enum Attributes : uint32_t { kTakeWritable, kTakePresent, kNothing, kTakeExecutable };

// A recording of `events`, all of one origin, in memory.
class Recorded {
 public:
  explicit Recorded(const std::vector<Event>& events) {
    const auto writer = Writer::Create(
        [this](std::string_view part) {
          bytes_.append(part);
          return absl::OkStatus();
        },
        {});
    EXPECT_OK(writer.status());
    v1::RecordingOrigin origin;
    origin.set_comm("kcompactd0");
    origin.set_gfp_flags("GFP_ATOMIC");
    origin.set_migratetype(1);
    (*writer)->OriginNumber(origin);
    for (const uint64_t clear : {uint64_t{2}, uint64_t{0x43}, uint64_t{0}, uint64_t{1} << 63}) {
      v1::RecordingAttributes attributes;
      attributes.set_clear(clear);
      (*writer)->AttributesNumber(attributes);
    }
    for (const Event& event : events) EXPECT_OK((*writer)->Add(event));
    v1::RecordingEnd end;
    for (int i = 0; i < 4; ++i) end.add_users();
    v1::OriginUsers& users = *end.add_origin_users();
    users.set_unchanged(kUnchanged);
    users.set_not_present(kNotPresent);
    users.set_read_only(kReadOnly);
    users.set_other(kOther);
    EXPECT_OK((*writer)->Finish(end));
    auto reader = Reader::Open(bytes_);
    EXPECT_OK(reader.status());
    reader_ = *std::move(reader);
    auto stream = RequestStream::Create(reader_.get());
    error_ = stream.status();
    if (stream.ok()) stream_ = *std::move(stream);
  }

  // "+2:9/1" allocates an order-1 block, number 9, for user 2; "-9" frees it.
  std::vector<std::string> Requests() {
    std::vector<std::string> requests;
    for (;;) {
      const auto request = stream_->Next();
      EXPECT_OK(request.status());
      if (!request.ok() || !request->has_value()) return requests;
      const std::string block = std::to_string((*request)->block);
      requests.push_back((*request)->kind == Request::Kind::kFree
                             ? "-" + block
                             : "+" + std::to_string((*request)->user) + ":" + block + "/" +
                                   std::to_string((*request)->order));
    }
  }
  RequestStream& stream() { return *stream_; }
  const absl::Status& error() const { return error_; }

 private:
  std::string bytes_;
  std::unique_ptr<Reader> reader_;
  std::unique_ptr<RequestStream> stream_;
  absl::Status error_;
};

Event Block(Kind kind, uint64_t frame, uint8_t order = 0) { return {.kind = kind, .order = order, .frame = frame}; }
Event Change(Kind kind, uint64_t frame, uint64_t pages, uint32_t attributes = 0) {
  return {.kind = kind, .detail = attributes, .frame = frame, .value = pages};
}

TEST(Requests, PairAllocationsAndFrees) {
  Event late = Block(Kind::kFree, 8, 3);
  late.time_us = 70;
  late.cpu = 3;
  Recorded recorded({Block(Kind::kAllocate, 8, 3), Block(Kind::kAllocate, 5), late, Block(Kind::kAllocate, 8)});
  const auto first = recorded.stream().Next();
  ASSERT_OK(first.status());
  EXPECT_EQ((*first)->migratetype, 1);
  EXPECT_FALSE((*first)->can_sleep);
  EXPECT_EQ((*first)->frame, 8u);
  EXPECT_THAT(recorded.Requests(), ElementsAre("+0:1/0", "-0", "+0:2/0"));
  EXPECT_EQ(recorded.stream().totals().live_pages, 2);
  EXPECT_EQ(recorded.stream().totals().allocated_pages, 10);
  EXPECT_EQ(recorded.stream().totals().frees, 1);
}

TEST(Requests, FirstChangeThatTakesARightSaysWhose) {
  Recorded recorded({Block(Kind::kAllocate, 1), Change(Kind::kChangeAttributes, 1, 1, kTakeExecutable),
                     Change(Kind::kSetInvalid, 1, 1), Change(Kind::kChangeAttributes, 1, 1, kTakeWritable),
                     Block(Kind::kAllocate, 2), Change(Kind::kChangeAttributes, 2, 1, kTakeExecutable),
                     Block(Kind::kAllocate, 3), Change(Kind::kChangeAttributes, 3, 1, kNothing),
                     Block(Kind::kAllocate, 4, 2), Change(Kind::kChangeAttributes, 6, 1, kTakeWritable)});
  EXPECT_THAT(recorded.Requests(), ElementsAre("+1:0/0", "+3:1/0", "+0:2/0", "+2:3/2"));
}

TEST(Requests, FramesFreedAtFirstSightWereHeldBefore) {
  Recorded recorded({Block(Kind::kFree, 4, 2), Block(Kind::kAllocate, 4), Change(Kind::kSetDefault, 9, 2),
                     Block(Kind::kFree, 9), Block(Kind::kFree, 10)});
  ASSERT_EQ(recorded.stream().held_before().size(), 3u);
  EXPECT_EQ(recorded.stream().held_before()[0].order, 2);
  EXPECT_EQ(recorded.stream().held_before()[1].user, kNotPresent);
  EXPECT_THAT(recorded.Requests(), ElementsAre("-0", "+0:3/0", "-1", "-2"));
  EXPECT_EQ(recorded.stream().totals().frees_of_held, 3);
  EXPECT_EQ(recorded.stream().totals().live_pages, 1);
}

// As bpf_prog_pack of 7.3 does with one large page, and vmalloc with single ones.
TEST(Requests, CodeWhoseAllocationWasNotLoggedIsAllocatedBeforeItsChange) {
  Recorded recorded({Change(Kind::kChangeAttributes, 512, 512, kTakeWritable),
                     Change(Kind::kChangeAttributes, 7, 1, kTakeWritable), Change(Kind::kSetInvalid, 7, 1),
                     Change(Kind::kSetDefault, 7, 1), Block(Kind::kFree, 7), Block(Kind::kFree, 512, 9)});
  EXPECT_THAT(recorded.Requests(), ElementsAre("+2:0/9", "+2:1/0", "-1", "-0"));
  EXPECT_EQ(recorded.stream().totals().implied_allocations, 2);
  EXPECT_THAT(recorded.stream().held_before(), IsEmpty());
}

// vfree resets pages that were mapped before the recording.
TEST(Requests, CodeOfBeforeThatIsFreedWasHeld) {
  Recorded recorded(
      {Change(Kind::kSetInvalid, 7, 2), Change(Kind::kSetDefault, 7, 2), Block(Kind::kFree, 7), Block(Kind::kFree, 8)});
  ASSERT_EQ(recorded.stream().held_before().size(), 2u);
  EXPECT_EQ(recorded.stream().held_before()[0].user, kReadOnly);
  EXPECT_THAT(recorded.Requests(), ElementsAre("-0", "-1"));
}

TEST(Requests, FreeTwiceWasAllocatedInBetween) {
  Recorded recorded({Block(Kind::kAllocate, 3), Block(Kind::kFree, 3), Block(Kind::kFree, 3)});
  EXPECT_THAT(recorded.Requests(), ElementsAre("+0:0/0", "-0", "+0:1/0", "-1"));
  EXPECT_EQ(recorded.stream().totals().implied_allocations, 1);
}

TEST(Requests, AllocatedTwiceWasFreedInBetween) {
  Recorded recorded({Block(Kind::kAllocate, 3), Block(Kind::kAllocate, 2, 1)});
  EXPECT_THAT(recorded.Requests(), ElementsAre("+0:0/0", "-0", "+0:1/1"));
  EXPECT_EQ(recorded.stream().totals().implied_frees, 1);
}

TEST(Requests, BlockFreedInPartsIsSoManyBlocks) {
  Recorded recorded({Block(Kind::kAllocate, 4, 2), Block(Kind::kFree, 5), Block(Kind::kFree, 6, 1)});
  EXPECT_THAT(recorded.Requests(), ElementsAre("+0:0/0", "+0:1/0", "+0:2/0", "+0:3/0", "-1", "-2", "-3"));
  EXPECT_EQ(recorded.stream().totals().live_pages, 1);
}

TEST(Requests, PagesThatCompactionMovesStayTheSame) {
  Recorded recorded({Block(Kind::kAllocate, 3), Block(Kind::kCompactTake, 90), Block(Kind::kCompactTake, 91),
                     Block(Kind::kCompactBack, 90), Block(Kind::kFree, 3), Block(Kind::kFree, 91)});
  EXPECT_THAT(recorded.Requests(), ElementsAre("+0:0/0", "-0"));
}

// The model makes its own for its own splits.
TEST(Requests, PageTablesOfSplitsAreNone) {
  Event split = Change(Kind::kSplit, 7, 0);
  split.order = 9;
  split.value = 4;
  Recorded recorded({Block(Kind::kAllocate, 3), Block(Kind::kAllocate, 4), split, Change(Kind::kSetInvalid, 3, 1),
                     Block(Kind::kFree, 4), Block(Kind::kAllocate, 4)});
  EXPECT_THAT(recorded.Requests(), ElementsAre("+1:0/0", "+0:1/0"));
  EXPECT_EQ(recorded.stream().totals().table_pages, 1);
  EXPECT_EQ(recorded.stream().totals().live_pages, 2);
  EXPECT_EQ(recorded.stream().totals().splits_2m, 1);
}

// Without events of splits, the call stack says so.
TEST(Requests, PagesThatCpaAllocatesAreTables) {
  std::string bytes;
  const auto writer = Writer::Create(
      [&bytes](std::string_view part) {
        bytes.append(part);
        return absl::OkStatus();
      },
      {});
  ASSERT_OK(writer.status());
  v1::RecordingOrigin origin;
  origin.add_stack("alloc_pages_noprof");
  Event event = Block(Kind::kAllocate, 3);
  event.detail = (*writer)->OriginNumber(origin);
  ASSERT_OK((*writer)->Add(event));
  origin.add_stack("__change_page_attr_set_clr");
  event = Block(Kind::kAllocate, 4);
  event.detail = (*writer)->OriginNumber(origin);
  ASSERT_OK((*writer)->Add(event));
  v1::RecordingEnd end;
  end.add_users();
  end.add_origin_users();
  end.add_origin_users();
  ASSERT_OK((*writer)->Finish(end));
  const auto reader = Reader::Open(bytes);
  ASSERT_OK(reader.status());
  const auto stream = RequestStream::Create(reader->get());
  ASSERT_OK(stream.status());
  EXPECT_EQ((*stream)->totals().table_pages, 1);
  EXPECT_EQ((*stream)->totals().live_pages, 1);
}

TEST(Requests, BlockOfNoOrderIsRefused) {
  const Recorded recorded({Block(Kind::kAllocate, 0, 11)});
  EXPECT_THAT(std::string(recorded.error().message()), HasSubstr("of order 11"));
}

// Whatever the events, every block is freed at most once, whole, and after its allocation, times never go back,
// and what stays agrees with the totals.
TEST(Requests, AnyEventsGiveRequestsThatAgree) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    std::vector<Event> events;
    for (int i = 0; i < 300; ++i) {
      Event event;
      event.kind = static_cast<Kind>(random() % 10);
      event.order = random() % 4 == 0 ? random() % 5 : 0;
      event.frame = random() % 64;
      event.time_us = static_cast<uint64_t>(i);
      if (event.kind >= Kind::kSetInvalid) event.value = random() % 9;
      if (event.kind == Kind::kChangeAttributes) event.detail = random() % 4;
      events.push_back(event);
    }
    Recorded recorded(events);
    std::map<uint64_t, std::pair<uint64_t, int>> in_use;  // by block: first frame and order
    for (const Request& held : recorded.stream().held_before()) in_use[held.block] = {held.frame, held.order};
    const size_t held_blocks = in_use.size();
    int64_t live_pages = 0;
    uint64_t last_us = 0;
    for (;;) {
      const auto request = recorded.stream().Next();
      ASSERT_OK(request.status());
      if (!request->has_value()) break;
      const Request& one = **request;
      ASSERT_GE(one.time_us, last_us);
      last_us = one.time_us;
      const int64_t pages = int64_t{1} << one.order;
      if (one.kind == Request::Kind::kAllocate) {
        ASSERT_TRUE(in_use.emplace(one.block, std::pair(one.frame, one.order)).second) << "seed " << seed;
        live_pages += pages;
      } else {
        ASSERT_EQ(in_use.count(one.block), 1u) << "seed " << seed;
        ASSERT_EQ(in_use[one.block].second, one.order) << "seed " << seed;
        in_use.erase(one.block);
        if (one.block >= held_blocks) live_pages -= pages;
      }
    }
    EXPECT_EQ(live_pages, recorded.stream().totals().live_pages) << "seed " << seed;
  }
}

}  // namespace
}  // namespace dmfrag::recording
