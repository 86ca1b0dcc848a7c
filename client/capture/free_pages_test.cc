#include "client/capture/free_pages.h"

#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

TEST(FreePagesTest, ZonesAndPerCpuListsAreAddedUp) {
  EXPECT_EQ(FreePages("Node 0, zone      DMA\n"
                      "  pages free     3840\n"
                      "        min      33\n"
                      "      nr_free_pages 3840\n"
                      "      nr_free_cma  0\n"
                      "  pagesets\n"
                      "    cpu: 0\n"
                      "              count:    5\n"
                      "              high:     378\n"
                      "    cpu: 1\n"
                      "              count:    7\n"
                      "Node 0, zone    DMA32\n"
                      "      nr_free_pages 100\n"),
            3840 + 5 + 7 + 100);
}

TEST(FreePagesTest, OtherTextHasNone) {
  EXPECT_EQ(FreePages(""), std::nullopt);
  EXPECT_EQ(FreePages("nr_free_pages many\ncount: 1 2\n"), std::nullopt);
}

}  // namespace
}  // namespace dmfrag::client
