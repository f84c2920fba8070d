#include "launcher/sys.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

namespace hpcc::launcher {

bool Buffer::append(const void* bytes, size_t n) {
  if (n > limit_ - size_) {
    truncated_ = true;
    return false;
  }
  if (n > capacity_ - size_) {
    size_t want = capacity_ ? capacity_ : 4096;
    while (want < size_ + n) want *= 2;
    void* fresh = capacity_ ? mremap(data_, capacity_, want, MREMAP_MAYMOVE)
                            : mmap(nullptr, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fresh == MAP_FAILED) {
      truncated_ = true;
      return false;
    }
    data_ = static_cast<char*>(fresh);
    capacity_ = want;
  }
  if (n != 0) memcpy(data_ + size_, bytes, n);
  size_ += n;
  return true;
}

Path& Path::operator+=(Text part) {
  if (bad || part.size >= sizeof text - size) {
    bad = true;
    return *this;
  }
  memcpy(text + size, part.data, part.size);
  size += part.size;
  text[size] = 0;
  return *this;
}

Text basename_of(Text path) {
  size_t start = path.size;
  while (start > 0 && path.data[start - 1] != '/') --start;
  return Text(path.data + start, path.size - start);
}

uint64_t fnv1a(const void* bytes, size_t n, uint64_t seed) {
  const unsigned char* p = static_cast<const unsigned char*>(bytes);
  for (size_t i = 0; i < n; ++i) seed = (seed ^ p[i]) * 0x100000001b3ull;
  return seed;
}

uint64_t clock_ns(int clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

bool write_all(int fd, const void* bytes, size_t n) {
  const char* p = static_cast<const char*>(bytes);
  while (n != 0) {
    ssize_t done = write(fd, p, n);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) {
      struct pollfd wait = {fd, POLLOUT, 0};
      poll(&wait, 1, 1000);
      continue;
    }
    if (done < 0) return false;
    p += done;
    n -= static_cast<size_t>(done);
  }
  return true;
}

const char* env(const char* name) {
  const char* value = getenv(name);
  return value && *value ? value : nullptr;
}

bool env_flag(const char* name) {
  const char* value = env(name);
  return value && strcmp(value, "0") != 0;
}

}  // namespace hpcc::launcher
