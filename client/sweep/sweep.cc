#include "client/sweep/sweep.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/sweep/axis_reader.h"
#include "client/sweep/message_reader.h"
#include "client/sweep/mix_checker.h"
#include "client/sweep/source_node.h"
#include "client/sweep/yaml_reader.h"
#include "proto/support/spelling.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Limits of the protocol (experiments.proto).
constexpr uint64_t kMaxReplicates = 100'000;
constexpr size_t kMaxNameBytes = 128;
constexpr size_t kMaxLabels = 64;
constexpr size_t kMaxLabelValueBytes = 256;
constexpr size_t kMaxLabelKeyBytes = 63;

const std::vector<std::string>& SectionNames() {
  static const auto& names =
      *new std::vector<std::string>{"name", "base", "seed", "axes", "replicates", "labels", "priority"};
  return names;
}

// Key of a label: [a-z][a-z0-9_-]{0,62}.
bool IsLabelKey(std::string_view key) {
  if (key.empty() || key.size() > kMaxLabelKeyBytes || key[0] < 'a' || key[0] > 'z') return false;
  return std::all_of(key.begin(), key.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
}

// Jobs of the whole sweep, or one more than kMaxSweepJobs.
int64_t CountJobs(const v1::Experiment& experiment) {
  int64_t jobs = std::max<int64_t>(1, experiment.replicates());
  for (const v1::Axis& axis : experiment.axes()) {
    jobs = std::min<int64_t>(jobs * std::max(1, axis.values_size()), kMaxSweepJobs + 1);
  }
  return jobs;
}

// Reads the sections of one file into one experiment.
class SectionReader {
 public:
  SectionReader(const SourceFile& file, v1::Experiment& experiment) : file_(file), experiment_(experiment) {}

  absl::Status Read(const SourceNode& root) {
    for (const SourceEntry& section : root.entries) RETURN_IF_ERROR(ReadSection(section));
    return absl::OkStatus();
  }

 private:
  absl::Status ReadSection(const SourceEntry& section) {
    const SourceNode& value = section.value;
    if (section.key == "name") return ReadName(value);
    if (section.key == "base") return ReadBase(value);
    if (section.key == "seed") return ReadSeed(section);
    if (section.key == "axes") return ReadAxes(file_, value, experiment_);
    if (section.key == "replicates") return ReadReplicates(value);
    if (section.key == "labels") return ReadLabels(value);
    if (section.key == "priority") return ReadPriority(value);
    const std::vector<std::string> spec_names = SweepNames(*v1::JobSpec::descriptor());
    if (std::find(spec_names.begin(), spec_names.end(), NormalName(section.key)) != spec_names.end()) {
      return file_.Error(section.key_place,
                         absl::StrCat(Shown(section.key), " belongs under base; write base: {", section.key, ": ...}"));
    }
    return file_.Error(section.key_place, absl::StrCat("unknown key ", Shown(section.key), "; ",
                                                       AllowedNames(NormalName(section.key), SectionNames())));
  }

  absl::Status ReadName(const SourceNode& node) {
    if (node.kind != SourceNode::Kind::kScalar || node.scalar.empty() || node.scalar.size() > kMaxNameBytes) {
      return file_.Error(node.place, absl::StrCat("name must be a text of 1 to ", kMaxNameBytes, " bytes"));
    }
    experiment_.set_display_name(node.scalar);
    return absl::OkStatus();
  }

  absl::Status ReadBase(const SourceNode& node) {
    const std::optional<uint64_t> seed = has_seed_ ? std::optional(experiment_.base().seed()) : std::nullopt;
    RETURN_IF_ERROR(ReadMessage(file_, node, Unit::kNone, *experiment_.mutable_base()));
    for (const SourceEntry& entry : node.entries) {
      if (entry.key == "seed") RETURN_IF_ERROR(CheckSeedOnce(entry));
    }
    if (seed.has_value()) experiment_.mutable_base()->set_seed(*seed);
    return absl::OkStatus();
  }

  absl::Status ReadSeed(const SourceEntry& entry) {
    RETURN_IF_ERROR(CheckSeedOnce(entry));
    const google::protobuf::FieldDescriptor* field =
        v1::JobSpec::descriptor()->FindFieldByNumber(v1::JobSpec::kSeedFieldNumber);
    return ReadField(file_, entry.value, *field, Unit::kNone, *experiment_.mutable_base());
  }

  absl::Status CheckSeedOnce(const SourceEntry& entry) {
    if (has_seed_) {
      return file_.Error(entry.key_place, "the seed is given twice, by itself and under base; leave one");
    }
    has_seed_ = true;
    return absl::OkStatus();
  }

  absl::Status ReadReplicates(const SourceNode& node) {
    const absl::StatusOr<uint64_t> value = ParseCount(node.scalar);
    if (node.kind != SourceNode::Kind::kScalar || !value.ok() || *value < 1 || *value > kMaxReplicates) {
      return file_.Error(node.place, absl::StrCat("replicates must be a whole number from 1 to ", kMaxReplicates));
    }
    experiment_.set_replicates(static_cast<uint32_t>(*value));
    return absl::OkStatus();
  }

  absl::Status ReadPriority(const SourceNode& node) {
    int32_t value = 0;
    const char* end = node.scalar.data() + node.scalar.size();
    const auto [parsed, error] = std::from_chars(node.scalar.data(), end, value);
    if (node.kind != SourceNode::Kind::kScalar || error != std::errc() || parsed != end) {
      return file_.Error(node.place, "priority must be a whole number from -2147483648 to 2147483647");
    }
    experiment_.set_priority(value);
    return absl::OkStatus();
  }

  absl::Status ReadLabels(const SourceNode& node) {
    if (node.kind != SourceNode::Kind::kMap) {
      return file_.Error(node.place, "labels must be a map of texts, e.g. {team: mm}");
    }
    if (node.entries.size() > kMaxLabels) {
      return file_.Error(node.place, absl::StrCat("there are ", node.entries.size(), " labels; at most ", kMaxLabels));
    }
    for (const SourceEntry& entry : node.entries) RETURN_IF_ERROR(ReadLabel(entry));
    return absl::OkStatus();
  }

  absl::Status ReadLabel(const SourceEntry& entry) {
    if (!IsLabelKey(entry.key)) {
      return file_.Error(
          entry.key_place,
          absl::StrCat("label ", Shown(entry.key), " must be a lower-case letter, then up to 62 of a-z, 0-9, _ and -"));
    }
    if (entry.value.kind != SourceNode::Kind::kScalar || entry.value.scalar.size() > kMaxLabelValueBytes) {
      return file_.Error(entry.value.place, absl::StrCat("label ", Shown(entry.key), " must be a text of at most ",
                                                         kMaxLabelValueBytes, " bytes"));
    }
    v1::Label& label = *experiment_.add_labels();
    label.set_key(entry.key);
    label.set_value(entry.value.scalar);
    return absl::OkStatus();
  }

  const SourceFile& file_;
  v1::Experiment& experiment_;
  bool has_seed_ = false;
};

absl::Status ReadYamlSweep(std::string_view text, const SourceFile& file, v1::Experiment& experiment) {
  ASSIGN_OR_RETURN(const SourceNode root, ReadYaml(text, file));
  if (root.kind == SourceNode::Kind::kNull || (root.kind == SourceNode::Kind::kMap && root.entries.empty())) {
    return file.Error({},
                      "the file is empty; write at least base: {cache: ..., workload: ...} "
                      "(examples/quickstart.yaml shows the form)");
  }
  if (root.kind != SourceNode::Kind::kMap) {
    return file.Error(root.place, absl::StrCat("the file is ", KindName(root.kind),
                                               "; write a map of name, base, axes, "
                                               "replicates, ..."));
  }
  RETURN_IF_ERROR(SectionReader(file, experiment).Read(root));
  return CheckMixes(file, root, experiment);
}

// Keeps the first error.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    // Negative: an error about the whole.
    if (!message_.has_value()) {
      place_ = {.line = std::max(line, 0) + 1, .column = std::max(column, 0) + 1};
      message_ = message.ends_with('.') ? message.substr(0, message.size() - 1) : message;
    }
  }

  absl::Status ToStatus(const SourceFile& file) const {
    return file.Error(place_, absl::StrCat("not an Experiment in text format: ", message_.value_or("unknown error"),
                                           "; fields are those of proto/dmfrag/v1/experiments.proto"));
  }

 private:
  SourcePlace place_;
  std::optional<std::string> message_;
};

