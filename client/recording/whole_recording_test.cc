// One recording of one kernel, call stacks and all, as three tools give it, in every form that can be imported. It was
// made in a tracing instance of its own: kmem:mm_page_alloc and mm_page_free with options/stacktrace, for the life of
// one /bin/true; then its `trace` was read, and `trace-cmd extract` and `trace-cmd report` were run.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "client/recording/import.h"
#include "client/recording/run_snapshot.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/recording/reader.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

using recording::Event;
using testing::Contains;
using testing::HasSubstr;

constexpr char kTestdata[] = "client/recording/testdata/";
// Of `trace`, without its call stacks.
constexpr size_t kEvents = 116;

struct Imported {
  absl::StatusOr<ImportSummary> summary = absl::UnknownError("not run");
  std::string file;
  v1::RecordingStart start;
  v1::RecordingTables tables;
  v1::RecordingEnd end;
  std::vector<Event> events;
};

Imported ImportPath(const std::string& path, const ImportOptions& options = {}) {
  Imported result;
  result.summary = ImportRecording(path, options, [&](std::string_view part) {
    result.file.append(part);
    return absl::OkStatus();
  });
  if (!result.summary.ok()) return result;
  const auto reader = recording::Reader::Open(result.file);
  EXPECT_OK(reader);
  if (!reader.ok()) return result;
  result.start = (*reader)->start();
  result.tables = (*reader)->tables();
  result.end = (*reader)->end();
  for (auto block = (*reader)->NextBlock(); block.ok() && !block->empty(); block = (*reader)->NextBlock()) {
    result.events.insert(result.events.end(), block->begin(), block->end());
  }
  return result;
}

Imported ImportTestdata(const std::string& name) { return ImportPath(kTestdata + name); }

std::string BytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string WriteFile(const std::string& name, const std::string& bytes) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  return path;
}

void ExpectEqual(const Imported& one, const Imported& other) {
  ASSERT_OK(one.summary);
  ASSERT_OK(other.summary);
  EXPECT_EQ(one.events, other.events);
  EXPECT_EQ(one.tables.DebugString(), other.tables.DebugString());
}

TEST(WholeRecordingTest, TheKernelsTextTraceCmdsAndTraceDatAreEqualWithTheirStacks) {
  const Imported text = ImportTestdata("recording.txt.xz");
  const Imported dat = ImportTestdata("recording.dat");
  ExpectEqual(text, dat);
  ExpectEqual(text, ImportTestdata("recording_report.txt.gz"));
  EXPECT_EQ(dat.summary->source, "trace.dat");
  EXPECT_EQ(dat.events.size(), kEvents);
  EXPECT_EQ(dat.end.lost_events(), 0);
  EXPECT_EQ(dat.end.skipped_size(), 0) << dat.end.DebugString();
  std::set<std::string> comms;
  int with_fork = 0;
  for (const auto& origin : dat.tables.origins()) {
    comms.insert(origin.comm());
    ASSERT_GT(origin.stack_size(), 3) << origin.DebugString();
    with_fork += std::count(origin.stack().begin(), origin.stack().end(), "copy_process") > 0 ? 1 : 0;
  }
  EXPECT_THAT(comms, testing::IsSupersetOf({"bash", "true"}));
  EXPECT_GT(with_fork, 0);
}

TEST(WholeRecordingTest, EveryCompressionGivesTheSameRecordingFile) {
  const std::string xz = ImportTestdata("recording.txt.xz").file;
  ASSERT_FALSE(xz.empty());
  EXPECT_EQ(ImportTestdata("recording.txt.gz").file, xz);
  EXPECT_EQ(ImportTestdata("recording.txt.zst").file, xz);
}

