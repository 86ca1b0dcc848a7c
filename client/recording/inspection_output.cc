#include "client/recording/inspection_output.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/format/csv.h"
#include "client/format/number.h"
#include "client/format/table.h"
#include "client/replay/json_text.h"

namespace dmfrag::client {
namespace {

using Json = nlohmann::ordered_json;
using recording::Event;

struct TotalFigure {
  const char* name;   // for programs
  const char* title;  // for people
  int64_t recording::RequestTotals::*value;
};
constexpr TotalFigure kTotals[] = {
    {"allocations", "blocks allocated, as recorded", &recording::RequestTotals::allocations},
    {"implied_allocations", "blocks allocated without a record", &recording::RequestTotals::implied_allocations},
    {"frees", "blocks freed, of those allocated", &recording::RequestTotals::frees},
    {"implied_frees", "allocations of blocks still in use, freed without a record",
     &recording::RequestTotals::implied_frees},
    {"frees_of_held", "blocks freed, of those held before", &recording::RequestTotals::frees_of_held},
    {"allocated_pages", "pages allocated", &recording::RequestTotals::allocated_pages},
    {"freed_pages", "pages freed of those", &recording::RequestTotals::freed_pages},
    {"live_pages", "pages live at the end", &recording::RequestTotals::live_pages},
    {"table_pages", "pages for page tables of the direct map", &recording::RequestTotals::table_pages},
    {"kernel_splits_2m", "splits of 2M pages by the kernel", &recording::RequestTotals::splits_2m},
    {"kernel_splits_1g", "splits of 1G pages by the kernel", &recording::RequestTotals::splits_1g},
};

struct UserFigure {
  const char* name;
  const char* title;
  int64_t InspectedUser::*value;
};
constexpr UserFigure kUserFigures[] = {
    {"blocks", "blocks", &InspectedUser::blocks},
    {"pages", "pages", &InspectedUser::pages},
    {"live_pages", "live pages", &InspectedUser::live_pages},
    {"held_blocks", "held blocks", &InspectedUser::held_blocks},
    {"held_pages", "held pages", &InspectedUser::held_pages},
};

double Seconds(const Inspection& inspection) { return static_cast<double>(inspection.duration_us) / 1e6; }

// Of a moment's events none can be said.
std::optional<double> PerSecond(const Inspection& inspection, int64_t events) {
  if (inspection.duration_us == 0) return std::nullopt;
  return static_cast<double>(events) / Seconds(inspection);
}

// Of all pages allocated.
std::optional<double> ShareOf(const Inspection& inspection, const InspectedUser& user) {
  if (inspection.totals.allocated_pages == 0) return std::nullopt;
  return static_cast<double>(user.pages) / static_cast<double>(inspection.totals.allocated_pages);
}

std::optional<int64_t> ChangeOf(const InspectedCounter& counter) {
  if (!counter.before.has_value() || !counter.after.has_value()) return std::nullopt;
  return *counter.after - *counter.before;
}

// What the kernel kept of its free memory at both moments; 0 where one has fewer orders.
size_t Orders(const InspectedMachine& machine) {
  return std::max(machine.free_blocks_before.size(), machine.free_blocks_after.size());
}

std::string WithSpaces(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

std::string CountOrDash(const std::optional<int64_t>& count) { return count.has_value() ? FormatCount(*count) : "-"; }

std::string Signed(const std::optional<int64_t>& change) {
  return absl::StrCat(change.value_or(0) > 0 ? "+" : "", CountOrDash(change));
}

std::string LostText(int64_t lost) { return lost < 0 ? "some, not known how many" : FormatCount(lost); }

// --- For people ---

std::string HeadText(const InspectedFile& file, const Inspection& inspection) {
  std::string text = absl::StrCat(Printable(file.name), ": ");
  if (inspection.is_recording) {
    absl::StrAppend(&text, "recording from ", inspection.source.empty() ? "?" : Printable(inspection.source));
  } else {
    absl::StrAppend(&text, "recorded run of ", inspection.steps.value_or(0), " steps");
  }
  absl::StrAppend(&text, ", ", FormatCount(file.size_bytes), " bytes, SHA-256 ", file.sha256, "\n");
  if (!inspection.cut_off.empty()) {
    absl::StrAppend(&text, "CUT OFF: what follows is of the part that is whole, its users are not told apart\n");
  }
  const InspectedMachine& machine = inspection.machine;
  const auto or_unknown = [](const std::string& known) { return known.empty() ? "not known" : Printable(known); };
  absl::StrAppend(&text, "kernel: ", or_unknown(machine.kernel_release), "\n");
  absl::StrAppend(&text, "machine: ", machine.cpus == 0 ? "?" : absl::StrCat(machine.cpus),
                  machine.cpus == 1 ? " CPU" : " CPUs", ", model ", or_unknown(machine.cpu_model), ", memory ",
                  machine.memory_bytes == 0
                      ? "not known"
                      : absl::StrFormat("%.1f MiB", static_cast<double>(machine.memory_bytes) / (1 << 20)),
                  "\n");
  return text;
}

std::string EventsText(const Inspection& inspection, bool styled) {
  const auto rate = [&](int64_t events) {
    const std::optional<double> per_second = PerSecond(inspection, events);
    return per_second.has_value() ? absl::StrFormat("%.1f", *per_second) : "-";
  };
  Table table;
  table.AddColumn("events", Table::Align::kLeft);
  table.AddColumn("count", Table::Align::kRight);
  table.AddColumn("per s", Table::Align::kRight);
  for (size_t i = 0; i < inspection.by_kind.size(); ++i) {
    const int64_t count = inspection.by_kind[i];
    const std::string_view name = EventKindName(static_cast<Event::Kind>(i));
    if (count > 0) table.AddRow({{WithSpaces(name)}, {FormatCount(count)}, {rate(count)}});
  }
  table.AddRow({{"all"}, {FormatCount(inspection.events)}, {rate(inspection.events)}});
  std::string text = absl::StrCat("\n", table.Render(styled), "lost: ", LostText(inspection.lost_events), "\n");
  for (const auto& [what, count] : inspection.skipped) {
    absl::StrAppend(&text, "skipped: ", FormatCount(count), " ", Printable(what), "\n");
  }
  return text;
}

std::string CountersText(const InspectedMachine& machine, bool styled) {
  if (machine.counters.empty()) return "";
  Table table;
  table.AddColumn("counter", Table::Align::kLeft);
  for (const char* title : {"before", "after", "change"}) table.AddColumn(title, Table::Align::kRight);
  for (const InspectedCounter& counter : machine.counters) {
    const bool is_kib = counter.name.starts_with("DirectMap");
    table.AddRow({{counter.name + (is_kib ? " (KiB)" : "")},
                  {CountOrDash(counter.before)},
                  {CountOrDash(counter.after)},
                  {Signed(ChangeOf(counter))}});
  }
  return "\n" + table.Render(styled);
}

std::string FreeBlocksText(const InspectedMachine& machine, bool styled) {
  const size_t orders = Orders(machine);
  if (orders == 0) return "";
  Table table;
  table.AddColumn("free blocks of order", Table::Align::kLeft);
  for (size_t order = 0; order < orders; ++order) table.AddColumn(absl::StrCat(order), Table::Align::kRight);
  for (const auto& [name, blocks] :
       {std::pair("before", &machine.free_blocks_before), std::pair("after", &machine.free_blocks_after)}) {
    if (blocks->empty()) continue;
    std::vector<Cell> cells = {{name}};
    for (size_t order = 0; order < orders; ++order) {
      cells.push_back({order < blocks->size() ? FormatCount((*blocks)[order]) : "-"});
    }
    table.AddRow(std::move(cells));
  }
  return "\n" + table.Render(styled);
}

std::string UsersText(const Inspection& inspection, bool styled) {
  Table users;
  users.AddColumn("user", Table::Align::kLeft);
  users.AddColumn("kind", Table::Align::kLeft);
  for (const UserFigure& figure : kUserFigures) users.AddColumn(figure.title, Table::Align::kRight);
  users.AddColumn("share of pages", Table::Align::kRight);
  Table origins;
  for (const char* title : {"user", "task", "flags"}) origins.AddColumn(title, Table::Align::kLeft);
  for (const char* title : {"blocks", "pages"}) origins.AddColumn(title, Table::Align::kRight);
  bool has_origins = false;
  for (const InspectedUser& user : inspection.users) {
    std::vector<Cell> cells = {{Printable(user.name)}, {Printable(user.kind)}};
    for (const UserFigure& figure : kUserFigures) cells.push_back({FormatCount(user.*figure.value)});
    const std::optional<double> share = ShareOf(inspection, user);
    cells.push_back({share.has_value() ? absl::StrFormat("%.1f %%", *share * 100) : "-"});
    users.AddRow(std::move(cells));
    for (const InspectedOrigin& origin : user.origins) {
      has_origins = true;
      const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : Printable(text); };
      origins.AddRow({{Printable(user.name)},
                      {or_dash(origin.comm)},
                      {or_dash(origin.gfp_flags)},
                      {FormatCount(origin.blocks)},
                      {FormatCount(origin.pages)}});
    }
  }
  return absl::StrCat("\n", users.Render(styled), has_origins ? "\n" + origins.Render(styled) : "");
}

std::string TotalsText(const recording::RequestTotals& totals, bool styled) {
  Table table;
  table.AddColumn("requests", Table::Align::kLeft);
  table.AddColumn("count", Table::Align::kRight);
  for (const TotalFigure& figure : kTotals) table.AddRow({{figure.title}, {FormatCount(totals.*figure.value)}});
  return "\n" + table.Render(styled);
}

std::string RemarksText(const Inspection& inspection) {
  std::string text;
  for (const std::string& sentence : inspection.limitations) {
    absl::StrAppend(&text, "limitation: ", Printable(sentence), "\n");
  }
  for (const std::string& sentence : inspection.missing) {
    absl::StrAppend(&text, "missing: ", Printable(sentence), "\n");
  }
  return text.empty() ? "" : "\n" + text;
}

// --- For programs ---

Json MachineJson(const InspectedMachine& machine) {
  Json json = {{"kernel_release", OrNull(machine.kernel_release)}, {"cpu_model", OrNull(machine.cpu_model)}};
  json["cpus"] = machine.cpus == 0 ? Json(nullptr) : Json(machine.cpus);
  json["memory_bytes"] = machine.memory_bytes == 0 ? Json(nullptr) : Json(machine.memory_bytes);
  json["counters"] = Json::object();
  for (const InspectedCounter& counter : machine.counters) {
    json["counters"][counter.name] = {
        {"before", OrNull(counter.before)}, {"after", OrNull(counter.after)}, {"change", OrNull(ChangeOf(counter))}};
  }
  json["free_blocks_before"] = machine.free_blocks_before;
  json["free_blocks_after"] = machine.free_blocks_after;
  return json;
}

Json UserJson(const Inspection& inspection, const InspectedUser& user) {
  Json json = {{"name", user.name}, {"kind", user.kind}};
  for (const UserFigure& figure : kUserFigures) json[figure.name] = user.*figure.value;
  json["share"] = OrNull(ShareOf(inspection, user));
  json["origins"] = Json::array();
  for (const InspectedOrigin& origin : user.origins) {
    json["origins"].push_back({{"comm", OrNull(origin.comm)},
                               {"gfp_flags", OrNull(origin.gfp_flags)},
                               {"blocks", origin.blocks},
                               {"pages", origin.pages}});
  }
  return json;
}

void AddRecording(const Inspection& inspection, Json& json) {
  json["duration_us"] = inspection.duration_us;
  json["events"] = inspection.events;
  json["events_per_second"] = OrNull(PerSecond(inspection, inspection.events));
  json["lost_events"] = inspection.lost_events < 0 ? Json(nullptr) : Json(inspection.lost_events);
  json["events_by_kind"] = Json::object();
  for (size_t i = 0; i < inspection.by_kind.size(); ++i) {
    json["events_by_kind"][std::string(EventKindName(static_cast<Event::Kind>(i)))] = {
        {"count", inspection.by_kind[i]}, {"per_second", OrNull(PerSecond(inspection, inspection.by_kind[i]))}};
  }
  json["skipped"] = Json::array();
  for (const auto& [what, count] : inspection.skipped) json["skipped"].push_back({{"what", what}, {"count", count}});
  json["users"] = Json::array();
  for (const InspectedUser& user : inspection.users) json["users"].push_back(UserJson(inspection, user));
  for (const TotalFigure& figure : kTotals) json["requests"][figure.name] = inspection.totals.*figure.value;
  json["limitations"] = inspection.limitations;
}

template <typename Value>
std::string TextOrEmpty(const std::optional<Value>& value) {
  return value.has_value() ? absl::StrCat(*value) : "";
}

// Records of CSV, one by one.
class Records {
 public:
  Records() { Add("part", "name", "figure", "value"); }
  void Add(const std::string& part, const std::string& name, const std::string& figure, const std::string& value) {
    text_ += CsvRecord({part, name, figure, value});
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

void AddMachine(const InspectedMachine& machine, Records& records) {
  records.Add("machine", "", "kernel_release", machine.kernel_release);
  records.Add("machine", "", "cpu_model", machine.cpu_model);
  records.Add("machine", "", "cpus", machine.cpus == 0 ? "" : absl::StrCat(machine.cpus));
  records.Add("machine", "", "memory_bytes", machine.memory_bytes == 0 ? "" : absl::StrCat(machine.memory_bytes));
  for (const InspectedCounter& counter : machine.counters) {
    records.Add("counter", counter.name, "before", TextOrEmpty(counter.before));
    records.Add("counter", counter.name, "after", TextOrEmpty(counter.after));
    records.Add("counter", counter.name, "change", TextOrEmpty(ChangeOf(counter)));
  }
  for (const auto& [name, blocks] :
       {std::pair("before", &machine.free_blocks_before), std::pair("after", &machine.free_blocks_after)}) {
    for (size_t order = 0; order < blocks->size(); ++order) {
      records.Add("free_blocks", absl::StrCat(order), name, absl::StrCat((*blocks)[order]));
    }
  }
}

void AddUser(const Inspection& inspection, const InspectedUser& user, Records& records) {
  records.Add("user", user.name, "kind", user.kind);
  for (const UserFigure& figure : kUserFigures) {
    records.Add("user", user.name, figure.name, absl::StrCat(user.*figure.value));
  }
  const std::optional<double> share = ShareOf(inspection, user);
  records.Add("user", user.name, "share", share.has_value() ? FormatExact(*share) : "");
  for (size_t i = 0; i < user.origins.size(); ++i) {
    const InspectedOrigin& origin = user.origins[i];
    const auto add = [&](const char* figure, const std::string& value) {
      records.Add("origin", user.name, absl::StrCat(i + 1, ".", figure), value);
    };
    add("comm", origin.comm);
    add("gfp_flags", origin.gfp_flags);
    add("blocks", absl::StrCat(origin.blocks));
    add("pages", absl::StrCat(origin.pages));
  }
}

void AddRecording(const Inspection& inspection, Records& records) {
  records.Add("recording", "", "duration_us", absl::StrCat(inspection.duration_us));
  records.Add("recording", "", "events", absl::StrCat(inspection.events));
  records.Add("recording", "", "lost_events", inspection.lost_events < 0 ? "" : absl::StrCat(inspection.lost_events));
  for (size_t i = 0; i < inspection.by_kind.size(); ++i) {
    const std::string name(EventKindName(static_cast<Event::Kind>(i)));
    const std::optional<double> rate = PerSecond(inspection, inspection.by_kind[i]);
    records.Add("events", name, "count", absl::StrCat(inspection.by_kind[i]));
    records.Add("events", name, "per_second", rate.has_value() ? FormatExact(*rate) : "");
  }
  for (const auto& [what, count] : inspection.skipped) records.Add("skipped", what, "count", absl::StrCat(count));
  for (const InspectedUser& user : inspection.users) AddUser(inspection, user, records);
  for (const TotalFigure& figure : kTotals) {
    records.Add("requests", "", figure.name, absl::StrCat(inspection.totals.*figure.value));
  }
  for (const std::string& sentence : inspection.limitations) records.Add("limitation", "", "", sentence);
}

}  // namespace

std::string InspectionText(const InspectedFile& file, const Inspection& inspection, bool styled) {
  std::string text = HeadText(file, inspection);
  if (inspection.is_recording) {
    absl::StrAppendFormat(&text, "length: %.3f s\n", Seconds(inspection));
    text += EventsText(inspection, styled);
  }
  text += CountersText(inspection.machine, styled);
  text += FreeBlocksText(inspection.machine, styled);
  if (inspection.is_recording) {
    text += UsersText(inspection, styled);
    text += TotalsText(inspection.totals, styled);
  }
  return text + RemarksText(inspection);
}

std::string InspectionJson(const InspectedFile& file, const Inspection& inspection) {
  Json json = {{"file", file.name},
               {"sha256", file.sha256},
               {"size_bytes", file.size_bytes},
               {"source", OrNull(inspection.source)},
               {"cut_off", OrNull(inspection.cut_off)},
               {"machine", MachineJson(inspection.machine)}};
  if (inspection.is_recording) {
    AddRecording(inspection, json);
  } else {
    json["steps"] = OrNull(inspection.steps);
  }
  json["missing"] = inspection.missing;
  return TextOf(json);
}

std::string InspectionCsv(const InspectedFile& file, const Inspection& inspection) {
  Records records;
  records.Add("file", "", "name", file.name);
  records.Add("file", "", "sha256", file.sha256);
  records.Add("file", "", "size_bytes", absl::StrCat(file.size_bytes));
  records.Add("file", "", "source", inspection.source);
  records.Add("file", "", "cut_off", inspection.cut_off);
  AddMachine(inspection.machine, records);
  if (inspection.is_recording) {
    AddRecording(inspection, records);
  } else {
    records.Add("run", "", "steps", TextOrEmpty(inspection.steps));
  }
  for (const std::string& sentence : inspection.missing) records.Add("missing", "", "", sentence);
  return records.Take();
}

}  // namespace dmfrag::client
