#include "client/recording/user_rules.h"

#include <fnmatch.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/recording/default_user_rules.h"
#include "client/replay/capture_file.h"
#include "client/sweep/message_reader.h"
#include "client/sweep/source_node.h"
#include "client/sweep/yaml_reader.h"
#include "dmfrag/v1/workload.pb.h"
#include "proto/support/sha256.h"
#include "proto/support/spelling.h"
#include "third_party/abseil_extras/check.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr size_t kMaxNameBytes = 32;

using Names = std::vector<std::string>;

const Names& RuleKeys() {
  static const auto& keys = *new Names{"user", "kind", "match"};
  return keys;
}

const Names& MatchKeys() {
  static const auto& keys = *new Names{"comm", "gfp", "migratetype", "stack", "change"};
  return keys;
}

// In order of UserRules::Change.
const Names& ChangeNames() {
  static const auto& names = *new Names{"none", "not_present", "read_only", "other"};
  return names;
}

// In order of RecordingOrigin.migratetype.
const Names& MigratetypeNames() {
  static const auto& names = *new Names{"unmovable", "movable", "reclaimable"};
  return names;
}

const Names& KindNames() {
  static const auto& names = *new Names([] {
    Names kinds;
    const google::protobuf::OneofDescriptor& kind = *v1::User::descriptor()->FindOneofByName("kind");
    for (int i = 0; i < kind.field_count(); ++i) kinds.push_back(SweepName(*kind.field(i)));
    return kinds;
  }());
  return names;
}

// As RecordingUser.name says.
bool IsUserName(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes || name[0] < 'a' || name[0] > 'z') return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
}

bool Glob(const std::string& pattern, const std::string& text) {
  return fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

bool AnyGlob(const std::vector<std::string>& patterns, const std::string& text) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& p) { return Glob(p, text); });
}

}  // namespace

// Reads the rules of one file.
class RuleReader {
 public:
  RuleReader(const SourceFile& file, UserRules& rules) : file_(file), rules_(rules) {}

  absl::Status Read(const SourceNode& root) {
    if (root.kind != SourceNode::Kind::kMap) return WrongKind(root, "rules of users are a map {rules: [...]}");
    const SourceNode* list = nullptr;
    for (const SourceEntry& entry : root.entries) {
      if (entry.key != "rules") return UnknownKey(entry, {"rules"});
      list = &entry.value;
    }
    if (list == nullptr || list->kind != SourceNode::Kind::kList || list->items.empty()) {
      return file_.Error(list == nullptr ? root.place : list->place, "no rules stand here; write rules: [{user: ...}]");
    }
    if (list->items.size() > UserRules::kMaxRules) {
      return file_.Error(list->place, absl::StrCat(list->items.size(), " rules; at most ", UserRules::kMaxRules));
    }
    for (const SourceNode& item : list->items) RETURN_IF_ERROR(ReadRule(item, &item == &list->items.back()));
    return absl::OkStatus();
  }

 private:
  absl::Status WrongKind(const SourceNode& node, std::string_view allowed) const {
    return file_.Error(node.place, absl::StrCat(KindName(node.kind), " stands here; ", std::string(allowed)));
  }

  absl::Status UnknownKey(const SourceEntry& entry, const Names& known) const {
    return file_.Error(entry.key_place,
                       absl::StrCat("unknown key ", Shown(entry.key), "; ", AllowedNames(entry.key, known)));
  }

  absl::Status ReadRule(const SourceNode& node, bool is_last) {
    if (node.kind != SourceNode::Kind::kMap) return WrongKind(node, "a rule is a map {user, kind, match}");
    UserRules::Rule rule;
    const SourceNode* user = nullptr;
    const SourceNode* kind = nullptr;
    for (const SourceEntry& entry : node.entries) {
      if (entry.key == "user") {
        user = &entry.value;
      } else if (entry.key == "kind") {
        kind = &entry.value;
      } else if (entry.key == "match") {
        RETURN_IF_ERROR(ReadMatch(entry.value, rule));
      } else {
        return UnknownKey(entry, RuleKeys());
      }
    }
    if (user == nullptr) return file_.Error(node.place, "this rule names no user; add user: NAME");
    ASSIGN_OR_RETURN(rule.user, ReadUser(*user, kind));
    if (is_last && !rule.MatchesAll()) {
      return file_.Error(node.place,
                         "the last rule must match everything; leave its match out, or add a rule behind it");
    }
    if (!is_last && rule.MatchesAll()) {
      return file_.Error(node.place,
                         "this rule matches everything, rules behind it nothing; add match, or put it last");
    }
    rules_.rules_.push_back(std::move(rule));
    return absl::OkStatus();
  }

