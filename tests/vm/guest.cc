// A guest's /init for tests of the qemu driver: mounts the verified root, listens where the agent would, and answers
// one letter with one line. Letters: f FILE, read a file's first line; n, names of network devices; c, connect to the
// host; e BYTES, the same back; p, panic.
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

void first_line(FILE* stream, const char* path) {
  char line[512] = "";
  FILE* file = fopen(path, "r");
  if (!file || !fgets(line, sizeof line, file)) snprintf(line, sizeof line, "errno %d", errno);
  if (file) fclose(file);
  line[strcspn(line, "\n")] = 0;
  fprintf(stream, "%s\n", line);
}

void network(FILE* stream) {
  char line[512];
  FILE* file = fopen("/proc/net/dev", "r");
  while (file && fgets(line, sizeof line, file)) {
    char* colon = strchr(line, ':');
    if (!colon) continue;
    *colon = 0;
    fprintf(stream, "%s ", line + strspn(line, " "));
  }
  if (file) fclose(file);
  fprintf(stream, "\n");
}

void reach_host(FILE* stream) {
  struct sockaddr_vm host = {};
  host.svm_family = AF_VSOCK;
  host.svm_port = 22;
  host.svm_cid = VMADDR_CID_HOST;
  int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  int code = connect(fd, reinterpret_cast<struct sockaddr*>(&host), sizeof host);
  fprintf(stream, "%s\n", code == 0 ? "connected" : strerror(errno));
  close(fd);
}

void serve(int fd) {
  char line[4096];
  FILE* in = fdopen(dup(fd), "r"), *out = fdopen(fd, "w");
  while (fgets(line, sizeof line, in)) {
    line[strcspn(line, "\n")] = 0;
    if (line[0] == 'f') first_line(out, line + 2);
    if (line[0] == 'n') network(out);
    if (line[0] == 'c') reach_host(out);
    if (line[0] == 'e') fprintf(out, "%s\n", line + 2);
    if (line[0] == 'p') abort();  // of pid 1: the kernel panics
    fflush(out);
  }
  fclose(in);
  fclose(out);
}

}  // namespace

int main() {
  mount("devtmpfs", "/dev", "devtmpfs", 0, 0);
  mount("proc", "/proc", "proc", 0, 0);
  mount("/dev/dm-0", "/image", "squashfs", MS_RDONLY | MS_NODEV | MS_NOSUID, 0);
  struct sockaddr_vm here = {};
  here.svm_family = AF_VSOCK;
  here.svm_port = 1024;
  here.svm_cid = VMADDR_CID_ANY;
  int listener = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (bind(listener, reinterpret_cast<struct sockaddr*>(&here), sizeof here) || listen(listener, 8)) abort();
  for (;;) {
    int fd = accept(listener, 0, 0);
    if (fd >= 0) serve(fd);
  }
}
