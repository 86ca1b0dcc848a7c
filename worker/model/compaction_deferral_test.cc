#include "worker/model/compaction_deferral.h"

#include "gtest/gtest.h"

namespace dmfrag::model {
namespace {

constexpr Order kOrder(9);

// Requests turned away before one may compact.
unsigned Deferred(CompactionDeferral& deferral, Order order) {
  unsigned requests = 0;
  while (deferral.IsDeferred(order)) ++requests;
  return requests;
}

TEST(CompactionDeferralTest, NothingIsDeferredAtFirst) {
  CompactionDeferral deferral;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(deferral.IsDeferred(kOrder));
}

TEST(CompactionDeferralTest, EachFailureDoublesTheWaitUpTo64) {
  CompactionDeferral deferral;
  for (unsigned wait : {2u, 4u, 8u, 16u, 32u, 64u, CompactionDeferral::kMostRequests}) {
    deferral.Failed(kOrder);
    EXPECT_EQ(Deferred(deferral, kOrder), wait - 1);
  }
}

TEST(CompactionDeferralTest, SmallerOrdersAreNotDeferred) {
  CompactionDeferral deferral;
  deferral.Succeeded(Order(8), /*allocated=*/false);
  deferral.Failed(kOrder);
  EXPECT_FALSE(deferral.IsDeferred(Order(8)));
  EXPECT_TRUE(deferral.IsDeferred(kOrder));
  EXPECT_TRUE(CompactionDeferral(deferral).IsDeferred(Order(10)) || Deferred(deferral, Order(10)) == 0);
}

TEST(CompactionDeferralTest, ASuccessLetsThatOrderPassAndAnAllocationEndsTheWait) {
  CompactionDeferral deferral;
  deferral.Failed(kOrder);
  deferral.Failed(kOrder);
  deferral.Succeeded(kOrder, /*allocated=*/false);
  EXPECT_FALSE(deferral.IsDeferred(kOrder));
  EXPECT_EQ(Deferred(deferral, Order(10)), 3);
  deferral.Failed(kOrder);
  deferral.Succeeded(kOrder, /*allocated=*/true);
  EXPECT_EQ(Deferred(deferral, Order(10)), 0);
}

}  // namespace
}  // namespace dmfrag::model
