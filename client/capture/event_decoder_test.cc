#include "client/capture/event_decoder.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using recording::Event;
using testing::HasSubstr;

constexpr char kCommonFields[] =
    "format:\n"
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";

// A kernel of a test: its mm_page_free has the order in front, as none does.
EventFormat FreeFormat() {
  return {"kmem", std::string("name: mm_page_free\nID: 7\n") + kCommonFields +
                      "\tfield:unsigned int order;\toffset:8;\tsize:4;\tsigned:0;\n"
                      "\tfield:unsigned long pfn;\toffset:16;\tsize:8;\tsigned:0;\n\n"
                      "print fmt: \"pfn=%lx order=%d\", REC->pfn, REC->order\n"};
}

EventFormat ChangeFormat() {
  std::string text = std::string("name: cpa\nID: 9\n") + kCommonFields;
  int offset = 8;
  for (const char* field : {"vaddr", "pob", "n", "set", "clr", "fl", "force"}) {
    text += std::string("\tfield:u64 ") + field + ";\toffset:" + std::to_string(offset) + ";\tsize:8;\tsigned:0;\n";
    offset += 8;
  }
  return {"dmfrag_1", text + "\nprint fmt: \"\"\n"};
}

EventFormat AllocationFormat() {
  return {"kmem", std::string("name: mm_page_alloc\nID: 5\n") + kCommonFields +
                      "\tfield:unsigned long pfn;\toffset:8;\tsize:8;\tsigned:0;\n"
                      "\tfield:unsigned int order;\toffset:16;\tsize:4;\tsigned:0;\n"
                      "\tfield:unsigned long gfp_flags;\toffset:24;\tsize:8;\tsigned:0;\n"
                      "\tfield:int migratetype;\toffset:32;\tsize:4;\tsigned:1;\n\n"
                      "print fmt: \"order=%d gfp_flags=%s\", REC->order, (REC->gfp_flags) ? "
                      "__print_flags(REC->gfp_flags, \"|\", {0x3, \"GFP_BOTH\"}, {0x1, \"__GFP_ONE\"}, {0x4, "
                      "\"__GFP_FOUR\"}) : \"none\"\n"};
}

// A page of the ring buffer.
class Page {
 public:
  explicit Page(uint64_t time_ns, bool missed = false) {
    Append(time_ns);
    Append(uint64_t{missed} << 31);
  }

  void Add(uint32_t later_ns, const std::vector<uint64_t>& words) {
    const auto length = static_cast<uint32_t>(words.size() * 2);  // in 4 bytes
    Append(static_cast<uint32_t>(length | later_ns << 5));
    for (const uint64_t word : words) Append(word);
  }

  std::span<std::byte> bytes() {
    uint64_t commit = 0;
    std::memcpy(&commit, bytes_.data() + 8, sizeof(commit));
    commit |= bytes_.size() - 16;
    std::memcpy(bytes_.data() + 8, &commit, sizeof(commit));
    padded_ = bytes_;
    padded_.resize(4096);
    return padded_;
  }

 private:
  template <typename Number>
  void Append(Number number) {
    const auto* first = reinterpret_cast<const std::byte*>(&number);
    bytes_.insert(bytes_.end(), first, first + sizeof(number));
  }

  std::vector<std::byte> bytes_;
  std::vector<std::byte> padded_;
};

// The first word of a record: number of the event, and task.
constexpr uint64_t Head(uint64_t event, uint64_t pid) { return event | pid << 32; }

std::unique_ptr<EventDecoder> Decoder() {
  return EventDecoder::Create({FreeFormat(), ChangeFormat(), AllocationFormat()}).value();
}

