#include "worker/job/spec_file.h"

#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/json_util.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::job {
namespace {

// Keeps the first error of a text parser.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (text_.empty()) text_ = absl::StrCat(line + 1, ":", column + 1, ": ", message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  std::ostringstream content;
  if (path == "-") {
    content << std::cin.rdbuf();
    return content.str();
  }
  std::ifstream file(path, std::ios::binary);
  if (!file || !(content << file.rdbuf())) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read, or is empty"));
  }
  return content.str();
}

absl::Status NoSpec(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": no job spec: ", what));
}

absl::StatusOr<v1::JobSpec> ParseText(const std::string& path, const std::string& content) {
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  v1::JobSpec spec;
  if (!parser.ParseFromString(content, &spec)) return NoSpec(path, error.text());
  return spec;
}

absl::StatusOr<v1::JobSpec> ParseJson(const std::string& path, const std::string& content) {
  v1::JobSpec spec;
  const auto status = google::protobuf::util::JsonStringToMessage(content, &spec);
  if (!status.ok()) return NoSpec(path, std::string(status.message()));
  return spec;
}

absl::StatusOr<v1::JobSpec> ParseWire(const std::string& path, const std::string& content) {
  v1::JobSpec spec;
  if (!spec.ParseFromString(content)) return NoSpec(path, "not in wire format");
  return spec;
}

}  // namespace

absl::StatusOr<v1::JobSpec> ReadSpecFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string content, ReadAll(path));
  if (path == "-" || path.ends_with(".txtpb")) return ParseText(path, content);
  if (path.ends_with(".json")) return ParseJson(path, content);
  if (path.ends_with(".binpb")) return ParseWire(path, content);
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": name it .txtpb, .json or .binpb, or give - for text on stdin"));
}

}  // namespace dmfrag::job
