#include "client/recording/raw_event_pipe.h"

#include <unistd.h>

#include <string>

#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

class RawEventPipeTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe(ends_), 0); }
  void TearDown() override {
    close(ends_[0]);
    CloseWriting();
  }
  void CloseWriting() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

  int ends_[2] = {-1, -1};
};

TEST_F(RawEventPipeTest, WhatIsSentArrives) {
  RawEventSender sender(ends_[1]);
  PipeMessage sent = {.type = PipeMessage::Type::kEvent};
  sent.event.kind = RawKind::kPageAlloc;
  sent.event.cpu = 3;
  sent.event.time_us = 1'000'001;
  sent.event.place = 17;
  sent.event.comm = "bash";
  sent.event.gfp_flags = "GFP_KERNEL";
  sent.event.Put(RawField::kPfn, 0x123456789);
  ASSERT_TRUE(sender.Send(sent));
  PipeMessage lost = {.type = PipeMessage::Type::kLost, .lost = 5};
  ASSERT_TRUE(sender.Send(lost));
  ASSERT_TRUE(sender.Flush());
  CloseWriting();

  RawEventReceiver receiver(ends_[0]);
  const auto first = receiver.Next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->type, PipeMessage::Type::kEvent);
  EXPECT_EQ(first->event.kind, RawKind::kPageAlloc);
  EXPECT_EQ(first->event.cpu, 3u);
  EXPECT_EQ(first->event.time_us, 1'000'001u);
  EXPECT_EQ(first->event.place, 17);
  EXPECT_EQ(first->event.comm, "bash");
  EXPECT_EQ(first->event.gfp_flags, "GFP_KERNEL");
  EXPECT_EQ(first->event.text, "");
  EXPECT_TRUE(first->event.Has(RawField::kPfn));
  EXPECT_FALSE(first->event.Has(RawField::kOrder));
  EXPECT_EQ(first->event.Get(RawField::kPfn), 0x123456789u);
  const auto second = receiver.Next();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->type, PipeMessage::Type::kLost);
  EXPECT_EQ(second->lost, 5u);
  EXPECT_FALSE(receiver.Next().has_value());
}

TEST_F(RawEventPipeTest, NonsenseEndsIt) {
  const std::string nonsense(4096, '\xff');
  ASSERT_EQ(write(ends_[1], nonsense.data(), nonsense.size()), static_cast<ssize_t>(nonsense.size()));
  CloseWriting();
  EXPECT_FALSE(RawEventReceiver(ends_[0]).Next().has_value());
}

TEST_F(RawEventPipeTest, HalfAMessageIsNone) {
  RawEventSender sender(ends_[1]);
  ASSERT_TRUE(sender.Send({.type = PipeMessage::Type::kEnd}));
  ASSERT_TRUE(sender.Flush());
  char whole[1024];
  const ssize_t size = read(ends_[0], whole, sizeof(whole));
  ASSERT_GT(size, 1);
  ASSERT_EQ(write(ends_[1], whole, static_cast<size_t>(size - 1)), size - 1);
  CloseWriting();
  EXPECT_FALSE(RawEventReceiver(ends_[0]).Next().has_value());
}

}  // namespace
}  // namespace dmfrag::client
