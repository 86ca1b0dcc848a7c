#include "storage/testing/store_contract.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace dmfrag::storage {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreContract);

void StoreContract::SetUp() {
  folder_ = absl::StrCat(testing::TempDir(), "/store_contract");
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_);
  absl::StatusOr<std::unique_ptr<Store>> store = GetParam()(folder_);
  ASSERT_OK(store);
  store_ = *std::move(store);
}

void StoreContract::TearDown() {
  store_.reset();
  std::filesystem::remove_all(folder_);
}

void StoreContract::MustCommit(Store::Work work) { ASSERT_OK(store_->CommitAndWait(std::move(work))); }

}  // namespace dmfrag::storage
