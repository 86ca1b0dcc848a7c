#include "client/connection/data_folder.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "client/testing/fake_environment.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/support/server_address.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class DataFolderTest : public testing::Test {
 protected:
  DataFolderTest() {
    std::string folder = "/tmp/dmfrag-data-XXXXXX";
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    home_ = folder;
    fake_.variables["HOME"] = folder;
  }
  ~DataFolderTest() override { fs::remove_all(home_); }

  absl::StatusOr<DataFolder> Open() { return DataFolder::Open(fake_.environment); }

  static int ModeOf(const fs::path& path) {
    struct stat status;
    EXPECT_EQ(lstat(path.c_str(), &status), 0) << path;
    return static_cast<int>(status.st_mode & 07777);
  }

  fs::path home_;
  FakeEnvironment fake_;
};

TEST_F(DataFolderTest, TheMostSpecificVariableWins) {
  EXPECT_EQ(Open()->root(), home_ / ".local/share/dmfrag");
  fake_.variables["XDG_DATA_HOME"] = (home_ / "xdg").native();
  EXPECT_EQ(Open()->root(), home_ / "xdg/dmfrag");
  fake_.variables["DMFRAG_DATA"] = (home_ / "mine").native();
  EXPECT_EQ(Open()->root(), home_ / "mine");
  EXPECT_EQ(Open()->database(), home_ / "mine/dmfrag.db");
  EXPECT_EQ(Open()->socket(), home_ / "mine/run/dmfrag.sock");
}

TEST_F(DataFolderTest, ARelativeXdgFolderIsIgnoredAndARelativeOwnOneRefused) {
  fake_.variables["XDG_DATA_HOME"] = "somewhere";
  EXPECT_EQ(Open()->root(), home_ / ".local/share/dmfrag");
  fake_.variables["DMFRAG_DATA"] = "somewhere";
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("give an absolute path")));
}

TEST_F(DataFolderTest, WithoutAHomeTheRemedyIsNamed) {
  fake_.variables.clear();
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("set DMFRAG_DATA")));
}

TEST_F(DataFolderTest, EveryFolderIsMadePrivateWhateverTheUmask) {
  const mode_t before = umask(0);
  fake_.variables["DMFRAG_DATA"] = (home_ / "data").native();
  ASSERT_OK(Open());
  umask(before);
  for (const char* name : {"data", "data/run", "data/log", "data/cache"}) EXPECT_EQ(ModeOf(home_ / name), 0700) << name;
}

TEST_F(DataFolderTest, AFolderThatIsOpenToOthersIsRefused) {
  fake_.variables["DMFRAG_DATA"] = (home_ / "data").native();
  ASSERT_OK(Open());
  for (const mode_t mode : {0750, 0701, 0770, 0777}) {
    ASSERT_EQ(chmod((home_ / "data").c_str(), mode), 0);
    EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("run: chmod 700 " + home_.native() + "/data")));
  }
  ASSERT_EQ(chmod((home_ / "data").c_str(), 0700), 0);
  ASSERT_EQ(chmod((home_ / "data/run").c_str(), 0755), 0);
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("data/run is open to other users")));
}

TEST_F(DataFolderTest, FilesAndLinksAreNoFolders) {
  fake_.variables["DMFRAG_DATA"] = (home_ / "data").native();
  std::ofstream(home_ / "data") << "a file";
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is no folder")));
  fs::remove(home_ / "data");
  fs::create_directory(home_ / "elsewhere");
  fs::create_directory_symlink(home_ / "elsewhere", home_ / "data");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is no folder")));
}

TEST_F(DataFolderTest, AnotherUsersFolderIsRefused) {
  if (geteuid() != 0) {
    // Nobody but root can give a folder away; root's own are others' to everybody else.
    EXPECT_THAT(MakePrivateFolder("/root"), StatusIs(absl::StatusCode::kFailedPrecondition, testing::_));
    return;
  }
  const fs::path folder = home_ / "data";
  ASSERT_EQ(mkdir(folder.c_str(), 0700), 0);
  ASSERT_EQ(chown(folder.c_str(), 65534, 65534), 0);
  EXPECT_THAT(MakePrivateFolder(folder),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("belongs to user 65534")));
}

TEST_F(DataFolderTest, ALongPathGetsAShortSocketAndKeepsIt) {
  fake_.variables["DMFRAG_DATA"] = (home_ / std::string(100, 'x')).native();
  fake_.variables["XDG_RUNTIME_DIR"] = home_.native();
  const absl::StatusOr<DataFolder> first = Open();
  ASSERT_OK(first);
  EXPECT_LE(first->socket().native().size(), kMaxSocketPathBytes);
  EXPECT_EQ(first->socket().parent_path().parent_path(), home_);
  EXPECT_EQ(ModeOf(first->socket().parent_path()), 0700);
  EXPECT_EQ(Open()->socket(), first->socket());
  // A folder that somebody opened is not trusted again.
  ASSERT_EQ(chmod(first->socket().parent_path().c_str(), 0777), 0);
  EXPECT_NE(Open()->socket(), first->socket());
}

}  // namespace
}  // namespace dmfrag::client
