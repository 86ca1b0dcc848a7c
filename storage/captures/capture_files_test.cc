#include "storage/captures/capture_files.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/captures/sha256.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::storage {
namespace {

using testing::_;
using testing::AllOf;
using testing::HasSubstr;

// SHA-256 of "abc" and of nothing: FIPS 180-2, appendix B.1, and NIST's example vectors.
constexpr char kAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kNothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string HashOf(const std::string& content) {
  absl::StatusOr<Sha256> hash = Sha256::Create();
  EXPECT_OK(hash);
  EXPECT_OK(hash->Add(content));
  return *hash->FinishHex();
}

class CaptureFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(testing::TempDir(), "/capture_files_test");
    std::filesystem::remove_all(folder_);
    files_ = Reopened();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<CaptureFiles> Reopened() {
    absl::StatusOr<std::unique_ptr<CaptureFiles>> files = CaptureFiles::Open(folder_);
    EXPECT_OK(files);
    return *std::move(files);
  }

  std::string folder_;
  std::unique_ptr<CaptureFiles> files_;
};

TEST_F(CaptureFilesTest, AnUploadInChunksBecomesComplete) {
  EXPECT_EQ(files_->GetProgress(kAbc)->committed_bytes, 0);
  EXPECT_EQ(*files_->Append(kAbc, 3, 0, "a"), 1);
  EXPECT_EQ(*files_->Append(kAbc, 3, 1, "bc"), 3);
  EXPECT_FALSE(files_->GetProgress(kAbc)->complete);
  EXPECT_THAT(files_->Read(kAbc, 0, 10), StatusIs(absl::StatusCode::kNotFound, HasSubstr(kAbc)));
  EXPECT_OK(files_->Finish(kAbc, 3));
  EXPECT_TRUE(files_->GetProgress(kAbc)->complete);
  EXPECT_EQ(*files_->Read(kAbc, 0, 10), "abc");
  EXPECT_EQ(*files_->Read(kAbc, 1, 1), "b");
  EXPECT_EQ(*files_->Read(kAbc, 3, 1), "");
  EXPECT_THAT(files_->Read(kAbc, 4, 1), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("3 bytes")));
  EXPECT_THAT(files_->Read(kAbc, -1, 1), StatusIs(absl::StatusCode::kOutOfRange, _));
}

TEST_F(CaptureFilesTest, ABrokenUploadGoesOnAfterARestart) {
  EXPECT_OK(files_->Append(kAbc, 3, 0, "ab"));
  files_ = Reopened();
  EXPECT_EQ(files_->GetProgress(kAbc)->committed_bytes, 2);
  EXPECT_OK(files_->Append(kAbc, 3, 2, "c"));
  EXPECT_OK(files_->Finish(kAbc, 3));
  files_ = Reopened();
  EXPECT_EQ(*files_->Read(kAbc, 0, 3), "abc");
}

TEST_F(CaptureFilesTest, UploadingACompleteCaptureAgainIsNoError) {
  EXPECT_OK(files_->Append(kAbc, 3, 0, "abc"));
  EXPECT_OK(files_->Finish(kAbc, 3));
  EXPECT_EQ(*files_->Append(kAbc, 3, 0, "xyz"), 3);
  EXPECT_OK(files_->Finish(kAbc, 3));
  EXPECT_EQ(*files_->Read(kAbc, 0, 3), "abc");
}

TEST_F(CaptureFilesTest, WrongContentIsDiscarded) {
  EXPECT_OK(files_->Append(kAbc, 3, 0, "abd"));
  EXPECT_THAT(files_->Finish(kAbc, 3),
              StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr(kAbc), HasSubstr("from 0"))));
  EXPECT_EQ(files_->GetProgress(kAbc)->committed_bytes, 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  EXPECT_OK(files_->Append(kAbc, 3, 0, "abc"));
  EXPECT_OK(files_->Finish(kAbc, 3));
}

TEST_F(CaptureFilesTest, ContentLongerThanItsSizeIsDiscarded) {
  EXPECT_OK(files_->Append(kAbc, 3, 0, "abc"));
  EXPECT_THAT(files_->Finish(kAbc, 2), StatusIs(absl::StatusCode::kDataLoss, _));
  EXPECT_EQ(files_->GetProgress(kAbc)->committed_bytes, 0);
}

