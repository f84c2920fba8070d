// The qemu driver with a real kernel and a small guest (guest.cc) under TCG. Each test boots at most one microVM.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <sstream>

#include "base/confine.h"
#include "image/image_store.h"
#include "image/programs.h"
#include "image/squashfs.h"
#include "image/test_support.h"
#include "vm/preflight.h"
#include "vm/qemu.h"

namespace hpcc {
namespace {

using namespace image_test;

constexpr int64_t kBootMs = 120'000;  // a loaded machine

std::string kernel() { return find_guest_kernel(HPCC_BIN_DIR); }

#define NEEDS_QEMU()                                                                     \
  if (!find_qemu().ok()) GTEST_SKIP() << find_qemu().error().message;                    \
  if (!find_mksquashfs().ok()) GTEST_SKIP() << find_mksquashfs().error().message;        \
  if (kernel().empty()) GTEST_SKIP() << "no guest kernel: run ./dev guest"

std::string status_field(pid_t pid, const std::string& name) {
  std::istringstream status(contents("/proc/" + std::to_string(pid) + "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.compare(0, name.size() + 1, name + ":") != 0) continue;
    std::istringstream words(line.substr(name.size() + 1));
    std::string word;
    words >> word;
    return word;
  }
  return "missing";
}

// Descriptors of this process and processes below it: what a leak would add to.
struct Count {
  size_t descriptors = 0, children = 0;
  static Count now() {
    Count count;
    count.descriptors = list_directory("/proc/self/fd")->size();
    const std::string own = std::to_string(getpid());
    const Result<std::vector<std::string>> processes = list_directory("/proc");
    for (const std::string& name : *processes) {
      if (!isdigit(static_cast<unsigned char>(name[0]))) continue;
      if (status_field(std::stoi(name), "PPid") == own) ++count.children;
    }
    return count;
  }
  bool operator==(const Count&) const = default;
};

class Qemu : public testing::Test {
 protected:
  void SetUp() override {
    NEEDS_QEMU();
    const std::string big(1 << 20, 'b');
    write_layout(temp_.path + "/layout", {tar({{"etc/name", '0', "verified\n"}, {"big", '0', big}})});
    Result<ImageStore> store = ImageStore::open(temp_.path + "/images");
    ImageAdd what;
    what.layout_dir = temp_.path + "/layout";
    Result<AddedImage> added = store->add(what, Deadline::after_ms(60'000));
    ASSERT_TRUE(added.ok()) << added.error().to_string();
    spec_.rootfs = *store->find(added->digest);
    spec_.kernel = kernel();
    spec_.agent = HPCC_TEST_GUEST;
    spec_.state_dir = temp_.path + "/state";
    spec_.memory_mib = 192;
    before_ = Count::now();
  }
  void expect_nothing_left() {
    EXPECT_TRUE(before_ == Count::now());
    EXPECT_FALSE(is_there(spec_.state_dir));
  }
  std::unique_ptr<Sandbox> start() {
    Result<std::unique_ptr<Sandbox>> sandbox = start_qemu(spec_, Deadline::after_ms(kBootMs));
    EXPECT_TRUE(sandbox.ok()) << sandbox.error().to_string();
    return sandbox.ok() ? std::move(*sandbox) : nullptr;
  }
  static Fd connect(Sandbox& sandbox) {
    Result<Fd> stream = sandbox.connect(Deadline::after_ms(kBootMs));
    EXPECT_TRUE(stream.ok()) << stream.error().to_string();
    return stream.ok() ? std::move(*stream) : Fd();
  }
  static std::string ask(const Fd& stream, const std::string& question) {
    const std::string line = question + "\n";
    if (send(stream.get(), line.data(), line.size(), MSG_NOSIGNAL) < 0) return "(closed)";
    std::string answer;
    const Deadline deadline = Deadline::after_ms(60'000);
    while (answer.empty() || answer.back() != '\n') {
      struct pollfd wait = {stream.get(), POLLIN, 0};
      if (poll(&wait, 1, deadline.remaining_ms()) <= 0) return "(no answer)";
      char bytes[4096];
      const ssize_t got = recv(stream.get(), bytes, sizeof bytes, 0);
      if (got <= 0) return "(closed)";
      answer.append(bytes, static_cast<size_t>(got));
    }
    answer.pop_back();
    return answer;
  }
  static bool ended(const Sandbox& sandbox) {
    struct pollfd wait = {sandbox.ended_fd(), POLLIN, 0};
    return poll(&wait, 1, 30'000) == 1;
  }

  TempDir temp_;
  SandboxSpec spec_;
  Count before_;
};

TEST_F(Qemu, AGuestReadsItsVerifiedRootAndReachesNothingElse) {
  std::unique_ptr<Sandbox> sandbox = start();
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(sandbox->info().driver, "qemu-tcg");
  EXPECT_EQ(sandbox->info().rootfs_hash, spec_.rootfs.root_hash);
  EXPECT_EQ(sandbox->info().kernel_digest.size(), 64u);
  const QemuProcesses processes = qemu_processes(*sandbox);
  for (const pid_t pid : {processes.qemu, processes.vsock}) {
    EXPECT_EQ(status_field(pid, "NoNewPrivs"), "1");
    EXPECT_EQ(status_field(pid, "Seccomp"), "2");
    EXPECT_EQ(status_field(pid, "CapEff"), "0000000000000000");
    const uid_t own = geteuid() == 0 ? kOwnUidBase + static_cast<uid_t>(pid) : geteuid();
    EXPECT_EQ(status_field(pid, "Uid"), std::to_string(own));
  }
  Fd stream = connect(*sandbox);
  EXPECT_EQ(ask(stream, "f /image/etc/name"), "verified");
  EXPECT_EQ(ask(stream, "n"), "lo ");
  EXPECT_EQ(ask(stream, "c"), "Connection reset by peer");
  EXPECT_EQ(ask(stream, "e " + std::string(3000, 'x')), std::string(3000, 'x'));
  stream.reset();
  ASSERT_TRUE(sandbox->stop(Deadline::after_ms(20'000)).ok());
  sandbox.reset();
  expect_nothing_left();
}

TEST_F(Qemu, ATamperedBlockOfTheRootEndsTheGuest) {
  ASSERT_EQ(chmod(spec_.rootfs.squashfs.c_str(), 0644), 0);
  Fd file(open(spec_.rootfs.squashfs.c_str(), O_RDWR));
  char byte = 0;
  ASSERT_EQ(pread(file.get(), &byte, 1, 100), 1);  // the superblock's: read at mount
  byte = static_cast<char>(byte ^ 1);
  ASSERT_EQ(pwrite(file.get(), &byte, 1, 100), 1);
  file.reset();
  std::unique_ptr<Sandbox> sandbox = start();
  ASSERT_NE(sandbox, nullptr);
  EXPECT_TRUE(ended(*sandbox));
  Result<Fd> stream = sandbox->connect(Deadline::after_ms(1000));
  ASSERT_FALSE(stream.ok());
  EXPECT_NE(stream.error().message.find("ended"), std::string::npos) << stream.error().message;
  sandbox.reset();
  expect_nothing_left();
}

TEST_F(Qemu, AGuestThatPanicsIsSeenToHaveEnded) {
  std::unique_ptr<Sandbox> sandbox = start();
  ASSERT_NE(sandbox, nullptr);
  {
    const Fd stream = connect(*sandbox);
    ask(stream, "p");
  }
  EXPECT_TRUE(ended(*sandbox));
  sandbox.reset();
  expect_nothing_left();
}

TEST_F(Qemu, WhicheverProcessIsKilledNothingIsLeft) {
  for (int which = 0; which < 3; ++which) {
    std::unique_ptr<Sandbox> sandbox = start();
    ASSERT_NE(sandbox, nullptr);
    const QemuProcesses processes = qemu_processes(*sandbox);
    const pid_t victim = which == 0 ? processes.supervisor : which == 1 ? processes.qemu : processes.vsock;
    ASSERT_EQ(::kill(victim, SIGKILL), 0);
    EXPECT_TRUE(ended(*sandbox)) << which;
    EXPECT_TRUE(sandbox->stop(Deadline::after_ms(20'000)).ok()) << which;
    sandbox.reset();
    expect_nothing_left();
  }
}

TEST_F(Qemu, WhatCannotStartIsAnErrorAndLeavesNothing) {
  const SandboxSpec good = spec_;
  const auto refused = [&] {
    Result<std::unique_ptr<Sandbox>> sandbox = start_qemu(spec_, Deadline::after_ms(5000));
    const bool failed = !sandbox.ok();
    expect_nothing_left();
    spec_ = good;
    return failed;
  };
  spec_.kernel = "/nonexistent/vmlinux";
  EXPECT_TRUE(refused());
  spec_.kernel = spec_.rootfs.squashfs;
  EXPECT_TRUE(refused());
  spec_.agent = "/nonexistent/agent";
  EXPECT_TRUE(refused());
  spec_.rootfs.squashfs += "x";
  EXPECT_TRUE(refused());
  spec_.role_program = "/bin/false";
  EXPECT_TRUE(refused());
}

TEST(Preflight, NamesEachRequirementWithARemedyWhereItIsMissing) {
  const std::vector<Requirement> all = preflight("", "");
  std::map<std::string, int> drivers;
  for (const Requirement& one : all) {
    ++drivers[one.driver];
    EXPECT_EQ(one.state == Requirement::State::kFound, one.remedy.empty()) << one.name;
    EXPECT_FALSE(one.detail.empty()) << one.name;
  }
  EXPECT_EQ(drivers.size(), 3u);
  EXPECT_FALSE(driver_works(all, "qemu"));  // no kernel was given
}

TEST(Preflight, KvmIsTriedAndNotAssumed) {
  NEEDS_QEMU();
  const Status kvm = probe_kvm(kernel(), Deadline::after_ms(30'000));
  EXPECT_TRUE(!kvm.ok() || access("/dev/kvm", R_OK | W_OK) == 0);
  printf("KVM: %s\n", kvm.ok() ? "a kernel runs under it" : kvm.error().to_string().c_str());
}

}  // namespace
}  // namespace hpcc
