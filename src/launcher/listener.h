// The two calls of whoever serves a seccomp listener: the launcher while it lives, the engine after it was killed.
// Header-only, freestanding.
#pragma once

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

namespace hpcc {

struct Notice {
  struct seccomp_notif call;
  char room[256];  // newer kernels may have longer structures
};

// Takes one waiting notification; waits when there is none. False with errno; EINTR and ENOENT mean that it went away.
inline bool receive_notice(int listener, Notice* notice) {
  memset(notice, 0, sizeof *notice);
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notice->call) == 0;
}

// Lets the call go on. False when the listener is of no more use.
inline bool let_go_on(int listener, const Notice& notice) {
  struct {
    struct seccomp_notif_resp answer;
    char room[256];
  } out;
  memset(&out, 0, sizeof out);
  out.answer.id = notice.call.id;
  out.answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &out.answer) == 0 || errno == ENOENT || errno == EINTR;
}

}  // namespace hpcc
