#include "client/capture/trace_writer.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/recording/reader.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using recording::Event;
using testing::ElementsAre;

// A recording of a few records.
class TraceWriterTest : public testing::Test {
 protected:
  TraceWriterTest() : symbols_("ffffffff81000000 T outer\nffffffff81000100 T inner\nffffffff81000200 T _etext\n") {}

  void Start(bool privacy = false) {
    auto made = recording::Writer::Create(
        [this](std::string_view bytes) {
          file_.append(bytes);
          return absl::OkStatus();
        },
        {});
    ASSERT_OK(made.status());
    recording_ = *std::move(made);
    writer_ = std::make_unique<TraceWriter>(
        recording_.get(), TraceWriter::Options{.privacy = privacy,
                                               .gfp_text = [](uint64_t gfp) { return "GFP_" + std::to_string(gfp); },
                                               .symbols = &symbols_});
  }

  void Finish() {
    v1::RecordingEnd end;
    end.add_users()->set_name("all");
    end.mutable_users(0)->set_kind("ordinary");
    for (size_t i = 0; i < recording_->origins().size(); ++i) end.add_origin_users();
    writer_->CountSkipped(end);
    ASSERT_OK(recording_->Finish(end));
    auto opened = recording::Reader::Open(file_);
    ASSERT_OK(opened.status());
    reader_ = *std::move(opened);
    for (auto block = reader_->NextBlock(); block.ok() && !block->empty(); block = reader_->NextBlock()) {
      events_.insert(events_.end(), block->begin(), block->end());
    }
  }

  static TraceRecord Allocation(uint64_t time_ns, int32_t pid, uint64_t gfp) {
    TraceRecord record;
    record.event.frame = 0x100;
    record.time_ns = time_ns;
    record.pid = pid;
    record.gfp = gfp;
    record.migratetype = 1;
    return record;
  }

  static TraceRecord Of(TraceRecord::What what) {
    TraceRecord record;
    record.what = what;
    return record;
  }

  const v1::RecordingOrigin& OriginOf(size_t event) const {
    return reader_->tables().origins(static_cast<int>(events_[event].detail));
  }

  KernelSymbols symbols_;
  std::string file_;
  std::unique_ptr<recording::Writer> recording_;
  std::unique_ptr<TraceWriter> writer_;
  std::unique_ptr<recording::Reader> reader_;
  std::vector<Event> events_;
};

TEST_F(TraceWriterTest, OriginsAreNamedAsTheTaskIsAtThatMoment) {
  Start();
  writer_->NameTask(7, "sh");
  EXPECT_OK(writer_->Add(Allocation(1000, 7, 5)));
  TraceRecord renamed = Of(TraceRecord::What::kTaskName);
  renamed.pid = 7;
  renamed.name = "true";
  EXPECT_OK(writer_->Add(renamed));
  EXPECT_OK(writer_->Add(Allocation(2000, 7, 5)));
  EXPECT_OK(writer_->Add(Allocation(3000, 8, 5)));
  Finish();
  ASSERT_EQ(events_.size(), 3u);
  EXPECT_EQ(OriginOf(0).comm(), "sh");
  EXPECT_EQ(OriginOf(1).comm(), "true");
  EXPECT_EQ(OriginOf(2).comm(), "") << "nobody has named it";
  EXPECT_EQ(OriginOf(0).gfp_flags(), "GFP_5");
  EXPECT_EQ(OriginOf(0).migratetype(), 1u);
  EXPECT_EQ(events_[1].time_us, 2u);
}

TEST_F(TraceWriterTest, PrivacyKeepsNoNames) {
  Start(/*privacy=*/true);
  writer_->NameTask(7, "secret");
  EXPECT_OK(writer_->Add(Allocation(1000, 7, 5)));
  Finish();
  EXPECT_EQ(OriginOf(0).comm(), "");
  EXPECT_EQ(reader_->tables().DebugString().find("secret"), std::string::npos);
}

