#include "client/place.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

namespace hpcc {
namespace {

bool has_entry(const std::string& directory, std::string_view name) {
  struct stat info;
  return lstat(join_path(directory, name).c_str(), &info) == 0;
}

// .hpcc counts only when it is a regular file of this user, of root, or of the owner of `cwd`, who can steer the
// compile anyway: another user's file must not.
bool has_project_file(const std::string& directory, const std::string& cwd) {
  struct stat info, where;
  if (stat(join_path(directory, kProjectFile).c_str(), &info) != 0) return false;
  if (!S_ISREG(info.st_mode) || (info.st_mode & S_IWOTH)) return false;
  if (info.st_uid == geteuid() || info.st_uid == 0) return true;
  return stat(cwd.c_str(), &where) == 0 && where.st_uid == info.st_uid;
}

// Compilers believe $PWD when it is another name of the working directory; after `make -C` it is none.
bool names_directory(const std::string& pwd, const std::string& cwd) {
  struct stat a, b;
  return !pwd.empty() && pwd[0] == '/' && stat(pwd.c_str(), &a) == 0 && stat(cwd.c_str(), &b) == 0 &&
         a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

std::string shared_directory(std::string_view a, std::string_view b) {
  std::string shared(a);
  while (shared != "/" && !is_under(b, shared)) shared = directory_of(shared);
  return shared;
}

}  // namespace

std::string find_project_root(const std::string& cwd) {
  for (std::string at = cwd; at != "/"; at = directory_of(at)) {
    if (has_project_file(at, cwd)) return at;
  }
  return "";
}

Place find_place(const Request& request, const std::string& source, const std::string& project_root) {
  Place place;
  place.cwd = request.cwd;
  if (request.pwd != request.cwd && names_directory(request.pwd, request.cwd)) place.pwd = request.pwd;
  if (!project_root.empty()) {
    place.root = project_root;
    place.logical_root = true;
    return place;
  }
  for (std::string at = request.cwd; at != "/" && place.root.empty(); at = directory_of(at)) {
    if (has_entry(at, ".git") || has_entry(at, ".hg") || has_entry(at, ".svn")) place.root = at;
  }
  const std::string source_dir(directory_of(lexically_normal(join_path(request.cwd, source))));
  for (std::string at = source_dir; !is_under(request.cwd, at); at = directory_of(at)) {
    if (!has_project_file(at, request.cwd)) continue;
    place.root = at;
    place.logical_root = true;
    return place;
  }
  if (place.root.empty()) {
    place.root = shared_directory(request.cwd, source_dir);
    if (place.root == "/") place.root = request.cwd;
  }
  return place;
}

AnchoredPath anchor_path(std::string_view path, const Place& place) {
  if (path[0] != '/') return {Anchor::kCwd, std::string(path)};
  if (place.root != "/" && is_under(path, place.root)) {
    std::string_view rest = path.substr(std::min(path.size(), place.root.size() + 1));
    while (!rest.empty() && rest[0] == '/') rest.remove_prefix(1);
    return {Anchor::kRoot, rest.empty() ? "." : std::string(rest)};
  }
  return {Anchor::kAbsolute, std::string(path)};
}

std::string resolve_path(const AnchoredPath& path, const Place& place) {
  switch (path.anchor) {
    case Anchor::kAbsolute:
      return path.path;
    case Anchor::kRoot:
      return path.path == "." ? place.root : join_path(place.root, path.path);
    case Anchor::kCwd:
      return path.path == "." ? place.cwd : join_path(place.cwd, path.path);
  }
  return path.path;
}

std::string bound_place_text(const Place& place) { return place.root + "\n" + place.cwd + "\n" + place.pwd; }

}  // namespace hpcc
