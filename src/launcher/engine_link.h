// The connection to an engine: the user's daemon, started on demand, or an engine of our own over a socket pair.
//
// The daemon's socket is named by the view of the file system (mount namespace, root) and by the build, so that a
// launcher in a chroot or container, or of another version, never talks to a daemon that sees other files.
#pragma once

#include <stdint.h>

#include "launcher/frame.h"
#include "launcher/sys.h"

namespace hpcc::launcher {

struct Places {
  Path dir;        // HPCC_DIR or its default
  Path run_dir;    // where the socket is
  char name[32];   // file name of the socket
  char view[128];  // "dev:ino:mount:namespace" of this process, checked by the daemon against its own
};

// Finds directory, socket and view from the environment. False when there is no usable place.
bool find_places(Places* places);

// Path of a binary beside this one ("hpccd"); false when it cannot be known.
bool sibling(const char* name, Path* out);

// Connects to the daemon, starting it if needed. -1 when that cannot be had within the deadline.
int connect_daemon(const Places& places);
// Connects to a daemon that runs already; -1 when none does.
int connect_running(const Places& places);
// A private engine for this one command: `hpcc-tool compile` over a socket pair. -1 when it cannot be started.
int spawn_engine(const Places& places);
// Moves the daemon at the other end of `fd`, which does not answer, out of the way of the next launcher.
void abandon_daemon(const Places& places, int fd);

// Sends one frame of up to two parts; false when the peer is gone or does not take it within its deadline.
bool send_frame(int fd, frame::Type type, const void* a, size_t na, const void* b = nullptr, size_t nb = 0);
// Receives one frame into `out` (replaced). 1 = ok, 0 = timeout, -1 = peer gone or not speaking the protocol.
int receive_frame(int fd, frame::Type* type, Buffer* out, int timeout_ms);

}  // namespace hpcc::launcher
