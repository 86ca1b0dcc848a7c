#include "proto/support/server_address.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag {
namespace {

TEST(ServerAddressTest, UnixSocketsAreRead) {
  EXPECT_EQ(ParseServerAddress("unix:/run/dmfrag.sock").value(), "/run/dmfrag.sock");
  EXPECT_EQ(ParseServerAddress("unix:///run/dmfrag.sock").value(), "/run/dmfrag.sock");
}

TEST(ServerAddressTest, EverythingElseIsRefused) {
  for (const char* address :
       {"", "localhost:1", "unix:", "unix:run/x", "unix://host/x", "tcp://x", "unix-abstract:x"}) {
    EXPECT_THAT(ParseServerAddress(address), StatusIs(absl::StatusCode::kInvalidArgument, testing::_)) << address;
  }
  EXPECT_THAT(ParseServerAddress("unix:/" + std::string(107, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("has 108 bytes; a Unix socket's has at most 107")));
}

TEST(ServerAddressTest, TargetsArePercentEncoded) {
  EXPECT_EQ(GrpcTarget("/run/a_b-c.sock"), "unix:/run/a_b-c.sock");
  EXPECT_EQ(GrpcTarget("/my data/100%/é#"), "unix:/my%20data/100%25/%C3%A9%23");
}

TEST(ServerAddressTest, NobodyListensWhereThereIsNothing) { EXPECT_FALSE(SomebodyListens("/no/such.sock")); }

}  // namespace
}  // namespace dmfrag
