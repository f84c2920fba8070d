// What the freestanding launcher needs of a runtime: spans, a growing buffer, paths. No libstdc++, no exceptions.
// Single-threaded; memory comes from mmap and is never returned, because the process lives for one command.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace hpcc::launcher {

struct Text {
  const char* data = nullptr;
  size_t size = 0;
  Text() = default;
  Text(const char* s) : data(s), size(s ? strlen(s) : 0) {}
  Text(const char* s, size_t n) : data(s), size(n) {}
  bool operator==(Text o) const { return size == o.size && (size == 0 || memcmp(data, o.data, size) == 0); }
  bool starts_with(Text o) const { return size >= o.size && memcmp(data, o.data, o.size) == 0; }
};

// Growing byte buffer; append fails (returns false, keeps what it has) when memory is short or `limit` is reached.
class Buffer {
 public:
  explicit Buffer(size_t limit) : limit_(limit) {}
  bool append(const void* bytes, size_t n);
  char* data() { return data_; }
  size_t size() const { return size_; }
  void clear() { size_ = 0; }
  bool truncated() const { return truncated_; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0, capacity_ = 0, limit_;
  bool truncated_ = false;
};

// A path built from parts, zero-terminated; too long paths set `bad`.
struct Path {
  char text[4096];
  size_t size = 0;
  bool bad = false;
  Path& operator+=(Text part);
  const char* c_str() const { return text; }
};

Text basename_of(Text path);
uint64_t fnv1a(const void* bytes, size_t n, uint64_t seed = 0xcbf29ce484222325ull);
uint64_t clock_ns(int clock);
bool write_all(int fd, const void* bytes, size_t n);
// Variable of the environment; empty values count as unset, as for every HPCC_ variable.
const char* env(const char* name);
bool env_flag(const char* name);  // set, not empty, not "0"

}  // namespace hpcc::launcher
