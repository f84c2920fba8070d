#include "launcher/engine_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "build_id.h"
#include "launcher/view.h"

namespace hpcc::launcher {
namespace {

constexpr int kStartDeadlineMs = 5000;
constexpr int kSendDeadlineS = 5;

// struct ucred needs _GNU_SOURCE in some C libraries; the layout is the kernel's.
struct PeerCredentials {
  int32_t pid;
  uint32_t uid, gid;
};

bool credentials_of_peer(int fd, PeerCredentials* peer) {
  socklen_t size = sizeof *peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size) == 0;
}

bool peer_is_me(int fd) {
  PeerCredentials peer;
  return credentials_of_peer(fd, &peer) && peer.uid == geteuid();
}

bool same_peer(int fd, int other_fd) {
  PeerCredentials one, other;
  return credentials_of_peer(fd, &one) && credentials_of_peer(other_fd, &other) && one.pid == other.pid;
}

// Nor does connect() wait for ever then, where a stopped daemon's queue is full.
void bound_sends(int fd) {
  struct timeval deadline = {kSendDeadlineS, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
}

bool make_dirs(const Path& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return true;
  if (errno != ENOENT) return false;
  Path parent = path;
  while (parent.size > 1 && parent.text[parent.size - 1] != '/') --parent.size;
  if (parent.size <= 1) return false;
  parent.text[--parent.size] = 0;
  return make_dirs(parent) && (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST);
}

// connect() to run_dir/name, also where the path does not fit a socket address: then from inside the directory.
int try_connect(const Places& places) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  bound_sends(fd);
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  size_t name_size = strlen(places.name);
  bool ok = false;
  if (places.run_dir.size + 1 + name_size < sizeof address.sun_path) {
    memcpy(address.sun_path, places.run_dir.text, places.run_dir.size);
    address.sun_path[places.run_dir.size] = '/';
    memcpy(address.sun_path + places.run_dir.size + 1, places.name, name_size);
    ok = connect(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address) == 0;
  } else {
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (here >= 0 && chdir(places.run_dir.c_str()) == 0) {
      memcpy(address.sun_path, places.name, name_size);
      ok = connect(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address) == 0;
      if (fchdir(here) != 0) _exit(125);  // nothing sensible can be done in an unknown directory
    }
    if (here >= 0) close(here);
  }
  if (ok && peer_is_me(fd)) return fd;
  close(fd);
  return -1;
}

void prepare_child(int keep_fd, int keep_as) {
  if (keep_fd != keep_as) {
    dup2(keep_fd, keep_as);
  } else {
    fcntl(keep_fd, F_SETFD, 0);
  }
  if (syscall(SYS_close_range, keep_as + 1, ~0u, 0) == 0) return;
  for (int fd = keep_as + 1; fd < 65536; ++fd) close(fd);  // before Linux 5.9
}

// Starts hpccd; returns when it listens (it writes one byte to the pipe) or at the deadline.
bool start_daemon(const Places& places) {
  Path program;
  if (!sibling("hpccd", &program)) return false;
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return false;
  pid_t child = fork();
  if (child == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3 && null >= 0; ++fd) dup2(null, fd);
    prepare_child(ready[1], 3);
    if (chdir("/") != 0) _exit(127);
    const char* argv[] = {"hpccd",    "--dir",     places.dir.c_str(), "--run-dir", places.run_dir.c_str(),
                          "--socket", places.name, "--view",           places.view, "--ready-fd",
                          "3",        nullptr};
    execv(program.c_str(), const_cast<char**>(argv));
    _exit(127);
  }
  close(ready[1]);
  if (child > 0) {
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  struct pollfd wait = {ready[0], POLLIN, 0};
  char byte;
  bool ok = child > 0 && poll(&wait, 1, kStartDeadlineMs) == 1 && read(ready[0], &byte, 1) == 1;
  close(ready[0]);
  return ok;
}

}  // namespace

bool sibling(const char* name, Path* out) {
  char self[4096];
  ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
  if (size <= 0) {
    const char* started = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
    if (!started || !realpath(started, self)) return false;
    size = static_cast<ssize_t>(strlen(self));
  }
  while (size > 0 && self[size - 1] != '/') --size;
  *out += Text(self, static_cast<size_t>(size));
  *out += name;
  return !out->bad;
}

bool find_places(Places* places) {
  const char* dir = env("HPCC_DIR");
  const char* runtime = env("XDG_RUNTIME_DIR");
  Path cwd;
  if (dir && dir[0] != '/') {
    if (!getcwd(cwd.text, sizeof cwd.text)) return false;
    cwd.size = strlen(cwd.text);
    places->dir += Text(cwd.text, cwd.size);
    places->dir += "/";
  }
  if (dir) {
    places->dir += dir;
  } else if (const char* cache = env("XDG_CACHE_HOME"); cache && cache[0] == '/') {
    places->dir += cache;
    places->dir += "/hpcc";
  } else if (const char* home = env("HOME")) {
    places->dir += home;
    places->dir += "/.cache/hpcc";
  } else {
    return false;
  }
  if (!dir && runtime && runtime[0] == '/') {
    places->run_dir += runtime;
    places->run_dir += "/hpcc";
  } else {
    places->run_dir += Text(places->dir.text, places->dir.size);
    places->run_dir += "/run";
  }
  if (places->dir.bad || places->run_dir.bad) return false;
  if (!describe_view(places->view, sizeof places->view)) return false;
  struct utsname host;
  uint64_t hash = fnv1a(HPCC_BUILD_ID, sizeof HPCC_BUILD_ID);
  hash = fnv1a(places->view, strlen(places->view), hash);
  hash = fnv1a(places->dir.text, places->dir.size, hash);
  // A daemon reads one configuration file: who names another has another daemon.
  if (const char* config = env("HPCC_CONFIG")) hash = fnv1a(config, strlen(config), hash);
  if (uname(&host) == 0) hash = fnv1a(host.nodename, strlen(host.nodename), hash);
  snprintf(places->name, sizeof places->name, "%016llx.sock", static_cast<unsigned long long>(hash));
  return true;
}

