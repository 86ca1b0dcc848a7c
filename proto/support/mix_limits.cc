#include "proto/support/mix_limits.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "proto/support/figure_limits.h"
#include "proto/support/range_check.h"
#include "proto/support/spelling.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag {
namespace {

using google::protobuf::FieldDescriptor;

constexpr uint64_t kSecondUs = 1000000;
constexpr uint64_t kYearUs = 366 * 24 * 3600 * kSecondUs;
constexpr uint64_t kMaxRateThousandths = 1000000;
constexpr int kMaxUsers = 64;
constexpr int kMaxPhases = 32;

bool IsUserName(const std::string& name) {
  if (name.empty() || name.size() > 32 || !absl::ascii_islower(name[0])) return false;
  for (const char c : name) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '_' && c != '-') return false;
  }
  return true;
}

absl::Status CheckKind(const std::string& path, const v1::User& user) {
  const FieldDescriptor* kind = KindOf(user);
  if (kind == nullptr) return WrongField(path, "needs a kind; " + AllowedNames("", UserKindNames()));
  return CheckFigures(absl::StrCat(path, ".", kind->name()), user.GetReflection()->GetMessage(user, kind));
}

const v1::UserKind& InfoOf(const FieldDescriptor& kind) {
  return kind.message_type()->options().GetExtension(v1::user_kind);
}

// Names of the kinds that take atomic_per_mille.
std::vector<std::string> KindsOfSinglePages() {
  const google::protobuf::OneofDescriptor& kinds = *v1::User::descriptor()->FindOneofByName("kind");
  std::vector<std::string> names;
  for (int i = 0; i < kinds.field_count(); ++i) {
    if (InfoOf(*kinds.field(i)).single_pages()) names.push_back(kinds.field(i)->name());
  }
  return names;
}

absl::Status CheckAtomic(const std::string& path, const v1::User& user) {
  RETURN_IF_ERROR(CheckRange(path, user.atomic_per_mille(), 0, 1000));
  const FieldDescriptor& kind = *KindOf(user);
  if (user.atomic_per_mille() == 0 || InfoOf(kind).single_pages()) return absl::OkStatus();
  return WrongField(path, absl::StrCat(kind.name(),
                                       " changes no single pages of a cache, which alone are asked for by "
                                       "callers that cannot sleep; leave it out, or take one of ",
                                       absl::StrJoin(KindsOfSinglePages(), ", ")));
}

absl::Status CheckUser(const std::string& path, const v1::User& user) {
  RETURN_IF_ERROR(CheckKind(path, user));
  if (user.has_rate_thousandths()) {
    RETURN_IF_ERROR(CheckThousandths(path + ".rate_thousandths", user.rate_thousandths(), 1, kMaxRateThousandths));
  }
  return CheckAtomic(path + ".atomic_per_mille", user);
}

absl::Status CheckWindow(const std::string& path, const v1::Phase& phase) {
  RETURN_IF_ERROR(CheckMicroseconds(path + ".start_us", phase.start_us(), 0, 10 * kYearUs));
  RETURN_IF_ERROR(CheckMicroseconds(path + ".duration_us", phase.duration_us(), 1, 10 * kYearUs));
  if (phase.every_us() == 0) return absl::OkStatus();
  if (phase.every_us() < phase.duration_us()) {
    return WrongField(path + ".every_us",
                      absl::StrCat(FormatMicroseconds(phase.every_us()), " is shorter than the duration, ",
                                   FormatMicroseconds(phase.duration_us()), "; at least as long, or 0 for once"));
  }
  return CheckMicroseconds(path + ".every_us", phase.every_us(), kSecondUs, 10 * kYearUs);
}

absl::Status CheckPhase(const std::string& path, const v1::Phase& phase, const std::vector<std::string>& users) {
  RETURN_IF_ERROR(CheckWindow(path, phase));
  if (phase.has_rate_thousandths()) {
    RETURN_IF_ERROR(CheckThousandths(path + ".rate_thousandths", phase.rate_thousandths(), 0, kMaxRateThousandths));
  }
  std::set<std::string> seen;
  for (const v1::PhaseRate& rate : phase.rates()) {
    if (!IsUserName(rate.user())) {
      return WrongField(path + ".rates", absl::StrCat("\"", rate.user(), "\" is no user; ", AllowedNames("", users)));
    }
    const std::string rate_path = absl::StrCat(path, ".rates[", rate.user(), "]");
    if (std::find(users.begin(), users.end(), rate.user()) == users.end()) {
      return WrongField(rate_path, absl::StrCat("the mix has no such user; ", AllowedNames(rate.user(), users)));
    }
    if (!seen.insert(rate.user()).second) return WrongField(rate_path, "is there twice; leave one");
    if (!rate.has_rate_thousandths()) return WrongField(rate_path, "needs a rate; 0 is off, 1 as ever");
    RETURN_IF_ERROR(CheckThousandths(rate_path, rate.rate_thousandths(), 0, kMaxRateThousandths));
  }
  return absl::OkStatus();
}

// Each element has a name of its own.
template <typename Elements>
absl::Status CheckNamesOf(const std::string& path, const Elements& elements) {
  std::set<std::string> names;
  for (int i = 0; i < elements.size(); ++i) {
    const std::string name_path = absl::StrCat(path, "[", i, "].name");
    const std::string& name = elements[i].name();
    if (!IsUserName(name)) return WrongField(name_path, "must be 1 to 32 of a-z, 0-9, _ and -, a letter first");
    if (!names.insert(name).second) return WrongField(name_path, absl::StrCat("\"", name, "\" is there twice"));
  }
  return absl::OkStatus();
}

}  // namespace

const FieldDescriptor* KindOf(const v1::User& user) {
  return user.GetReflection()->GetOneofFieldDescriptor(user, v1::User::descriptor()->FindOneofByName("kind"));
}

v1::UserCategory CategoryOf(const v1::User& user) { return InfoOf(*KindOf(user)).category(); }

std::vector<std::string> UserKindNames() {
  const google::protobuf::OneofDescriptor& kinds = *v1::User::descriptor()->FindOneofByName("kind");
  std::vector<std::string> names;
  for (int i = 0; i < kinds.field_count(); ++i) names.push_back(kinds.field(i)->name());
  return names;
}

absl::Status CheckMixNames(const v1::Mix& mix, const std::string& place) {
  RETURN_IF_ERROR(CheckNamesOf(place + ".users", mix.users()));
  return CheckNamesOf(place + ".phases", mix.phases());
}

absl::Status CheckMix(const v1::Mix& mix, const std::string& place) {
  RETURN_IF_ERROR(CheckRange(place + ".users (count)", mix.users_size(), 1, kMaxUsers));
  RETURN_IF_ERROR(CheckRange(place + ".phases (count)", mix.phases_size(), 0, kMaxPhases));
  RETURN_IF_ERROR(CheckMixNames(mix, place));
  std::vector<std::string> names;
  for (const v1::User& user : mix.users()) {
    RETURN_IF_ERROR(CheckUser(absl::StrCat(place, ".users[", user.name(), "]"), user));
    names.push_back(user.name());
  }
  for (const v1::Phase& phase : mix.phases()) {
    RETURN_IF_ERROR(CheckPhase(absl::StrCat(place, ".phases[", phase.name(), "]"), phase, names));
  }
  return absl::OkStatus();
}

}  // namespace dmfrag
