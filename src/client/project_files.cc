#include "client/project_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/fs.h"

namespace hpcc {
namespace {

constexpr size_t kListings = 1u << 16;      // directories remembered
constexpr size_t kDirectives = 1u << 18;    // files remembered
constexpr size_t kSourceBytes = 64u << 20;  // larger files name nothing
constexpr size_t kEntriesPerDirectory = 1u << 20;

// To a compiler that asks, too, there is nothing.
bool means_absent(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

Status read_names(DIR* directory, const std::string& path, ProjectFiles::Listing* listing) {
  for (;;) {
    errno = 0;
    const struct dirent* entry = readdir(directory);
    if (!entry) return errno == 0 ? Status() : errno_error("list " + path);
    if (listing->names.size() >= kEntriesPerDirectory) return Error{Code::kLimit, path + " has too many entries", 0};
    listing->names.emplace(entry->d_name, entry->d_type);
  }
}

}  // namespace

Result<std::shared_ptr<const ProjectFiles::Listing>> ProjectFiles::listing(const std::string& path) {
  const std::shared_ptr<const Listing> none;
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (means_absent(errno)) return none;
    return errno_error("stat " + path);
  }
  if (!S_ISDIR(info.st_mode)) return none;
  const FileStamp stamp = stamp_of(info);
  {
    std::lock_guard lock(mutex_);
    auto found = listings_.find(path);
    if (found != listings_.end() && found->second->stamp == stamp) return found->second;
  }
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && means_absent(errno)) return none;
  if (!fd) return errno_error("list " + path);
  if (fstat(fd.get(), &info) != 0) return errno_error("stat " + path);
  auto listing = std::make_shared<Listing>();
  listing->stamp = stamp_of(info);
  const bool settled = listing->stamp.ctime_ns < realtime_ns() - kTickNs && has_trusted_stamps(fd.get());
  DIR* directory = fdopendir(fd.get());
  if (!directory) return errno_error("list " + path);
  fd.release();
  const Status read = read_names(directory, path, listing.get());
  closedir(directory);
  if (!read.ok()) return read.error();
  const std::shared_ptr<const Listing> made = listing;
  if (!settled) return made;
  std::lock_guard lock(mutex_);
  if (listings_.size() >= kListings) listings_.clear();
  listings_[path] = made;
  return made;
}

Result<std::shared_ptr<const Directives>> ProjectFiles::directives(const std::string& path, const BlobDigest& digest) {
  {
    std::lock_guard lock(mutex_);
    auto found = directives_.find(digest);
    if (found != directives_.end()) return found->second;
  }
  auto made = std::make_shared<Directives>();
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return errno_error("stat " + path);
  if (static_cast<uint64_t>(info.st_size) <= kSourceBytes) {
    TRY_ASSIGN(std::string text, read_file(path, kSourceBytes));
    if (BlobDigest::of(text) != digest) return Error{Code::kCorrupt, path + ": changed while it was looked at", 0};
    *made = scan_directives(text);
  }
  std::lock_guard lock(mutex_);
  if (directives_.size() >= kDirectives) directives_.clear();
  directives_[digest] = made;
  return std::shared_ptr<const Directives>(made);
}

const ProjectFiles::Listing* ProjectView::listing(const std::string& directory) {
  auto [entry, added] = listings_.try_emplace(directory);
  if (!added) return entry->second.get();
  // A directory by what those above it list: a link among them may lead out of the project.
  if (kind(directory) != EntryKind::kDirectory) return nullptr;
  Result<std::shared_ptr<const ProjectFiles::Listing>> found = project_.listing(absolute(directory));
  if (!found.ok()) {
    if (!failure_) failure_ = found.error();
    return nullptr;
  }
  return (listings_[directory] = std::move(*found)).get();  // `entry` may have moved
}

EntryKind ProjectView::kind(const std::string& path) {
  if (path.empty()) return EntryKind::kDirectory;
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return kind_in("", path);
  return kind_in(path.substr(0, slash), std::string_view(path).substr(slash + 1));
}

