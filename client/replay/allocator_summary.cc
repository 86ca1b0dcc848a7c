#include "client/replay/allocator_summary.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/format/csv.h"
#include "client/format/number.h"
#include "client/format/table.h"
#include "client/replay/json_text.h"

namespace dmfrag::client {
namespace {

using Json = nlohmann::ordered_json;

const char* CauseText(v1::DivergenceCause cause) {
  switch (cause) {
    case v1::DIVERGENCE_CAUSE_COMPACTION:
      return "compaction ran before";
    case v1::DIVERGENCE_CAUSE_OTHER_PER_CPU:
      return "the kernel's frame is on a per-CPU list, not next";
    case v1::DIVERGENCE_CAUSE_OTHER_FREE:
      return "the kernel's frame is on a free list, not next";
    case v1::DIVERGENCE_CAUSE_IN_USE:
      return "the kernel's frame is in use";
    case v1::DIVERGENCE_CAUSE_NO_MEMORY:
      return "the model has no memory";
    default:
      return "unknown";
  }
}

int64_t Sum(const v1::AllocatorReport& report, int64_t (v1::AllocatorStep::*count)() const) {
  int64_t sum = 0;
  for (const v1::AllocatorStep& step : report.steps()) sum += (step.*count)();
  return sum;
}

std::string FirstText(const v1::AllocatorStep& step) {
  if (!step.has_first()) return "";
  const v1::AllocatorDivergence& first = step.first();
  return absl::StrCat("line ", first.line(), ": ", CauseText(first.cause()), " (kernel ", first.kernel_pfn(),
                      ", model ", first.has_model_pfn() ? absl::StrCat(first.model_pfn()) : "none", ")");
}

std::string StepsText(const v1::AllocatorReport& report) {
  Table table;
  table.AddColumn("step", Table::Align::kRight);
  table.AddColumn("action", Table::Align::kLeft);
  for (const char* title : {"allocations", "equal", "not logged: bulk", "compaction"}) {
    table.AddColumn(title, Table::Align::kRight);
  }
  table.AddColumn("first that differs", Table::Align::kLeft);
  for (const v1::AllocatorStep& step : report.steps()) {
    if (step.allocations() + step.bulk_pages() + step.compaction_pages() == 0) continue;
    table.AddRow({{absl::StrCat(step.index())},
                  {Printable(step.action())},
                  {absl::StrCat(step.allocations())},
                  {absl::StrCat(step.equal())},
                  {absl::StrCat(step.bulk_pages())},
                  {absl::StrCat(step.compaction_pages())},
                  {FirstText(step)}});
  }
  return table.Render(/*styled=*/false);
}

std::string DumpsText(const v1::AllocatorReport& report) {
  Table table;
  table.AddColumn("dump at step", Table::Align::kRight);
  for (const char* title : {"free lists", "per-CPU lists", "their limits", "pageblocks"}) {
    table.AddColumn(title, Table::Align::kRight);
  }
  table.AddColumn("first difference", Table::Align::kLeft);
  const auto pair = [](int64_t equal, int64_t all) { return absl::StrCat(equal, "/", all); };
  for (const v1::AllocatorDump& dump : report.dumps()) {
    table.AddRow({{absl::StrCat(dump.step())},
                  {pair(dump.lists_equal(), dump.lists())},
                  {pair(dump.per_cpu_lists_equal(), dump.per_cpu_lists())},
                  {pair(dump.highs_equal(), dump.highs())},
                  {pair(dump.blocks_equal(), dump.blocks())},
                  {Printable(dump.first_difference())}});
  }
  return table.Render(/*styled=*/false);
}

Json FirstJson(const v1::AllocatorStep& step) {
  if (!step.has_first()) return nullptr;
  const v1::AllocatorDivergence& first = step.first();
  return {{"line", first.line()},
          {"cause", CauseText(first.cause())},
          {"order", first.order()},
          {"kernel_pfn", first.kernel_pfn()},
          {"model_pfn", first.has_model_pfn() ? Json(first.model_pfn()) : Json(nullptr)}};
}

}  // namespace

bool IsExact(const v1::AllocatorReport& report) {
  const bool frames = std::all_of(report.steps().begin(), report.steps().end(),
                                  [](const auto& step) { return step.equal() == step.allocations(); });
  return frames && std::all_of(report.dumps().begin(), report.dumps().end(),
                               [](const auto& dump) { return dump.first_difference().empty(); });
}

std::string AllocatorText(const v1::ReplayReport& report) {
  const v1::AllocatorReport& allocator = report.allocator();
  std::string text =
      absl::StrCat(report.capture_id(), ", kernel ", report.kernel(), ", from the dump of free lists at step ",
                   report.start_step(), "\n", StepsText(allocator));
  if (!allocator.dumps().empty()) text += DumpsText(allocator);
  const int64_t allocations = Sum(allocator, &v1::AllocatorStep::allocations);
  const int64_t missing =
      Sum(allocator, &v1::AllocatorStep::bulk_pages) + Sum(allocator, &v1::AllocatorStep::compaction_pages);
  absl::StrAppend(&text, FormatCount(Sum(allocator, &v1::AllocatorStep::equal)), " of ", FormatCount(allocations),
                  " logged allocations, data and page tables, got the kernel's frame; ", FormatCount(missing),
                  " pages were given out without a log; ", FormatCount(allocator.unexpected_frees()),
                  " frees of pages whose allocation is missing\n");
  return text;
}

std::string AllocatorCsv(const v1::ReplayReport& report) {
  std::string text = CsvRecord({"capture", "kernel", "step", "action", "allocations", "equal", "frees", "bulk_pages",
                                "compaction_pages", "first_line", "first_cause"});
  for (const v1::AllocatorStep& step : report.allocator().steps()) {
    text += CsvRecord({report.capture_id(), report.kernel(), absl::StrCat(step.index()), step.action(),
                       absl::StrCat(step.allocations()), absl::StrCat(step.equal()), absl::StrCat(step.frees()),
                       absl::StrCat(step.bulk_pages()), absl::StrCat(step.compaction_pages()),
                       step.has_first() ? absl::StrCat(step.first().line()) : "",
                       step.has_first() ? CauseText(step.first().cause()) : ""});
  }
  return text;
}

std::string AllocatorJson(const v1::ReplayReport& report) {
  const v1::AllocatorReport& allocator = report.allocator();
  Json steps = Json::array();
  for (const v1::AllocatorStep& step : allocator.steps()) {
    steps.push_back({{"step", step.index()},
                     {"action", step.action()},
                     {"allocations", step.allocations()},
                     {"equal", step.equal()},
                     {"frees", step.frees()},
                     {"bulk_pages", step.bulk_pages()},
                     {"compaction_pages", step.compaction_pages()},
                     {"first", FirstJson(step)}});
  }
  Json dumps = Json::array();
  for (const v1::AllocatorDump& dump : allocator.dumps()) {
    dumps.push_back({{"step", dump.step()},
                     {"lists", dump.lists()},
                     {"lists_equal", dump.lists_equal()},
                     {"per_cpu_lists", dump.per_cpu_lists()},
                     {"per_cpu_lists_equal", dump.per_cpu_lists_equal()},
                     {"highs", dump.highs()},
                     {"highs_equal", dump.highs_equal()},
                     {"pageblocks", dump.blocks()},
                     {"pageblocks_equal", dump.blocks_equal()},
                     {"first_difference", OrNull(dump.first_difference())}});
  }
  const Json document = {{"capture", report.capture_id()},
                         {"kernel", report.kernel()},
                         {"start_step", report.start_step()},
                         {"allocations", Sum(allocator, &v1::AllocatorStep::allocations)},
                         {"equal", Sum(allocator, &v1::AllocatorStep::equal)},
                         {"unexpected_frees", allocator.unexpected_frees()},
                         {"decays", allocator.decays()},
                         {"steps", steps},
                         {"dumps", dumps}};
  return TextOf(document);
}

}  // namespace dmfrag::client
