#include "worker/workload/xz.h"

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::workload {
namespace {

using ::testing::HasSubstr;

TEST(XzTest, GivesBackWhatWasCompressed) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{65536}, size_t{300000}}) {
    const std::string content(size, 'x');
    const auto back = DecompressXz(CompressXz(content), 1 << 20);
    ASSERT_OK(back);
    EXPECT_EQ(*back, content);
  }
}

TEST(XzTest, RefusesTruncatedDamagedAndForeignFiles) {
  std::string file = CompressXz(std::string(1000, 'y') + "z");
  EXPECT_THAT(DecompressXz(file.substr(0, file.size() - 1), 1 << 20),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("truncated")));
  EXPECT_THAT(DecompressXz("", 1 << 20), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("truncated")));
  file[file.size() / 2] ^= 0x55;
  EXPECT_THAT(DecompressXz(file, 1 << 20), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("damaged")));
  EXPECT_THAT(DecompressXz("{\"format\": \"dmtruth-1\"}", 1 << 20),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not an .xz")));
}

TEST(XzTest, RefusesMoreThanTheLimit) {
  const std::string file = CompressXz(std::string(1 << 20, 'a'));
  EXPECT_OK(DecompressXz(file, 1 << 20));
  EXPECT_THAT(DecompressXz(file, (1 << 20) - 1), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than")));
}

}  // namespace
}  // namespace dmfrag::workload
