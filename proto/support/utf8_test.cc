#include "proto/support/utf8.h"

#include "gtest/gtest.h"

namespace dmfrag {
namespace {

TEST(Utf8, LengthsOfSequences) {
  EXPECT_EQ(Utf8Length(""), 0u);
  EXPECT_EQ(Utf8Length("ab"), 1u);
  EXPECT_EQ(Utf8Length("\xc3\x9fx"), 2u);
  EXPECT_EQ(Utf8Length("\xe2\x82\xac"), 3u);
  EXPECT_EQ(Utf8Length("\xf0\x9f\x90\xa7"), 4u);
}

TEST(Utf8, OtherBytesHaveNone) {
  for (const char* bytes :
       {"\x86", "\xc3", "\xe2\x82", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    EXPECT_EQ(Utf8Length(bytes), 0u) << bytes;
  }
}

TEST(Utf8, TextKeepsWhatIsSound) {
  EXPECT_EQ(Utf8Text("kworker/0:1"), "kworker/0:1");
  EXPECT_EQ(Utf8Text("gr\xc3\xb6\xc3\x9f"
                     "e"),
            "gr\xc3\xb6\xc3\x9f"
            "e");
  // As the kernel cuts a task's name, in the middle of a letter.
  EXPECT_EQ(Utf8Text("gr\xc3\xb6\xc3"), "gr\xc3\xb6?");
  EXPECT_EQ(Utf8Text("a\x86\x86z"), "a??z");
}

}  // namespace
}  // namespace dmfrag
