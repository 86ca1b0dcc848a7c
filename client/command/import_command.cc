#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/command/registry.h"
#include "client/format/csv.h"
#include "client/format/table.h"
#include "client/recording/import.h"
#include "client/recording/run_snapshot.h"
#include "client/recording/user_rules.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr const char* kKindNames[recording::Event::kKinds] = {"allocations",
                                                              "frees",
                                                              "bulk allocations",
                                                              "compaction took",
                                                              "compaction gave back",
                                                              "per-cpu drains",
                                                              "set invalid",
                                                              "set default",
                                                              "attributes changed",
                                                              "splits",
                                                              "collapses",
                                                              "marks",
                                                              "losses"};

// A file that is written beside its name, and takes it when it is whole.
class NewFile {
 public:
  explicit NewFile(const std::string& path) : path_(path), temporary_(absl::StrCat(path, ".", getpid(), ".tmp")) {}
  ~NewFile() {
    if (fd_ >= 0) close(fd_);
    if (!kept_) unlink(temporary_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  absl::Status Open() {
    fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return fd_ >= 0 ? absl::OkStatus() : Failed("make");
  }

  absl::Status Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = write(fd_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Failed("write");
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return absl::OkStatus();
  }

  // `replace`: another file of the name gives way. Without it the name must be free at this moment, too.
  absl::Status Keep(bool replace) {
    if (fsync(fd_) != 0) return Failed("write");
    if (!replace && link(temporary_.c_str(), path_.c_str()) != 0) return Failed("name");
    if (!replace) return absl::OkStatus();
    if (rename(temporary_.c_str(), path_.c_str()) != 0) return Failed("name");
    kept_ = true;
    return absl::OkStatus();
  }

 private:
  absl::Status Failed(std::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot ", std::string(what), " ", path_, ": ", std::strerror(errno)));
  }

  const std::string path_;
  const std::string temporary_;
  int fd_ = -1;
  bool kept_ = false;
};

// trace.txt.xz -> trace.dmrec
std::string DefaultOutput(const std::string& input) {
  std::filesystem::path path(input);
  for (const char* compressed : {".gz", ".xz", ".zst"}) {
    if (path.extension() == compressed) {
      path.replace_extension();
      break;
    }
  }
  return path.replace_extension(".dmrec");
}

// What other tools recorded becomes a recording file, which can be replayed under any cache type.
class ImportCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("import", "Make a recording file of what ftrace, trace-cmd or perf recorded");
    sub->add_option("RECORDING", input_,
                    "Text of ftrace, trace-cmd report or perf script, or a trace.dat; plain, gz, xz or zst; or a "
                    "recording file, to tell its users apart anew")
        ->required();
    sub->add_option("--to", file_, "File to write; default: RECORDING's name with .dmrec")->type_name("FILE");
    sub->add_option("--users", users_, "Rules that tell users apart")->type_name("RULES.yaml");
    sub->add_option("--start", start_,
                    "The recorded run (.json.xz) that the trace belongs to: its machine before and after")
        ->type_name("RUN");
    sub->add_flag("--partial", partial_, "Keep what stands before damage, or before another boot");
    sub->add_flag("--force", force_, "Replace FILE if it is there");
    sub->footer("Example:\n  dmfrag import trace.txt.xz --to trace.dmrec");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    if (file_.empty()) file_ = DefaultOutput(input_);
    std::error_code ignored;
    if (!force_ && std::filesystem::exists(file_, ignored)) {
      return absl::InvalidArgumentError(
          absl::StrCat(file_, " is there already; give another name with --to, or --force to replace it"));
    }
    ImportOptions import;
    import.partial = partial_;
    std::optional<UserRules> rules;
    if (!users_.empty()) {
      std::ifstream file(users_, std::ios::binary);
      const std::string yaml{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
      if (!file) return absl::InvalidArgumentError(absl::StrCat("cannot read ", users_));
      ASSIGN_OR_RETURN(rules, UserRules::Parse(yaml, users_));
      import.users = &*rules;
    }
    if (!start_.empty()) {
      ASSIGN_OR_RETURN(RunSnapshots run, ReadRunSnapshots(start_));
      import.before = std::move(run.before);
      import.after = std::move(run.after);
      import.page_offset_base = run.page_offset_base;
    }
    NewFile output(file_);
    RETURN_IF_ERROR(output.Open());
    ASSIGN_OR_RETURN(const ImportSummary summary,
                     ImportRecording(input_, import, [&](std::string_view bytes) { return output.Write(bytes); }));
    RETURN_IF_ERROR(output.Keep(force_));
    Print(summary, options.output, environment);
    return ExitCode::kOk;
  }

 private:
  // Whatever the form: (what, count), in this order.
  static std::vector<std::pair<std::string, int64_t>> Counts(const ImportSummary& summary) {
    std::vector<std::pair<std::string, int64_t>> counts;
    for (size_t i = 0; i < summary.by_kind.size(); ++i) {
      if (summary.by_kind[i] > 0) counts.emplace_back(kKindNames[i], summary.by_kind[i]);
    }
    counts.emplace_back("events lost", summary.end.lost_events());
    for (const auto& one : summary.end.skipped()) counts.emplace_back("skipped: " + one.what(), one.count());
    return counts;
  }

  void Print(const ImportSummary& summary, OutputFormat output, Environment& environment) const {
    std::ostream& out = environment.out;
    if (output == OutputFormat::kJson) {
      nlohmann::ordered_json json = {{"file", file_}, {"source", summary.source}};
      json["events"] = std::to_string(summary.end.events());
      json["durationUs"] = std::to_string(summary.end.duration_us());
      for (const auto& [what, count] : Counts(summary)) json["counts"][what] = std::to_string(count);
      for (const auto& user : summary.end.users())
        json["users"].push_back({{"name", user.name()}, {"kind", user.kind()}});
      json["limitations"] = nlohmann::ordered_json::array();
      for (const auto& limitation : summary.end.limitations()) json["limitations"].push_back(limitation);
      out << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
      return;
    }
    if (output == OutputFormat::kCsv) {
      out << CsvRecord({"what", "count"});
      for (const auto& [what, count] : Counts(summary)) {
        out << CsvRecord({what, std::to_string(count)});
      }
      return;
    }
    Table table;
    table.AddColumn("what", Table::Align::kLeft);
    table.AddColumn("count", Table::Align::kRight);
    for (const auto& [what, count] : Counts(summary)) {
      table.AddRow({{Printable(what)}, {count < 0 ? "not known" : absl::StrCat(count)}});
    }
    const double seconds = static_cast<double>(summary.end.duration_us()) / 1e6;
    out << Printable(file_) << ", from " << summary.source
        << absl::StrFormat(": %d events in %.3f s", summary.end.events(), seconds);
    if (seconds > 0) out << absl::StrFormat(", %.0f events/s", static_cast<double>(summary.end.events()) / seconds);
    out << "\n" << table.Render(environment.style_out) << "users:";
    for (const auto& user : summary.end.users()) out << " " << user.name() << " (" << user.kind() << ")";
    out << "\n";
    for (const auto& limitation : summary.end.limitations()) out << "limitation: " << Printable(limitation) << "\n";
  }

  std::string input_;
  std::string file_;
  std::string users_;
  std::string start_;
  bool partial_ = false;
  bool force_ = false;
};

}  // namespace

std::unique_ptr<Command> NewImportCommand() { return std::make_unique<ImportCommand>(); }

}  // namespace dmfrag::client
