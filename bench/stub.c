// The floor under every compiler cache: a static program that only writes the object (and dep-file) that it is asked
// for, copied from BENCH_STUB_DIR. With BENCH_STUB_SOCKET it asks a server first and waits for one byte.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void ask(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char byte = 'q';
  if (connect(fd, (struct sockaddr*)&address, sizeof address) || write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1) {
    _exit(3);
  }
  close(fd);
}

static void place(const char* name, const char* to) {
  char from[4096], temp[4096];
  snprintf(from, sizeof from, "%s/%s", getenv("BENCH_STUB_DIR"), name);
  snprintf(temp, sizeof temp, "%s.stub", to);
  int in = open(from, O_RDONLY | O_CLOEXEC);
  int out = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  struct stat info;
  if (in < 0 || out < 0 || fstat(in, &info)) _exit(4);
  if (info.st_size && sendfile(out, in, 0, (size_t)info.st_size) != info.st_size) _exit(5);
  if (rename(temp, to)) _exit(6);
}

int main(int argc, char** argv) {
  const char *object = 0, *deps = 0, *server = getenv("BENCH_STUB_SOCKET");
  for (int i = 1; i + 1 < argc; ++i) {
    if (!strcmp(argv[i], "-o")) object = argv[i + 1];
    if (!strcmp(argv[i], "-MF")) deps = argv[i + 1];
  }
  if (!object) return 2;
  if (server) ask(server);
  const char* slash = strrchr(object, '/');
  const char* base = slash ? slash + 1 : object;
  if (deps) {
    char name[4096];
    snprintf(name, sizeof name, "%s.d", base);
    place(name, deps);
  }
  place(base, object);
  return 0;
}
