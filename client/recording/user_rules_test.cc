#include "client/recording/user_rules.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using testing::ElementsAre;

enum class Change { kNone, kNotPresent, kReadOnly, kOther };

struct Asked {
  std::string gfp = "";
  uint32_t migratetype = 0;
  Change change = Change::kNone;
  std::vector<std::string> stack = {};
  std::string comm = "cat";
};

v1::RecordingOrigin OriginOf(const Asked& asked) {
  v1::RecordingOrigin origin;
  origin.set_comm(asked.comm);
  origin.set_gfp_flags(asked.gfp);
  origin.set_migratetype(asked.migratetype);
  for (const std::string& function : asked.stack) origin.add_stack(function);
  return origin;
}

uint32_t NumberOf(const v1::OriginUsers& users, Change change) {
  switch (change) {
    case Change::kNone:
      return users.unchanged();
    case Change::kNotPresent:
      return users.not_present();
    case Change::kReadOnly:
      return users.read_only();
    case Change::kOther:
      return users.other();
  }
  return 0;
}

// "name:kind".
std::string UserOf(const UserRules& rules, const Asked& asked) {
  v1::RecordingEnd end;
  rules.Classify({OriginOf(asked)}, end);
  const v1::RecordingUser& user = end.users(static_cast<int>(NumberOf(end.origin_users(0), asked.change)));
  return user.name() + ":" + user.kind();
}

std::string DefaultUserOf(const Asked& asked) { return UserOf(UserRules::Default(), asked); }

// Flags as the kernels 6.1, 6.12 and 7.3 printed them (tests/kernel/traces).
TEST(DefaultRulesTest, TellsUsersApartByFlags) {
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_HIGHUSER|__GFP_ZERO", .change = Change::kNotPresent}), "secretmem:secretmem");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_HIGHUSER|__GFP_ACCOUNT", .change = Change::kNotPresent}), "secretmem:secretmem");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_KERNEL", .change = Change::kReadOnly}), "code:module");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_KERNEL", .change = Change::kOther}), "changed:uncached");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_KERNEL_ACCOUNT|__GFP_ZERO"}), "page-tables:ordinary");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_KERNEL_ACCOUNT|__GFP_COMP|__GFP_ZERO"}), "page-tables:ordinary");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO", .migratetype = 1}),
            "anonymous:anonymous");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_HIGHUSER_MOVABLE|__GFP_COMP", .migratetype = 1}), "page-cache:page_cache");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_HIGHUSER_MOVABLE|__GFP_WRITE|__GFP_ZERO", .migratetype = 1}),
            "page-cache:page_cache");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_KERNEL|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP"}), "slab:slab");
  EXPECT_EQ(DefaultUserOf({.gfp = "__GFP_IO|__GFP_FS|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP|__GFP_NOMEMALLOC"}),
            "slab:slab");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_NOWAIT|__GFP_NORETRY|__GFP_COMP|__GFP_RECLAIMABLE", .migratetype = 2}),
            "slab-reclaimable:slab");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_NOWAIT|__GFP_IO|__GFP_FS|__GFP_NORETRY|__GFP_COMP|__GFP_NOMEMALLOC"}),
            "network:network");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_KERNEL|__GFP_HIGHMEM|__GFP_NOWARN"}), "vmalloc-areas:ordinary");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_USER|__GFP_ZERO|__GFP_COMP"}), "unmovable-user:ordinary");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_KERNEL"}), "kernel:ordinary");
  EXPECT_EQ(DefaultUserOf({.gfp = "0xcc0"}), "kernel:ordinary");
}

