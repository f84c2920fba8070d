#include "client/services.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/deadline.h"
#include "base/fs.h"
#include "base/message.h"

namespace hpcc {
namespace {

constexpr int kReadyMs = 60'000;
constexpr int kStopMs = 20'000;
constexpr size_t kLogBytes = 64u << 20;
constexpr off_t kOldLogBytes = 32 << 20;  // a log of that size is begun anew
constexpr int kReadyFd = 3;
constexpr size_t kLineBytes = 4096;

// Field 22 of /proc/<pid>/stat; "" when there is no such process, or it is only a zombie.
std::string start_time(pid_t pid) {
  Result<std::string> stat = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!stat.ok()) return "";
  size_t at = stat->rfind(')');
  if (at == std::string::npos || stat->compare(at, 4, ") Z ") == 0) return "";
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = stat->find(' ', at + 1);
  return at == std::string::npos ? "" : stat->substr(at + 1, stat->find(' ', at + 1) - at - 1);
}

Result<pid_t> spawn(const Services::Words& words, int ready_fd, const std::string& log) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (!log.empty()) {
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawn_file_actions_adddup2(&actions, ready_fd, kReadyFd);
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  if (!log.empty()) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid;
  const int error = posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return errno_error("start " + words[0], error);
  return pid;
}

// Killed when it does not end in time.
Status end(pid_t pid, const Fd& process) {
  const auto signal_it = [&](int number) { return syscall(SYS_pidfd_send_signal, process.get(), number, nullptr, 0); };
  const auto ended = [&](int within_ms) {
    const Deadline deadline = Deadline::after_ms(within_ms);
    struct pollfd wait = {process.get(), POLLIN, 0};
    int ready;
    do {
      ready = poll(&wait, 1, deadline.remaining_ms());
    } while (ready < 0 && errno == EINTR);
    return ready == 1;
  };
  if (signal_it(SIGTERM) != 0 && errno != ESRCH) return errno_error("end process " + std::to_string(pid));
  if (ended(kStopMs) || (signal_it(SIGKILL), ended(kStopMs))) return {};
  return Error{Code::kTimeout, "process " + std::to_string(pid) + " does not end", 0};
}

// The last line that a service has written to its log since `from`.
std::string last_line(const std::string& log, off_t from) {
  Result<std::string> text = read_file(log, kLogBytes);
  if (!text.ok() || text->size() <= static_cast<size_t>(from)) return "it said nothing";
  while (text->ends_with('\n')) text->pop_back();
  const size_t at = text->rfind('\n');
  return text->substr(at == std::string::npos ? 0 : at + 1);
}

}  // namespace

Status run_to_end(const Services::Words& words) {
  TRY_ASSIGN(pid_t pid, spawn(words, -1, ""));
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Error{Code::kIo, words[0] + " failed", 0};
  }
  return {};
}

pid_t Services::running(const std::string& name) const {
  Result<std::string> text = read_file(pid_file(name), 256);
  if (!text.ok()) return -1;
  long pid = 0;
  char when[64] = {};
  if (sscanf(text->c_str(), "%ld %63s", &pid, when) != 2 || pid <= 1) return -1;
  return start_time(static_cast<pid_t>(pid)) == when ? static_cast<pid_t>(pid) : -1;
}

Result<std::string> Services::start(const std::string& name, Words words) const {
  TRY_ASSIGN(Pipe ready, make_pipe());
  Fd theirs(fcntl(ready.write_end.get(), F_DUPFD_CLOEXEC, kReadyFd + 1));
  ready.write_end.reset();
  words.insert(words.end(), {"--ready-fd", std::to_string(kReadyFd)});
  const std::string log = log_file(name);
  struct stat before = {};
  if (stat(log.c_str(), &before) == 0 && before.st_size > kOldLogBytes) unlink(log.c_str()), before.st_size = 0;
  TRY_ASSIGN(pid_t pid, spawn(words, theirs.get(), log));
  theirs.reset();
  const std::string note = pid_file(name);
  Fd file(open(note.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const Status noted = !file ? errno_error("create " + note)
                             : write_fd(file.get(), std::to_string(pid) + " " + start_time(pid) + "\n", note);
  if (!noted.ok()) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return noted.error();
  }
  const Deadline deadline = Deadline::after_ms(kReadyMs);
  std::string said;
  while (said.find('\n') == std::string::npos && said.size() < kLineBytes) {
    struct pollfd wait = {ready.read_end.get(), POLLIN, 0};
    char chunk[512];
    ssize_t got = poll(&wait, 1, deadline.remaining_ms()) == 1 ? read(wait.fd, chunk, sizeof chunk) : -1;
    if (got <= 0) {
      (void)stop(name).ok();
      if (got < 0) return Error{Code::kTimeout, "hpcc-" + name + " did not start in time; see " + log, 0};
      return Error{Code::kIo, "it ended: " + last_line(log, before.st_size) + "\n(log: " + log + ")", 0};
    }
    said.append(chunk, static_cast<size_t>(got));
  }
  return said.substr(0, said.find('\n'));
}

Status Services::stop(const std::string& name) const {
  const pid_t pid = running(name);
  if (pid > 0) {
    Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!process && errno != ESRCH) return errno_error("open process " + std::to_string(pid));
    // What the descriptor stands for stays that process; now it must still be the service.
    if (process && running(name) == pid) TRY(end(pid, process));
    waitpid(pid, nullptr, 0);  // at once: it has ended, or is nobody's child of ours
  }
  unlink(pid_file(name).c_str());
  return {};
}

}  // namespace hpcc
