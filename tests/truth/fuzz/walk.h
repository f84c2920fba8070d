// Walk: the endless list of States that a seed stands for. Nothing in it depends on how the compiles went, so that a
// walk can be continued, replayed and cut short. Thread rule: one thread.
#pragma once

#include <deque>

#include "rng.h"
#include "state.h"

namespace hpcc::fuzz {

// What generator and mutations share: chance, and numbers that never come twice in a walk.
struct Source {
  explicit Source(uint64_t seed) : rng(seed) {}
  Rng rng;
  uint32_t next_inode = 1;
  int64_t now_s = 1'600'000'000;  // a walk's own clock, for mtimes
  unsigned next_snippet = 0;

  uint32_t inode() { return next_inode++; }
  int64_t tick() { return now_s += 2; }
};

// A fresh project and a command for it.
State generate_project(Source& source);
// One piece of text for a C or C++ file; contains no empty line.
std::string make_snippet(Source& source, Compiler compiler, bool header);
std::string header_name(Source& source);
std::string include_directory(Source& source);

// Changes one thing; false when there was nothing to change. Says what it did in state->what.
bool mutate_tree(Source& source, State* state);
bool mutate_command(Source& source, State* state);
std::vector<std::string> first_flags(Source& source, Compiler compiler);

class Walk {
 public:
  explicit Walk(uint64_t seed) : source_(seed) {}
  // The next states: one, or several of which all but the last are quiet.
  std::vector<State> next();

 private:
  State go_back();
  State go_forth();
  void recover(State* state);
  void race(std::vector<State>* out);

  Source source_;
  std::vector<State> past_;  // of this project
};

}  // namespace hpcc::fuzz
