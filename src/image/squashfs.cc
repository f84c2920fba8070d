#include "image/squashfs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/fs.h"
#include "image/programs.h"

namespace hpcc {
namespace {

constexpr int kOutput = 3, kTree = 4;

// No owner, attributes or time but the tree's own file times; files in name order is mksquashfs's habit. Level 6: the
// guest reads it as fast as level 15, which takes four times as long to write.
std::vector<std::string> command() {
  const std::string fd = "/proc/self/fd/";
  return {"mksquashfs", fd + std::to_string(kTree) + "/.", fd + std::to_string(kOutput), "-noappend", "-no-progress",
          "-quiet", "-all-root", "-no-xattrs", "-no-exports", "-mkfs-time", "0", "-comp", "zstd",
          "-Xcompression-level", "6", "-b", "131072", "-mem", "256M", "-processors", "2"};
}

}  // namespace

Status write_squashfs(const std::string& tree_dir, const std::string& file, Deadline deadline) {
  TRY_ASSIGN(const std::string program, find_mksquashfs());
  // Opened again by another uid through /proc/self/fd: for that moment anyone may, but the directory is the caller's.
  Fd output(open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!output || fchmod(output.get(), 0666) != 0) return errno_error("create " + file);
  Fd tree(open(tree_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!tree) return errno_error("open " + tree_dir);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  Fd said(ends[0]), writer(ends[1]);
  ChildSpec spec;
  spec.program = program;
  spec.argv = command();
  spec.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"};
  spec.descriptors = {-1, writer.get(), writer.get(), output.get(), tree.get()};
  Confinement& confinement = spec.confinement.emplace();
  confinement.memory_bytes = uint64_t{4} << 30;
  confinement.cpu_s = 3600;
  confinement.descriptors = 512;
  confinement.threads = 64;
  confinement.readable = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc", "/sys/devices/system", "/dev/null",
                          tree_dir};
  confinement.writable = {file};
  TRY_ASSIGN(Child child, Child::start(spec));
  writer.reset();
  Result<int> code = child.wait(deadline);
  if (!code.ok()) return Error{code.error().code, "mksquashfs: " + code.error().message, 0};
  if (*code != 0) {
    fcntl(said.get(), F_SETFL, O_NONBLOCK);
    char text[512];
    const ssize_t got = read(said.get(), text, sizeof text);
    return Error{Code::kIo, "mksquashfs failed: " + std::string(text, got > 0 ? static_cast<size_t>(got) : 0), 0};
  }
  if (fchmod(output.get(), 0444) != 0) return errno_error("chmod " + file);
  return {};
}

}  // namespace hpcc
