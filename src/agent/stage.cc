#include "agent/stage.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>

#include "base/fs.h"
#include "model/digest.h"

namespace hpcc {
namespace {

constexpr time_t kStagedTime = 315532800;  // 1980-01-01: what __TIMESTAMP__ sees must not depend on when it was staged

class Stage {
 public:
  Stage(int blobs, int work, unsigned owner) : blobs_(blobs), work_(work), owner_(owner) {}

  Status directory(const std::string& path) {
    if (path == "." || !made_.insert(path).second) return {};
    TRY(directory(std::string(directory_of(path))));
    if (mkdirat(work_, path.c_str(), 0755) != 0) return errno_error("mkdir " + path);
    if (fchownat(work_, path.c_str(), owner_, owner_, AT_SYMLINK_NOFOLLOW) != 0) return errno_error("chown " + path);
    return {};
  }

  Status file(const v1::Input& input) {
    const std::string& path = input.path();
    TRY(directory(std::string(directory_of(path))));
    Fd from(openat(blobs_, hex_encode(input.digest()).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!from) return errno_error("blob of input " + path);
    const mode_t mode = input.executable() ? 0755 : 0644;
    Fd to(openat(work_, path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!to) return errno_error("stage " + path);
    for (;;) {
      const ssize_t moved = sendfile(to.get(), from.get(), nullptr, 1u << 30);
      if (moved == 0) break;
      if (moved < 0 && errno != EINTR) return errno_error("stage " + path);
    }
    const struct timespec times[2] = {{kStagedTime, 0}, {kStagedTime, 0}};
    if (fchown(to.get(), owner_, owner_) != 0 || futimens(to.get(), times) != 0) return errno_error("stage " + path);
    return {};
  }

 private:
  int blobs_, work_;
  unsigned owner_;
  std::set<std::string> made_;
};

// 0 and no descriptor when there is nothing of that name.
Result<Fd> open_output(int work, const std::string& path) {
  struct open_how how = {};
  how.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  Fd fd(static_cast<int>(syscall(SYS_openat2, work, path.c_str(), &how, sizeof how)));
  if (fd || errno == ENOENT || errno == ENOTDIR) return fd;
  return Error{Code::kPermission, "output " + path + " cannot be opened as a file", errno};
}

}  // namespace

Status stage_inputs(const v1::Compile& compile, int blobs, int work, unsigned owner) {
  Stage stage(blobs, work, owner);
  for (const std::string& path : compile.directories()) TRY(stage.directory(path));
  for (const v1::Input& input : compile.inputs()) TRY(stage.file(input));
  for (const std::string& path : compile.outputs()) TRY(stage.directory(std::string(directory_of(path))));
  if (!compile.working_directory().empty()) TRY(stage.directory(compile.working_directory()));
  return {};
}

Result<std::vector<FoundOutput>> open_outputs(const v1::Compile& compile, int work) {
  std::vector<FoundOutput> found;
  uint64_t total_bytes = 0;
  for (int i = 0; i < compile.outputs_size(); ++i) {
    const std::string& path = compile.outputs(i);
    TRY_ASSIGN(Fd file, open_output(work, path));
    if (!file) continue;
    struct stat info;
    if (fstat(file.get(), &info) != 0) return errno_error("stat " + path);
    if (!S_ISREG(info.st_mode)) return Error{Code::kPermission, "output " + path + " is no regular file", 0};
    const uint64_t size_bytes = static_cast<uint64_t>(info.st_size);
    if (size_bytes > compile.limits().output_bytes() - total_bytes) {
      return Error{Code::kLimit, "output " + path + ": outputs are larger than allowed", 0};
    }
    total_bytes += size_bytes;
    found.push_back({static_cast<uint32_t>(i), size_bytes, (info.st_mode & 0111) != 0, std::move(file)});
  }
  return found;
}

}  // namespace hpcc
