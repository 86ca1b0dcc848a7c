#include <filesystem>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/sqlite/testing/shim_vfs.h"
#include "storage/testing/test_rows.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::storage::sqlite {
namespace {

// Counts how the database is opened, and by which threads its files are changed.
class OpenCounter : public FileCallHooks {
 public:
  Verdict Before(const FileCall& call) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (call.operation == FileOperation::kOpen) {
      if (call.read_write) ++read_write_opens_;
      if (absl::EndsWith(absl::string_view(call.path.data(), call.path.size()), ".db")) ++opens_;
    } else if (watching_ && call.operation != FileOperation::kRead) {
      writers_.insert(std::this_thread::get_id());
    }
    return {};
  }
  void Watch() {
    std::lock_guard<std::mutex> lock(mutex_);
    watching_ = true;
  }
  int read_write_opens() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return read_write_opens_;
  }
  int opens() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return opens_;
  }
  size_t writing_threads() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return writers_.size();
  }

 private:
  mutable std::mutex mutex_;
  int read_write_opens_ ABSL_GUARDED_BY(mutex_) = 0;
  int opens_ ABSL_GUARDED_BY(mutex_) = 0;
  bool watching_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::thread::id> writers_ ABSL_GUARDED_BY(mutex_);
};

TEST(OneWriterTest, OneConnectionOnOneThreadDoesCommitsAndCheckpoints) {
  OpenCounter counter;
  ShimVfs vfs("open_counter", &counter);
  SqliteOptions options;
  options.vfs = vfs.name();
  options.checkpoint_frames = 5;
  options.reader_connections = 3;
  const std::string path = absl::StrCat(testing::TempDir(), "/one_writer_test.db");
  std::filesystem::remove(path);
  const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path, options);
  ASSERT_OK(store);
  counter.Watch();
  std::vector<std::thread> threads;
  for (int64_t thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&, thread] {
      for (int64_t id = 1 + 20 * thread; id <= 20 + 20 * thread; ++id) {
        EXPECT_OK((*store)->CommitAndWait(MakeExperiment(id, 3, 1, 10 * id)));
        EXPECT_OK((*store)->reader().GetResult(10 * id));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.read_write_opens(), 1);
  EXPECT_GT(counter.opens(), 1);  // readers there were
  EXPECT_LE(counter.opens(), 4);
  EXPECT_EQ(counter.writing_threads(), 1u);
}

}  // namespace
}  // namespace dmfrag::storage::sqlite