TEST(DefaultRulesTest, TellsUsersApartByStack) {
  EXPECT_EQ(DefaultUserOf({.change = Change::kNotPresent, .stack = {"set_area_direct_map", "vfree"}}), "code:module");
  EXPECT_EQ(
      DefaultUserOf({.change = Change::kNotPresent, .stack = {"set_direct_map_invalid_noflush", "kvm_gmem_get_pfn"}}),
      "guest-memory:guest_memory");
  EXPECT_EQ(DefaultUserOf({.change = Change::kReadOnly, .stack = {"alloc_pages", "bpf_prog_pack_alloc"}}), "bpf:bpf");
  EXPECT_EQ(DefaultUserOf({.change = Change::kReadOnly, .stack = {"alloc_pages", "arch_ftrace_update_trampoline"}}),
            "trampoline:trampoline");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_KERNEL", .stack = {"alloc_pages", "pte_alloc_one", "__pte_alloc"}}),
            "page-tables:ordinary");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_HIGHUSER_MOVABLE", .migratetype = 1, .stack = {"wp_page_copy"}}),
            "anonymous:anonymous");
  EXPECT_EQ(DefaultUserOf({.gfp = "GFP_KERNEL", .stack = {"tcp_sendmsg_locked"}}), "network:network");
}

constexpr char kRules[] = R"(
rules:
  - user: tar
    kind: page-cache
    match: {comm: [tar, "gz*"], migratetype: [movable, reclaimable], gfp: [__GFP_HIGHMEM, "!__GFP_ZERO"]}
  - user: mine
    kind: bpf
    match: {change: [read_only, other], stack: "load_*"}
  - {user: rest, kind: ordinary}
)";

TEST(UserRulesTest, EveryConditionMustHold) {
  const absl::StatusOr<UserRules> rules = UserRules::Parse(kRules, "u.yaml");
  ASSERT_OK(rules);
  const Asked good = {.gfp = "GFP_HIGHUSER_MOVABLE", .migratetype = 1, .comm = "tar"};
  EXPECT_EQ(UserOf(*rules, good), "tar:page_cache");
  Asked asked = good;
  asked.comm = "gzip";
  EXPECT_EQ(UserOf(*rules, asked), "tar:page_cache");
  asked.comm = "bzip";
  EXPECT_EQ(UserOf(*rules, asked), "rest:ordinary");
  asked = good;
  asked.migratetype = 0;
  EXPECT_EQ(UserOf(*rules, asked), "rest:ordinary");
  asked = good;
  asked.gfp = "GFP_KERNEL";
  EXPECT_EQ(UserOf(*rules, asked), "rest:ordinary");
  asked.gfp = "GFP_HIGHUSER_MOVABLE|__GFP_ZERO";
  EXPECT_EQ(UserOf(*rules, asked), "rest:ordinary");
  asked = {.change = Change::kOther, .stack = {"alloc_pages", "load_module"}};
  EXPECT_EQ(UserOf(*rules, asked), "mine:bpf");
  asked.change = Change::kNotPresent;
  EXPECT_EQ(UserOf(*rules, asked), "rest:ordinary");
  asked = {.change = Change::kOther, .stack = {"unload_module"}};
  EXPECT_EQ(UserOf(*rules, asked), "rest:ordinary");
}

TEST(UserRulesTest, UsersAreNumberedInOrderOfTheRulesAndThoseWithoutOriginsLeftOut) {
  const absl::StatusOr<UserRules> rules = UserRules::Parse(kRules, "u.yaml");
  ASSERT_OK(rules);
  v1::RecordingEnd end;
  rules->Classify(
      {OriginOf({.comm = "sh"}), OriginOf({.gfp = "GFP_HIGHUSER_MOVABLE", .migratetype = 1, .comm = "tar"})}, end);
  ASSERT_EQ(end.users_size(), 2);
  EXPECT_EQ(end.users(0).name(), "tar");
  EXPECT_EQ(end.users(1).name(), "rest");
  ASSERT_EQ(end.origin_users_size(), 2);
  EXPECT_EQ(end.origin_users(0).unchanged(), 1u);
  EXPECT_EQ(end.origin_users(1).unchanged(), 0u);
  EXPECT_EQ(end.users_sha256().size(), 64u);
  const std::string digest = end.users_sha256();
  UserRules::Default().Classify({}, end);
  ASSERT_EQ(end.users_size(), 1);
  EXPECT_EQ(end.users(0).name(), "kernel");
  EXPECT_NE(end.users_sha256(), digest);
}

