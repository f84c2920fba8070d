#include "client/image_local.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>

#include "base/fs.h"
#include "model/guest_environment.h"
#include "model/probes.h"

namespace hpcc {
namespace {

constexpr const char* kBubblewrap[] = {"/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"};

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

}  // namespace

Result<std::vector<std::string>> image_command(const ImageRun& run) {
  std::vector<std::string> out;
  for (const char* path : kBubblewrap) {
    if (out.empty() && access(path, X_OK) == 0) out.push_back(path);
  }
  if (out.empty()) return Error{Code::kNotFound, "bwrap is not installed (package bubblewrap)", 0};
  out.insert(out.end(), {"--unshare-all", "--die-with-parent", "--hostname", "hpcc", "--clearenv"});
  const std::string work = kLogicalRoot, cwd = run.cwd.empty() ? work : work + "/" + run.cwd;
  for (const auto& [name, value] : kGuestVariables) out.insert(out.end(), {"--setenv", name, value});
  out.insert(out.end(), {"--setenv", "PWD", cwd});
  for (const auto& [name, value] : run.environment) out.insert(out.end(), {"--setenv", name, value});
  TRY(bind_tree(run.tree, &out));
  // Scripts probe compilers with outputs in /tmp.
  out.insert(out.end(), {"--proc", "/proc", "--dev", "/dev", "--bind", "/tmp", "/tmp", "--tmpfs", "/run"});
  out.insert(out.end(), {"--bind", run.root, work, "--chdir", cwd, "--"});
  out.insert(out.end(), run.argv.begin(), run.argv.end());
  return out;
}

}  // namespace hpcc
