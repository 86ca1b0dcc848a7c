// Flushes predicted from the recorded requests, beside what the kernels counted.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernel/captures.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/flush_prediction.h"

namespace dmfrag::tests {
namespace {

using experiment::FlushPrediction;
using experiment::PredictFlushes;
using experiment::StepUser;
using workload::KernelCapture;
using workload::MeasuredInterrupts;

struct Compared {
  FlushPrediction predicted;
  MeasuredInterrupts measured;
  uint32_t cpus = 1;

  int64_t other_cpus() const { return int64_t{cpus} - 1; }
  // Interrupts that all processors together get for the predicted flushes.
  int64_t PredictedInterrupts() const { return predicted.flushes.InterruptsPerOtherCpu(cpus) * other_cpus(); }
};

// Steps of which something was measured.
std::vector<Compared> ComparedSteps(const KernelCapture& capture) {
  std::vector<Compared> compared;
  const auto predictions = PredictFlushes(capture.input);
  EXPECT_OK(predictions);
  std::map<int32_t, MeasuredInterrupts> measured;
  for (const auto& step : capture.measured.steps) {
    if (step.interrupts.has_value()) measured[step.index] = *step.interrupts;
  }
  for (const FlushPrediction& predicted : *predictions) {
    const auto found = measured.find(predicted.index);
    if (found != measured.end()) compared.push_back({predicted, found->second, capture.input.cpus});
  }
  return compared;
}

std::vector<std::string> FlushCaptures() {
  std::vector<std::string> names;
  for (const std::string& name : CaptureNames()) {
    if (name.starts_with("flush-")) names.push_back(name);
  }
  return names;
}

// Sums by user, printed; the figures of the report are read off here.
class Table {
 public:
  Table() {
    std::printf("%-18s %-22s %9s | %19s | %19s | %25s\n", "", "", "", "flush_tlb_all", "flush_tlb_kernel_range",
                "interrupts/other CPU");
    std::printf("%-18s %-22s %9s | %9s %9s | %9s %9s | %12s %12s\n", "capture", "user", "ops", "predicted", "measured",
                "predicted", "measured", "predicted", "measured");
  }
  void Add(const Compared& step) {
    Row& row = rows_[step.predicted.user];
    row.operations += step.predicted.operations;
    row.predicted.flush_tlb_all += step.predicted.flushes.flush_tlb_all;
    row.predicted.flush_tlb_kernel_range += step.predicted.flushes.flush_tlb_kernel_range;
    row.predicted.cpa_ranges += step.predicted.flushes.cpa_ranges;
    row.measured.flush_tlb_all += step.measured.flushes->flush_tlb_all;
    row.measured.flush_tlb_kernel_range += step.measured.flushes->flush_tlb_kernel_range;
    row.interrupts += step.measured.function_calls;
    cpus_ = step.cpus;
  }
  void Print(const std::string& capture) {
    for (const auto& [user, row] : rows_) {
      const double others = cpus_ > 1 ? cpus_ - 1 : 1;
      std::printf("%-18s %-22s %9ld | %9ld %9ld | %9ld %9ld | %12ld %12.1f\n", capture.c_str(), StepUserName(user),
                  row.operations, row.predicted.flush_tlb_all, row.measured.flush_tlb_all,
                  row.predicted.flush_tlb_kernel_range, row.measured.flush_tlb_kernel_range,
                  row.predicted.InterruptsPerOtherCpu(cpus_), static_cast<double>(row.interrupts) / others);
    }
    rows_.clear();
  }

 private:
  struct Row {
    int64_t operations = 0;
    experiment::FlushCounts predicted;
    MeasuredInterrupts::FlushCalls measured;
    int64_t interrupts = 0;
  };
  std::map<StepUser, Row> rows_;
  uint32_t cpus_ = 1;
};

TEST(KernelFlushTest, TableOfAllCountedFlushes) {
  Table table;
  for (const std::string& name : FlushCaptures()) {
    for (const Compared& step : ComparedSteps(Capture(name))) {
      ASSERT_TRUE(step.measured.flushes.has_value()) << name;
      table.Add(step);
    }
    table.Print(name);
  }
}

}  // namespace
}  // namespace dmfrag::tests
