#include "image/tree_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "base/fs.h"

namespace hpcc {
namespace {

constexpr mode_t kWritable = 0755, kDirectoryMode = 0555, kFileMode = 0444, kExecutableMode = 0555;
constexpr std::string_view kWhiteout = ".wh.", kOpaque = ".wh..wh..opq", kReserved = ".wh..wh.";

Error invalid(std::string message) { return {Code::kInvalid, std::move(message), 0}; }

void stamps(int64_t mtime_s, struct timespec out[2]) { out[0] = out[1] = {static_cast<time_t>(mtime_s), 0}; }

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};

// Names in `directory`, which stays open; . and .. left out.
Result<std::vector<std::string>> names_in(int directory) {
  const int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  std::unique_ptr<DIR, DirCloser> dir(again < 0 ? nullptr : fdopendir(again));
  if (!dir) {
    if (again >= 0) close(again);
    return errno_error("cannot list a directory of the tree");
  }
  std::vector<std::string> names;
  errno = 0;
  while (const struct dirent* entry = readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return errno_error("cannot list a directory of the tree");
  return names;
}

}  // namespace

Result<TreeWriter> TreeWriter::create(Fd root, const TreeLimits& limits) {
  struct stat info;
  if (fstat(root.get(), &info) != 0) return errno_error("stat of the tree");
  TreeWriter writer(std::move(root), limits);
  writer.directories_[info.st_ino] = {};
  return writer;
}

void TreeWriter::start_layer() { this_layer_.clear(); }

Status TreeWriter::count_entry() {
  if (++entries_ > limits_.entries) return Error{Code::kLimit, "too many entries", 0};
  return {};
}

// Relative, without ".", "..", doubled and closing slashes. "" is the root.
Result<std::string> TreeWriter::clean(std::string_view path) const {
  if (path.empty()) return invalid("an entry without a name");
  if (path.size() > limits::kPathBytes) return Error{Code::kLimit, "name too long", 0};
  if (path.front() == '/') return invalid("absolute name");
  std::string out;
  uint32_t depth = 0;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") return invalid("name leads out of its directory");
    if (part.size() > limits::kImageNameBytes) return Error{Code::kLimit, "name too long", 0};
    if (++depth > limits_.depth) return Error{Code::kLimit, "directories too deep", 0};
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

Result<Fd> TreeWriter::open_directory(const std::string& path) const {
  struct open_how how = {};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  const char* name = path.empty() ? "." : path.c_str();
  Fd fd(static_cast<int>(syscall(SYS_openat2, root_.get(), name, &how, sizeof how)));
  if (fd) return fd;
  if (errno == ENOTDIR) return invalid("\"" + path + "\" is not a directory");
  if (errno == ELOOP) return invalid("\"" + path + "\" is a loop of symbolic links");
  return errno_error("directory \"" + path + "\"");
}

// Missing directories are made, as tar files may leave them out.
Result<Fd> TreeWriter::make_parents(const std::string& path) {
  Result<Fd> found = open_directory(path);
  if (found.ok() || found.error().code != Code::kNotFound || path.empty()) return found;
  TRY_ASSIGN(const Place where, place(path));
  struct stat info;
  if (fstatat(where.parent.get(), where.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
    return invalid("\"" + path + "\" is a symbolic link that leads nowhere");
  }
  TRY(make_directory(where, 0));
  return open_directory(path);
}

Result<TreeWriter::Place> TreeWriter::place(const std::string& path) {
  const size_t slash = path.rfind('/');
  Place where;
  where.name = slash == std::string::npos ? path : path.substr(slash + 1);
  TRY_ASSIGN(where.parent, make_parents(slash == std::string::npos ? "" : path.substr(0, slash)));
  struct stat info;
  if (fstat(where.parent.get(), &info) != 0) return errno_error("stat of a directory of the tree");
  where.parent_inode = info.st_ino;
  return where;
}

Status TreeWriter::make_directory(const Place& where, int64_t mtime_s) {
  const auto parent = directories_.find(where.parent_inode);
  if (parent == directories_.end()) return invalid("a directory that the image did not make");
  const uint32_t depth = parent->second.depth + 1;
  if (depth > limits_.depth) return Error{Code::kLimit, "directories too deep", 0};
  if (mkdirat(where.parent.get(), where.name.c_str(), kWritable) != 0) return errno_error("mkdir");
  struct stat info;
  if (fstatat(where.parent.get(), where.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return errno_error("stat");
  directories_[info.st_ino] = {mtime_s, depth};
  this_layer_.emplace(where.parent_inode, where.name);
  return {};
}

Result<bool> TreeWriter::apply_whiteout(const Place& where) {
  const std::string_view name = where.name;
  if (name.substr(0, kWhiteout.size()) != kWhiteout) return false;
  if (name == kOpaque) {
    TRY(prune_children(where.parent.get(), where.parent_inode, Prune::kLowerOnly, 0));
    return true;
  }
  if (name.substr(0, kReserved.size()) == kReserved) return true;  // aufs's own; means nothing here
  const std::string hidden(name.substr(kWhiteout.size()));
  if (hidden.empty() || hidden == "." || hidden == "..") return invalid("whiteout of nothing");
  TRY(remove(where.parent.get(), where.parent_inode, hidden, Prune::kLowerOnly, 0));
  return true;
}

Status TreeWriter::remove(int parent, ino_t parent_inode, const std::string& name, Prune prune, uint32_t depth) {
  if (depth > limits_.depth) return Error{Code::kLimit, "directories too deep", 0};
  struct stat info;
  if (fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return errno_error("stat");
  }
  const bool own = prune == Prune::kLowerOnly && this_layer_.contains({parent_inode, name});
  if (!S_ISDIR(info.st_mode)) {
    if (own || unlinkat(parent, name.c_str(), 0) == 0) return {};
    return errno_error("unlink");
  }
  Fd directory(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return errno_error("open");
  TRY(prune_children(directory.get(), info.st_ino, prune, depth + 1));
  // A directory that still holds something of this layer stays.
  if (own || unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0) return {};
  if (errno == ENOTEMPTY && prune == Prune::kLowerOnly) return {};
  return errno_error("rmdir");
}

Status TreeWriter::prune_children(int directory, ino_t inode, Prune prune, uint32_t depth) {
  TRY_ASSIGN(const std::vector<std::string> names, names_in(directory));
  for (const std::string& name : names) TRY(remove(directory, inode, name, prune, depth));
  return {};
}

Status TreeWriter::prepare_slot(const Place& where) {
  if (where.name.empty()) return invalid("the root is not a directory");
  TRY(remove(where.parent.get(), where.parent_inode, where.name, Prune::kAll, 0));
  this_layer_.emplace(where.parent_inode, where.name);
  return {};
}

Status TreeWriter::add_directory(std::string_view path, int64_t mtime_s) {
  TRY(count_entry());
  TRY_ASSIGN(const std::string name, clean(path));
  TRY_ASSIGN(const Place where, place(name));
  if (where.name.empty()) {
    directories_[where.parent_inode].mtime_s = mtime_s;
    return {};
  }
  TRY_ASSIGN(const bool whiteout, apply_whiteout(where));
  if (whiteout) return {};
  struct stat info;
  if (fstatat(where.parent.get(), where.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode)) {
    directories_[info.st_ino].mtime_s = mtime_s;
    this_layer_.emplace(where.parent_inode, where.name);
    return {};
  }
  TRY(prepare_slot(where));
  return make_directory(where, mtime_s);
}

Status TreeWriter::add_file(std::string_view path, int64_t mtime_s, uint64_t size, mode_t mode, Content& content) {
  TRY(count_entry());
  TRY_ASSIGN(const std::string name, clean(path));
  TRY_ASSIGN(const Place where, place(name));
  TRY_ASSIGN(const bool whiteout, apply_whiteout(where));
  if (whiteout) return {};
  if (size > limits_.bytes - bytes_) return Error{Code::kLimit, "the image's files are too large", 0};
  bytes_ += size;
  TRY(prepare_slot(where));
  Fd file(openat(where.parent.get(), where.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return errno_error("create");
  for (;;) {
    TRY_ASSIGN(const Piece piece, content.next());
    if (piece.bytes.empty()) break;
    if (piece.offset > size || piece.bytes.size() > size - piece.offset) return invalid("more content than its size");
    std::string_view rest = piece.bytes;
    off_t at = static_cast<off_t>(piece.offset);
    while (!rest.empty()) {
      const ssize_t done = pwrite(file.get(), rest.data(), rest.size(), at);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return errno_error("write");
      rest.remove_prefix(static_cast<size_t>(done));
      at += done;
    }
  }
  struct timespec times[2];
  stamps(mtime_s, times);
  if (ftruncate(file.get(), static_cast<off_t>(size)) != 0) return errno_error("truncate");
  if (fchmod(file.get(), mode & 0111 ? kExecutableMode : kFileMode) != 0) return errno_error("chmod");
  if (futimens(file.get(), times) != 0) return errno_error("set time");
  return {};
}

Status TreeWriter::add_symlink(std::string_view path, int64_t mtime_s, std::string_view target) {
  TRY(count_entry());
  TRY_ASSIGN(const std::string name, clean(path));
  if (target.empty() || target.size() > limits::kPathBytes - 1) return invalid("symbolic link with a bad target");
  TRY_ASSIGN(const Place where, place(name));
  TRY_ASSIGN(const bool whiteout, apply_whiteout(where));
  if (whiteout) return {};
  TRY(prepare_slot(where));
  const std::string text(target);
  if (symlinkat(text.c_str(), where.parent.get(), where.name.c_str()) != 0) return errno_error("symlink");
  struct timespec times[2];
  stamps(mtime_s, times);
  if (utimensat(where.parent.get(), where.name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_error("set time");
  }
  return {};
}

Status TreeWriter::add_hard_link(std::string_view path, std::string_view target) {
  TRY(count_entry());
  TRY_ASSIGN(const std::string name, clean(path));
  Result<std::string> other_name = clean(target);
  if (!other_name.ok()) return invalid("hard link: its target: " + other_name.error().message);
  const size_t slash = other_name->rfind('/');
  const std::string base = slash == std::string::npos ? *other_name : other_name->substr(slash + 1);
  Result<Fd> directory = open_directory(slash == std::string::npos ? "" : other_name->substr(0, slash));
  struct stat info;
  if (!directory.ok() || base.empty() || fstatat(directory->get(), base.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return invalid("hard link to \"" + *other_name + "\", which is not there");
  }
  if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode)) {
    return invalid("hard link to \"" + *other_name + "\", which is not a file");
  }
  TRY_ASSIGN(const Place where, place(name));
  TRY_ASSIGN(const bool whiteout, apply_whiteout(where));
  if (whiteout) return {};
  struct stat present;
  if (fstatat(where.parent.get(), where.name.c_str(), &present, AT_SYMLINK_NOFOLLOW) == 0 &&
      present.st_ino == info.st_ino) {
    this_layer_.emplace(where.parent_inode, where.name);
    return {};
  }
  TRY(prepare_slot(where));
  if (linkat(directory->get(), base.c_str(), where.parent.get(), where.name.c_str(), 0) != 0) {
    return errno_error("link");
  }
  return {};
}

Status TreeWriter::skip_special(std::string_view path) {
  TRY(count_entry());
  TRY_ASSIGN(const std::string name, clean(path));
  TRY_ASSIGN(const Place where, place(name));
  TRY_ASSIGN(const bool whiteout, apply_whiteout(where));
  if (whiteout) return {};
  ++skipped_;
  return prepare_slot(where);
}

Status TreeWriter::seal() { return seal_directory(root_.get(), 0); }

Status TreeWriter::seal_directory(int directory, uint32_t depth) {
  if (depth > limits_.depth) return Error{Code::kLimit, "directories too deep", 0};
  TRY_ASSIGN(const std::vector<std::string> names, names_in(directory));
  for (const std::string& name : names) {
    struct stat info;
    if (fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return errno_error("stat");
    if (!S_ISDIR(info.st_mode)) continue;
    Fd child(openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child) return errno_error("open");
    TRY(seal_directory(child.get(), depth + 1));
  }
  struct stat info;
  if (fstat(directory, &info) != 0) return errno_error("stat");
  struct timespec times[2];
  stamps(directories_[info.st_ino].mtime_s, times);
  if (fchmod(directory, kDirectoryMode) != 0) return errno_error("chmod");
  if (futimens(directory, times) != 0) return errno_error("set time");
  return {};
}

}  // namespace hpcc