  // Number of the user. A kind is said with the first rule of a user, and may be said again.
  absl::StatusOr<size_t> ReadUser(const SourceNode& name, const SourceNode* kind) {
    if (name.kind != SourceNode::Kind::kScalar) return WrongKind(name, "user takes a name");
    if (!IsUserName(name.scalar)) {
      return file_.Error(name.place, absl::StrCat("a user cannot be named ", Shown(name.scalar),
                                                  "; a letter a-z, then at most 31 of a-z, 0-9, _ and -"));
    }
    std::optional<std::string> said;
    if (kind != nullptr) {
      ASSIGN_OR_RETURN(const size_t index, ReadName(*kind, "kind", KindNames()));
      said = KindNames()[index];
    }
    const auto known = std::find_if(rules_.users_.begin(), rules_.users_.end(),
                                    [&](const UserRules::User& user) { return user.name == name.scalar; });
    if (known != rules_.users_.end()) {
      if (said.has_value() && *said != known->kind) {
        return file_.Error(kind->place, absl::StrCat("user ", Shown(name.scalar), " is of kind ", known->kind,
                                                     " in a rule before; leave kind out, or name another user"));
      }
      return static_cast<size_t>(known - rules_.users_.begin());
    }
    if (!said.has_value()) {
      return file_.Error(name.place, absl::StrCat("user ", Shown(name.scalar), " has no kind; add kind: ordinary, or ",
                                                  "another one that `dmfrag list users` names"));
    }
    if (rules_.users_.size() == UserRules::kMaxUsers) {
      return file_.Error(name.place, absl::StrCat("one user too many; at most ", UserRules::kMaxUsers));
    }
    rules_.users_.push_back({.name = name.scalar, .kind = *said});
    return rules_.users_.size() - 1;
  }

  absl::Status ReadMatch(const SourceNode& node, UserRules::Rule& rule) const {
    if (node.kind != SourceNode::Kind::kMap) {
      return WrongKind(node, "match is a map of comm, gfp, migratetype, stack, change");
    }
    for (const SourceEntry& entry : node.entries) {
      if (std::find(MatchKeys().begin(), MatchKeys().end(), entry.key) == MatchKeys().end()) {
        return UnknownKey(entry, MatchKeys());
      }
      ASSIGN_OR_RETURN(const std::vector<const SourceNode*> values, Values(entry));
      for (const SourceNode* value : values) RETURN_IF_ERROR(ReadCondition(entry.key, *value, rule));
    }
    return absl::OkStatus();
  }

  // A scalar, or each of a list.
  absl::StatusOr<std::vector<const SourceNode*>> Values(const SourceEntry& entry) const {
    std::vector<const SourceNode*> values;
    if (entry.value.kind == SourceNode::Kind::kScalar) values.push_back(&entry.value);
    for (const SourceNode& item : entry.value.items) values.push_back(&item);
    const bool good = !values.empty() && std::all_of(values.begin(), values.end(), [](const SourceNode* value) {
      return value->kind == SourceNode::Kind::kScalar && !value->scalar.empty();
    });
    if (!good) return file_.Error(entry.value.place, entry.key + " takes a text, or a list of texts");
    return values;
  }

  absl::Status ReadCondition(const std::string& key, const SourceNode& value, UserRules::Rule& rule) const {
    if (key == "comm") {
      rule.comms.push_back(value.scalar);
    } else if (key == "stack") {
      rule.stack.push_back(value.scalar);
    } else if (key == "gfp") {
      return ReadFlag(value, rule);
    } else if (key == "migratetype") {
      ASSIGN_OR_RETURN(const size_t index, ReadName(value, key, MigratetypeNames()));
      rule.migratetypes |= 1 << index;
    } else {
      ASSIGN_OR_RETURN(const size_t index, ReadName(value, key, ChangeNames()));
      rule.changes |= 1 << index;
    }
    return absl::OkStatus();
  }

  absl::Status ReadFlag(const SourceNode& value, UserRules::Rule& rule) const {
    const bool forbidden = value.scalar.starts_with('!');
    const std::string name = value.scalar.substr(forbidden ? 1 : 0);
    const std::optional<GfpFlags> flags = GfpFlagsOfName(name);
    if (!flags.has_value()) {
      return file_.Error(value.place,
                         absl::StrCat("unknown GFP flag ", Shown(name), "; ", AllowedNames(name, GfpFlagNames())));
    }
    if (forbidden) {
      rule.forbidden.push_back(*flags);
    } else {
      rule.needed |= *flags;
    }
    return absl::OkStatus();
  }