EntryKind ProjectView::kind_in(const std::string& directory, std::string_view name) {
  const ProjectFiles::Listing* names = listing(directory);
  if (!names) return EntryKind::kAbsent;
  auto found = names->names.find(name);
  if (found == names->names.end()) return EntryKind::kAbsent;
  if (found->second == DT_REG) return EntryKind::kFile;
  if (found->second == DT_DIR) return EntryKind::kDirectory;
  met_link_ |= found->second == DT_LNK;
  const EntryKind kind = kind_of_link(directory.empty() ? std::string(name) : directory + "/" + std::string(name));
  if (kind == EntryKind::kOther && !failure_) {
    failure_ =
        Error{Code::kUnsupported, absolute(directory) + "/" + std::string(name) + " is no plain file of the project"};
  }
  return kind;
}

// Followed as in a sandbox whose only way into the project is its root.
EntryKind ProjectView::kind_of_link(const std::string& path) {
  if (!root_fd_) root_fd_ = Fd(open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH;
  Fd fd(static_cast<int>(syscall(SYS_openat2, root_fd_.get(), path.c_str(), &how, sizeof how)));
  if (!fd && means_absent(errno)) return EntryKind::kAbsent;
  struct stat info;
  if (!fd || fstat(fd.get(), &info) != 0) return EntryKind::kOther;
  return S_ISREG(info.st_mode) ? EntryKind::kFile : S_ISDIR(info.st_mode) ? EntryKind::kDirectory : EntryKind::kOther;
}

bool ProjectView::lists(const std::string& directory, std::string_view name) {
  const ProjectFiles::Listing* names = listing(directory);
  return names && names->names.find(name) != names->names.end();
}

bool ProjectView::is_link(const std::string& path) {
  struct stat info;
  if (path.empty()) return false;
  if (lstat(absolute(path).c_str(), &info) == 0) return S_ISLNK(info.st_mode);
  if (!means_absent(errno) && !failure_) failure_ = errno_error("stat " + absolute(path));
  return false;
}

bool ProjectView::crosses_link(const std::string& directory) {
  for (size_t end = directory.size(); end != std::string::npos && end != 0; end = directory.rfind('/', end - 1)) {
    if (is_link(directory.substr(0, end))) return true;
  }
  return false;
}

std::string ProjectView::identity(const std::string& directory) {
  struct stat info;
  if (stat(absolute(directory).c_str(), &info) != 0) return directory;
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
}

Result<ProjectView::Fact> ProjectView::fact(const std::string& path) {
  auto found = facts_.find(path);
  if (found != facts_.end()) return found->second;
  const std::string where = absolute(path);
  struct stat info;
  if (stat(where.c_str(), &info) != 0) return errno_error("stat " + where);
  if (!S_ISREG(info.st_mode)) return Error{Code::kInvalid, where + ": no regular file", 0};
  Files& files = project_.files();
  TRY_ASSIGN(FileFact known, files.fact(files.intern(where), info));
  Fact fact;
  fact.file = {path, {known.digest, known.stamp.size}, (info.st_mode & S_IXUSR) != 0};
  fact.facts = known.facts;
  fact.identity = {known.stamp.dev, known.stamp.ino};
  facts_.emplace(path, fact);
  return fact;
}

Result<std::shared_ptr<const Directives>> ProjectView::directives(const std::string& path) {
  TRY_ASSIGN(Fact known, fact(path));
  TRY_ASSIGN(std::shared_ptr<const Directives> found, project_.directives(absolute(path), known.file.content.digest));
  facts_[path].once = found->once;
  return found;
}

ScanFiles ProjectView::scan_files() {
  ScanFiles files;
  files.kind = [this](const std::string& path) { return kind(path); };
  files.is_link = [this](const std::string& path) { return is_link(path); };
  files.identity = [this](const std::string& path) { return identity(path); };
  files.directives = [this](const std::string& path) { return directives(path); };
  return files;
}

}  // namespace hpcc
