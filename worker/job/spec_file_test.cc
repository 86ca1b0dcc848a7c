#include "worker/job/spec_file.h"

#include <fstream>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::job {
namespace {

using ::testing::HasSubstr;

std::string Write(const std::string& name, const std::string& content) {
  const std::string path = ::testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

TEST(SpecFileTest, ReadsTheThreeFormsAlike) {
  v1::JobSpec spec;
  spec.mutable_cache()->mutable_none();
  spec.mutable_workload()->mutable_noop();
  spec.set_seed(7);
  const std::string wire = spec.SerializeAsString();
  for (const std::string& path :
       {Write("a.txtpb", "cache { none {} } workload { noop {} } seed: 7"),
        Write("a.json", R"({"cache": {"none": {}}, "workload": {"noop": {}}, "seed": "7"})"), Write("a.binpb", wire)}) {
    const auto read = ReadSpecFile(path);
    ASSERT_OK(read);
    EXPECT_EQ(read->SerializeAsString(), wire) << path;
  }
}

TEST(SpecFileTest, ErrorsNameThePlace) {
  EXPECT_THAT(ReadSpecFile("/nonexistent.txtpb"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nonexistent.txtpb")));
  EXPECT_THAT(ReadSpecFile(Write("b.txtpb", "cache {\n  nune {} }")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("b.txtpb: no job spec: 2:")));
  EXPECT_THAT(ReadSpecFile(Write("b.json", "{\"cash\": 1}")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cash")));
  EXPECT_THAT(ReadSpecFile(Write("b.binpb", "\xff\xff")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("wire")));
  EXPECT_THAT(ReadSpecFile(Write("b.yaml", "a: 1")), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(".txtpb")));
}

}  // namespace
}  // namespace dmfrag::job
