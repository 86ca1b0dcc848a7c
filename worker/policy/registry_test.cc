#include "worker/policy/registry.h"

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::policy {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RegistryTest : public ::testing::Test {
 protected:
  std::unique_ptr<model::Machine> machine_ =
      *model::Machine::Create({.memory = *model::MemoryMap::Pc(uint64_t{1} << 30), .mapping = {}, .cpus = 1});
};

TEST_F(RegistryTest, MakesEveryTypeItListsAndEachServesAPage) {
  ASSERT_GE(CacheTypeNames().size(), 2);
  for (const std::string& type : CacheTypeNames()) {
    SCOPED_TRACE(type);
    const auto cache = MakeCache({.type = type}, machine_.get());
    ASSERT_OK(cache);
    EXPECT_EQ((*cache)->name(), type == "none" ? "" : type);
    const auto page = (*cache)->Allocate({});
    ASSERT_TRUE(page.has_value());
    EXPECT_EQ(page->state, (*cache)->StateOnAllocate({}));
    (*cache)->Free(page->page, model::Order(0), {}, page->state);
    EXPECT_OK((*cache)->CheckInvariants());
    EXPECT_OK(machine_->CheckInvariants());
  }
}

TEST_F(RegistryTest, AnUnknownTypeIsRefusedWithTheKnownOnes) {
  EXPECT_THAT(MakeCache({.type = "gobal", .options = {}}, machine_.get()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("gobal"), HasSubstr("none, debug_pagealloc, global"))));
}

}  // namespace
}  // namespace dmfrag::policy
