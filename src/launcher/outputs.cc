#include "launcher/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

namespace hpcc::launcher {
namespace {

bool pump(int from, int to, Buffer* keep) {
  char chunk[16384];
  ssize_t got = read(from, chunk, sizeof chunk);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  keep->append(chunk, static_cast<size_t>(got));
  if (to >= 0) write_all(to, chunk, static_cast<size_t>(got));
  return true;
}

void drain_one(int from, int to, Buffer* keep) {
  if (from < 0) return;
  fcntl(from, F_SETFL, O_NONBLOCK);
  char chunk[16384];
  ssize_t got;
  while ((got = read(from, chunk, sizeof chunk)) > 0) {
    keep->append(chunk, static_cast<size_t>(got));
    if (to >= 0) write_all(to, chunk, static_cast<size_t>(got));
  }
}

}  // namespace

bool Outputs::pump_out() { return pump(out_fd, held ? -1 : 1, out); }
bool Outputs::pump_err() { return pump(err_fd, held ? -1 : 2, err); }

void Outputs::drain() {
  drain_one(out_fd, held ? -1 : 1, out);
  drain_one(err_fd, held ? -1 : 2, err);
}

}  // namespace hpcc::launcher
