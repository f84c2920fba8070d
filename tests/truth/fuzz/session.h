// Session: runs States in order and judges each: the result against the plain compiler's, the answer against what was
// stored before, the explanation against what was changed. Thread rule: one thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "run.h"
#include "state.h"

namespace hpcc::fuzz {

enum class Told : uint8_t {
  kNotAsked,  // no miss
  kRight,     // names something that was changed
  kFirst,     // nothing was known before, and it says so
  kWrong,
};
const char* told_name(Told told);

struct Step {
  std::string digest;
  Answer answer;
  std::vector<std::string> wrong;  // how the result differs from the compiler's
  bool unstable = false;           // the compiler alone gives two results
  bool repeatable = false;         // the very same state has a stored result
  bool lost = false;               // and yet it was compiled
  Told told = Told::kNotAsked;
  std::string told_class;  // of kWrong: what kind of thing it said, and what was changed
  size_t changes = 0;      // since the last command for this output
  int64_t compile_us = 0, own_us = 0;
};

class Session {
 public:
  explicit Session(Runner& runner) : runner_(runner) {}

  // All but the last state are quiet. `explain` asks `hpcc explain` for every miss, else the log is believed.
  enum class Explain : uint8_t { kAsk, kFromLog };
  Step run(const std::vector<State>& states, Explain explain);
  // A step of an earlier run, as its log has it.
  void recall(const std::vector<State>& states, Answer::Kind answer);

 private:
  struct Last {
    State state;
    Answer::Kind answer;
    bool mixed;             // files changed while it was compiled
    bool bypassed = false;  // commands that hpcc took no part in came after it
  };
  void remember(const State& state, Answer::Kind answer, bool mixed);
  void quiet(const State& state, const State& next);
  void judge_explanation(const State& state, Explain explain, Step* step);
  const Last* last_of(const State& state) const;

  Runner& runner_;
  std::map<std::string, bool> stored_;  // by digest of the state
  std::map<std::string, Last> last_;    // by output, and by source
};

// First words of an explanation's line without what is particular to the case, to count by.
std::string class_of(const std::string& line);

}  // namespace hpcc::fuzz
