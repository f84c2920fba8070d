#include "store/place.h"

#include <fcntl.h>
#include <sys/vfs.h>

#include <cerrno>

#include "model/digest.h"

namespace hpcc::store {
namespace {

enum class FileSystem { kPlain, kCopyOnWrite, kUnknown };

// By statfs(2)'s f_type. What is not listed is taken for a network or user-space file system. An overlay may have any
// of the others below it, so it counts as copy-on-write.
FileSystem file_system_of(const std::string& dir) {
  struct statfs fs;
  if (::statfs(dir.c_str(), &fs) != 0) return FileSystem::kUnknown;
  switch (static_cast<uint32_t>(fs.f_type)) {
    case 0xEF53:      // ext2, ext3, ext4
    case 0x58465342:  // xfs
    case 0x01021994:  // tmpfs
    case 0x858458F6:  // ramfs
    case 0xF2F52010:  // f2fs
    case 0x3153464A:  // jfs
      return FileSystem::kPlain;
    case 0x9123683E:  // btrfs
    case 0x2FC12FC1:  // zfs
    case 0xCA451A4E:  // bcachefs
    case 0x00003434:  // nilfs
    case 0x794C7630:  // overlayfs
      return FileSystem::kCopyOnWrite;
  }
  return FileSystem::kUnknown;
}

CounterAccess access_on(FileSystem fs) {
  return fs == FileSystem::kPlain ? CounterAccess::kMapped : CounterAccess::kLocked;
}

// A directory of ours alone: made by us or found owned by us, no link, closed to others.
Status make_private_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("cannot make " + path);
  TRY_ASSIGN(Fd fd, open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return errno_error("cannot stat " + path);
  if (st.st_uid != ::geteuid()) return Error{Code::kPermission, path + " belongs to another user"};
  const bool is_closed = (st.st_mode & 077) == 0 || ::fchmod(fd.get(), 0700) == 0;
  if (!is_closed) return errno_error("cannot close " + path + " to others");
  return {};
}

Result<std::string> private_place(const std::string& dir, const std::string& private_root) {
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0) return errno_error("cannot learn the host name");
  const std::string user_dir = private_root + "/hpcc-" + std::to_string(::geteuid());
  TRY(make_private_directory(user_dir));
  const std::string name = BlobDigest::of(dir + '\0' + host).hex().substr(0, 32);
  TRY(make_private_directory(user_dir + "/" + name));
  return user_dir + "/" + name;
}

// Tells backup tools to skip the cache (https://bford.info/cachedir/).
void write_cachedir_tag(const std::string& dir) {
  auto fd = open_at(AT_FDCWD, (dir + "/CACHEDIR.TAG").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  if (!fd.ok()) return;  // there already, or read-only: only comfort
  const Status written =
      write_all(fd->get(), "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is hpcc's cache.\n");
  if (!written.ok()) ::unlink((dir + "/CACHEDIR.TAG").c_str());
}

}  // namespace

Result<Place> find_place(const std::string& dir, Placement placement, const std::string& private_root) {
  Place place;
  place.shared = dir + "/v1";
  struct stat st;
  if (::stat((place.shared + "/blobs").c_str(), &st) != 0) {
    TRY(make_directories(dir));
    write_cachedir_tag(dir);
    const Status made = make_directories(place.shared + "/blobs");
    // An existing directory that cannot be written opens read-only, even when there is nothing in it yet.
    if (!made.ok() && made.error().code != Code::kPermission) return made.error();
  }
  const FileSystem fs = file_system_of(dir);
  place.local = place.shared;
  place.counter_access = access_on(fs);
  if (placement == Placement::kPrivate || fs == FileSystem::kUnknown) {
    TRY_ASSIGN(place.local, private_place(dir, private_root));
    place.counter_access = access_on(file_system_of(place.local));
  }
  return place;
}

}  // namespace hpcc::store
