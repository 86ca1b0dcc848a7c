#include "proto/support/resolve_mix.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/repeated_field.h"
#include "proto/support/mix_limits.h"
#include "proto/support/preset.h"
#include "proto/support/range_check.h"
#include "proto/support/spelling.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::RepeatedPtrField;

constexpr uint64_t kRateOfOne = 1000;  // a rate of 1, in thousandths

absl::StatusOr<v1::Mix> Inherited(const std::string& place, const std::string& preset) {
  const std::vector<std::string> known = PresetNames();
  if (std::find(known.begin(), known.end(), preset) == known.end()) {
    return WrongField(place + ".inherits", absl::StrCat("no preset \"", preset, "\"; ", AllowedNames(preset, known)));
  }
  ASSIGN_OR_RETURN(const v1::Mix mix, PresetMix(preset));
  return ResolveMix(mix, place);
}

template <typename Element>
auto FindNamed(const std::string& name, RepeatedPtrField<Element>& elements) {
  return std::find_if(elements.begin(), elements.end(), [&](const Element& e) { return e.name() == name; });
}

template <typename Element>
std::vector<std::string> NamesOf(const RepeatedPtrField<Element>& elements) {
  std::vector<std::string> names;
  for (const Element& element : elements) names.push_back(element.name());
  return names;
}

template <typename Element>
absl::Status Remove(const RepeatedPtrField<std::string>& names, const std::string& path,
                    RepeatedPtrField<Element>& elements) {
  for (int i = 0; i < names.size(); ++i) {
    const auto element = FindNamed(names[i], elements);
    if (element == elements.end()) {
      return WrongField(absl::StrCat(path, "[", i, "]"), absl::StrCat("nothing named \"", names[i], "\" is inherited; ",
                                                                      AllowedNames(names[i], NamesOf(elements))));
    }
    elements.erase(element);
  }
  return absl::OkStatus();
}

void RemoveRates(const RepeatedPtrField<std::string>& users, RepeatedPtrField<v1::Phase>& phases) {
  for (v1::Phase& phase : phases) {
    RepeatedPtrField<v1::PhaseRate>& rates = *phase.mutable_rates();
    rates.erase(std::remove_if(rates.begin(), rates.end(),
                               [&](const v1::PhaseRate& rate) {
                                 return std::find(users.begin(), users.end(), rate.user()) != users.end();
                               }),
                rates.end());
  }
}

// Each field that is set in `change` takes the place of that of `message`, whole.
void ReplaceFields(const Message& change, Message& message) {
  std::vector<const FieldDescriptor*> fields;
  change.GetReflection()->ListFields(change, &fields);
  for (const FieldDescriptor* field : fields) message.GetReflection()->ClearField(&message, field);
  message.MergeFrom(change);
}

void ChangeUser(const v1::User& change, v1::User& user) {
  v1::User changed = change;
  const google::protobuf::Reflection& reflection = *user.GetReflection();
  const google::protobuf::OneofDescriptor* kind = v1::User::descriptor()->FindOneofByName("kind");
  const FieldDescriptor* field = reflection.GetOneofFieldDescriptor(change, kind);
  if (field != nullptr && reflection.HasField(user, field)) {
    ReplaceFields(reflection.GetMessage(change, field), *reflection.MutableMessage(&user, field));
    reflection.ClearOneof(&changed, kind);
  }
  ReplaceFields(changed, user);
}

absl::Status ScaleRates(const std::string& place, uint64_t rate, v1::Mix& mix) {
  for (v1::User& user : *mix.mutable_users()) {
    const uint64_t own = user.has_rate_thousandths() ? user.rate_thousandths() : kRateOfOne;
    const unsigned __int128 product = static_cast<unsigned __int128>(own) * rate;
    if (product % kRateOfOne != 0 || product / kRateOfOne > UINT32_MAX) {
      return WrongField(
          place + ".rate_thousandths",
          absl::StrCat(FormatThousandths(rate), " times the rate ", FormatThousandths(own), " of user \"", user.name(),
                       "\" is no number of three decimal places up to 1000; round one of them"));
    }
    user.set_rate_thousandths(static_cast<uint64_t>(product / kRateOfOne));
    if (user.rate_thousandths() == kRateOfOne) user.clear_rate_thousandths();
  }
  return absl::OkStatus();
}

absl::Status CheckInherits(const v1::Mix& written, const std::string& place) {
  for (const auto& [names, path] : {std::pair(&written.remove_users(), place + ".remove_users"),
                                    std::pair(&written.remove_phases(), place + ".remove_phases")}) {
    if (!names->empty()) return WrongField(path, "the mix inherits nothing; leave it out, or write inherits: PRESET");
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Mix> WithInherited(const v1::Mix& written, const std::string& place) {
  ASSIGN_OR_RETURN(v1::Mix mix, Inherited(place, written.inherits()));
  RETURN_IF_ERROR(Remove(written.remove_users(), place + ".remove_users", *mix.mutable_users()));
  RETURN_IF_ERROR(Remove(written.remove_phases(), place + ".remove_phases", *mix.mutable_phases()));
  RemoveRates(written.remove_users(), *mix.mutable_phases());
  for (const v1::User& user : written.users()) {
    const auto inherited = FindNamed(user.name(), *mix.mutable_users());
    if (inherited == mix.mutable_users()->end()) {
      if (user.kind_case() == v1::User::KIND_NOT_SET) {
        return WrongField(absl::StrCat(place, ".users[", user.name(), "]"),
                          absl::StrCat("needs a kind, since no user of this name is inherited; ",
                                       AllowedNames(user.name(), NamesOf(mix.users()))));
      }
      *mix.add_users() = user;
    } else {
      ChangeUser(user, *inherited);
    }
  }
  for (const v1::Phase& phase : written.phases()) {
    const auto inherited = FindNamed(phase.name(), *mix.mutable_phases());
    if (inherited == mix.mutable_phases()->end()) {
      *mix.add_phases() = phase;
    } else {
      *inherited = phase;
    }
  }
  return mix;
}

}  // namespace

absl::StatusOr<v1::Mix> ResolveMix(const v1::Mix& written, const std::string& place) {
  RETURN_IF_ERROR(CheckMixNames(written, place));
  v1::Mix mix = written;
  if (written.inherits().empty()) {
    RETURN_IF_ERROR(CheckInherits(written, place));
  } else {
    ASSIGN_OR_RETURN(mix, WithInherited(written, place));
  }
  if (!written.has_rate_thousandths()) return mix;
  const uint64_t rate = written.rate_thousandths();
  RETURN_IF_ERROR(CheckThousandths(place + ".rate_thousandths", rate, 1, 1000 * kRateOfOne));
  RETURN_IF_ERROR(ScaleRates(place, rate, mix));
  mix.clear_rate_thousandths();
  return mix;
}

}  // namespace dmfrag