  // Index of what is written.
  absl::StatusOr<size_t> ReadName(const SourceNode& node, std::string_view what, const Names& names) const {
    if (node.kind != SourceNode::Kind::kScalar) return WrongKind(node, std::string(what) + " takes a name");
    const auto found = std::find(names.begin(), names.end(), NormalName(node.scalar));
    if (found != names.end()) return static_cast<size_t>(found - names.begin());
    return file_.Error(node.place, absl::StrCat("unknown ", std::string(what), " ", Shown(node.scalar), "; ",
                                                AllowedNames(NormalName(node.scalar), names)));
  }

  const SourceFile& file_;
  UserRules& rules_;
};

bool UserRules::Rule::MatchesOrigin(const v1::RecordingOrigin& origin, GfpFlags flags) const {
  if (migratetypes != 0 && (origin.migratetype() > 7 || (migratetypes >> origin.migratetype() & 1) == 0)) return false;
  if ((flags & needed) != needed) return false;
  const auto has = [&](GfpFlags all) { return (flags & all) == all; };
  if (std::any_of(forbidden.begin(), forbidden.end(), has)) return false;
  if (!comms.empty() && !AnyGlob(comms, origin.comm())) return false;
  return stack.empty() || std::any_of(origin.stack().begin(), origin.stack().end(),
                                      [&](const std::string& function) { return AnyGlob(stack, function); });
}

bool UserRules::Rule::MatchesAll() const {
  return changes == 0 && migratetypes == 0 && needed == 0 && forbidden.empty() && comms.empty() && stack.empty();
}

absl::StatusOr<UserRules> UserRules::Parse(std::string_view yaml, const std::string& filename) {
  std::vector<CaptureFile> no_captures;
  const SourceFile file(filename, &no_captures);
  RETURN_IF_ERROR(CheckIsText(yaml, file));
  ASSIGN_OR_RETURN(const SourceNode root, ReadYaml(yaml, file));
  UserRules rules;
  RETURN_IF_ERROR(RuleReader(file, rules).Read(root));
  rules.sha256_ = ToHex(Sha256(yaml));
  return rules;
}

std::string_view UserRules::DefaultText() { return kDefaultUserRules; }

const UserRules& UserRules::Default() {
  static const auto& rules = *new absl::StatusOr<UserRules>(Parse(DefaultText(), "users.yaml"));
  CHECK(rules.ok());
  return *rules;
}

std::array<size_t, UserRules::kChanges> UserRules::UsersOf(const v1::RecordingOrigin& origin) const {
  const GfpFlags flags = GfpFlagsOfText(origin.gfp_flags());
  std::array<size_t, kChanges> users{};
  uint8_t open = (1 << kChanges) - 1;
  for (const Rule& rule : rules_) {
    const uint8_t taken = rule.changes == 0 ? open : open & rule.changes;
    if (taken == 0 || !rule.MatchesOrigin(origin, flags)) continue;
    for (int change = 0; change < kChanges; ++change) {
      if ((taken >> change & 1) != 0) users[change] = rule.user;
    }
    open &= ~taken;
    if (open == 0) break;
  }
  return users;
}

void UserRules::Classify(const std::vector<v1::RecordingOrigin>& origins, v1::RecordingEnd& end) const {
  std::vector<std::array<size_t, kChanges>> found;
  std::vector<bool> used(users_.size(), false);
  found.reserve(origins.size());
  for (const v1::RecordingOrigin& origin : origins) {
    found.push_back(UsersOf(origin));
    for (const size_t user : found.back()) used[user] = true;
  }
  // At least one is needed.
  if (origins.empty()) used[rules_.back().user] = true;
  std::vector<uint32_t> numbers(users_.size(), 0);
  end.clear_users();
  for (size_t i = 0; i < users_.size(); ++i) {
    if (!used[i]) continue;
    numbers[i] = static_cast<uint32_t>(end.users_size());
    v1::RecordingUser& user = *end.add_users();
    user.set_name(users_[i].name);
    user.set_kind(users_[i].kind);
  }
  end.clear_origin_users();
  for (const std::array<size_t, kChanges>& users : found) {
    v1::OriginUsers& numbered = *end.add_origin_users();
    numbered.set_unchanged(numbers[users[kNone]]);
    numbered.set_not_present(numbers[users[kNotPresent]]);
    numbered.set_read_only(numbers[users[kReadOnly]]);
    numbered.set_other(numbers[users[kOther]]);
  }
  end.set_users_sha256(sha256_);
}

absl::StatusOr<UserRules> ReadUserRules(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  // A folder can be opened, but not read.
  file.peek();
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(absl::StrCat("cannot read the rules ", path, ": ", std::strerror(errno),
                                            "; name a YAML file with --users, or leave it out"));
  }
  std::ostringstream yaml;
  yaml << file.rdbuf();
  return UserRules::Parse(yaml.str(), path);
}

}  // namespace dmfrag::client
