// Counters: one small file of 64-bit numbers, all time and last build. Mapped and added to atomically, so that counting
// costs nothing and is seen by every process at once; on copy-on-write file systems, where a mapped write to a full
// disk is a SIGBUS, read and written under a lock instead. The file's length is fixed, checked before it is mapped and
// before each access; a file that was cut is made whole again, counting from zero.
//
// Thread rule: every method from any thread and process.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "store/index.h"
#include "store/store.h"

namespace hpcc::store {

enum class CounterAccess { kMapped, kLocked };

class Counters {
 public:
  static constexpr uint64_t kBuildGapNs = uint64_t{300} * 1000000000;

  // Never fails: what cannot be opened counts in memory. A damaged file is replaced, and counted as such.
  Counters(const std::string& path, CounterAccess access, Clock now_ns);
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  void count(Counter counter, uint64_t n);
  void count_bypass(Bypass reason);
  void count_reason(Bypass reason);
  CounterValues totals();
  CounterValues last_build();
  void zero();

 private:
  static constexpr size_t kWords = 512;  // 4096 bytes
  struct Page {
    uint64_t words[kWords] = {};
  };
  static Page page_after_damage();
  bool open_file();
  bool make_file();
  bool is_whole() const;
  bool mend();
  void add(size_t total_word, size_t build_word, uint64_t n);
  CounterValues read(size_t first_word, size_t since_word);
  template <typename Change>
  void change(Change apply);

  const std::string path_;
  const Clock now_ns_;
  CounterAccess access_;
  Fd fd_;
  uint64_t* mapped_ = nullptr;
  std::mutex mutex_;  // guards memory_, and the file in locked mode
  Page memory_;       // counts when there is no file to count in
};

}  // namespace hpcc::store
