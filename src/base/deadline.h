// Deadline: a point on the monotonic clock by which a wait must be over. A value; passed down so that a call made of
// many steps has one limit, not one per step.
#pragma once

#include <algorithm>
#include <climits>
#include <cstdint>

#include "base/fs.h"

namespace hpcc {

class Deadline {
 public:
  static Deadline after_ms(int64_t timeout_ms) { return Deadline(monotonic_ns() + timeout_ms * 1000000); }
  static Deadline earlier(Deadline a, Deadline b) { return a.at_ns_ < b.at_ns_ ? a : b; }

  bool passed() const { return monotonic_ns() >= at_ns_; }
  // For poll(): never negative, rounded up so that a wait of this long ends after the deadline.
  int remaining_ms() const {
    const int64_t left_ms = (at_ns_ - monotonic_ns() + 999999) / 1000000;
    return static_cast<int>(std::clamp<int64_t>(left_ms, 0, INT_MAX));
  }

 private:
  explicit Deadline(int64_t at_ns) : at_ns_(at_ns) {}
  int64_t at_ns_;
};

}  // namespace hpcc
