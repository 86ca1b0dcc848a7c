#include "client/fit/sweep_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/sweep/message_reader.h"

namespace dmfrag::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// "0.25", "3".
std::string RateText(uint64_t thousandths) {
  std::string text = absl::StrCat(thousandths / 1000);
  if (thousandths % 1000 == 0) return text;
  absl::StrAppend(&text, absl::StrFormat(".%03d", thousandths % 1000));
  while (text.back() == '0') text.pop_back();
  return text;
}

std::string DistributionText(const v1::Distribution& distribution, std::string_view unit) {
  const auto value = [&](uint64_t number) { return absl::StrCat(number, std::string(unit)); };
  if (distribution.has_constant()) {
    return absl::StrCat("{constant: {value: ", value(distribution.constant().value()), "}}");
  }
  const auto& table = distribution.empirical();
  const std::string values = absl::StrJoin(
      table.values(), ", ", [&](std::string* out, uint64_t number) { absl::StrAppend(out, value(number)); });
  return absl::StrCat("{empirical: {values: [", values, "], weights: [", absl::StrJoin(table.weights(), ", "), "]}}");
}

std::string FieldText(const Message& figures, const FieldDescriptor& field) {
  const google::protobuf::Reflection& reflection = *figures.GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    return field.enum_type()->name() == "Migratetype"
               ? absl::AsciiStrToLower(reflection.GetEnum(figures, &field)->name().substr(sizeof("MIGRATETYPE")))
               : reflection.GetEnum(figures, &field)->name();
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) return absl::StrCat(reflection.GetUInt32(figures, &field));
  const auto& distribution = dynamic_cast<const v1::Distribution&>(reflection.GetMessage(figures, &field));
  return DistributionText(distribution, field.name().ends_with("_us") ? "us" : "");
}

void AppendUser(const v1::User& user, std::string& text) {
  const google::protobuf::OneofDescriptor& kinds = *v1::User::descriptor()->FindOneofByName("kind");
  const FieldDescriptor& kind = *user.GetReflection()->GetOneofFieldDescriptor(user, &kinds);
  const Message& figures = user.GetReflection()->GetMessage(user, &kind);
  absl::StrAppend(&text, "        - name: ", user.name(), "\n          ", SweepName(kind), ":\n");
  std::vector<const FieldDescriptor*> fields;
  figures.GetReflection()->ListFields(figures, &fields);
  for (const FieldDescriptor* field : fields) {
    absl::StrAppend(&text, "            ", SweepName(*field), ": ", FieldText(figures, *field), "\n");
  }
}

void AppendPhase(const v1::Phase& phase, std::string& text) {
  absl::StrAppend(&text, "        - {name: ", phase.name(), ", start: ", phase.start_us(),
                  "us, duration: ", phase.duration_us(), "us, rates: {");
  absl::StrAppend(&text, absl::StrJoin(phase.rates(), ", ", [](std::string* out, const v1::PhaseRate& rate) {
    absl::StrAppend(out, rate.user(), ": ", RateText(rate.rate_thousandths()));
  }));
  absl::StrAppend(&text, "}}\n");
}

std::string MachineText(const SweepHead& head) {
  // A text in double quotes is JSON's, which YAML reads.
  if (!head.boot_snapshot.empty()) return absl::StrCat("  machine: {boot_snapshot: \"", head.boot_snapshot, "\"}\n");
  std::vector<std::string> facts;
  if (head.memory_bytes > 0) facts.push_back(absl::StrCat("memory: ", head.memory_bytes >> 20, "MiB"));
  if (head.cpus > 0) facts.push_back(absl::StrCat("cpus: ", head.cpus));
  return facts.empty() ? "" : absl::StrCat("  machine: {", absl::StrJoin(facts, ", "), "}\n");
}

}  // namespace

std::string SweepText(const SweepHead& head, const v1::Mix& mix) {
  std::string text;
  for (const std::string& comment : head.comments) absl::StrAppend(&text, comment.empty() ? "#" : "# ", comment, "\n");
  absl::StrAppend(&text, "name: ", head.name, "\n\nbase:\n", MachineText(head));
  if (!head.kernel.empty()) {
    absl::StrAppend(&text, "  kernel: {cpa_release: ", head.kernel, ", allocator_release: ", head.kernel, "}\n");
  }
  absl::StrAppend(&text, "  cache: none\n  length: {duration: ", head.duration_us,
                  "us, sample_interval: ", std::max<uint64_t>(1, head.duration_us / 100),
                  "us}\n  workload:\n    mix:\n      users:\n");
  for (const v1::User& user : mix.users()) AppendUser(user, text);
  if (!mix.phases().empty()) absl::StrAppend(&text, "      # Windows of the recording.\n      phases:\n");
  for (const v1::Phase& phase : mix.phases()) AppendPhase(phase, text);
  absl::StrAppend(&text, "\nreplicates: ", head.replicates, "\n");
  return text;
}

}  // namespace dmfrag::client
