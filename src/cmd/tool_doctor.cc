// `hpcc doctor`: whether everything hpcc needs is there, and what to do where it is not.
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "base/fs.h"
#include "client/config.h"
#include "client/place.h"
#include "cmd/tool.h"
#include "launcher/engine_link.h"

namespace hpcc {
namespace {

int line(bool good, const char* what, const std::string& detail) {
  printf("%-5s %-18s %s\n", good ? "ok" : "FAIL", what, detail.c_str());
  return good ? 0 : 1;
}

bool can_trace() {
  uint32_t action = SECCOMP_RET_USER_NOTIF;
  return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int check_project() {
  char here[4096];
  if (!getcwd(here, sizeof here)) return 0;
  Request request;
  request.cwd = here;
  Place place = find_place(request, "x.c", find_project_root(request.cwd));
  if (!place.logical_root) {
    printf("-     %-18s no .hpcc file at or above this directory: objects are the plain compiler's\n", "project");
    return 0;
  }
  const std::string path = join_path(place.root, kProjectFile);
  Result<std::string> text = read_file(path, 1u << 20);
  if (!text.ok()) return line(false, "project", text.error().to_string());
  if (Result<ProjectFile> project = decode_project_file(*text, path); !project.ok()) {
    return line(false, "project", project.error().message);
  }
  const std::string_view logical = kLogicalRoot;
  printf("ok    %-18s %s is %.*s in debug information; debuggers find the sources by\n", "project", place.root.c_str(),
         static_cast<int>(logical.size()), logical.data());
  printf("      %-18s gdb:  set substitute-path %.*s %s\n", "", static_cast<int>(logical.size()),
         logical.data(), place.root.c_str());
  printf("      %-18s lldb: settings set target.source-map %.*s %s\n", "", static_cast<int>(logical.size()),
         logical.data(), place.root.c_str());
  return 0;
}

}  // namespace

int tool_doctor(const Words& arguments) {
  if (!arguments.empty()) {
    puts(
        "usage: hpcc doctor\n\nChecks directory, file system, daemon and tracer, and prints debugger settings for a "
        "project "
        "with a .hpcc file.");
    return arguments[0] == "--help" ? 0 : 2;
  }
  int failed = 0;
  Result<std::string> dir = state_directory();
  failed += line(dir.ok(), "directory", dir.ok() ? *dir : dir.error().to_string());
  if (!dir.ok()) return 1;
  Result<std::unique_ptr<Store>> store = Store::open(*dir);
  failed += line(store.ok(), "store", store.ok() ? "opens" : store.error().to_string());
  const std::string config = config_path(*dir);
  const Result<Config> loaded = load_config(*dir);
  failed += line(loaded.ok(), "configuration",
                 !loaded.ok()     ? loaded.error().message
                 : config.empty() ? "none"
                                  : config);
  struct stat info;
  const std::string fs_note =
      is_local_filesystem(*dir) ? "local" : "network or unknown: the index is kept on this machine";
  line(true, "file system", fs_note);
  if (stat(dir->c_str(), &info) == 0 && (info.st_mode & 022)) {
    failed += line(false, "permissions", *dir + " is writable by others: chmod go-w " + *dir);
  }
  launcher::Places places;
  const bool placed = launcher::find_places(&places);
  Fd fd(placed ? launcher::connect_daemon(places) : -1);
  failed +=
      line(static_cast<bool>(fd), "daemon", fd ? "answers" : "cannot be started; each compile runs its own engine");
  line(true, "tracer", can_trace() ? "seccomp user notification" : "no seccomp listener (Linux 5.5): ptrace is tried");
  failed += check_project();
  return failed == 0 ? 0 : 1;
}

}  // namespace hpcc
