#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/command/registry.h"
#include "client/listing/cache_types.h"
#include "client/listing/listing.h"
#include "client/listing/presets.h"
#include "client/listing/user_kinds.h"
#include "client/recording/user_rules.h"
#include "client/sweep/message_reader.h"
#include "proto/support/spelling.h"

namespace dmfrag::client {
namespace {

struct NamedListing {
  const char* name;
  Listing (*make)();
};

constexpr NamedListing kListings[] = {
    {"cache-types", ListCacheTypes}, {"presets", ListPresets}, {"users", ListUserKinds}};

// No listing: YAML whatever the output format is, to copy and edit.
constexpr char kUserRules[] = "user-rules";

// Whether both are one name, '-' and '_' being the same.
bool IsNamed(const std::string& name, const std::string& written) { return NormalName(name) == NormalName(written); }

// Says what a spec can name, with defaults and sources; asks no server.
class ListCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand(
        "list", "List what a spec can name: cache types, kinds of users, presets; or print user rules");
    sub->add_option("WHAT", what_,
                    "cache-types, presets, users; or user-rules: the YAML by which import and capture tell users apart")
        ->required();
    sub->add_option("NAME", name_, "This one alone");
    sub->footer("Example:\n  dmfrag list cache-types per-user");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    std::vector<std::string> names;
    for (const NamedListing& listing : kListings) {
      if (IsNamed(listing.name, what_)) return Print(listing.make(), options.output, environment);
      names.emplace_back(listing.name);
    }
    if (IsNamed(kUserRules, what_)) return PrintUserRules(environment);
    names.emplace_back(kUserRules);
    return absl::InvalidArgumentError(
        absl::StrCat("there is no list of \"", what_, "\"; ", AllowedNames(what_, names)));
  }

 private:
  absl::StatusOr<ExitCode> PrintUserRules(Environment& environment) const {
    if (!name_.empty()) return absl::InvalidArgumentError("the user rules are printed as a whole; leave the name out");
    environment.out << UserRules::DefaultText();
    return ExitCode::kOk;
  }

  absl::StatusOr<ExitCode> Print(Listing listing, OutputFormat output, Environment& environment) const {
    if (!name_.empty()) {
      std::vector<std::string> names;
      for (const ListedEntry& entry : listing.entries) names.push_back(entry.name);
      std::erase_if(listing.entries, [&](const ListedEntry& entry) { return !IsNamed(entry.name, name_); });
      if (listing.entries.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("there is no \"", name_, "\" among ", what_, "; ", AllowedNames(name_, names)));
      }
    }
    switch (output) {
      case OutputFormat::kTable:
        environment.out << ListingText(listing);
        break;
      case OutputFormat::kJson:
        environment.out << ListingJson(listing);
        break;
      case OutputFormat::kCsv:
        environment.out << ListingCsv(listing);
        break;
    }
    return ExitCode::kOk;
  }

  std::string what_;
  std::string name_;
};

}  // namespace

std::unique_ptr<Command> NewListCommand() { return std::make_unique<ListCommand>(); }

}  // namespace dmfrag::client
