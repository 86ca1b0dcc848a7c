#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/recording/reader.h"
#include "proto/recording/writer.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::recording {
namespace {

using ::testing::HasSubstr;

constexpr int kEvents = 150'000;  // three blocks

v1::RecordingOrigin Origin(const std::string& comm) {
  v1::RecordingOrigin origin;
  origin.set_comm(comm);
  origin.set_gfp_flags("GFP_KERNEL");
  origin.add_stack("alloc_pages");
  return origin;
}

// Of every kind, with the largest figures and steps back and forth.
Event EventAt(int i, uint32_t origin) {
  Event event;
  event.kind = static_cast<Event::Kind>(i % Event::kKinds);
  event.order = i % 3 == 0 ? 18 : static_cast<uint8_t>(i % 15);
  event.cpu = static_cast<uint16_t>(i * 40503);
  event.detail = HasOrigin(event.kind) ? origin : 0;
  event.time_us = static_cast<uint64_t>(i) * i;
  event.frame = i % 2 == 0 ? (uint64_t{1} << 40) - 1 - static_cast<uint64_t>(i) : static_cast<uint64_t>(i);
  const bool has_value = event.kind >= Event::Kind::kSetInvalid && event.kind != Event::Kind::kMark;
  if (has_value || event.kind == Event::Kind::kBulkAllocate) event.value = ~uint64_t{0} >> (i % 64);
  return event;
}

struct Written {
  std::string bytes;
  std::vector<Event> events;
};

Written Write(int events) {
  Written written;
  v1::RecordingStart start;
  start.set_source("ftrace");
  start.mutable_before()->set_meminfo("MemTotal: 5 kB\n");
  const auto writer = Writer::Create(
      [&](std::string_view part) {
        written.bytes.append(part);
        return absl::OkStatus();
      },
      start);
  EXPECT_OK(writer.status());
  EXPECT_EQ((*writer)->OriginNumber(Origin("bash")), 0u);
  EXPECT_EQ((*writer)->AttributesNumber({}), 0u);
  EXPECT_EQ((*writer)->MarkNumber("here"), 0u);
  for (int i = 0; i < events; ++i) {
    // A new origin now and then, and again those there were.
    const uint32_t origin = (*writer)->OriginNumber(Origin("task" + std::to_string(i / 1000 % 40)));
    written.events.push_back(EventAt(i, origin));
    EXPECT_OK((*writer)->Add(written.events.back()));
  }
  v1::RecordingEnd end;
  end.add_users()->set_name("all");
  for (size_t i = 0; i < (*writer)->origins().size(); ++i) end.add_origin_users();
  EXPECT_OK((*writer)->Finish(end));
  return written;
}

std::vector<Event> EventsOf(Reader& reader) {
  std::vector<Event> events;
  for (;;) {
    const auto block = reader.NextBlock();
    EXPECT_OK(block.status());
    if (!block.ok() || block->empty()) return events;
    events.insert(events.end(), block->begin(), block->end());
  }
}

TEST(Recording, HoldsWhatWasWritten) {
  const Written written = Write(kEvents);
  const auto reader = Reader::Open(written.bytes);
  ASSERT_OK(reader.status());
  EXPECT_EQ(EventsOf(**reader), written.events);
  EXPECT_EQ((*reader)->start().before().meminfo(), "MemTotal: 5 kB\n");
  EXPECT_EQ((*reader)->tables().origins_size(), 41);
  EXPECT_EQ((*reader)->tables().origins(1).comm(), "task0");
  EXPECT_EQ((*reader)->tables().marks(0), "here");
  EXPECT_EQ((*reader)->end().events(), kEvents);
  EXPECT_EQ((*reader)->end().duration_us(), uint64_t{kEvents - 1} * (kEvents - 1));
  (*reader)->Rewind();
  EXPECT_EQ(EventsOf(**reader), written.events);
}

TEST(Recording, MovesTimesThatGoBackUp) {
  std::string bytes;
  const auto writer = Writer::Create(
      [&](std::string_view part) {
        bytes.append(part);
        return absl::OkStatus();
      },
      {});
  ASSERT_OK(writer.status());
  Event event;
  event.detail = (*writer)->OriginNumber({});
  for (const uint64_t time_us : {5, 3, 9}) {
    event.time_us = time_us;
    ASSERT_OK((*writer)->Add(event));
  }
  v1::RecordingEnd end;
  end.add_users();
  end.add_origin_users();
  ASSERT_OK((*writer)->Finish(end));
  const auto reader = Reader::Open(bytes);
  ASSERT_OK(reader.status());
  std::vector<uint64_t> times;
  for (const Event& read : EventsOf(**reader)) times.push_back(read.time_us);
  EXPECT_EQ(times, (std::vector<uint64_t>{5, 5, 9}));
}

TEST(Recording, WithoutEventsIsOne) {
  const Written written = Write(0);
  const auto reader = Reader::Open(written.bytes);
  ASSERT_OK(reader.status());
  EXPECT_TRUE(EventsOf(**reader).empty());
}

// Cut anywhere it is refused; what is whole can be kept.
TEST(Recording, CutOffIsRefusedAndRepaired) {
  const Written written = Write(kEvents);
  for (size_t size = 0; size < written.bytes.size(); size += 1 + written.bytes.size() / 200) {
    const std::string_view cut = std::string_view(written.bytes).substr(0, size);
    EXPECT_FALSE(Reader::Open(cut).ok()) << size;
    const auto repaired = Repair(cut);
    if (!repaired.ok()) continue;
    const auto reader = Reader::Open(*repaired);
    ASSERT_OK(reader.status());
    const std::vector<Event> events = EventsOf(**reader);
    ASSERT_LE(events.size(), written.events.size());
    EXPECT_TRUE(std::equal(events.begin(), events.end(), written.events.begin())) << size;
    EXPECT_EQ((*reader)->end().lost_events(), -1);
  }
  const std::string_view without_end = std::string_view(written.bytes).substr(0, written.bytes.size() - 1);
  EXPECT_THAT(std::string(Reader::Open(without_end).status().message()),
              HasSubstr("cut off behind 3 blocks of up to 65536 events; dmfrag import --partial keeps them"));
  const auto repaired = Repair(without_end);
  ASSERT_OK(repaired.status());
  const auto reader = Reader::Open(*repaired);
  ASSERT_OK(reader.status());
  EXPECT_EQ(EventsOf(**reader), written.events);
}

// A flipped bit never goes through, and never does harm.
TEST(Recording, DamagedIsRefused) {
  const Written written = Write(5000);
  for (size_t at = 0; at < written.bytes.size(); at += 1 + written.bytes.size() / 500) {
    std::string damaged = written.bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    EXPECT_FALSE(Reader::Open(damaged).ok()) << at;
  }
  EXPECT_THAT(std::string(Reader::Open("# tracer: nop\n").status().message()),
              HasSubstr("does not begin with \"dmfrag recording 1\"; make one with dmfrag import"));
}

TEST(Recording, EndMustKnowTheUsersOfEveryOrigin) {
  std::string bytes;
  const auto sink = [&](std::string_view part) {
    bytes.append(part);
    return absl::OkStatus();
  };
  const auto writer = Writer::Create(sink, {});
  ASSERT_OK(writer.status());
  (*writer)->OriginNumber(Origin("bash"));
  v1::RecordingEnd end;
  end.add_users();
  end.add_origin_users()->set_read_only(1);
  ASSERT_OK((*writer)->Finish(end));
  EXPECT_THAT(std::string(Reader::Open(bytes).status().message()), HasSubstr("a user that is not there"));
}

TEST(Recording, ForgetsStacksNamesAndFlagsOfTooManyOrigins) {
  const auto writer = Writer::Create([](std::string_view) { return absl::OkStatus(); }, {});
  ASSERT_OK(writer.status());
  for (uint32_t i = 0; i < 4 * Writer::kMaxOrigins; ++i) {
    v1::RecordingOrigin origin = Origin("task" + std::to_string(i));
    origin.set_gfp_flags(std::to_string(i));
    origin.set_stack(0, std::to_string(i));
    (*writer)->OriginNumber(origin);
  }
  const std::vector<v1::RecordingOrigin>& origins = (*writer)->origins();
  ASSERT_EQ(origins.size(), 3 * Writer::kMaxOrigins + 1);
  EXPECT_EQ(origins[Writer::kMaxOrigins - 1].stack_size(), 1);
  EXPECT_EQ(origins[Writer::kMaxOrigins].stack_size(), 0);
  EXPECT_NE(origins[Writer::kMaxOrigins].comm(), "");
  EXPECT_EQ(origins[2 * Writer::kMaxOrigins].comm(), "");
  EXPECT_EQ(origins.back().gfp_flags(), "");
}

// A task may name itself with any bytes, and the kernel cuts names anywhere.
TEST(Recording, NamesThatAreNotUtf8CanBeRead) {
  std::string bytes;
  const auto writer = Writer::Create(
      [&](std::string_view part) {
        bytes.append(part);
        return absl::OkStatus();
      },
      v1::RecordingStart());
  ASSERT_OK(writer.status());
  v1::RecordingOrigin origin = Origin("gr\xc3\xb6\xc3");
  origin.add_stack("\x86");
  const uint32_t number = (*writer)->OriginNumber(origin);
  EXPECT_EQ((*writer)->MarkNumber("\xff"), 0u);
  ASSERT_OK((*writer)->Add({.detail = number}));
  v1::RecordingEnd end;
  end.add_users()->set_name("all");
  end.add_origin_users();
  ASSERT_OK((*writer)->Finish(end));
  const auto reader = Reader::Open(bytes);
  ASSERT_OK(reader.status());
  EXPECT_EQ((*reader)->tables().origins(0).comm(), "gr\xc3\xb6?");
  EXPECT_EQ((*reader)->tables().origins(0).stack(1), "?");
  EXPECT_EQ((*reader)->tables().marks(0), "?");
}

}  // namespace
}  // namespace dmfrag::recording
