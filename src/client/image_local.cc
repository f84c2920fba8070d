#include "client/image_local.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <set>

#include "base/fs.h"
#include "base/programs.h"
#include "model/guest_environment.h"
#include "model/probes.h"

namespace hpcc {
namespace {

// The tree's entries one by one, so that mount points can be made beside them and nothing can be written into it. Where
// the project stands in a directory that the image has, too, that is made of its entries in the same way.
Status bind_entries(const ImageRun& run, const std::string& directory, std::vector<std::string>* out) {
  TRY_ASSIGN(std::vector<std::string> names, list_directory(run.tree + directory));
  for (const std::string& name : names) {
    if (directory.empty() && is_replaced_in_guest(name)) continue;
    const std::string to = directory + "/" + name, path = run.tree + to;
    struct stat info;
    if (lstat(path.c_str(), &info) != 0) return errno_error("stat " + path);
    const bool holds_project =
        std::any_of(run.places.begin(), run.places.end(), [&](const auto& place) { return is_under(place, to); });
    if (holds_project && !S_ISDIR(info.st_mode)) {
      return Error{Code::kUnsupported, "the image has something else than a directory at " + to, 0};
    }
    if (holds_project) {
      out->insert(out->end(), {"--dir", to});
      TRY(bind_entries(run, to, out));
    } else if (S_ISLNK(info.st_mode)) {
      char target[PATH_MAX];
      ssize_t size = readlink(path.c_str(), target, sizeof target);
      if (size < 0) return errno_error("readlink " + path);
      out->insert(out->end(), {"--symlink", std::string(target, static_cast<size_t>(size)), to});
    } else {
      out->insert(out->end(), {"--ro-bind", path, to});
    }
  }
  return {};
}

bool is_kind(const std::string& path, mode_t kind) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && (info.st_mode & S_IFMT) == kind;
}

// The paths in /tmp that a word names, in whatever option: "-I/tmp/x", "-Wl,-Map=/tmp/x/map".
std::vector<std::string> temporary_paths(const std::string& word) {
  std::vector<std::string> paths;
  for (size_t at = 0; (at = word.find("/tmp/", at)) != std::string::npos;) {
    const size_t end = std::min(word.find_first_of(",:;=", at), word.size());
    // "a/tmp/x" is another place; in "-I/tmp/x" and "=/tmp/x" no directory goes before.
    const bool is_start = word.rfind('/', at == 0 ? 0 : at - 1) == std::string::npos || at == 0 ||
                          std::string_view(",:;=").find(word[at - 1]) != std::string_view::npos;
    if (is_start) paths.push_back(lexically_normal(word.substr(at, end - at)));
    at = end;
  }
  return paths;
}

// What of /tmp is there for a path in it: the directory right below /tmp, which a build's temporary files have for
// themselves; one further down where that holds the project; else the file alone. "" for nothing.
std::string exposed(const std::string& path, const ImageRun& run) {
  if (!is_under(path, "/tmp") || path == "/tmp" || is_under(path, run.root)) return "";
  const std::string top = path.substr(0, path.find('/', sizeof "/tmp/" - 1));
  for (const std::string& directory : {top, path, std::string(directory_of(path))}) {
    if (directory != "/tmp" && !is_under(run.root, directory) && is_kind(directory, S_IFDIR)) return directory;
  }
  return is_kind(path, S_IFREG) ? path : "";
}

void bind_temporary(const ImageRun& run, std::vector<std::string>* out) {
  const std::set<std::string> outputs(run.outputs.begin(), run.outputs.end());
  std::set<std::string> bound;
  auto expose = [&](const std::string& word) {
    for (const std::string& path : temporary_paths(word)) {
      const std::string what = exposed(path, run);
      if (what.empty() || !bound.insert(what).second) continue;
      const bool writable = outputs.contains(what) || !is_kind(what, S_IFREG);
      out->insert(out->end(), {writable ? "--bind" : "--ro-bind", what, what});
    }
  };
  for (const std::string& word : run.argv) expose(word);
  for (const auto& [name, value] : run.environment) expose(value);
}

// Version control runs programs that its own directory names; the project's file says which image is trusted. Of every
// directory from the root down to the working directory.
void protect_project(const ImageRun& run, const std::string& place, std::vector<std::string>* out) {
  std::string below;
  for (size_t at = 0; at != std::string::npos;) {
    for (const char* name : {".git", ".hg", ".svn", ".bzr", ".jj", "_darcs", "CVS", ".hpcc"}) {
      const std::string path = run.root + below + "/" + name;
      if (is_kind(path, S_IFDIR) || is_kind(path, S_IFREG)) {
        out->insert(out->end(), {"--ro-bind", path, place + below + "/" + name});
      }
    }
    if (at >= run.cwd.size()) break;
    const size_t end = std::min(run.cwd.find('/', at), run.cwd.size());
    below += "/" + run.cwd.substr(at, end - at);
    at = end + 1;
  }
}

// Root builds in the checkouts of others, too. In a user namespace their files would be nobody's; so there is none
// then, and of root's rights those over files are left.
bool has_other_owner(const ImageRun& run) {
  struct stat root, cwd;
  if (geteuid() != 0) return false;
  return (stat(run.root.c_str(), &root) == 0 && root.st_uid != 0) ||
         (stat((run.root + "/" + run.cwd).c_str(), &cwd) == 0 && cwd.st_uid != 0);
}

}  // namespace

