#include "proto/recording/reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/recording/event_block.h"
#include "proto/recording/section.h"
#include "proto/recording/writer.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::recording {
namespace {

// A file taken apart: every section that is whole, in order.
struct Sections {
  v1::RecordingStart start;
  v1::RecordingTables tables;
  std::vector<Section> blocks;
  std::optional<v1::RecordingEnd> end;
};

absl::Status Wrong(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("recording: ", std::string(what)));
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

template <typename Part>
absl::Status Parse(const std::string& content, Part& message) {
  if (message.MergeFromString(content)) return absl::OkStatus();
  return Wrong("a section makes no sense; the file is damaged: take it again");
}

absl::Status Add(const Section& section, std::string& content, Sections& sections) {
  if (section.type == SectionType::kEvents) {
    sections.blocks.push_back(section);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Unpack(section, content));
  switch (section.type) {
    case SectionType::kStart:
      return Parse(content, sections.start);
    case SectionType::kTables:
      return Parse(content, sections.tables);
    default:
      return Parse(content, sections.end.emplace());
  }
}

absl::StatusOr<Sections> TakeApart(std::string_view bytes) {
  if (!LooksLikeRecording(bytes)) {
    return Wrong("the file does not begin with \"dmfrag recording 1\"; make one with dmfrag import or dmfrag capture");
  }
  bytes.remove_prefix(kMagic.size());
  Sections sections;
  std::string content;
  bool has_start = false;
  for (;;) {
    absl::StatusOr<std::optional<Section>> section = TakeSection(bytes);
    if (!section.ok()) return Wrong(Message(section.status()));
    if (!section->has_value()) break;
    if (has_start == ((*section)->type == SectionType::kStart) || sections.end.has_value()) {
      return Wrong("sections are out of order; the file is damaged: take it again");
    }
    has_start = true;
    RETURN_IF_ERROR(Add(**section, content, sections));
  }
  if (!has_start) return Wrong("the file was cut off before its first event; take it again");
  if (sections.end.has_value() && !bytes.empty()) return Wrong("there is something behind its end; take it again");
  return sections;
}

// Numbers that users of the file look up must be there.
absl::Status CheckEnd(const v1::RecordingTables& tables, const v1::RecordingEnd& end) {
  if (end.users().empty()) return Wrong("it names no user; the file is damaged: take it again");
  if (end.origin_users_size() != tables.origins_size()) {
    return Wrong("not every origin has its users; the file is damaged: take it again");
  }
  const auto users = static_cast<uint32_t>(end.users_size());
  const auto is_known = [users](const v1::OriginUsers& of) {
    return std::max({of.unchanged(), of.not_present(), of.read_only(), of.other()}) < users;
  };
  if (std::all_of(end.origin_users().begin(), end.origin_users().end(), is_known)) return absl::OkStatus();
  return Wrong("an origin has a user that is not there; the file is damaged: take it again");
}

bool KnowsNumbers(const v1::RecordingTables& tables, const Event& event) {
  if (HasOrigin(event.kind)) return event.detail < static_cast<uint32_t>(tables.origins_size());
  if (event.kind == Event::Kind::kChangeAttributes) {
    return event.detail < static_cast<uint32_t>(tables.attributes_size());
  }
  return event.kind == Event::Kind::kLost || event.detail < static_cast<uint32_t>(tables.marks_size());
}

}  // namespace

bool LooksLikeRecording(std::string_view bytes) { return bytes.starts_with(kMagic); }

absl::StatusOr<std::unique_ptr<Reader>> Reader::Open(std::string_view bytes) {
  ASSIGN_OR_RETURN(Sections sections, TakeApart(bytes));
  if (!sections.end.has_value()) {
    return Wrong(absl::StrCat("it was cut off behind ", sections.blocks.size(), " blocks of up to ", kMaxBlockEvents,
                              " events; dmfrag import --partial keeps them"));
  }
  RETURN_IF_ERROR(CheckEnd(sections.tables, *sections.end));
  std::unique_ptr<Reader> reader(new Reader());
  reader->start_ = std::move(sections.start);
  reader->tables_ = std::move(sections.tables);
  reader->end_ = *std::move(sections.end);
  for (const Section& block : sections.blocks) reader->blocks_.push_back({block.compressed, block.content_bytes});
  return reader;
}

absl::StatusOr<std::span<const Event>> Reader::NextBlock() {
  events_.clear();
  if (next_block_ == blocks_.size()) return std::span<const Event>();
  const Block& block = blocks_[next_block_++];
  absl::Status status = Unpack(
      {.type = SectionType::kEvents, .content_bytes = block.content_bytes, .compressed = block.compressed}, content_);
  if (status.ok()) status = DecodeBlock(content_, events_);
  if (!status.ok()) return Wrong(Message(status));
  const auto is_known = [this](const Event& event) { return KnowsNumbers(tables_, event); };
  if (!std::all_of(events_.begin(), events_.end(), is_known)) {
    return Wrong("an event has a number that no table holds; the file is damaged: take it again");
  }
  if (events_.front().time_us < last_time_us_) {
    return Wrong("time goes back from one block to the next; the file is damaged: take it again");
  }
  last_time_us_ = events_.back().time_us;
  return std::span<const Event>(events_);
}

absl::StatusOr<std::string> Repair(std::string_view bytes) {
  ASSIGN_OR_RETURN(Sections sections, TakeApart(bytes));
  if (sections.end.has_value()) return std::string(bytes);
  v1::RecordingEnd end;
  v1::RecordingUser& user = *end.add_users();
  user.set_name("all");
  user.set_kind("ordinary");
  for (int i = 0; i < sections.tables.origins_size(); ++i) end.add_origin_users();
  end.add_limitations(
      "The file was cut off: events behind the last whole block, and the machine's state at the end, are lost.");
  end.set_lost_events(-1);
  std::string repaired;
  const auto sink = [&repaired](std::string_view part) {
    repaired.append(part);
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(const std::unique_ptr<Writer> writer, Writer::Create(sink, sections.start));
  for (const v1::RecordingOrigin& origin : sections.tables.origins()) writer->OriginNumber(origin);
  for (const v1::RecordingAttributes& attributes : sections.tables.attributes()) writer->AttributesNumber(attributes);
  for (const std::string& mark : sections.tables.marks()) writer->MarkNumber(mark);
  std::string content;
  std::vector<Event> events;
  for (const Section& block : sections.blocks) {
    RETURN_IF_ERROR(Unpack(block, content));
    RETURN_IF_ERROR(DecodeBlock(content, events));
    for (const Event& event : events) RETURN_IF_ERROR(writer->Add(event));
  }
  RETURN_IF_ERROR(writer->Finish(std::move(end)));
  return repaired;
}

}  // namespace dmfrag::recording
