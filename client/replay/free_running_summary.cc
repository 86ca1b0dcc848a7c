#include "client/replay/free_running_summary.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/format/csv.h"
#include "client/format/number.h"
#include "client/format/table.h"

namespace dmfrag::client {
namespace {

// The mark of the replay with the model's frames.
constexpr double kAllowedSplits = 2;
constexpr double kAllowedShare = 0.10;
constexpr int64_t kLeastPooled = 20;

std::string OneDecimal(double value) { return absl::StrFormat("%.1f", value); }

SeedSpread Spread(const std::vector<v1::ReplayReport>& seeds, int64_t (v1::FreeRunningState::*count)() const) {
  SeedSpread spread;
  bool first = true;
  for (const v1::ReplayReport& seed : seeds) {
    const v1::FreeRunningReport& report = seed.free_running();
    const int64_t value = report.steps().empty() ? 0 : (report.steps().rbegin()->model().*count)();
    spread.mean += static_cast<double>(value) / static_cast<double>(seeds.size());
    spread.least = first ? value : std::min(spread.least, value);
    spread.most = first ? value : std::max(spread.most, value);
    first = false;
  }
  return spread;
}

// Error in parts of what is allowed; captures without splits behind all others, those without a result last.
double Badness(const FreeRunningSummary& summary) {
  if (!summary.error.empty()) return -2;
  return summary.counts() ? std::abs(summary.error_2m()) / summary.allowed_2m() : -1;
}

std::string Range(const SeedSpread& spread) { return absl::StrCat(spread.least, "..", spread.most); }

std::string Remark(const FreeRunningSummary& summary) {
  if (!summary.error.empty()) return Printable("error: " + summary.error);
  return summary.counts() ? "" : "the kernel split no 2M page: not counted";
}

std::string TotalText(const FreeRunningTotals& totals) {
  std::string text =
      absl::StrCat(totals.within, " of ", totals.counted, " captures in which the kernel split 2M pages ",
                   totals.within == 1 ? "lies" : "lie", " within max(2, 10 %)");
  if (totals.counted > 0) {
    const double percent = 100 * static_cast<double>(totals.within) / static_cast<double>(totals.counted);
    absl::StrAppend(&text, ", ", OneDecimal(percent), " %");
  }
  absl::StrAppend(&text, "; ", totals.captures - totals.counted, " more are not counted\n");
  if (totals.pooled_kernel > 0) {
    const double percent = 100 * (totals.pooled_model / static_cast<double>(totals.pooled_kernel) - 1);
    absl::StrAppend(&text, totals.pooled_captures, " captures with at least ", kLeastPooled, " splits: kernel ",
                    FormatCount(totals.pooled_kernel), ", model ", OneDecimal(totals.pooled_model), ", ",
                    absl::StrFormat("%+.1f %%", percent), "\n");
  }
  return text;
}

}  // namespace

SeedSpread FreeRunningSummary::model_2m() const { return Spread(seeds, &v1::FreeRunningState::splits_2m); }
SeedSpread FreeRunningSummary::model_1g() const { return Spread(seeds, &v1::FreeRunningState::splits_1g); }

double FreeRunningSummary::allowed_2m() const {
  return std::max(kAllowedSplits, kAllowedShare * static_cast<double>(kernel_2m()));
}

bool FreeRunningSummary::within() const { return counts() && std::abs(error_2m()) <= allowed_2m(); }

FreeRunningTotals TotalsOf(const std::vector<FreeRunningSummary>& summaries) {
  FreeRunningTotals totals;
  for (const FreeRunningSummary& summary : summaries) {
    ++totals.captures;
    if (!summary.counts()) continue;
    ++totals.counted;
    totals.within += summary.within() ? 1 : 0;
    if (summary.kernel_2m() < kLeastPooled) continue;
    ++totals.pooled_captures;
    totals.pooled_kernel += summary.kernel_2m();
    totals.pooled_model += summary.model_2m().mean;
  }
  return totals;
}

void SortWorstFirst(std::vector<FreeRunningSummary>& summaries) {
  std::stable_sort(summaries.begin(), summaries.end(),
                   [](const FreeRunningSummary& a, const FreeRunningSummary& b) { return Badness(a) > Badness(b); });
}

bool HasError(const std::vector<FreeRunningSummary>& summaries) {
  return std::any_of(summaries.begin(), summaries.end(), [](const auto& summary) { return !summary.error.empty(); });
}

std::string FreeRunningTable(const std::vector<FreeRunningSummary>& summaries) {
  Table table;
  table.AddColumn("capture", Table::Align::kLeft);
  for (const char* title : {"2M splits", "model", "range", "error", "allowed"}) {
    table.AddColumn(title, Table::Align::kRight);
  }
  table.AddColumn("within", Table::Align::kLeft);
  for (const char* title : {"1G splits", "model"}) table.AddColumn(title, Table::Align::kRight);
  table.AddColumn("remark", Table::Align::kLeft);
  for (const FreeRunningSummary& summary : summaries) {
    const bool failed = !summary.error.empty();
    std::vector<Cell> cells = {{Printable(failed ? summary.file : summary.capture())}};
    if (failed) {
      for (int i = 0; i < 8; ++i) cells.push_back({"-"});
    } else {
      const SeedSpread model = summary.model_2m();
      cells.push_back({absl::StrCat(summary.kernel_2m())});
      cells.push_back({OneDecimal(model.mean)});
      cells.push_back({Range(model)});
      cells.push_back({absl::StrFormat("%+.1f", summary.error_2m())});
      cells.push_back({summary.counts() ? OneDecimal(summary.allowed_2m()) : "-"});
      cells.push_back({!summary.counts() ? "-" : summary.within() ? "yes" : "no"});
      cells.push_back({absl::StrCat(summary.kernel_1g())});
      cells.push_back({OneDecimal(summary.model_1g().mean)});
    }
    cells.push_back({Remark(summary)});
    table.AddRow(std::move(cells));
  }
  return table.Render(/*styled=*/false) + TotalText(TotalsOf(summaries));
}

std::string FreeRunningCsv(const std::vector<FreeRunningSummary>& summaries) {
  std::string text = CsvRecord({"file", "capture", "kernel", "seeds", "kernel_splits_2m", "model_splits_2m_mean",
                                "model_splits_2m_least", "model_splits_2m_most", "error", "allowed", "counted",
                                "within", "kernel_splits_1g", "model_splits_1g_mean", "failure"});
  for (const FreeRunningSummary& summary : summaries) {
    if (!summary.error.empty()) {
      std::vector<std::string> record(15);
      record.front() = summary.file;
      record.back() = summary.error;
      text += CsvRecord(record);
      continue;
    }
    const SeedSpread model = summary.model_2m();
    text += CsvRecord({summary.file, summary.capture(), summary.kernel(), absl::StrCat(summary.seeds.size()),
                       absl::StrCat(summary.kernel_2m()), FormatExact(model.mean), absl::StrCat(model.least),
                       absl::StrCat(model.most), FormatExact(summary.error_2m()), FormatExact(summary.allowed_2m()),
                       summary.counts() ? "true" : "false", summary.within() ? "true" : "false",
                       absl::StrCat(summary.kernel_1g()), FormatExact(summary.model_1g().mean), ""});
  }
  return text;
}

}  // namespace dmfrag::client
