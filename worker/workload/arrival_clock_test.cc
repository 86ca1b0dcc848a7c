#include "worker/workload/arrival_clock.h"

#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::workload {
namespace {

using testing::ElementsAre;

constexpr SimTime kFar(std::numeric_limits<uint64_t>::max() / 2);
constexpr SimTime kNever(std::numeric_limits<uint64_t>::max());

// Arrivals with one interval between them.
std::vector<uint64_t> Arrivals(ArrivalClock clock, uint64_t interval_us, int count, SimTime horizon = kFar) {
  std::vector<uint64_t> times;
  for (int i = 0; i < count; ++i) times.push_back(clock.Next(interval_us, horizon).us());
  return times;
}

TEST(ArrivalClockTest, WithoutRatesOperationalTimeIsSimulatedTime) {
  EXPECT_THAT(Arrivals(ArrivalClock(), 7, 3), ElementsAre(7, 14, 21));
  EXPECT_THAT(Arrivals(ArrivalClock(1000, {{.duration_us = 10}}), 7, 3), ElementsAre(7, 14, 21));
  ArrivalClock clock;
  EXPECT_EQ(clock.Next(kNever.us(), kFar), kNever);
  EXPECT_EQ(clock.Next(5, kFar), kNever);
}

TEST(ArrivalClockTest, ARateForAllTimeScalesIntervals) {
  EXPECT_THAT(Arrivals(ArrivalClock(500, {}), 10, 3), ElementsAre(20, 40, 60));
  EXPECT_THAT(Arrivals(ArrivalClock(4000, {}), 10, 4), ElementsAre(2, 5, 7, 10));  // 2.5, 5, 7.5, 10
}

TEST(ArrivalClockTest, NothingDrifts) {
  // At a rate of three, every third arrival falls on a whole microsecond, however many there were before.
  ArrivalClock clock(3000, {});
  uint64_t last = 0;
  for (int i = 0; i < 3000000; ++i) last = clock.Next(1, kFar).us();
  EXPECT_EQ(last, 1000000);
  // At a rate of 1/3 rounded to thousandths, the 999 thousand are exact too.
  ArrivalClock slow(333, {});
  for (int i = 0; i < 333; ++i) last = slow.Next(1000, kFar).us();
  EXPECT_EQ(last, 1000000);
}

TEST(ArrivalClockTest, AWindowStretchesTimeInsideIt) {
  // Twice as often from 100 to 200: the ten arrivals of [100, 200) become twenty.
  const ArrivalClock clock(1000, {{.start_us = 100, .duration_us = 100, .rate_thousandths = 2000}});
  const std::vector<uint64_t> times = Arrivals(clock, 10, 40);
  EXPECT_EQ(times[9], 100);
  EXPECT_EQ(times[10], 105);
  EXPECT_EQ(times[29], 200);
  EXPECT_EQ(times[30], 210);
}

TEST(ArrivalClockTest, ARateOfZeroIsOff) {
  const ArrivalClock clock(1000, {{.start_us = 100, .duration_us = 50, .rate_thousandths = 0}});
  EXPECT_THAT(Arrivals(clock, 40, 4), ElementsAre(40, 80, 170, 210));
  // An arrival that is due when the window opens waits until it closes.
  EXPECT_THAT(Arrivals(clock, 50, 3), ElementsAre(50, 150, 200));
  const ArrivalClock off(1000, {{.start_us = 100, .duration_us = 50, .every_us = 50, .rate_thousandths = 0}});
  EXPECT_THAT(Arrivals(off, 60, 2), ElementsAre(60, kNever.us()));
}

TEST(ArrivalClockTest, PeriodicWindowsOpenAgainAndAgain) {
  // Off in [10, 40) of each hundred, from 100 on.
  const ArrivalClock clock(1000, {{.start_us = 110, .duration_us = 30, .every_us = 100, .rate_thousandths = 0}});
  // 70 us of operational time in each hundred from 100 on.
  EXPECT_THAT(Arrivals(clock, 70, 5), ElementsAre(70, 170, 270, 370, 470));
  ArrivalClock far(1000, {{.start_us = 110, .duration_us = 30, .every_us = 100, .rate_thousandths = 0}});
  EXPECT_EQ(far.Next(100 + 7000000 + 35, kFar), SimTime(100 + 10000000 + 65));
}

TEST(ArrivalClockTest, OverlappingWindowsMultiply) {
  const ArrivalClock clock(500, {{.start_us = 0, .duration_us = 200, .rate_thousandths = 4000},
                                 {.start_us = 100, .duration_us = 200, .rate_thousandths = 3000}});
  // Rates: 2 until 100, 6 until 200, 1.5 until 300, then 0.5.
  EXPECT_DOUBLE_EQ(clock.OperationalUsUntil(SimTime(100)), 200);
  EXPECT_DOUBLE_EQ(clock.OperationalUsUntil(SimTime(200)), 800);
  EXPECT_DOUBLE_EQ(clock.OperationalUsUntil(SimTime(300)), 950);
  EXPECT_DOUBLE_EQ(clock.OperationalUsUntil(SimTime(500)), 1050);
  EXPECT_THAT(Arrivals(clock, 200, 6), ElementsAre(100, 133, 166, 200, 400, 800));
}

// An arrival is the first microsecond by whose end its operational time is reached.
TEST(ArrivalClockTest, AgreesWithAStepPerMicrosecond) {
  const std::vector<RateWindow> windows = {
      {.start_us = 13, .duration_us = 7, .every_us = 31, .rate_thousandths = 250},
      {.start_us = 0, .duration_us = 100, .rate_thousandths = 3700},
      {.start_us = 50, .duration_us = 400, .rate_thousandths = 0},
      {.start_us = 500, .duration_us = 64, .every_us = 64, .rate_thousandths = 1900},
  };
  ArrivalClock clock(1300, windows);
  uint64_t due = 0;  // in units of 10^-9 us
  uint64_t reached = 0;
  uint64_t us = 0;
  for (int i = 0; i < 2000; ++i) {
    const uint64_t interval = 1 + i % 5;
    due += interval * 1000000000;
    for (;; ++us) {
      uint64_t rate = 1300000000;
      for (const RateWindow& w : windows) {
        const bool open =
            us >= w.start_us && (w.every_us == 0 ? us - w.start_us : (us - w.start_us) % w.every_us) < w.duration_us;
        if (open) rate = rate * w.rate_thousandths / 1000;
      }
      if (reached + rate > due) break;
      reached += rate;
    }
    ASSERT_EQ(clock.Next(interval, kFar), SimTime(us)) << i;
  }
}

TEST(ArrivalClockTest, ExtremesDoNotOverflow) {
  std::vector<RateWindow> windows(20, {.start_us = 5, .duration_us = kNever.us(), .rate_thousandths = 1000000});
  ArrivalClock fast(1000000, windows);
  EXPECT_EQ(fast.Next(1, kFar), SimTime(0));
  EXPECT_EQ(fast.Next(kNever.us(), kFar), SimTime(18446744078));  // at 10^9: 2^64 us pass in five hours
  ArrivalClock slow(1, {{.duration_us = kNever.us(), .rate_thousandths = 1}});
  EXPECT_EQ(slow.Next(1, kFar), SimTime(1000000));
  EXPECT_EQ(slow.Next(kNever.us(), kFar), kNever);
}

TEST(ArrivalClockTest, BeyondTheHorizonNothingComes) {
  ArrivalClock clock(1000, {{.duration_us = 10, .every_us = 20, .rate_thousandths = 0}});
  EXPECT_EQ(clock.Next(1000000000000, SimTime(1000)), kNever);
}

}  // namespace
}  // namespace dmfrag::workload
