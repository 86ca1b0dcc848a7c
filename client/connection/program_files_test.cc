#include "client/connection/program_files.h"

#include <stdlib.h>

#include <fstream>
#include <string>

#include "client/testing/fake_environment.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::client {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ProgramFilesTest : public testing::Test {
 protected:
  ProgramFilesTest() {
    std::string folder = "/tmp/dmfrag-programs-XXXXXX";
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~ProgramFilesTest() override { fs::remove_all(folder_); }

  fs::path Install(const std::string& name, fs::perms permissions = fs::perms::owner_all) {
    const fs::path file = folder_ / name;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << "#!/bin/sh\n";
    fs::permissions(file, permissions);
    return file;
  }

  absl::StatusOr<fs::path> Find(Program program) {
    return FindProgram(program, folder_ / "client/dmfrag", fake_.environment);
  }

  fs::path folder_;
  FakeEnvironment fake_;
};

TEST_F(ProgramFilesTest, TheNearestIsTaken) {
  fake_.variables["PATH"] = "/nowhere:" + (folder_ / "bin").native();
  const fs::path in_path = Install("bin/dmfrag-worker");
  EXPECT_EQ(Find(Program::kWorker).value(), in_path);
  const fs::path in_bazel = Install("worker/dmfrag-worker");
  EXPECT_EQ(Find(Program::kWorker).value(), in_bazel);
  const fs::path beside = Install("client/dmfrag-worker");
  EXPECT_EQ(Find(Program::kWorker).value(), beside);
  const fs::path named = Install("elsewhere/w");
  fake_.variables["DMFRAG_WORKER_PROGRAM"] = named.native();
  EXPECT_EQ(Find(Program::kWorker).value(), named);
}

TEST_F(ProgramFilesTest, WhatCannotBeRunIsPassedOver) {
  Install("client/dmfrag-server", fs::perms::owner_read);
  fs::create_directories(folder_ / "server/dmfrag-server");
  EXPECT_THAT(Find(Program::kServer),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       testing::AllOf(HasSubstr("the program dmfrag-server is neither at " + folder_.native()),
                                      HasSubstr("name it in DMFRAG_SERVER_PROGRAM"))));
}

TEST_F(ProgramFilesTest, ANamedProgramMustBeThere) {
  fake_.variables["DMFRAG_SERVER_PROGRAM"] = "/no/such";
  Install("client/dmfrag-server");
  EXPECT_THAT(Find(Program::kServer),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "DMFRAG_SERVER_PROGRAM is /no/such, which is no program; mend or unset it"));
}

}  // namespace
}  // namespace dmfrag::client