TEST(EventDecoderTest, FieldsLieWhereTheKernelSays) {
  Page page(1000);
  page.Add(5, {Head(7, 42), 3, 0x1234});
  page.Add(7, {Head(8, 42), 0, 0});  // of no event that is known
  page.Add(9, {Head(5, 43), 0x99, 2, 0x5, 1});
  std::vector<TraceRecord> records;
  ASSERT_OK(Decoder()->DecodePage(6, page.bytes(), records));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].event, (Event{.kind = Event::Kind::kFree, .order = 3, .cpu = 6, .frame = 0x1234}));
  EXPECT_EQ(records[0].time_ns, 1005u);
  EXPECT_EQ(records[0].pid, 42);
  EXPECT_EQ(records[1].event, (Event{.kind = Event::Kind::kAllocate, .order = 2, .cpu = 6, .frame = 0x99}));
  EXPECT_EQ(records[1].time_ns, 1021u);
  EXPECT_EQ(records[1].gfp, 0x5u);
  EXPECT_EQ(records[1].migratetype, 1);
}

TEST(EventDecoderTest, AFailedAllocationIsNone) {
  Page page(1000);
  page.Add(5, {Head(5, 1), ~uint64_t{0}, 0, 0, 0});
  std::vector<TraceRecord> records;
  ASSERT_OK(Decoder()->DecodePage(0, page.bytes(), records));
  EXPECT_TRUE(records.empty());
}

TEST(EventDecoderTest, DroppedRecordsStandInFrontOfTheirPage) {
  Page page(1000, /*missed=*/true);
  page.Add(5, {Head(7, 42), 0, 1});
  std::vector<TraceRecord> records;
  ASSERT_OK(Decoder()->DecodePage(2, page.bytes(), records));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].event, (Event{.kind = Event::Kind::kLost, .cpu = 2}));
}

TEST(EventDecoderTest, ChangesOfTheDirectMapAloneHaveFrames) {
  constexpr uint64_t kBase = 0xffff'8880'0000'0000;
  Page page(1000);
  page.Add(1, {Head(9, 1), kBase + 0x5000, kBase, 3, 0x2, 0x1, 0x1, 0x1});
  page.Add(1, {Head(9, 1), 0xffff'ffff'8100'0000, kBase, 3, 0x2, 0x1, 0, 0});
  page.Add(1, {Head(9, 1), 0, kBase, 3, 0x2, 0x1, 0x4, 0});
  std::vector<TraceRecord> records;
  ASSERT_OK(Decoder()->DecodePage(0, page.bytes(), records));
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].event, (Event{.kind = Event::Kind::kChangeAttributes, .frame = 5, .value = 3}));
  EXPECT_EQ(records[0].set, 0x2u);
  EXPECT_EQ(records[0].clear, 0x1u);
  EXPECT_TRUE(records[0].force_split);
  EXPECT_EQ(records[1].what, TraceRecord::What::kOtherMapping);
  EXPECT_EQ(records[2].what, TraceRecord::What::kArrayChange);
}

TEST(EventDecoderTest, GfpFlagsAreTheKernelsText) {
  const std::unique_ptr<EventDecoder> decoder = Decoder();
  EXPECT_EQ(decoder->GfpText(0x7), "GFP_BOTH|__GFP_FOUR");
  EXPECT_EQ(decoder->GfpText(0x5), "__GFP_ONE|__GFP_FOUR");
  EXPECT_EQ(decoder->GfpText(0), "none");
}

TEST(EventDecoderTest, DamageIsAnError) {
  std::vector<TraceRecord> records;
  std::vector<std::byte> bytes(8);
  EXPECT_THAT(Decoder()->DecodePage(0, bytes, records), StatusIs(absl::StatusCode::kDataLoss, testing::_));
  EventFormat lacking = FreeFormat();
  lacking.text.replace(lacking.text.find("pfn;"), 3, "xyz");
  const absl::Status status = EventDecoder::Create({lacking}).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, testing::_));
  EXPECT_THAT(std::string(status.message()), HasSubstr("mm_page_free has no field pfn"));
}

}  // namespace
}  // namespace dmfrag::client
