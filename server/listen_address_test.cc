#include "server/listen_address.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::server {
namespace {

using testing::HasSubstr;

class ListenAddressTest : public testing::Test {
 protected:
  ListenAddressTest() {
    char pattern[] = "/tmp/dmfrag-listen-XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  ~ListenAddressTest() override {
    unlink(path().c_str());
    rmdir(folder_.c_str());
  }
  std::string path() const { return folder_ + "/s"; }

  int BindSocket(bool listening) {
    const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path().data(), path().size());
    EXPECT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    if (listening) {
      EXPECT_EQ(listen(descriptor, 1), 0);
    }
    return descriptor;
  }

  std::string folder_;
};

TEST_F(ListenAddressTest, TakesASocketInAPrivateFolder) {
  const auto prepared = PrepareUnixSocket("unix:" + path());
  ASSERT_OK(prepared);
  EXPECT_EQ(*prepared, path());
}

TEST_F(ListenAddressTest, RefusesTcpEvenOnLoopback) {
  for (const char* address : {"127.0.0.1:5000", "localhost:5000", "[::1]:5000", "0.0.0.0:1", "tcp:1", ""}) {
    EXPECT_THAT(PrepareUnixSocket(address), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("use unix:PATH")));
  }
}

TEST_F(ListenAddressTest, RefusesAFolderThatOthersCanEnter) {
  chmod(folder_.c_str(), 0755);
  EXPECT_THAT(PrepareUnixSocket("unix:" + path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chmod 700")));
}

TEST_F(ListenAddressTest, RemovesADeadSocketAndRefusesALiveOne) {
  const int live = BindSocket(/*listening=*/true);
  EXPECT_THAT(PrepareUnixSocket("unix:" + path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another server")));
  close(live);
  EXPECT_OK(PrepareUnixSocket("unix:" + path()));
  EXPECT_NE(access(path().c_str(), F_OK), 0);
}

TEST_F(ListenAddressTest, RemovesNothingThatIsNoSocket) {
  std::ofstream(path()) << "precious";
  EXPECT_THAT(PrepareUnixSocket("unix:" + path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is no socket")));
  EXPECT_EQ(access(path().c_str(), F_OK), 0);
}

TEST_F(ListenAddressTest, RefusesMissingFoldersAndLongPaths) {
  EXPECT_THAT(PrepareUnixSocket("unix:/nonexistent-dmfrag/s"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("mkdir -m 700")));
  EXPECT_THAT(PrepareUnixSocket("unix:" + folder_ + "/" + std::string(120, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a socket's may have 107")));
}

}  // namespace
}  // namespace dmfrag::server
