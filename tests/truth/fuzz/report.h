// The log of a walk (one line a step, so that a killed run continues) and the sum over many. Thread rule: values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "session.h"

namespace hpcc::fuzz {

// One line of DIR/seed-N.log: fields separated by tabs, see encode_line.
struct Line {
  size_t step = 0;
  std::string digest, answer, detail, told, told_class, lost_class, wrong;
  bool repeatable = false, unstable = false;
  size_t changes = 0;
  int64_t compile_us = 0, own_us = 0;
};
Line line_of(size_t number, const Step& step);
std::string encode_line(const Line& line);
bool decode_line(const std::string& text, Line* line);
// Whole lines of a log, in order; what follows a torn line is dropped.
std::vector<Line> read_log(const std::string& path);
Answer::Kind answer_kind(const std::string& name);

class Report {
 public:
  void add(const Line& line);
  void print() const;
  // Prints "N passed, N failed"; 1 when a result was wrong or a goal is missed.
  int finish() const;
  size_t steps() const { return steps_; }
  size_t wrong() const { return wrong_; }
  size_t seeds = 0;

 private:
  size_t steps_ = 0, wrong_ = 0, unstable_ = 0, repeatable_ = 0, lost_ = 0, asked_ = 0, told_wrong_ = 0;
  size_t single_ = 0, single_wrong_ = 0;
  int64_t compile_us_ = 0, own_us_ = 0;
  std::map<std::string, size_t> answers_, lost_classes_, told_classes_, not_stored_, bypassed_;
};

// All logs of a directory; false when there is none.
bool read_directory(const std::string& directory, Report* report);

}  // namespace hpcc::fuzz
