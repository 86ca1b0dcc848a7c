#include "client/recording/import.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/recording/byte_source.h"
#include "client/recording/event_builder.h"
#include "client/recording/line_reader.h"
#include "client/recording/text_import.h"
#include "client/recording/trace_dat.h"
#include "proto/recording/reader.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr char kHowToRecord[] =
    "record with: trace-cmd record -e kmem:mm_page_alloc -e kmem:mm_page_free, or: perf record -a -e "
    "kmem:mm_page_alloc,kmem:mm_page_free";
// No more than this of a recording file is read again.
constexpr size_t kMaxRecordingBytes = size_t{4} << 30;

// The head that was looked at, then the rest.
class HeadedSource : public ByteSource {
 public:
  HeadedSource(std::string head, absl::Status failure, ByteSource* rest)
      : head_(std::move(head)), failure_(std::move(failure)), rest_(rest) {}

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    if (given_ == head_.size()) {
      if (!failure_.ok()) return failure_;
      return rest_->Read(buffer);
    }
    const size_t count = head_.copy(buffer.data(), buffer.size(), given_);
    given_ += count;
    return count;
  }

 private:
  std::string head_;
  absl::Status failure_;
  ByteSource* rest_;
  size_t given_ = 0;
};

using TemporaryFile = std::unique_ptr<std::FILE, decltype(&std::fclose)>;

// libtracecmd seeks: the bytes go to a file without a name.
absl::StatusOr<TemporaryFile> Spool(ByteSource& source) {
  TemporaryFile file(std::tmpfile(), &std::fclose);
  if (file == nullptr) return absl::ResourceExhaustedError("cannot make a temporary file in /tmp; make room there");
  std::vector<char> buffer(size_t{1} << 18);
  while (true) {
    ASSIGN_OR_RETURN(const size_t count, source.Read(buffer));
    if (count == 0) break;
    if (std::fwrite(buffer.data(), 1, count, file.get()) != count) {
      return absl::ResourceExhaustedError("/tmp is full; make room there");
    }
  }
  if (std::fflush(file.get()) != 0) return absl::ResourceExhaustedError("/tmp is full; make room there");
  std::rewind(file.get());
  return file;
}

absl::Status NothingOfOurs(const std::string& path, const ImportCounts& counts) {
  std::string found;
  for (const auto& [what, count] : counts.skipped) absl::StrAppend(&found, found.empty() ? "" : ", ", count, " ", what);
  return absl::InvalidArgumentError(absl::StrCat(path, " holds no event of page allocation",
                                                 found.empty() ? "" : "; found: ", found, ". ", kHowToRecord));
}

class Import {
 public:
  Import(const std::string& path, const ImportOptions& options, recording::Writer::Sink sink)
      : path_(path), options_(options), sink_(std::move(sink)) {}

