// Running a State's command, directly or through hpcc, and what came of it. Thread rule: one thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "disk.h"
#include "state.h"

namespace hpcc::fuzz {

struct Outcome {
  int code = -1;
  std::string out, err;
  Left left;
};

// What hpcc did, by its own log (HPCC_LOG).
struct Answer {
  enum class Kind : uint8_t { kHit, kStored, kNotStored, kFailed, kBypass, kNothing };
  Kind kind = Kind::kNothing;
  std::string detail;  // reason of a bypass or of not storing
  std::string why;     // why it was no hit

  bool compiled() const { return kind == Kind::kStored || kind == Kind::kNotStored || kind == Kind::kFailed; }
  bool in_store() const { return kind == Kind::kHit || kind == Kind::kStored; }
};
const char* answer_name(Answer::Kind kind);

class Runner {
 public:
  // Works in `work` (made when missing); hpcc's state stays there.
  Runner(std::string work, std::string hpcc);
  ~Runner();  // ends the daemon
  Runner(const Runner&) = delete;

  Disk& disk() { return disk_; }
  // A project with a .hpcc file is compiled with its root mapped by hpcc, so the plain compiler is told the same; what
  // hpcc bypasses is not.
  enum class Way : uint8_t { kThrough, kDirect, kDirectUnmapped };
  Outcome direct(const State& state, Way way = Way::kDirect) { return run(state, way); }
  Outcome through(const State& state, Answer* answer);
  // Compiles `first` through hpcc and makes the files of `second` meanwhile; the result is dropped.
  void overlapped(const State& first, const State& second);
  std::string explain(const State& state);
  void settle();                                      // until no timestamp of an input is of the present tick
  int64_t compile_ns() const { return compile_ns_; }  // spent in all commands so far

 private:
  std::vector<std::string> argv(const State& state, Way way) const;
  std::vector<std::string> environment(const State& state) const;
  std::string directory(const State& state) const;
  pid_t start(const std::vector<std::string>& argv, const State& state);
  int finish(pid_t pid);
  Outcome run(const State& state, Way way);
  Answer read_log();

  std::string work_, hpcc_;
  Disk disk_;
  int64_t compile_ns_ = 0;
};

// What hpcc did otherwise than the compiler; empty when nothing. Names of temporary files do not count.
std::vector<std::string> compare(const Outcome& hpcc, const Outcome& direct);

}  // namespace hpcc::fuzz