int connect_running(const Places& places) { return try_connect(places); }

int connect_daemon(const Places& places) {
  int fd = try_connect(places);
  if (fd >= 0) return fd;
  if (!make_dirs(places.run_dir)) return -1;
  Path lock_path = places.run_dir;
  lock_path += "/";
  lock_path += Text(places.name, 16);
  lock_path += ".lock";
  int lock = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) return -1;
  const uint64_t give_up = clock_ns(CLOCK_MONOTONIC) + kStartDeadlineMs * 1000000ull;
  while (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (clock_ns(CLOCK_MONOTONIC) > give_up) break;
    struct timespec nap = {0, 2000000};
    nanosleep(&nap, nullptr);
    if ((fd = try_connect(places)) >= 0) break;
  }
  // Under the lock: another launcher may have started it between our attempt and the lock.
  if (fd < 0) fd = try_connect(places);
  if (fd < 0 && start_daemon(places)) fd = try_connect(places);
  close(lock);
  return fd;
}

int spawn_engine(const Places& places) {
  Path program;
  int pair[2];
  if (!sibling("hpcc-tool", &program)) return -1;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return -1;
  bound_sends(pair[0]);
  pid_t child = fork();
  if (child == 0) {
    // A grandchild: the launcher must not meet it in waitpid. It ends when the socket does.
    if (fork() != 0) _exit(0);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3 && null >= 0; ++fd) dup2(null, fd);
    prepare_child(pair[1], 3);
    const char* argv[] = {"hpcc-tool", "compile", "--dir", places.dir.c_str(), "--view", places.view,
                          "--fd",      "3",       nullptr};
    execv(program.c_str(), const_cast<char**>(argv));
    _exit(127);
  }
  close(pair[1]);
  if (child > 0) {
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return pair[0];
  }
  close(pair[0]);
  return -1;
}

void abandon_daemon(const Places& places, int fd) {
  // Another launcher may have been quicker: what listens now is the next daemon.
  int now = try_connect(places);
  const bool gone = now >= 0 && !same_peer(now, fd);
  if (now >= 0) close(now);
  if (gone) return;
  Path socket_path = places.run_dir;
  socket_path += "/";
  socket_path += places.name;
  if (!socket_path.bad) unlink(socket_path.c_str());
}

bool send_frame(int fd, frame::Type type, const void* a, size_t na, const void* b, size_t nb) {
  uint32_t header[3] = {frame::kMagic, static_cast<uint32_t>(type), static_cast<uint32_t>(na + nb)};
  struct iovec parts[3] = {{header, sizeof header}, {const_cast<void*>(a), na}, {const_cast<void*>(b), nb}};
  struct msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = 3;
  size_t left = sizeof header + na + nb;
  while (left != 0) {
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    left -= static_cast<size_t>(sent);
    for (size_t done = static_cast<size_t>(sent); done != 0;) {
      struct iovec& part = *message.msg_iov;
      size_t take = done < part.iov_len ? done : part.iov_len;
      part.iov_base = static_cast<char*>(part.iov_base) + take;
      part.iov_len -= take;
      done -= take;
      if (part.iov_len == 0 && done != 0) {
        ++message.msg_iov;
        --message.msg_iovlen;
      }
    }
  }
  return true;
}

int receive_frame(int fd, frame::Type* type, Buffer* out, int timeout_ms) {
  out->clear();
  uint32_t header[3] = {};
  size_t have = 0, want = sizeof header;
  const uint64_t give_up = clock_ns(CLOCK_MONOTONIC) + static_cast<uint64_t>(timeout_ms) * 1000000u;
  char chunk[16384];
  while (have < want) {
    ssize_t got = recv(fd, chunk, want - have < sizeof chunk ? want - have : sizeof chunk, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {
      uint64_t now = clock_ns(CLOCK_MONOTONIC);
      struct pollfd wait = {fd, POLLIN, 0};
      if (now >= give_up) return 0;
      if (poll(&wait, 1, static_cast<int>((give_up - now) / 1000000u) + 1) < 0 && errno != EINTR) return -1;
      continue;
    }
    if (got <= 0) return -1;
    if (have < sizeof header) {
      memcpy(reinterpret_cast<char*>(header) + have, chunk, static_cast<size_t>(got));
    } else if (!out->append(chunk, static_cast<size_t>(got))) {
      return -1;
    }
    have += static_cast<size_t>(got);
    if (have == sizeof header && want == sizeof header) {
      if (header[0] != frame::kMagic || header[2] > frame::kMaxLength) return -1;
      want += header[2];
    }
  }
  *type = static_cast<frame::Type>(header[1]);
  return 1;
}

}  // namespace hpcc::launcher
