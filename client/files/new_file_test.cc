#include "client/files/new_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using testing::HasSubstr;

class NewFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    file_ = folder_ / "a.dmrec";
    part_ = folder_ / "a.dmrec.dmfrag-part";
  }

  static std::string Content(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // What the folder holds.
  size_t Entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  std::filesystem::path folder_, file_, part_;
};

TEST_F(NewFileTest, TheNameIsTakenWhenTheFileIsWholeAndNothingElseStays) {
  for (const bool force : {false, true}) {
    std::filesystem::remove(file_);
    auto file = NewFile::Create(file_, force);
    ASSERT_OK(file.status());
    EXPECT_OK((*file)->Write("one "));
    EXPECT_OK((*file)->Write("two"));
    EXPECT_FALSE(std::filesystem::exists(file_));
    EXPECT_OK((*file)->Keep());
    EXPECT_EQ((*file)->bytes(), 7);
    file->reset();
    EXPECT_EQ(Content(file_), "one two");
    EXPECT_EQ(Entries(), 1u);
  }
}

TEST_F(NewFileTest, WithoutKeepNothingIsLeft) {
  auto file = NewFile::Create(file_, false);
  ASSERT_OK(file.status());
  EXPECT_OK((*file)->Write("half"));
  file->reset();
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(NewFileTest, AFileThatIsThereStaysUnlessForced) {
  std::ofstream(file_) << "precious";
  EXPECT_THAT(NewFile::Create(file_, false).status(), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("--force")));
  auto file = NewFile::Create(file_, true);
  ASSERT_OK(file.status());
  EXPECT_EQ(Content(file_), "precious");
  EXPECT_OK((*file)->Write("new"));
  EXPECT_OK((*file)->Keep());
  EXPECT_EQ(Content(file_), "new");
}

TEST_F(NewFileTest, AFileThatAppearsMeanwhileStays) {
  auto file = NewFile::Create(file_, false);
  ASSERT_OK(file.status());
  std::ofstream(file_) << "precious";
  EXPECT_THAT((*file)->Keep(), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("--force")));
  file->reset();
  EXPECT_EQ(Content(file_), "precious");
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(NewFileTest, WhatAKilledProcessLeftGivesWayToTheNext) {
  int written[2];
  ASSERT_EQ(pipe(written), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto file = NewFile::Create(file_, false);
    if (!file.ok() || !(*file)->Write("of the one that was killed").ok()) _exit(1);
    [[maybe_unused]] const ssize_t told = write(written[1], "x", 1);
    for (;;) pause();
  }
  char byte;
  ASSERT_EQ(read(written[0], &byte, 1), 1);
  // As long as it lives, the name is its own.
  EXPECT_THAT(NewFile::Create(file_, true).status(),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("another dmfrag")));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(Content(part_), "of the one that was killed");
  auto file = NewFile::Create(file_, false);
  ASSERT_OK(file.status());
  EXPECT_OK((*file)->Write("new"));
  EXPECT_OK((*file)->Keep());
  EXPECT_EQ(Content(file_), "new");
  EXPECT_EQ(Entries(), 1u);
  close(written[0]);
  close(written[1]);
}

TEST_F(NewFileTest, NamesThatCannotBeAreToldWithTheRemedy) {
  EXPECT_THAT(NewFile::Create(folder_ / "none" / "a.dmrec", false).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("/none; make it first")));
  EXPECT_THAT(NewFile::Create(folder_, true).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a folder; name a file in it")));
  EXPECT_THAT(NewFile::Create(folder_.string() + "/", true).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("names no file")));
  EXPECT_THAT(NewFile::Create("", true).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("names no file")));
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  EXPECT_THAT(NewFile::Create(file_, true).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a device or pipe")));
  EXPECT_THAT(NewFile::Create(folder_ / std::string(300, 'x'), false).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("File name too long; give another name")));
}

TEST_F(NewFileTest, WithoutRightsToTheFolderTheTextSaysSo) {
  ASSERT_EQ(chmod(folder_.c_str(), 0500), 0);
  const uid_t user = geteuid();
  constexpr uid_t kNobody = 65534;
  if (user == 0) {
    ASSERT_EQ(seteuid(kNobody), 0);
  }
  const absl::Status status = NewFile::Create(file_, false).status();
  if (user == 0) {
    ASSERT_EQ(seteuid(user), 0);
  }
  chmod(folder_.c_str(), 0700);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("you may not write in")));
}

TEST_F(NewFileTest, WhatTheDiskDoesNotTakeIsAnError) {
  auto file = NewFile::Create(file_, false);
  ASSERT_OK(file.status());
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {.rlim_cur = 10, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = (*file)->Write("more than ten bytes");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("a.dmrec cannot be written: ")));
  file->reset();
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(NewFileTest, ALinkInTheWayIsNotFollowed) {
  std::ofstream(folder_ / "precious") << "precious";
  std::filesystem::create_symlink(folder_ / "precious", part_);
  EXPECT_FALSE(NewFile::Create(file_, true).ok());
  EXPECT_EQ(Content(folder_ / "precious"), "precious");
}

}  // namespace
}  // namespace dmfrag::client
