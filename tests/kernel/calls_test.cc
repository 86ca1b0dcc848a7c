#include <cstdint>
#include <iomanip>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernel/captures.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/calls/call_comparison.h"

namespace dmfrag::tests {
namespace {

using experiment::CallComparison;

TEST(Explore, All) {
  std::map<std::pair<std::string, std::string>, CallComparison> table;
  for (const std::string& name : CaptureNames()) {
    if (getenv("CAP") && name.find(getenv("CAP")) == std::string::npos) continue;
    const workload::KernelCapture capture = Capture(name);
    const auto rows = experiment::CompareCalls(capture.input);
    ASSERT_OK(rows);
    std::map<std::string, CallComparison> users;
    for (const CallComparison& row : *rows) {
      CallComparison& sum = users[std::string(NameOf(row.user))];
      sum.recorded += row.recorded;
      sum.generated += row.generated;
      sum.equal += row.equal;
      sum.learned += row.learned;
      if (row.recorded != row.equal + row.learned || row.generated != row.equal + row.learned)
        std::cout << "DIFF " << name << " step " << row.step << " " << NameOf(row.user) << " rec " << row.recorded << " gen "
                  << row.generated << " eq " << row.equal << " learned " << row.learned << " : " << capture.input.operations[row.step].action << "\n";
    }
    for (const auto& [user, sum] : users) {
      CallComparison& t = table[{name.substr(0, name.find('-')) + "-" + capture.input.kernel.substr(0, 4), user}];
      t.recorded += sum.recorded; t.generated += sum.generated; t.equal += sum.equal; t.learned += sum.learned;
    }
  }
  for (const auto& [key, t] : table) std::cout << std::left << std::setw(18) << key.first << std::setw(12) << key.second << std::right << std::setw(10) << t.recorded << std::setw(10) << t.generated << std::setw(10) << t.equal << std::setw(10) << t.learned << "  diff " << t.recorded - t.equal - t.learned << "/" << t.generated - t.equal - t.learned << "\n";
}

}  // namespace
}  // namespace dmfrag::tests
