// `hpcc doctor`: whether everything hpcc needs is there, and what to do where it is not.
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "base/fs.h"
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

void print_debugger_settings() {
  char here[4096];
  if (!getcwd(here, sizeof here)) return;
  Request request;
  request.cwd = here;
  Place place = find_place(request, "x.c");
  if (!place.logical_root) {
    printf("-     %-18s no .hpcc file at or above this directory: objects are the plain compiler's\n", "project");
    return;
  }
  printf("ok    %-18s %s is %.*s in debug information; debuggers find the sources by\n", "project", place.root.c_str(),
         static_cast<int>(kLogicalRoot.size()), kLogicalRoot.data());
  printf("      %-18s gdb:  set substitute-path %.*s %s\n", "", static_cast<int>(kLogicalRoot.size()),
         kLogicalRoot.data(), place.root.c_str());
  printf("      %-18s lldb: settings set target.source-map %.*s %s\n", "", static_cast<int>(kLogicalRoot.size()),
         kLogicalRoot.data(), place.root.c_str());
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
  failed += line(can_trace(), "tracer",
                 can_trace() ? "seccomp user notification" : "needs Linux 5.5: compiles are not stored");
  print_debugger_settings();
  return failed == 0 ? 0 : 1;
}

}  // namespace hpcc
