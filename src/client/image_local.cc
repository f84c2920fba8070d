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

// The tree's entries one by one, so that mount points can be made beside them and nothing can be written into it.
Status bind_tree(const std::string& tree, std::vector<std::string>* out) {
  TRY_ASSIGN(std::vector<std::string> names, list_directory(tree));
  for (const std::string& name : names) {
    if (name == "proc" || name == "dev" || name == "tmp" || name == "hpcc" || name == "run") continue;
    const std::string path = tree + "/" + name;
    struct stat info;
    if (lstat(path.c_str(), &info) != 0) return errno_error("stat " + path);
    if (S_ISLNK(info.st_mode)) {
      char target[PATH_MAX];
      ssize_t size = readlink(path.c_str(), target, sizeof target);
      if (size < 0) return errno_error("readlink " + path);
      out->insert(out->end(), {"--symlink", std::string(target, static_cast<size_t>(size)), "/" + name});
    } else {
      out->insert(out->end(), {"--ro-bind", path, "/" + name});
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
void protect_project(const ImageRun& run, std::vector<std::string>* out) {
  std::string below;
  for (size_t at = 0; at != std::string::npos;) {
    for (const char* name : {".git", ".hg", ".svn", ".bzr", ".jj", "_darcs", "CVS", ".hpcc"}) {
      const std::string path = run.root + below + "/" + name;
      if (is_kind(path, S_IFDIR) || is_kind(path, S_IFREG)) {
        out->insert(out->end(), {"--ro-bind", path, kLogicalRoot + below + "/" + name});
      }
    }
    if (at >= run.cwd.size()) break;
    const size_t end = std::min(run.cwd.find('/', at), run.cwd.size());
    below += "/" + run.cwd.substr(at, end - at);
    at = end + 1;
  }
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
  // A session of their own: no terminal takes the image's programs' words for the user's. Signals come by the launcher.
  // Of root, bubblewrap would leave them rights over their mounts.
  out.insert(out.end(), {"--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"});
  out.insert(out.end(), {"--hostname", "hpcc", "--clearenv"});
  const std::string work = kLogicalRoot, cwd = run.cwd.empty() ? work : work + "/" + run.cwd;
  for (const auto& [name, value] : kGuestVariables) out.insert(out.end(), {"--setenv", name, value});
  out.insert(out.end(), {"--setenv", "PWD", cwd});
  for (const auto& [name, value] : run.environment) out.insert(out.end(), {"--setenv", name, value});
  TRY(bind_tree(run.tree, &out));
  out.insert(out.end(), {"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"});
  bind_temporary(run, &out);  // scripts probe compilers with outputs in /tmp
  out.insert(out.end(), {"--bind", run.root, work});
  protect_project(run, &out);
  out.insert(out.end(), {"--chdir", cwd, "--"});
  out.insert(out.end(), run.argv.begin(), run.argv.end());
  return out;
}

}  // namespace hpcc