TEST_F(CaptureFilesTest, ChunksOutOfPlaceChangeNothing) {
  EXPECT_OK(files_->Append(kAbc, 3, 0, "a"));
  for (int64_t offset : {0, 2, -1}) {
    EXPECT_THAT(files_->Append(kAbc, 3, offset, "b"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 bytes are here")));
  }
  EXPECT_THAT(files_->Append(kAbc, 3, 1, "bcd"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("beyond")));
  EXPECT_THAT(files_->Finish(kAbc, 3), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 of 3")));
  EXPECT_EQ(files_->GetProgress(kAbc)->committed_bytes, 1);
}

TEST_F(CaptureFilesTest, NothingIsACaptureToo) {
  EXPECT_OK(files_->Finish(kNothing, 0));
  EXPECT_EQ(*files_->Read(kNothing, 0, 1), "");
}

TEST_F(CaptureFilesTest, SizesBeyondTheLimitAreRefused) {
  EXPECT_THAT(files_->Append(kAbc, CaptureFiles::kMaxCaptureBytes + 1, 0, "a"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("4294967296")));
  EXPECT_OK(files_->Append(kAbc, CaptureFiles::kMaxCaptureBytes, 0, "a"));
  EXPECT_THAT(files_->Append(kAbc, -1, 0, ""), StatusIs(absl::StatusCode::kInvalidArgument, _));
}

TEST_F(CaptureFilesTest, NamesThatAreNoDigestNeverReachTheFileSystem) {
  for (const std::string& name : {std::string(), std::string("../store.db"), std::string(64, 'A'), std::string(63, 'a'),
                                  std::string(65, 'a'), std::string(63, 'a') + "/", std::string(kAbc) + ".partial"}) {
    EXPECT_THAT(files_->Append(name, 3, 0, "a"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64")));
    EXPECT_THAT(files_->Finish(name, 3), StatusIs(absl::StatusCode::kInvalidArgument, _));
    EXPECT_THAT(files_->Read(name, 0, 1), StatusIs(absl::StatusCode::kInvalidArgument, _));
    EXPECT_THAT(files_->GetProgress(name), StatusIs(absl::StatusCode::kInvalidArgument, _));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

// Many writers of one capture: each byte is taken once, the rest is told that it is too late or not alone.
TEST_F(CaptureFilesTest, WritersOfOneCaptureDoNotMix) {
  const std::string content(200, 'x');
  const std::string name = HashOf(content);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int64_t offset = 0; offset < 200;) {
        const absl::StatusOr<int64_t> held = files_->Append(name, 200, offset, content.substr(offset, 1));
        if (held.ok()) {
          offset = *held;
          continue;
        }
        EXPECT_TRUE(absl::IsAborted(held.status()) || absl::IsInvalidArgument(held.status())) << held.status();
        offset = files_->GetProgress(name)->committed_bytes;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_OK(files_->Finish(name, 200));
  EXPECT_EQ(*files_->Read(name, 0, 1000), content);
}

TEST_F(CaptureFilesTest, DifferentCapturesAreWrittenSideBySide) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const std::string content(3 << 20, static_cast<char>('a' + thread));
      const std::string name = HashOf(content);
      EXPECT_OK(files_->Append(name, 3 << 20, 0, content));
      EXPECT_OK(files_->Finish(name, 3 << 20));
      EXPECT_EQ(*files_->Read(name, 0, content.size()), content);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(CaptureFilesTest, TheFolderIsPrivateAndMustBeAFolder) {
  struct stat info;
  ASSERT_EQ(stat(folder_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  const std::string file = folder_ + "/file";
  std::ofstream(file) << "x";
  EXPECT_THAT(CaptureFiles::Open(file), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(file)));
  EXPECT_THAT(CaptureFiles::Open(folder_ + "/no/such"), StatusIs(absl::StatusCode::kNotFound, _));
}

TEST_F(CaptureFilesTest, AFullDiskIsSaidAndLeavesNoHalfChunk) {
  // /dev/full takes no byte.
  std::filesystem::create_symlink("/dev/full", folder_ + "/" + kAbc + ".partial");
  EXPECT_THAT(files_->Append(kAbc, 3, 0, "abc"), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(kAbc)));
}

TEST(Sha256Test, AgreesWithPublishedVectors) {
  EXPECT_EQ(HashOf("abc"), kAbc);
  EXPECT_EQ(HashOf(""), kNothing);
}

}  // namespace
}  // namespace dmfrag::storage