TEST_F(TraceWriterTest, AFreeHasNeitherFlagsNorMigratetype) {
  Start();
  TraceRecord record = Allocation(1000, 7, 5);
  record.event.kind = Event::Kind::kFree;
  EXPECT_OK(writer_->Add(record));
  Finish();
  EXPECT_EQ(OriginOf(0).gfp_flags(), "");
  EXPECT_EQ(OriginOf(0).migratetype(), 0u);
}

TEST_F(TraceWriterTest, StacksAreFunctionsAndTellOriginsApart) {
  Start();
  TraceRecord record = Allocation(1000, 7, 5);
  record.stack = {0xffffffff81000110, 0xffffffff81000020};
  EXPECT_OK(writer_->Add(record));
  EXPECT_OK(writer_->Add(record));
  record.stack = {0xffffffff81000020};
  EXPECT_OK(writer_->Add(record));
  Finish();
  EXPECT_THAT(OriginOf(0).stack(), ElementsAre("inner", "outer"));
  EXPECT_EQ(events_[1].detail, events_[0].detail);
  EXPECT_THAT(OriginOf(2).stack(), ElementsAre("outer"));
}

TEST_F(TraceWriterTest, ChangesHaveTheirAttributes) {
  Start();
  TraceRecord record;
  record.event.kind = Event::Kind::kChangeAttributes;
  record.event.value = 4;
  record.set = 1;
  record.clear = 2;
  record.cpa_flags = 8;
  record.force_split = true;
  EXPECT_OK(writer_->Add(record));
  Finish();
  ASSERT_EQ(events_.size(), 1u);
  const auto& attributes = reader_->tables().attributes(static_cast<int>(events_[0].detail));
  EXPECT_EQ(attributes.set(), 1u);
  EXPECT_EQ(attributes.clear(), 2u);
  EXPECT_EQ(attributes.cpa_flags(), 8u);
  EXPECT_TRUE(attributes.force_split());
  EXPECT_EQ(reader_->tables().origins_size(), 0);
}

TEST_F(TraceWriterTest, LossesAndWhatIsPassedOverAreCounted) {
  Start();
  TraceRecord lost;
  lost.event.kind = Event::Kind::kLost;
  lost.event.value = 12;
  EXPECT_OK(writer_->Add(lost));
  EXPECT_EQ(writer_->lost(), 12);
  EXPECT_FALSE(writer_->some_unknown());
  lost.event.value = 0;
  EXPECT_OK(writer_->Add(lost));
  EXPECT_TRUE(writer_->some_unknown());
  EXPECT_OK(writer_->Add(Of(TraceRecord::What::kArrayChange)));
  EXPECT_OK(writer_->Add(Of(TraceRecord::What::kOtherMapping)));
  EXPECT_OK(writer_->Add(Of(TraceRecord::What::kOtherMapping)));
  EXPECT_EQ(writer_->by_kind()[static_cast<size_t>(Event::Kind::kLost)], 2);
  EXPECT_EQ(writer_->by_kind()[static_cast<size_t>(Event::Kind::kAllocate)], 0);
  Finish();
  EXPECT_EQ(events_.size(), 2u);
  ASSERT_EQ(reader_->end().skipped_size(), 2);
  EXPECT_EQ(reader_->end().skipped(0).count(), 1);
  EXPECT_EQ(reader_->end().skipped(1).count(), 2);
}

TEST_F(TraceWriterTest, NetPagesAreAllocationsAndBulkAllocationsLessFrees) {
  Start();
  TraceRecord record = Allocation(1000, 7, 5);
  record.event.order = 3;
  EXPECT_OK(writer_->Add(record));
  record.event.kind = Event::Kind::kFree;
  record.event.order = 1;
  EXPECT_OK(writer_->Add(record));
  record.event = {.kind = Event::Kind::kBulkAllocate, .value = 5};
  EXPECT_OK(writer_->Add(record));
  record.event = {.kind = Event::Kind::kPerCpuDrain};
  EXPECT_OK(writer_->Add(record));
  EXPECT_EQ(writer_->net_pages(), 8 - 2 + 5);
}

}  // namespace
}  // namespace dmfrag::client
