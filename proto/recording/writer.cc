#include "proto/recording/writer.h"

#include <algorithm>
#include <utility>

#include "proto/recording/event_block.h"
#include "proto/recording/section.h"
#include "proto/support/utf8.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::recording {
namespace {

// Number of `key`, and whether it is new.
std::pair<uint32_t, bool> NumberOf(absl::flat_hash_map<std::string, uint32_t>& numbers, std::string key) {
  const auto [place, is_new] = numbers.try_emplace(std::move(key), static_cast<uint32_t>(numbers.size()));
  return {place->second, is_new};
}

// Names of tasks are any bytes, and the kernel cuts them anywhere; what is not UTF-8 could be written, and not read.
v1::RecordingOrigin AsText(v1::RecordingOrigin origin) {
  origin.set_comm(Utf8Text(origin.comm()));
  origin.set_gfp_flags(Utf8Text(origin.gfp_flags()));
  for (std::string& function : *origin.mutable_stack()) function = Utf8Text(function);
  return origin;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Writer>> Writer::Create(Sink sink, const v1::RecordingStart& start) {
  std::unique_ptr<Writer> writer(new Writer(std::move(sink)));
  RETURN_IF_ERROR(writer->sink_(kMagic));
  RETURN_IF_ERROR(writer->WriteSection(static_cast<char>(SectionType::kStart), start.SerializeAsString()));
  writer->block_.reserve(kMaxBlockEvents);
  return writer;
}

uint32_t Writer::OriginNumber(const v1::RecordingOrigin& origin) {
  v1::RecordingOrigin kept = AsText(origin);
  std::string key = kept.SerializeAsString();
  // What there is most of goes first.
  void (v1::RecordingOrigin::*const forget[])() = {&v1::RecordingOrigin::clear_stack, &v1::RecordingOrigin::clear_comm,
                                                   &v1::RecordingOrigin::clear_gfp_flags};
  uint32_t most = kMaxOrigins;
  for (const auto clear : forget) {
    if (origins_.size() < most || origin_numbers_.contains(key)) break;
    (kept.*clear)();
    key = kept.SerializeAsString();
    most += kMaxOrigins;
  }
  const auto [number, is_new] = NumberOf(origin_numbers_, std::move(key));
  if (is_new) {
    *new_tables_.add_origins() = kept;
    origins_.push_back(std::move(kept));
  }
  return number;
}

uint32_t Writer::AttributesNumber(const v1::RecordingAttributes& attributes) {
  const auto [number, is_new] = NumberOf(attributes_numbers_, attributes.SerializeAsString());
  if (is_new) *new_tables_.add_attributes() = attributes;
  return number;
}

uint32_t Writer::MarkNumber(std::string_view text) {
  const std::string mark = Utf8Text(text);
  const auto [number, is_new] = NumberOf(mark_numbers_, mark);
  if (is_new) new_tables_.add_marks(mark);
  return number;
}

absl::Status Writer::Add(const Event& event) {
  if (events_ == 0) first_time_us_ = event.time_us;
  last_time_us_ = std::max(last_time_us_, event.time_us);
  block_.push_back(event);
  block_.back().time_us = last_time_us_;
  ++events_;
  return block_.size() == kMaxBlockEvents ? WriteBlock() : absl::OkStatus();
}

absl::Status Writer::Finish(v1::RecordingEnd end) {
  RETURN_IF_ERROR(WriteBlock());
  end.set_events(events_);
  end.set_duration_us(duration_us());
  return WriteSection(static_cast<char>(SectionType::kEnd), end.SerializeAsString());
}

absl::Status Writer::WriteSection(char type, std::string_view content) {
  if (content.size() > kMaxSectionBytes) {
    return absl::ResourceExhaustedError("a recording's tables have grown beyond 256 MiB; record without call stacks");
  }
  return sink_(PackSection(static_cast<SectionType>(type), content));
}

absl::Status Writer::WriteBlock() {
  if (new_tables_.ByteSizeLong() > 0) {
    RETURN_IF_ERROR(WriteSection(static_cast<char>(SectionType::kTables), new_tables_.SerializeAsString()));
    new_tables_.Clear();
  }
  if (block_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(WriteSection(static_cast<char>(SectionType::kEvents), EncodeBlock(block_)));
  block_.clear();
  return absl::OkStatus();
}

}  // namespace dmfrag::recording
