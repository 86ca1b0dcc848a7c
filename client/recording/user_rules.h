#ifndef DMFRAG_CLIENT_RECORDING_USER_RULES_H_
#define DMFRAG_CLIENT_RECORDING_USER_RULES_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/recording/gfp_flags.h"
#include "dmfrag/v1/recording.pb.h"

namespace dmfrag::client {

// Tells the users of a recording apart: by task, GFP flags, migratetype, call stack, and what happened to their pages'
// direct map. Rules are YAML (client/recording/users.yaml says how); the first that matches wins. Immutable.
class UserRules {
 public:
  // Most users, as many as a mix may have; most rules.
  static constexpr size_t kMaxUsers = 64;
  static constexpr size_t kMaxRules = 1024;

  // Errors: kInvalidArgument "filename:line:column: what is wrong; what is allowed".
  static absl::StatusOr<UserRules> Parse(std::string_view yaml, const std::string& filename);

  // The rules of users.yaml, and its text, which `dmfrag list user-rules` prints: for people to copy and edit.
  static const UserRules& Default();
  static std::string_view DefaultText();

  // Sets users (those that have an origin, in order of the rules), origin_users and users_sha256 of `end`.
  void Classify(const std::vector<v1::RecordingOrigin>& origins, v1::RecordingEnd& end) const;

 private:
  friend class RuleReader;

  // What the first change of a page's direct map was: numbers of bits in Rule::changes.
  enum Change : uint8_t { kNone, kNotPresent, kReadOnly, kOther };
  static constexpr int kChanges = 4;

  struct User {
    std::string name;
    std::string kind;
  };

  // Lists are alternatives; an empty one matches everything.
  struct Rule {
    size_t user = 0;                  // index of users_
    uint8_t changes = 0;              // bits; 0: any
    uint8_t migratetypes = 0;         // bits of RecordingOrigin.migratetype; 0: any
    GfpFlags needed = 0;              // all of them
    std::vector<GfpFlags> forbidden;  // none of them as a whole
    std::vector<std::string> comms;   // globs
    std::vector<std::string> stack;   // globs, of any function in it

    bool MatchesOrigin(const v1::RecordingOrigin& origin, GfpFlags flags) const;
    bool MatchesAll() const;
  };

  UserRules() = default;
  std::array<size_t, kChanges> UsersOf(const v1::RecordingOrigin& origin) const;

  std::vector<User> users_;
  std::vector<Rule> rules_;  // the last one matches everything
  std::string sha256_;
};

// The rules of a file. Errors: those of Parse; kNotFound if it cannot be read.
absl::StatusOr<UserRules> ReadUserRules(const std::string& path);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_USER_RULES_H_