absl::Status ReadTextProto(std::string_view text, const SourceFile& file, v1::Experiment& experiment) {
  RETURN_IF_ERROR(CheckIsText(text, file));
  google::protobuf::TextFormat::Parser parser;
  FirstError error;
  parser.RecordErrorsTo(&error);
  parser.SetRecursionLimit(kMaxSweepDepth);
  if (!parser.ParseFromString(std::string(text), &experiment)) return error.ToStatus(file);
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return file.Error({}, "the file is empty");
  return absl::OkStatus();
}

// A sweep without a name has that of its file, in printable ASCII: names of files are bytes, ours are UTF-8.
std::string NameOf(const std::filesystem::path& path) {
  std::string name = path.stem().native().substr(0, kMaxNameBytes);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return name;
}

}  // namespace

absl::StatusOr<v1::Experiment> ParseSweep(std::string_view text, const std::string& filename,
                                          std::vector<CaptureFile>* captures) {
  const SourceFile file(filename, captures);
  const std::filesystem::path path(filename);
  v1::Experiment experiment;
  if (path.extension() == ".txtpb" || path.extension() == ".textproto") {
    RETURN_IF_ERROR(ReadTextProto(text, file, experiment));
  } else {
    RETURN_IF_ERROR(ReadYamlSweep(text, file, experiment));
  }
  if (CountJobs(experiment) > kMaxSweepJobs) {
    return file.Error({},
                      absl::StrCat("the sweep has more than ", kMaxSweepJobs,
                                   " jobs (points times replicates); make an axis shorter or take fewer replicates"));
  }
  if (experiment.display_name().empty()) experiment.set_display_name(NameOf(path));
  experiment.set_source_text(std::string(text));
  return experiment;
}

}  // namespace dmfrag::client
