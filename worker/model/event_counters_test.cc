#include "worker/model/event_counters.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace dmfrag::model {
namespace {

TEST(EventCountersTest, EveryFieldIsVisitedOnce) {
  EventCounters counters;
  std::set<std::string> names;
  std::set<const int64_t*> fields;
  EventCounters::ForEach(counters, [&](const char* name, const int64_t& field, bool) {
    names.insert(name);
    fields.insert(&field);
  });
  EXPECT_EQ(names.size(), sizeof(EventCounters) / sizeof(int64_t));
  EXPECT_EQ(fields.size(), names.size());
}

TEST(EventCountersTest, SumsFieldByField) {
  EventCounters a;
  int64_t next = 1;
  EventCounters::ForEach(a, [&](const char*, int64_t& field, bool) { field = next++; });
  EventCounters sum = a;
  sum += a;
  EventCounters::ForEach(sum, [](const char*, int64_t& field, bool) { field /= 2; });
  EXPECT_EQ(sum, a);
}

}  // namespace
}  // namespace dmfrag::model
