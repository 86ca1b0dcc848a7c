#include "client/sweep/yaml_reader.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/utf8.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

SourcePlace PlaceOf(const YAML::Mark& mark) { return {.line = mark.line + 1, .column = mark.column + 1}; }

SourceNode NodeOf(SourceNode::Kind kind, const YAML::Mark& mark) {
  SourceNode node;
  node.kind = kind;
  node.place = PlaceOf(mark);
  return node;
}

// The line (from 1) starts with blanks, a tab among them.
bool IsIndentedByTab(std::string_view text, int line) {
  for (; line > 1 && text.find('\n') != std::string_view::npos; --line) text.remove_prefix(text.find('\n') + 1);
  return text.substr(0, text.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

int CountNodes(const SourceNode& node) {
  int count = 1;
  for (const SourceNode& item : node.items) count += CountNodes(item);
  for (const SourceEntry& entry : node.entries) count += CountNodes(entry.value);
  return count;
}

int Depth(const SourceNode& node) {
  int deepest = 0;
  for (const SourceNode& item : node.items) deepest = std::max(deepest, Depth(item));
  for (const SourceEntry& entry : node.entries) deepest = std::max(deepest, Depth(entry.value));
  return deepest + 1;
}

// Builds the tree from yaml-cpp's events. After the first error every further event is ignored.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const SourceFile& file) : file_(file) {}

  const absl::Status& status() const { return status_; }
  int documents() const { return documents_; }
  SourceNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2) Fail(PlaceOf(mark), "a second document starts here; a sweep file holds one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(NodeOf(SourceNode::Kind::kNull, mark), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckTag(mark, tag);
    SourceNode node = NodeOf(SourceNode::Kind::kScalar, mark);
    node.scalar = value;
    Add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (!status_.ok()) return;
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) return Fail(PlaceOf(mark), "this alias lies inside what it names; write it out");
    if (static_cast<int>(open_.size()) + found->second.depth > kMaxSweepDepth) return FailDepth(PlaceOf(mark));
    // Counted before it is copied: that is what stops a bomb.
    nodes_ += found->second.nodes - 1;
    if (nodes_ >= kMaxSweepNodes) return FailNodes(PlaceOf(mark));
    Add(found->second.node, YAML::NullAnchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    CheckTag(mark, tag);
    Open(NodeOf(SourceNode::Kind::kList, mark), anchor);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    CheckTag(mark, tag);
    Open(NodeOf(SourceNode::Kind::kMap, mark), anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A list or map whose end has not come. In a map, `entries.back()` waits for its value while `has_key`.
  struct OpenNode {
    SourceNode node;
    YAML::anchor_t anchor;
    bool has_key = false;
    // Keys of a map, and where they stand.
    std::map<std::string, SourcePlace> keys = {};
  };
  struct Anchored {
    SourceNode node;
    int nodes;
    int depth;
  };

  void Fail(SourcePlace place, std::string_view text) {
    if (status_.ok()) status_ = file_.Error(place, text);
  }
  void FailDepth(SourcePlace place) {
    Fail(place, absl::StrCat("maps and lists are nested too deep; at most ", kMaxSweepDepth, " levels"));
  }
  void FailNodes(SourcePlace place) {
    Fail(place, absl::StrCat("the file says too much (aliases expanded); at most ", kMaxSweepNodes, " values"));
  }

  void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    Fail(PlaceOf(mark), "YAML tags have no meaning here; leave it out");
  }

  void Open(SourceNode node, YAML::anchor_t anchor) {
    if (!status_.ok()) return;
    if (static_cast<int>(open_.size()) >= kMaxSweepDepth) return FailDepth(node.place);
    open_.push_back({.node = std::move(node), .anchor = anchor});
  }

  void Close() {
    if (!status_.ok()) return;
    OpenNode closed = std::move(open_.back());
    open_.pop_back();
    Add(std::move(closed.node), closed.anchor);
  }

  // Puts a complete node where it belongs.
  void Add(SourceNode node, YAML::anchor_t anchor) {
    if (!status_.ok()) return;
    if (++nodes_ > kMaxSweepNodes) return FailNodes(node.place);
    if (anchor != YAML::NullAnchor) {
      anchored_.insert_or_assign(anchor, Anchored{.node = node, .nodes = CountNodes(node), .depth = Depth(node)});
    }
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    OpenNode& parent = open_.back();
    if (parent.node.kind == SourceNode::Kind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.has_key) {
      parent.node.entries.back().value = std::move(node);
      parent.has_key = false;
    } else {
      AddKey(std::move(node), parent);
    }
  }

  void AddKey(SourceNode key, OpenNode& map) {
    if (key.kind != SourceNode::Kind::kScalar) {
      return Fail(key.place, absl::StrCat("a key is ", KindName(key.kind), "; keys are names"));
    }
    // yaml-cpp lets duplicates pass.
    const auto [first, fresh] = map.keys.emplace(key.scalar, key.place);
    if (!fresh) {
      return Fail(key.place, absl::StrCat("key ", Shown(key.scalar), " is there twice, first at line ",
                                          first->second.line, "; leave one"));
    }
    map.node.entries.push_back({.key = std::move(key.scalar), .key_place = key.place, .value = {}});
    map.has_key = true;
  }

  const SourceFile& file_;
  absl::Status status_;
  int documents_ = 0;
  int nodes_ = 0;
  std::vector<OpenNode> open_;
  std::map<YAML::anchor_t, Anchored> anchored_;
  SourceNode root_;
};

}  // namespace

absl::Status CheckIsText(std::string_view text, const SourceFile& file) {
  if (text.size() > kMaxSweepFileBytes) {
    return file.Error({}, absl::StrCat("the file is larger than ", kMaxSweepFileBytes, " bytes (1 MiB)"));
  }
  SourcePlace place;
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    const size_t length = Utf8Length(text);
    if (length == 0) {
      return file.Error(place,
                        "not a text file: bytes that are not UTF-8; a sweep is YAML, JSON or textproto in UTF-8");
    }
    if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7f) {
      return file.Error(place, "not a text file: a control character; a sweep is YAML, JSON or textproto in UTF-8");
    }
    place = byte == '\n' ? SourcePlace{.line = place.line + 1, .column = 1}
                         : SourcePlace{.line = place.line, .column = place.column + 1};
    text.remove_prefix(length);
  }
  return absl::OkStatus();
}

absl::StatusOr<SourceNode> ReadYaml(std::string_view text, const SourceFile& file) {
  RETURN_IF_ERROR(CheckIsText(text, file));
  TreeBuilder builder(file);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (builder.status().ok() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::DeepRecursion&) {
    return file.Error({}, absl::StrCat("maps and lists are nested too deep; at most ", kMaxSweepDepth, " levels"));
  } catch (const YAML::Exception& error) {
    // What the builder found lies before what the parser stumbled over.
    RETURN_IF_ERROR(builder.status());
    const SourcePlace place = error.mark.is_null() ? SourcePlace{} : PlaceOf(error.mark);
    if (IsIndentedByTab(text, place.line)) {
      return file.Error({.line = place.line, .column = 1}, "not YAML: a tab stands in the indentation; use spaces");
    }
    return file.Error(place, absl::StrCat("not YAML: ", error.msg, "; mend the indentation, quotes or brackets here"));
  }
  RETURN_IF_ERROR(builder.status());
  return builder.TakeRoot();
}

}  // namespace dmfrag::client
