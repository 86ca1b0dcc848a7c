#include "proto/support/canonical.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "dmfrag/v1/annotations.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/support/preset.h"
#include "proto/support/sha256.h"
#include "proto/support/spec_captures.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag {
namespace {

using testing::HasSubstr;

v1::JobSpec Spec(const std::string& text) {
  v1::JobSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

std::string Digest(const std::string& text) {
  const absl::StatusOr<v1::JobSpec> canonical = Canonicalize(Spec(text));
  EXPECT_OK(canonical) << text;
  return canonical.ok() ? SpecSha256Hex(*canonical) : "";
}

absl::Status Refusal(const std::string& text) { return Canonicalize(Spec(text)).status(); }

TEST(Sha256Test, EqualsThePublishedVectors) {  // FIPS 180-2, appendix B
  EXPECT_EQ(ToHex(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(Sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(CanonicalTest, DigestsEqualTheCheckedInVectors) {
  std::ifstream file("proto/testdata/digest_vectors.json");
  const nlohmann::json vectors = nlohmann::json::parse(file);
  ASSERT_GE(vectors.size(), 8u);
  for (const auto& vector : vectors) {
    const auto canonical = Canonicalize(Spec(vector["spec"]));
    ASSERT_OK(canonical) << vector["name"];
    EXPECT_EQ(ToHex(CanonicalBytes(*canonical)), vector["canonical_hex"]) << vector["name"];
    EXPECT_EQ(SpecSha256Hex(*canonical), vector["sha256"]) << vector["name"];
  }
}

TEST(CanonicalTest, SpecsThatMeanTheSameHaveOneDigest) {
  const std::string base = Digest("cache { none {} } workload { noop {} }");
  for (const char* same : {
           "cache { none {} } workload { noop {} } machine {}",
           "cache { none {} } workload { noop {} } machine { memory_bytes: 4294967296 cpus: 4 gbpages: true }",
           "cache { none {} } workload { noop {} } kernel { cpa_release: KERNEL_RELEASE_6_12 } seed: 1",
           "cache { none {} } workload { noop {} } length { duration_us: 60000000 warmup_us: 0 }",
       }) {
    EXPECT_EQ(Digest(same), base) << same;
  }
  EXPECT_EQ(Digest("cache { global {} } workload { noop {} }"), Digest("cache { global {} } workload { noop {} }"));
}

TEST(CanonicalTest, EveryDifferenceChangesTheDigest) {
  const std::vector<std::string> specs = {
      "cache { none {} } workload { noop {} }",
      "cache { global {} } workload { noop {} }",
      "cache { none {} } workload { noop {} } seed: 2",
      "cache { none {} } workload { noop {} } seed: 0",
      "cache { none {} } workload { noop {} } length { warmup_us: 1 }",
      "cache { none {} } workload { noop {} } length { sample_interval_us: 0 }",
      "cache { none {} } workload { noop {} } machine { gbpages: false }",
      "cache { global { refill_order: 0 } } workload { noop {} }",
      "cache { none {} } workload { preset: 'secretmem' }",
  };
  std::set<std::string> digests;
  for (const std::string& spec : specs) digests.insert(Digest(spec));
  EXPECT_EQ(digests.size(), specs.size());
}

TEST(CanonicalTest, PresetIsInlined) {
  const auto canonical = Canonicalize(Spec("cache { none {} } workload { preset: 'secretmem' }"));
  ASSERT_OK(canonical);
  EXPECT_TRUE(canonical->workload().has_mix());
  v1::JobSpec inlined = Spec("cache { none {} }");
  *inlined.mutable_workload()->mutable_mix() = *PresetMix("secretmem");
  EXPECT_EQ(SpecSha256Hex(*Canonicalize(inlined)), SpecSha256Hex(*canonical));
}

TEST(CanonicalTest, MixesThatMeanTheSameHaveOneDigest) {
  const auto of_mix = [](const std::string& mix) {
    return Digest("cache { none {} } workload { mix { " + mix + " } }");
  };
  const std::string preset = Digest("cache { none {} } workload { preset: 'secretmem' }");
  EXPECT_EQ(of_mix("inherits: 'secretmem'"), preset);
  EXPECT_EQ(of_mix("inherits: 'secretmem' rate_thousandths: 1000 users { name: 'anon' rate_thousandths: 1000 }"),
            preset);
  const std::string user = "users { name: 'a' secretmem {} rate_thousandths: 1500 }";
  EXPECT_EQ(of_mix("users { name: 'a' secretmem {} rate_thousandths: 3000 } rate_thousandths: 500"), of_mix(user));
  EXPECT_EQ(of_mix(user + "phases { name: 'p' start_us: 0 duration_us: 5 every_us: 0 rate_thousandths: 1000 }"),
            of_mix(user + "phases { name: 'p' duration_us: 5 }"));
  std::set<std::string> digests = {preset, of_mix(user)};
  for (const char* other :
       {"inherits: 'secretmem' rate_thousandths: 999", "inherits: 'secretmem' remove_users: 'slab'",
        "inherits: 'secretmem' users { name: 'a' secretmem {} }",
        "inherits: 'secretmem' phases { name: 'p' duration_us: 5 }",
        "inherits: 'secretmem' phases { name: 'p' duration_us: 5 rate_thousandths: 0 }",
        "inherits: 'secretmem' phases { name: 'p' duration_us: 5 rates { user: 'slab' rate_thousandths: 0 } }"}) {
    EXPECT_TRUE(digests.insert(of_mix(other)).second) << other;
  }
}

TEST(CanonicalTest, AgeingIsInlinedAndNoneOfItIsNone) {
  const std::string rest = "cache { none {} } workload { preset: 'secretmem' } ";
  const auto canonical = Canonicalize(Spec(rest + "ageing { preset: 'server-months' duration_us: 5 }"));
  ASSERT_OK(canonical);
  EXPECT_TRUE(canonical->ageing().has_mix());
  EXPECT_EQ(SpecSha256Hex(*Canonicalize(*canonical)), SpecSha256Hex(*canonical));
  EXPECT_EQ(SpecSha256Hex(*Canonicalize(WithDefaults(*canonical))), SpecSha256Hex(*canonical));
  EXPECT_EQ(Digest(rest + "ageing { mix { inherits: 'server-months' } duration_us: 5 }"), SpecSha256Hex(*canonical));
  EXPECT_NE(Digest(rest + "ageing { preset: 'server-months' duration_us: 6 }"), SpecSha256Hex(*canonical));
  EXPECT_EQ(Digest(rest + "ageing { preset: 'server-months' duration_us: 0 }"), Digest(rest));
  EXPECT_EQ(Digest(rest + "ageing {}"), Digest(rest));
}

// Whatever changes no permission, by what its kind says.
TEST(CanonicalTest, AgeingTakesEveryKindOfOrdinaryTraffic) {
  for (const char* kind : {"anonymous", "huge_page", "slab", "network", "page_cache"}) {
    EXPECT_OK(Canonicalize(Spec(absl::StrCat("cache { none {} } workload { preset: 'idle' } ageing { duration_us: 5 ",
                                             "mix { users { name: 'a' ", kind, " {} } } }"))))
        << kind;
  }
}

TEST(CanonicalTest, AgeingIsChecked) {
  const auto refusal = [](const std::string& ageing, const std::string& rest = "workload { preset: 'secretmem' }") {
    return std::string(
        Canonicalize(Spec("cache { none {} } " + rest + " ageing { " + ageing + " }")).status().message());
  };
  EXPECT_THAT(refusal("duration_us: 5"), HasSubstr("ageing: needs a preset or a mix"));
  EXPECT_THAT(refusal("preset: 'server-months'"), HasSubstr("ageing.duration_us: is required"));
  EXPECT_THAT(refusal("preset: 'server-year' duration_us: 5"), HasSubstr("ageing.preset: no preset \"server-year\""));
  EXPECT_THAT(refusal("preset: 'server-months' duration_us: 316224000000001"),
              HasSubstr("ageing.duration_us: 316224000000001us is out of range"));
  EXPECT_THAT(refusal("mix { inherits: 'server-month' } duration_us: 5"),
              HasSubstr("ageing.mix.inherits: no preset \"server-month\"; "));
  EXPECT_THAT(refusal("mix { inherits: 'server-months' users { name: 'slab' ordinary { order: 11 } } } duration_us: 5"),
              HasSubstr("ageing.mix.users[slab].ordinary.order: 11 is out of range"));
  EXPECT_THAT(refusal("preset: 'secretmem' duration_us: 5"),
              HasSubstr("ageing.mix.users[secretmem]: changes permissions"));
  EXPECT_THAT(refusal("preset: 'server-months' duration_us: 5", "workload { noop {} }"),
              HasSubstr("ageing: is for mixes alone"));
  EXPECT_THAT(refusal("preset: 'server-months' duration_us: 5",
                      "workload { preset: 'secretmem' } machine { memory_bytes: 4398046515200 }"),
              HasSubstr("ageing: is for machines of up to 4 TiB"));
}

// A recording on a machine that is its own snapshot.
v1::JobSpec RecordingSpec() {
  v1::JobSpec spec;
  spec.mutable_cache()->mutable_none();
  spec.mutable_workload()->mutable_recording()->set_file_sha256(std::string(64, 'a'));
  spec.mutable_machine()->set_boot_snapshot_sha256(std::string(64, 'a'));
  return spec;
}

TEST(CanonicalTest, RecordingsThatMeanTheSameHaveOneDigest) {
  const v1::JobSpec spec = RecordingSpec();
  const auto canonical = Canonicalize(spec);
  ASSERT_OK(canonical);
  EXPECT_EQ(CapturesOf(*canonical), std::vector<std::string>{std::string(64, 'a')});
  v1::JobSpec same = spec;
  same.mutable_length()->set_duration_us(5);
  same.mutable_workload()->mutable_recording()->set_loops(1);
  same.mutable_workload()->mutable_recording()->set_speed_thousandths(1000);
  const auto of_same = Canonicalize(same);
  ASSERT_OK(of_same);
  EXPECT_EQ(SpecSha256Hex(*of_same), SpecSha256Hex(*canonical));
  v1::JobSpec beside = spec;
  beside.mutable_workload()->mutable_recording()->mutable_beside()->set_inherits("web-server");
  const auto of_beside = Canonicalize(beside);
  ASSERT_OK(of_beside);
  EXPECT_TRUE(of_beside->workload().recording().beside().inherits().empty());
  EXPECT_FALSE(of_beside->workload().recording().beside().users().empty());
  EXPECT_NE(SpecSha256Hex(*of_beside), SpecSha256Hex(*canonical));
}

TEST(CanonicalTest, RecordingsAreChecked) {
  const auto error = [](const auto& change) {
    v1::JobSpec spec = RecordingSpec();
    change(spec);
    return std::string(Canonicalize(spec).status().message());
  };
  const auto recording = [](v1::JobSpec& spec) { return spec.mutable_workload()->mutable_recording(); };
  using ::testing::HasSubstr;
  EXPECT_THAT(error([&](v1::JobSpec& s) { recording(s)->clear_file_sha256(); }), HasSubstr("recording.file_sha256"));
  EXPECT_THAT(error([&](v1::JobSpec& s) { recording(s)->set_loops(0); }), HasSubstr("recording.loops"));
  EXPECT_THAT(error([&](v1::JobSpec& s) { recording(s)->set_loops(1001); }), HasSubstr("recording.loops"));
  EXPECT_THAT(error([&](v1::JobSpec& s) { recording(s)->set_speed_thousandths(1000001); }),
              HasSubstr("recording.speed"));
  EXPECT_THAT(error([&](v1::JobSpec& s) { recording(s)->mutable_beside()->add_users()->set_name("u"); }),
              HasSubstr("workload.recording.beside.users[u]"));
  EXPECT_THAT(error([&](v1::JobSpec& s) { s.mutable_length()->set_warmup_us(1); }), HasSubstr("length.warmup_us"));
  EXPECT_THAT(error([&](v1::JobSpec& s) { s.mutable_ageing()->set_preset("server-months"); }),
              HasSubstr("ageing: is for mixes alone"));
}

TEST(CanonicalTest, IsIdempotentAndDefaultsRoundTrip) {
  const auto canonical = Canonicalize(Spec("cache { global { refill_order: 3 } } workload { preset: 'secretmem' }"));
  ASSERT_OK(canonical);
  EXPECT_EQ(SpecSha256Hex(*Canonicalize(*canonical)), SpecSha256Hex(*canonical));
  const v1::JobSpec filled = WithDefaults(*canonical);
  EXPECT_EQ(filled.machine().memory_bytes(), uint64_t{4} << 30);
  EXPECT_EQ(filled.kernel().cpa_release(), v1::KERNEL_RELEASE_6_12);
  EXPECT_EQ(filled.workload().mix().users(0).secretmem().interval_us().exponential().mean(), 20000);
  EXPECT_FALSE(filled.cache().has_none());
  EXPECT_EQ(SpecSha256Hex(*Canonicalize(filled)), SpecSha256Hex(*canonical));
}

TEST(CanonicalTest, WithSeedEqualsCanonicalizing) {
  const v1::JobSpec canonical = *Canonicalize(Spec("cache { none {} } workload { noop {} } seed: 9"));
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{9}, ~uint64_t{0}}) {
    v1::JobSpec seeded = canonical;
    seeded.set_seed(seed);
    EXPECT_EQ(SpecSha256Hex(WithSeed(canonical, seed)), SpecSha256Hex(*Canonicalize(seeded))) << seed;
  }
}

// (cache_limits_test has every type.)
TEST(CanonicalTest, RefusesWhatTheCacheTypeRefuses) {
  EXPECT_THAT(Refusal("cache { per_user { free_path: FREE_PATH_DIVERT } } workload { noop {} }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("cache.per_user.free_path: divert is refused by per_user")));
  EXPECT_THAT(Refusal("cache { global { refill_order: 10 } } workload { noop {} }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cache.global.refill_order: 10 is out of range")));
}

TEST(CanonicalTest, RefusesUnknownValues) {
  v1::JobSpec spec = Spec("cache { global {} } workload { noop {} }");
  spec.mutable_cache()->mutable_global()->set_placement(static_cast<v1::Placement>(77));
  EXPECT_THAT(Canonicalize(spec),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cache.global.placement: unknown value 77")));
}

TEST(CanonicalTest, CallersThatCannotSleepAreOfKindsThatChangeSinglePages) {
  const auto refusal = [](const std::string& user) {
    return std::string(Refusal("cache { none {} } workload { mix { users { name: 'a' " + user + " } } }").message());
  };
  EXPECT_EQ(refusal("secretmem {} atomic_per_mille: 1000"), "");
  EXPECT_EQ(refusal("bpf {} atomic_per_mille: 0"), "");
  EXPECT_EQ(refusal("secretmem {} atomic_per_mille: 1001"),
            "workload.mix.users[a].atomic_per_mille: 1001 is out of range; allowed are 0 to 1000");
  EXPECT_EQ(refusal("bpf {} atomic_per_mille: 1"),
            "workload.mix.users[a].atomic_per_mille: bpf changes no single pages of a cache, which alone are asked for "
            "by callers that cannot sleep; leave it out, or take one of secretmem, page_tables, guest_memory, xpfo, "
            "uncached, dma");
  EXPECT_THAT(refusal("memory_failure {} atomic_per_mille: 1"), HasSubstr("memory_failure changes no single pages"));
}

TEST(CanonicalTest, RefusesUnknownFields) {
  v1::JobSpec spec = Spec("cache { none {} } workload { noop {} }");
  spec.mutable_machine()->GetReflection()->MutableUnknownFields(spec.mutable_machine())->AddVarint(999, 1);
  EXPECT_THAT(Canonicalize(spec), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("machine: has a field")));
}

TEST(CanonicalTest, RefusalNamesFieldAndRemedy) {
  const std::string rest = " cache { none {} } workload { noop {} }";
  EXPECT_THAT(Refusal("workload { noop {} }").message(), HasSubstr("cache: is required"));
  EXPECT_THAT(Refusal("cache { none {} }").message(), HasSubstr("workload: is required"));
  EXPECT_THAT(Refusal("machine { memory_bytes: 4096 }" + rest).message(),
              HasSubstr("machine.memory_bytes: 4096 is out of range"));
  EXPECT_THAT(Refusal("machine { memory_bytes: 268435457 }" + rest).message(), HasSubstr("multiple of 4096"));
  EXPECT_THAT(Refusal("machine { cpus: 0 }" + rest).message(), HasSubstr("machine.cpus"));
  EXPECT_THAT(Refusal("machine { numa_nodes: 65 }" + rest).message(),
              HasSubstr("machine.numa_nodes: 65 is out of range"));
  EXPECT_THAT(Refusal("machine { numa_nodes: 5 }" + rest).message(), HasSubstr("5 nodes need as many processors"));
  EXPECT_THAT(Refusal("machine { memory_bytes: 268435456 numa_nodes: 4 }" + rest).message(),
              HasSubstr("4 nodes need 512 MiB"));
  EXPECT_THAT(Refusal("machine { movable_per_mille: 901 }" + rest).message(),
              HasSubstr("machine.movable_per_mille: 901 is out of range; allowed are 0 to 900"));
  EXPECT_THAT(Refusal("machine { hotplug_bytes: 1048576 }" + rest).message(),
              HasSubstr("machine.hotplug_bytes: 1048576 is no multiple of 128 MiB"));
  EXPECT_THAT(Refusal("machine { hotplug_bytes: 141733920768 }" + rest).message(),
              HasSubstr("machine.hotplug_bytes: 135168 MiB is more than 32 times the 4096 MiB"));
  EXPECT_THAT(Refusal("machine { e820 { end_bytes: 268435456 } hotplug_bytes: 8724152320 }" + rest).message(),
              HasSubstr("times the 256 MiB"));
  EXPECT_THAT(
      Refusal("machine { hotplug_bytes: 134217728 boot_snapshot_sha256: '" + std::string(64, '0') + "' }" + rest)
          .message(),
      HasSubstr("machine.hotplug_bytes: must be left out"));
  EXPECT_THAT(Refusal("machine { cost { isolated_cpus: 1 } }" + rest).message(),
              HasSubstr("machine.cost: needs machine.cpu_profile"));
  const std::string zen = "machine { cpu_profile: CPU_PROFILE_ZEN_3 ";
  EXPECT_THAT(Refusal(zen + "cost { isolated_cpus: 4 } }" + rest).message(),
              HasSubstr("machine.cost.isolated_cpus: 4 is out of range; allowed are 0 to 3"));
  EXPECT_THAT(Refusal(zen + "cost { sent_interrupts_per_mille: 1001 } }" + rest).message(),
              HasSubstr("machine.cost.sent_interrupts_per_mille"));
  EXPECT_THAT(Refusal(zen + "cost { kernel_working_set_bytes: 70368744177665 } }" + rest).message(),
              HasSubstr("machine.cost.kernel_working_set_bytes"));
  EXPECT_THAT(Refusal("machine { memory_bytes: 1073741824 e820 { end_bytes: 1073741824 } }" + rest).message(),
              HasSubstr("must be left out"));
  EXPECT_THAT(Refusal("cache { none {} } workload { preset: 'nope' }").message(),
              HasSubstr("there are: bpf-observability, build-farm"));
  EXPECT_THAT(Refusal("cache { none {} } workload { replay { capture_sha256: 'AB' } }").message(),
              HasSubstr("64 lower-case hex"));
  EXPECT_THAT(
      Refusal(
          "cache { none {} } workload { mix { users { name: 'a' secretmem {} } users { name: 'a' secretmem {} } } }")
          .message(),
      HasSubstr("users[1].name: \"a\" is there twice"));
}

// Every frozen default must parse, or the first spec that leaves the field out would end the process.
void CheckDefaultsOf(const google::protobuf::Descriptor& type, std::set<std::string>& seen) {
  if (!seen.insert(type.full_name()).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const auto* field = type.field(i);
    if (field->options().HasExtension(v1::frozen_default)) {
      const auto* prototype = google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type);
      std::unique_ptr<google::protobuf::Message> message(prototype->New());
      const std::string& text = field->options().GetExtension(v1::frozen_default);
      const bool is_message = field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE;
      EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
          field->name() + (is_message ? "{" + text + "}" : ":" + text), message.get()))
          << field->full_name() << ": " << text;
    }
    if (field->message_type() != nullptr) CheckDefaultsOf(*field->message_type(), seen);
  }
}

TEST(CanonicalTest, EveryFrozenDefaultParses) {
  std::set<std::string> seen;
  CheckDefaultsOf(*v1::JobSpec::descriptor(), seen);
  EXPECT_GT(seen.size(), 20u);
}

TEST(CanonicalTest, AbsentAndZeroMetricsDiffer) {
  v1::JobResult absent;
  v1::JobResult zero;
  zero.mutable_metrics()->set_splits_2m(0);
  EXPECT_NE(ResultSha256Hex(absent), ResultSha256Hex(zero));
}

}  // namespace
}  // namespace dmfrag