  absl::StatusOr<ImportSummary> Run() {
    ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> source, OpenByteSource(path_));
    std::string head(LineReader::kBuffer, '\0');
    size_t size = 0;
    absl::Status failure;
    while (size < head.size()) {
      const absl::StatusOr<size_t> count = source->Read(std::span(head).subspan(size));
      if (!count.ok()) failure = count.status();
      if (!count.ok() || *count == 0) break;
      size += *count;
    }
    head.resize(size);
    if (absl::StartsWith(head, "PERFILE2")) {
      return absl::InvalidArgumentError(
          absl::StrCat(path_, " is perf's own form: import the text of `perf script -i ", path_, "`"));
    }
    HeadedSource whole(head, failure, source.get());
    if (recording::LooksLikeRecording(head)) return Again(whole);
    return LooksLikeTraceDat(head) ? FromTraceDat(whole) : FromText(whole, head);
  }

 private:
  absl::Status Start(const std::string& name, bool with_stacks) {
    summary_.source = name;
    v1::RecordingStart start;
    start.set_source(name);
    if (options_.before.has_value()) *start.mutable_before() = *options_.before;
    ASSIGN_OR_RETURN(writer_, recording::Writer::Create(sink_, start));
    builder_ = std::make_unique<EventBuilder>(writer_.get(), with_stacks, options_.page_offset_base);
    return absl::OkStatus();
  }

  absl::StatusOr<ImportSummary> FromText(ByteSource& source, std::string_view head) {
    const TextForm form = DetectTextForm(head);
    RETURN_IF_ERROR(Start(form.source, form.with_stacks));
    LineReader lines(&source);
    return Finish(ImportText(lines, *builder_));
  }

  absl::StatusOr<ImportSummary> FromTraceDat(ByteSource& source) {
    ASSIGN_OR_RETURN(const TemporaryFile file, Spool(source));
    RETURN_IF_ERROR(Start("trace.dat", /*with_stacks=*/true));
    return Finish(ImportTraceDat(fileno(file.get()), path_, *builder_));
  }

  absl::StatusOr<ImportSummary> Finish(const absl::Status& ended) {
    if (!ended.ok() && (!options_.partial || absl::IsResourceExhausted(ended))) {
      return absl::Status(
          ended.code(),
          absl::StrCat(absl::StartsWith(std::string(ended.message()), path_) ? "" : path_ + ": ",
                       std::string(ended.message()), " (", writer_->events(), " events stand before it)"));
    }
    RETURN_IF_ERROR(builder_->Finish());
    const ImportCounts& counts = builder_->counts();
    if (writer_->events() == 0) return ended.ok() ? NothingOfOurs(path_, counts) : ended;
    v1::RecordingEnd& end = summary_.end;
    for (const auto& [what, count] : counts.skipped) {
      v1::RecordingCount& skipped = *end.add_skipped();
      skipped.set_what(what);
      skipped.set_count(count);
    }
    end.set_lost_events(counts.lost_unknown ? -1 : counts.lost);
    if (counts.lost_unknown || counts.lost > 0) {
      end.add_limitations(
          absl::StrCat("the recorder lost ",
                       counts.lost_unknown ? "events, it is not known how many" : absl::StrCat(counts.lost, " events"),
                       "; blocks allocated or freed among them are implied by what follows"));
    }
    for (const std::string& limitation : counts.limitations) end.add_limitations(limitation);
    if (!ended.ok()) end.add_limitations(absl::StrCat("imported in part: ", std::string(ended.message())));
    if (options_.after.has_value()) *end.mutable_after() = *options_.after;
    summary_.by_kind = builder_->by_kind();
    options_.users->Classify(writer_->origins(), end);
    RETURN_IF_ERROR(writer_->Finish(end));
    end.set_events(writer_->events());
    end.set_duration_us(writer_->duration_us());
    return summary_;
  }

  // A recording file, with other rules.
  absl::StatusOr<ImportSummary> Again(ByteSource& source) {
    std::string bytes;
    std::vector<char> buffer(size_t{1} << 20);
    while (true) {
      ASSIGN_OR_RETURN(const size_t count, source.Read(buffer));
      if (count == 0) break;
      if (bytes.size() + count > kMaxRecordingBytes) {
        return absl::InvalidArgumentError(absl::StrCat(path_, " is larger than 4 GiB"));
      }
      bytes.append(buffer.data(), count);
    }
    if (options_.partial) {
      ASSIGN_OR_RETURN(bytes, recording::Repair(bytes));
    }
    ASSIGN_OR_RETURN(const std::unique_ptr<recording::Reader> reader, recording::Reader::Open(bytes));
    v1::RecordingStart start = reader->start();
    if (options_.before.has_value()) *start.mutable_before() = *options_.before;
    summary_.source = start.source();
    ASSIGN_OR_RETURN(writer_, recording::Writer::Create(sink_, start));
    std::vector<uint32_t> origins, attributes, marks;
    for (const auto& one : reader->tables().origins()) origins.push_back(writer_->OriginNumber(one));
    for (const auto& one : reader->tables().attributes()) attributes.push_back(writer_->AttributesNumber(one));
    for (const auto& one : reader->tables().marks()) marks.push_back(writer_->MarkNumber(one));
    while (true) {
      ASSIGN_OR_RETURN(const std::span<const recording::Event> block, reader->NextBlock());
      if (block.empty()) break;
      for (recording::Event event : block) {
        if (HasOrigin(event.kind)) event.detail = origins[event.detail];
        if (event.kind == recording::Event::Kind::kChangeAttributes) event.detail = attributes[event.detail];
        if (event.kind == recording::Event::Kind::kMark) event.detail = marks[event.detail];
        ++summary_.by_kind[static_cast<size_t>(event.kind)];
        RETURN_IF_ERROR(writer_->Add(event));
      }
    }
    summary_.end = reader->end();
    if (options_.after.has_value()) *summary_.end.mutable_after() = *options_.after;
    summary_.end.clear_users();
    summary_.end.clear_origin_users();
    options_.users->Classify(writer_->origins(), summary_.end);
    RETURN_IF_ERROR(writer_->Finish(summary_.end));
    return summary_;
  }

  const std::string path_;
  const ImportOptions& options_;
  recording::Writer::Sink sink_;
  std::unique_ptr<recording::Writer> writer_;
  std::unique_ptr<EventBuilder> builder_;
  ImportSummary summary_;
};

}  // namespace

absl::StatusOr<ImportSummary> ImportRecording(const std::string& path, const ImportOptions& options,
                                              recording::Writer::Sink sink) {
  return Import(path, options, std::move(sink)).Run();
}

}  // namespace dmfrag::client
