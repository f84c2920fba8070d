#include "client/keeper.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "launcher/listener.h"

namespace hpcc {

bool may_keep(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return false;
  if (S_ISFIFO(info.st_mode)) return true;
  char target[64];
  const ssize_t size = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target);
  return size > 0 && std::string_view(target, static_cast<size_t>(size)) == "anon_inode:seccomp notify";
}

bool tend(int fd) {
  struct pollfd waiting = {fd, POLLIN, 0};
  const int ready = poll(&waiting, 1, 0);
  if (ready <= 0) return ready == 0 || errno == EINTR;
  if (!(waiting.revents & POLLIN)) return false;
  Notice notice;
  if (receive_notice(fd, &notice)) return let_go_on(fd, notice);
  if (errno == EINTR || errno == ENOENT) return true;
  char discarded[65536];
  const ssize_t got = read(fd, discarded, sizeof discarded);
  return got > 0 || (got < 0 && errno == EINTR);
}

void tend_all(std::vector<Fd> kept, int quiet_ms) {
  while (!kept.empty()) {
    std::vector<struct pollfd> waiting;
    for (const Fd& fd : kept) waiting.push_back({fd.get(), POLLIN, 0});
    const int ready = poll(waiting.data(), waiting.size(), quiet_ms);
    if (ready == 0 || (ready < 0 && errno != EINTR)) return;
    std::erase_if(kept, [](const Fd& fd) { return !tend(fd.get()); });
  }
}

}  // namespace hpcc
