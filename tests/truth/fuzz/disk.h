// Disk: the checkouts on disk, made from Trees by the least change: what stays the same is not touched, an inode that
// moved is renamed, one with other text is written in place. Also what a command left behind, and taking that back.
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "state.h"

namespace hpcc::fuzz {

// What an lstat tells, enough to see that something was made or changed.
struct Look {
  char kind = 0;  // f, d, l, or ? for anything else
  unsigned mode = 0;
  uint64_t ino = 0;
  int64_t size = 0, mtime_ns = 0, ctime_ns = 0;
  bool operator==(const Look&) const = default;
};
using Snapshot = std::map<std::string, Look>;

struct Made {
  char kind = 0;
  unsigned mode = 0;
  std::string content;  // of a file; of a link its target
  bool stale = false;   // older than the command that made it
};

struct Left {
  std::map<std::string, Made> files;
  std::vector<std::string> removed;
};

class Disk {
 public:
  explicit Disk(std::string top) : top_(std::move(top)) {}

  std::string root(unsigned root) const { return top_ + "/" + kRootNames[root]; }
  void sync(unsigned root, const Tree& tree);
  Snapshot snapshot(unsigned root) const;
  // What was made, changed or removed since `before` by a command that began at `start_ns`.
  Left left_behind(unsigned root, const Snapshot& before, int64_t start_ns) const;
  // Takes that back; a sync to the same tree must follow.
  void restore(unsigned root, const Snapshot& before);
  // realtime of the last change to something that may be an input
  int64_t written_ns() const { return written_ns_; }

 private:
  struct Plan;
  std::string at(unsigned root, const std::string& path) const { return this->root(root) + "/" + path; }
  void leave(Plan* plan);
  void make_directories(const Plan& plan);
  void arrive(Plan* plan);
  void fill(const Plan& plan);
  void write_file(const std::string& path, unsigned root, const Inode& inode);

  std::string top_;
  Tree present_[kRoots];
  std::set<std::string> directories_[kRoots];
  int64_t written_ns_ = 0;
};

}  // namespace hpcc::fuzz
