#include "client/check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>

#include "base/fs.h"
#include "client/observation.h"

namespace hpcc {
namespace {

bool absent_at(int directory, const std::string& name) {
  struct stat info;
  return fstatat(directory, name.c_str(), &info, 0) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

}  // namespace

LoadedManifest::LoadedManifest(const Manifest& manifest, const Place& place, Files& files) : groups_(manifest.groups) {
  inputs_.reserve(manifest.inputs.size());
  for (const Input& input : manifest.inputs) {
    bool digested = input.kind != InputKind::kDirectory && input.kind != InputKind::kNotLink;
    inputs_.push_back({files.intern(resolve_path(input.path, place)), digested ? files.intern(input.digest) : 0,
                       input.kind, 0, false});
  }
  absents_.reserve(manifest.absents.size());
  for (const AbsentSet& set : manifest.absents) {
    absents_.push_back(
        {files.intern(resolve_path(set.directory, place)), set.names, set.checked_names, 0, FileStamp()});
  }
  pair_inputs();
}

// gcc resolves each header's name component by component: most inputs are looked at with and without following links,
// and most directories are both inputs and places where something was absent. One look serves all of them.
void LoadedManifest::pair_inputs() {
  std::unordered_map<Files::Id, uint32_t> followed, directories;
  for (uint32_t i = 0; i < inputs_.size(); ++i) {
    const In& in = inputs_[i];
    if (in.kind == InputKind::kFile || in.kind == InputKind::kProgram) followed[in.path] = i;
    if (in.kind == InputKind::kDirectory) followed[in.path] = directories[in.path] = i;
  }
  for (uint32_t i = 1; i < inputs_.size(); ++i) {
    if (inputs_[i].kind != InputKind::kNotLink) continue;
    auto other = followed.find(inputs_[i].path);
    if (other == followed.end()) continue;
    inputs_[other->second].not_link = i;
    inputs_[i].covered = true;
  }
  for (Directory& directory : absents_) {
    auto input = directories.find(directory.path);
    if (input != directories.end()) directory.input = input->second + 1;
  }
}

bool LoadedManifest::input_matches(const In& in, struct stat* info, Files& files, std::string* difference) {
  const std::string& path = files.path(in.path);
  const bool follow = in.kind != InputKind::kLink && in.kind != InputKind::kNotLink && in.not_link == 0;
  auto differs = [&](const char* how) {
    if (difference) *difference = path + ": " + how;
    return false;
  };
  if (fstatat(AT_FDCWD, path.c_str(), info, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) return differs("is gone");
  if (in.not_link != 0 && S_ISLNK(info->st_mode)) return differs("became a symbolic link");
  switch (in.kind) {
    case InputKind::kFile:
    case InputKind::kProgram: {
      if (!S_ISREG(info->st_mode)) return differs("is no regular file any more");
      if (((info->st_mode & 0111) != 0) != (in.kind == InputKind::kProgram)) return differs("changed its mode");
      if (files.matches(in.path, *info, in.digest)) return true;
      Result<FileFact> fact = files.fact(in.path, *info);
      if (!fact.ok()) return differs("cannot be read");
      return fact->digest == files.digest(in.digest) || differs("changed");
    }
    case InputKind::kDirectory:
      return S_ISDIR(info->st_mode) || differs("is no directory any more");
    case InputKind::kListing: {
      Result<BlobDigest> digest = files.listing(in.path, *info);
      return (digest.ok() && *digest == files.digest(in.digest)) || differs("directory has other entries");
    }
    case InputKind::kLink: {
      Result<BlobDigest> digest = link_digest(path);
      return (digest.ok() && *digest == files.digest(in.digest)) || differs("symbolic link leads elsewhere");
    }
    case InputKind::kNotLink:
      return !S_ISLNK(info->st_mode) || differs("became a symbolic link");
  }
  return false;
}

bool LoadedManifest::absent_matches(Directory& directory, const struct stat* known, Files& files,
                                    std::string* difference) {
  const std::string& path = files.path(directory.path);
  struct stat info;
  if (known) {
    info = *known;
  } else if (fstatat(AT_FDCWD, path.c_str(), &info, 0) != 0) {
    return errno == ENOENT || errno == ENOTDIR;
  }
  const FileStamp stamp = stamp_of(info);
  bool proved;
  {
    std::lock_guard lock(mutex_);
    proved = directory.proved == stamp;
  }
  if (proved && directory.checked_names.empty()) return true;
  Fd fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const int64_t now_ns = realtime_ns();
  auto check = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (fd ? absent_at(fd.get(), name) : absent_at(AT_FDCWD, join_path(path, name))) continue;
      if (difference) *difference = join_path(path, name) + ": is there now (was absent)";
      return false;
    }
    return true;
  };
  if (!check(directory.checked_names)) return false;
  if (proved) return true;
  if (!check(directory.names)) return false;
  // The directory proves its absent names from now on, when its stamp is settled and its file system tells changes.
  Fd readable(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (stamp.ctime_ns < now_ns - kTickNs && readable && has_trusted_stamps(readable.get())) {
    std::lock_guard lock(mutex_);
    directory.proved = stamp;
  }
  return true;
}

bool LoadedManifest::groups_match(const std::vector<struct stat>& stats, Files& files, std::string* difference) const {
  std::vector<uint32_t> classes;
  for (const IdentityGroup& group : groups_) {
    const bool by_inode = group.by == IdentityGroup::By::kInode;
    uint32_t next_class = 0;
    classes.clear();
    for (size_t i = 0; i < group.inputs.size(); ++i) {
      const struct stat& a = stats[group.inputs[i]];
      size_t j = 0;
      for (; j < i; ++j) {
        const struct stat& b = stats[group.inputs[j]];
        if (by_inode ? a.st_dev == b.st_dev && a.st_ino == b.st_ino : a.st_mtim.tv_sec == b.st_mtim.tv_sec) break;
      }
      classes.push_back(j < i ? classes[j] : next_class++);
      if (classes[i] == group.classes[i]) continue;
      if (!difference) return false;
      // Name the one it is, or was, identical with.
      size_t other = j;
      if (j == i)
        other = static_cast<size_t>(std::find(group.classes.begin(), group.classes.end(), group.classes[i]) -
                                    group.classes.begin());
      *difference = files.path(inputs_[group.inputs[i]].path) + ": " + (j < i ? "now shares" : "no longer shares") +
                    (by_inode ? " its inode with " : " its modification time with ") +
                    files.path(inputs_[group.inputs[other]].path) + " (equal content or directories)";
      return false;
    }
  }
  return true;
}

bool LoadedManifest::matches(Files& files, std::vector<std::string>* differences, size_t limit) {
  std::vector<struct stat> stats(inputs_.size());
  std::string difference;
  std::string* note = differences ? &difference : nullptr;
  bool all = true;
  auto failed = [&] {
    all = false;
    if (differences) differences->push_back(difference);
    return !differences || differences->size() >= limit;
  };
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (inputs_[i].covered) continue;
    if (!input_matches(inputs_[i], &stats[i], files, note) && failed()) return false;
    if (inputs_[i].not_link != 0) stats[inputs_[i].not_link] = stats[i];
  }
  for (Directory& directory : absents_) {
    // When the input itself differed, its stat may be unset: look again.
    const struct stat* known = all && directory.input != 0 ? &stats[directory.input - 1] : nullptr;
    if (!absent_matches(directory, known, files, note) && failed()) return false;
  }
  if (!all) return false;
  if (groups_match(stats, files, note)) return true;
  failed();
  return false;
}

}  // namespace hpcc