bool reads_stdin(const std::vector<std::string>& argv) {
  return std::any_of(argv.begin(), argv.end(), [](const std::string& word) {
    return word == "-" || word.starts_with("@") || word.find("/dev/stdin") != std::string::npos ||
           word.find("/fd/0") != std::string::npos;
  });
}

std::vector<std::string> make_lone_outputs(const ImageRun& run) {
  std::vector<std::string> made;
  for (const std::string& path : run.outputs) {
    if (!is_under(path, "/tmp") || is_under(path, run.root) || !exposed(path, run).empty()) continue;
    const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (fd && fchmod(fd.get(), 0666 & ~run.umask) == 0) made.push_back(path);
  }
  return made;
}

Result<std::vector<std::string>> image_command(const ImageRun& run) {
  TRY_ASSIGN(std::string bubblewrap, find_bubblewrap());
  std::vector<std::string> out = {std::move(bubblewrap)};
  const bool other_owner = has_other_owner(run);
  out.insert(out.end(), {"--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"});
  if (!other_owner) out.push_back("--unshare-user-try");
  // A session of their own: no terminal takes the image's programs' words for the user's. Signals come by the launcher.
  // Of root, bubblewrap would leave them rights over their mounts.
  out.insert(out.end(), {"--die-with-parent", "--new-session", "--cap-drop", "ALL"});
  for (const char* right : {"CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_CHOWN"}) {
    if (other_owner) out.insert(out.end(), {"--cap-add", right});
  }
  out.insert(out.end(), {"--hostname", "hpcc", "--clearenv"});
  const std::string cwd = run.places[0] + (run.cwd.empty() ? "" : "/" + run.cwd);
  for (const auto& [name, value] : kGuestVariables) out.insert(out.end(), {"--setenv", name, value});
  out.insert(out.end(), {"--setenv", "PWD", cwd});
  for (const auto& [name, value] : run.environment) out.insert(out.end(), {"--setenv", name, value});
  TRY(bind_entries(run, "", &out));
  out.insert(out.end(), {"--proc", "/proc", "--dev", "/dev", "--dir", "/sys", "--tmpfs", "/tmp", "--tmpfs", "/run"});
  bind_temporary(run, &out);  // scripts probe compilers with outputs in /tmp
  for (const std::string& place : run.places) {
    out.insert(out.end(), {"--bind", run.root, place});
    protect_project(run, place, &out);
  }
  out.insert(out.end(), {"--chdir", cwd, "--"});
  out.insert(out.end(), run.argv.begin(), run.argv.end());
  return out;
}

}  // namespace hpcc