TEST(WholeRecordingTest, ACompressedFileThatWasCutOffIsRefusedAndKeptInPartIfAsked) {
  for (const char* name : {"recording.txt.xz", "recording.txt.gz", "recording.txt.zst"}) {
    SCOPED_TRACE(name);
    const std::string whole = BytesOf(std::string(kTestdata) + name);
    const std::string path = WriteFile("cut", whole.substr(0, whole.size() - 100));
    const Imported cut = ImportPath(path);
    EXPECT_THAT(cut.summary.status(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("--partial")));
    const Imported partial = ImportPath(path, {.partial = true});
    // A decompressor may hold back a block that is all there is: then there is nothing to keep, and that is said.
    if (!partial.summary.ok()) {
      EXPECT_THAT(partial.summary.status(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("cut off")));
      continue;
    }
    EXPECT_LT(partial.events.size(), kEvents);
    EXPECT_THAT(partial.end.limitations(), Contains(HasSubstr("imported in part")));
  }
}

TEST(WholeRecordingTest, ATraceDatThatWasCutOffIsRefusedWhereverItWasCut) {
  const std::string whole = BytesOf(std::string(kTestdata) + "recording.dat");
  ASSERT_GT(whole.size(), 10000u);
  for (const size_t size : {size_t{100}, whole.size() / 4, whole.size() / 2, whole.size() - 1000}) {
    const Imported cut = ImportPath(WriteFile("cut.dat", whole.substr(0, size)));
    EXPECT_THAT(cut.summary.status(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("trace.dat"))) << size;
  }
}

TEST(WholeRecordingTest, APipeGivesWhatTheFileGives) {
  const std::string path = testing::TempDir() + "/pipe";
  for (const char* name : {"recording.txt.zst", "recording.dat"}) {
    SCOPED_TRACE(name);
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    std::thread writer([&] { std::ofstream(path, std::ios::binary) << BytesOf(std::string(kTestdata) + name); });
    const Imported piped = ImportPath(path);
    writer.join();
    ASSERT_EQ(unlink(path.c_str()), 0);
    ASSERT_OK(piped.summary);
    EXPECT_EQ(piped.file, ImportTestdata(name).file);
  }
}

TEST(WholeRecordingTest, ARecordingFileIsReadAgainWithOtherRules) {
  const Imported first = ImportTestdata("recording.txt.xz");
  const std::string path = WriteFile("first.dmrec", first.file);
  ExpectEqual(first, ImportPath(path));
  EXPECT_EQ(ImportPath(path).file, first.file) << "with the same rules, the same file";
  const auto rules = UserRules::Parse(
      "rules:\n"
      "  - {user: forks, kind: ordinary, match: {stack: copy_process}}\n"
      "  - {user: rest, kind: anonymous}\n",
      "rules.yaml");
  ASSERT_OK(rules);
  const Imported again = ImportPath(path, {.users = &*rules});
  ExpectEqual(first, again);
  EXPECT_NE(again.end.users_sha256(), first.end.users_sha256());
  ASSERT_EQ(again.end.users_size(), 2);
  EXPECT_EQ(again.end.users(0).name(), "forks");
  for (int i = 0; i < again.tables.origins_size(); ++i) {
    const auto& stack = again.tables.origins(i).stack();
    const bool forks = std::count(stack.begin(), stack.end(), "copy_process") > 0;
    EXPECT_EQ(again.end.origin_users(i).unchanged(), forks ? 0u : 1u) << i;
  }
  EXPECT_EQ(again.summary->by_kind, first.summary->by_kind);
}

TEST(WholeRecordingTest, TheMachineOfARunIsKeptAndGivenToARecordingThatIsThereAlready) {
  auto run = ReadRunSnapshots("tests/kernel/captures/tr-612-2G-1.json.xz");
  ASSERT_OK(run);
  ImportOptions options;
  options.before = run->before;
  options.after = run->after;
  const Imported first = ImportPath(std::string(kTestdata) + "recording.txt.xz", options);
  ASSERT_OK(first.summary);
  EXPECT_EQ(first.start.before().SerializeAsString(), run->before.SerializeAsString());
  EXPECT_EQ(first.end.after().SerializeAsString(), run->after.SerializeAsString());
  EXPECT_FALSE(first.start.before().meminfo().empty());
  const Imported bare = ImportTestdata("recording.txt.xz");
  EXPECT_FALSE(bare.start.has_before());
  const Imported later = ImportPath(WriteFile("bare.dmrec", bare.file), options);
  ASSERT_OK(later.summary);
  EXPECT_EQ(later.file, first.file);
}

}  // namespace
}  // namespace dmfrag::client