std::string ErrorOf(const std::string& yaml) {
  const absl::StatusOr<UserRules> rules = UserRules::Parse(yaml, "u.yaml");
  EXPECT_THAT(rules, StatusIs(absl::StatusCode::kInvalidArgument, testing::_));
  return std::string(rules.status().message());
}

TEST(UserRulesTest, ErrorsNamePlaceAndRemedy) {
  EXPECT_EQ(
      ErrorOf("rules:\n- {user: a, kind: secretmen}"),
      "u.yaml:2:19: unknown kind \"secretmen\"; allowed: secretmem, ordinary, bpf, page_cache, page_tables, module, "
      "trampoline, guest_memory, xpfo, graphics, uncached, vmalloc, memory_failure, dma, anonymous, huge_page, slab, "
      "network (did you mean \"secretmem\"?)");
  EXPECT_THAT(ErrorOf("rules:\n- {user: a, kind: bpf, match: {gfp: GFP_KERNAL}}"),
              testing::AllOf(testing::StartsWith("u.yaml:2:37: unknown GFP flag \"GFP_KERNAL\"; allowed: "),
                             testing::EndsWith("(did you mean \"GFP_KERNEL\"?)")));
  EXPECT_EQ(
      ErrorOf("rules:\n- {user: a, kind: bpf, match: {com: x}}"),
      "u.yaml:2:32: unknown key \"com\"; allowed: comm, gfp, migratetype, stack, change (did you mean \"comm\"?)");
  EXPECT_EQ(ErrorOf("rules:\n- {user: a, kind: bpf, match: {change: readonly}}"),
            "u.yaml:2:40: unknown change \"readonly\"; allowed: none, not_present, read_only, other (did you mean "
            "\"read_only\"?)");
  EXPECT_EQ(ErrorOf("rules:\n- {user: A, kind: bpf}"),
            "u.yaml:2:10: a user cannot be named \"A\"; a letter a-z, then at most 31 of a-z, 0-9, _ and -");
  EXPECT_THAT(ErrorOf("rules:\n- {user: a}"), testing::HasSubstr("u.yaml:2:10: user \"a\" has no kind; add kind"));
  EXPECT_THAT(ErrorOf("rules:\n- {kind: bpf}"), testing::HasSubstr("u.yaml:2:3: this rule names no user"));
  EXPECT_THAT(ErrorOf("rules:\n- {user: a, kind: bpf, match: {comm: x}}"),
              testing::HasSubstr("u.yaml:2:3: the last rule must match everything"));
  EXPECT_THAT(ErrorOf("rules:\n- {user: a, kind: bpf}\n- {user: b, kind: bpf}"),
              testing::HasSubstr("u.yaml:2:3: this rule matches everything"));
  EXPECT_THAT(ErrorOf("rules:\n- {user: a, kind: bpf, match: {comm: x}}\n- {user: a, kind: module}"),
              testing::HasSubstr("u.yaml:3:19: user \"a\" is of kind bpf in a rule before"));
  EXPECT_THAT(ErrorOf("rules:\n- {user: a, kind: bpf, match: {comm: {}}}"),
              testing::HasSubstr("u.yaml:2:38: comm takes a text, or a list of texts"));
  EXPECT_THAT(ErrorOf("users: 1"), testing::HasSubstr("u.yaml:1:1: unknown key \"users\"; allowed: rules"));
  EXPECT_THAT(ErrorOf("rules: []"), testing::HasSubstr("u.yaml:1:8: no rules stand here"));
  EXPECT_THAT(ErrorOf("- 1"), testing::HasSubstr("u.yaml:1:1: a list stands here"));
}

TEST(UserRulesTest, TooManyUsersAreRefused) {
  std::string yaml = "rules:\n";
  for (int i = 0; i < 65; ++i) {
    yaml += "- {user: u" + std::to_string(i) + ", kind: bpf, match: {comm: c" + std::to_string(i) + "}}\n";
  }
  EXPECT_THAT(ErrorOf(yaml), testing::HasSubstr("u.yaml:66:10: one user too many; at most 64"));
}

}  // namespace
}  // namespace dmfrag::client
