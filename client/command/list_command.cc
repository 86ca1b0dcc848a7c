#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/command/registry.h"
#include "client/listing/listing.h"
#include "client/listing/presets.h"
#include "client/listing/user_kinds.h"
#include "proto/support/spelling.h"

namespace dmfrag::client {
namespace {

struct NamedListing {
  const char* name;
  Listing (*make)();
};

constexpr NamedListing kListings[] = {{"presets", ListPresets}, {"users", ListUserKinds}};

// Says what a spec can name, with defaults and sources; asks no server.
class ListCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("list", "List what a spec can name: kinds of users, presets");
    sub->add_option("WHAT", what_, "presets or users")->required();
    sub->add_option("NAME", name_, "This one alone");
    sub->footer("Example:\n  dmfrag list users bpf");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    std::vector<std::string> names;
    for (const NamedListing& listing : kListings) {
      if (what_ == listing.name) return Print(listing.make(), options.output, environment);
      names.emplace_back(listing.name);
    }
    return absl::InvalidArgumentError(
        absl::StrCat("there is no list of \"", what_, "\"; ", AllowedNames(what_, names)));
  }

 private:
  absl::StatusOr<ExitCode> Print(Listing listing, OutputFormat output, Environment& environment) const {
    if (!name_.empty()) {
      std::vector<std::string> names;
      for (const ListedEntry& entry : listing.entries) names.push_back(entry.name);
      std::erase_if(listing.entries, [&](const ListedEntry& entry) { return entry.name != name_; });
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
