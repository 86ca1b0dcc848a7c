#include "client/capture/machine_snapshot.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// A machine of a test: files below a folder.
class MachineSnapshotTest : public testing::Test {
 protected:
  MachineSnapshotTest()
      : root_(std::filesystem::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(root_);
    Put("/proc/sys/kernel/osrelease", "6.12.0-test\n");
    Put("/proc/cmdline", "root=UUID=1234 mem=4G nogbpages\n");
    Put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu pse pdpe1gb\n");
    Put("/sys/devices/system/cpu/online", "0-3,8\n");
    Put("/proc/iomem",
        "00001000-0009ffff : System RAM\n000a0000-000fffff : PCI Bus 0000:00\n00100000-3fffffff : System RAM\n"
        "  01000000-01ffffff : Kernel code\n");
    for (const char* name : {"meminfo", "vmstat", "buddyinfo", "pagetypeinfo", "zoneinfo"}) {
      Put(std::string("/proc/") + name, std::string(name) + " text\n");
    }
  }

  void Put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ / path.substr(1);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void PutMemory(const std::string& number, const std::string& start, const std::string& end, const std::string& type) {
    Put("/sys/firmware/memmap/" + number + "/start", start + "\n");
    Put("/sys/firmware/memmap/" + number + "/end", end + "\n");
    Put("/sys/firmware/memmap/" + number + "/type", type + "\n");
  }
  v1::MachineSnapshot Take(bool privacy = false) {
    return TakeMachineSnapshot(SystemFiles(root_), {.privacy = privacy});
  }

  const std::filesystem::path root_;
};

TEST_F(MachineSnapshotTest, KeepsWhatTheFilesSay) {
  PutMemory("1", "0x100000", "0x1fffff", "System RAM");
  PutMemory("0", "0x0", "0x9fbff", "System RAM");
  PutMemory("2", "0x200000", "0x2fffff", "Reserved");
  PutMemory("3", "0x180000", "0x1fffff", "System RAM");
  const v1::MachineSnapshot snapshot = Take();
  EXPECT_EQ(snapshot.kernel_release(), "6.12.0-test");
  EXPECT_EQ(snapshot.command_line(), "root=UUID=1234 mem=4G nogbpages");
  EXPECT_EQ(snapshot.cpu_model(), "Some CPU");
  EXPECT_EQ(snapshot.cpu_flags(), "fpu pse pdpe1gb");
  EXPECT_EQ(snapshot.cpus(), 5u);
  EXPECT_EQ(snapshot.buddyinfo(), "buddyinfo text\n");
  EXPECT_EQ(snapshot.zoneinfo(), "zoneinfo text\n");
  ASSERT_EQ(snapshot.usable_size(), 2);
  EXPECT_EQ(snapshot.usable(0).end_bytes(), 0x9fc00u);
  EXPECT_EQ(snapshot.usable(1).start_bytes(), 0x100000u);
  EXPECT_EQ(snapshot.usable(1).end_bytes(), 0x200000u);
  EXPECT_THAT(snapshot.missing(), testing::ElementsAre(HasSubstr("/proc/kcore is not there")));
}

TEST_F(MachineSnapshotTest, WithoutTheFirmwareMapSystemRamIsWhatIsUsable) {
  const v1::MachineSnapshot snapshot = Take();
  ASSERT_EQ(snapshot.usable_size(), 2);
  EXPECT_EQ(snapshot.usable(1).start_bytes(), 0x100000u);
  EXPECT_EQ(snapshot.usable(1).end_bytes(), 0x40000000u);
  EXPECT_THAT(snapshot.missing(), Contains(HasSubstr("/sys/firmware/memmap could not be read")));
}

TEST_F(MachineSnapshotTest, HiddenAddressesAreSaidToBeHidden) {
  Put("/proc/iomem", "00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n");
  const v1::MachineSnapshot snapshot = Take();
  EXPECT_EQ(snapshot.usable_size(), 0);
  EXPECT_THAT(snapshot.missing(), Contains(HasSubstr("they are hidden from this user; run as root")));
  EXPECT_THAT(snapshot.missing(), Contains(HasSubstr("The map of usable memory is not known")));
}

TEST_F(MachineSnapshotTest, EachFileThatIsNotThereIsASentence) {
  for (const char* path : {"/proc/meminfo", "/proc/vmstat", "/proc/buddyinfo", "/proc/pagetypeinfo", "/proc/zoneinfo",
                           "/proc/cmdline", "/proc/cpuinfo", "/proc/sys/kernel/osrelease"}) {
    std::filesystem::remove(root_ / std::string(path).substr(1));
    EXPECT_THAT(Take().missing(), Contains(std::string(path) + " could not be read: this kernel does not provide it."));
  }
}

TEST_F(MachineSnapshotTest, PrivacyKeepsMemoryAlone) {
  const v1::MachineSnapshot snapshot = Take(/*privacy=*/true);
  EXPECT_EQ(snapshot.command_line(), "mem=4G nogbpages");
  EXPECT_THAT(snapshot.iomem(), HasSubstr("Kernel code"));
  EXPECT_THAT(snapshot.iomem(), Not(HasSubstr("PCI")));
}

}  // namespace
}  // namespace dmfrag::client
