#ifndef DMFRAG_STORAGE_TESTING_STORE_CONTRACT_H_
#define DMFRAG_STORAGE_TESTING_STORE_CONTRACT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/store.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::storage {

// Opens an empty store, that may put files into a folder made for the test.
using StoreFactory = std::function<absl::StatusOr<std::unique_ptr<Store>>(const std::string& folder)>;

// What every store must do. A store's own test instantiates it with a factory.
class StoreContract : public testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Commits and expects success.
  void MustCommit(Store::Work work);
  const Reader& reader() const { return store_->reader(); }

  std::string folder_;
  std::unique_ptr<Store> store_;
};

// The message equals the other one, byte by byte.
MATCHER_P(EqualsMessage, expected, "equals " + expected.ShortDebugString()) {
  *result_listener << arg.ShortDebugString();
  return arg.SerializeAsString() == expected.SerializeAsString();
}

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_TESTING_STORE_CONTRACT_H_
