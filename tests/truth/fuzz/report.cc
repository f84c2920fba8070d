#include "report.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>

#include "base/fs.h"

namespace hpcc::fuzz {
namespace {

constexpr size_t kLogBytes = 256u << 20;
constexpr size_t kFields = 14;
constexpr double kMostLost = 2, kMostUntrue = 1;  // percent

std::string clean(std::string text) {
  std::replace(text.begin(), text.end(), '\t', ' ');
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

double share(size_t part, size_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void print_classes(const char* heading, const std::map<std::string, size_t>& classes) {
  std::vector<std::pair<size_t, std::string>> sorted;
  for (const auto& [name, count] : classes) sorted.emplace_back(count, name);
  std::sort(sorted.rbegin(), sorted.rend());
  for (const auto& [count, name] : sorted) printf("  %s %6zu  %s\n", heading, count, name.c_str());
}

}  // namespace

Line line_of(size_t number, const Step& step) {
  Line line;
  line.step = number;
  line.digest = step.digest;
  line.answer = answer_name(step.answer.kind);
  // The reason; of an option or a variable also its name.
  const std::string& detail = step.answer.detail;
  const size_t word = detail.find(' '), next = word == std::string::npos ? word : word + 1;
  const bool named = next < detail.size() && (detail[next] == '-' || isupper(static_cast<unsigned char>(detail[next])));
  line.detail = detail.substr(0, named ? detail.find_first_of("= ", next) : word);
  line.repeatable = step.repeatable;
  line.unstable = step.unstable;
  line.told = told_name(step.told);
  line.told_class = step.told_class;
  line.changes = step.changes;
  line.compile_us = step.compile_us;
  line.own_us = step.own_us;
  if (step.lost) line.lost_class = class_of(step.answer.why.substr(0, step.answer.why.find('\n')));
  for (const std::string& difference : step.wrong) line.wrong += difference + "; ";
  return line;
}

std::string encode_line(const Line& line) {
  const std::string fields[kFields] = {std::to_string(line.step),
                                       line.digest,
                                       line.answer,
                                       line.detail,
                                       line.repeatable ? "1" : "0",
                                       line.unstable ? "1" : "0",
                                       line.lost_class,
                                       line.told,
                                       line.told_class,
                                       std::to_string(line.changes),
                                       std::to_string(line.compile_us),
                                       std::to_string(line.own_us),
                                       line.wrong,
                                       "."};
  std::string out;
  for (size_t i = 0; i < kFields; ++i) out += (i == 0 ? "" : "\t") + clean(fields[i]);
  return out + "\n";
}

bool decode_line(const std::string& text, Line* line) {
  std::vector<std::string> fields(1);
  for (char c : text) {
    if (c == '\t') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (fields.size() != kFields || fields.back() != ".") return false;
  line->step = strtoull(fields[0].c_str(), nullptr, 10);
  line->digest = fields[1];
  line->answer = fields[2];
  line->detail = fields[3];
  line->repeatable = fields[4] == "1";
  line->unstable = fields[5] == "1";
  line->lost_class = fields[6];
  line->told = fields[7];
  line->told_class = fields[8];
  line->changes = strtoull(fields[9].c_str(), nullptr, 10);
  line->compile_us = strtoll(fields[10].c_str(), nullptr, 10);
  line->own_us = strtoll(fields[11].c_str(), nullptr, 10);
  line->wrong = fields[12];
  return true;
}

std::vector<Line> read_log(const std::string& path) {
  std::vector<Line> lines;
  const std::string text = read_file(path, kLogBytes).value_or("");
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    Line line;
    if (end == std::string::npos || !decode_line(text.substr(at, end - at), &line) || line.step != lines.size()) break;
    lines.push_back(std::move(line));
    at = end + 1;
  }
  return lines;
}

Answer::Kind answer_kind(const std::string& name) {
  using Kind = Answer::Kind;
  for (Kind kind : {Kind::kHit, Kind::kStored, Kind::kNotStored, Kind::kFailed, Kind::kBypass}) {
    if (name == answer_name(kind)) return kind;
  }
  return Kind::kNothing;
}

void Report::add(const Line& line) {
  ++steps_;
  ++answers_[line.answer];
  wrong_ += line.wrong.empty() ? 0 : 1;
  unstable_ += line.unstable ? 1 : 0;
  repeatable_ += line.repeatable ? 1 : 0;
  compile_us_ += line.compile_us;
  own_us_ += line.own_us;
  if (line.answer == "not-stored") ++not_stored_[line.detail];
  if (line.answer == "bypass") ++bypassed_[line.detail];
  if (!line.lost_class.empty()) {
    ++lost_;
    ++lost_classes_[line.lost_class];
  }
  if (line.told == "-") return;
  ++asked_;
  const bool false_cause = line.told == "wrong";
  if (line.changes == 1) {
    ++single_;
    single_wrong_ += false_cause ? 1 : 0;
  }
  if (!false_cause) return;
  ++told_wrong_;
  ++told_classes_[line.told_class.substr(0, line.told_class.find(" | "))];
}

void Report::print() const {
  printf("%zu steps over %zu seeds: %zu WRONG, %zu left out because the compiler's own output is unstable\n", steps_,
         seeds, wrong_, unstable_);
  print_classes("answer", answers_);
  print_classes("not stored", not_stored_);
  print_classes("bypass", bypassed_);
  printf("lost hits: %zu of %zu repeatable steps (%.2f %%)\n", lost_, repeatable_, share(lost_, repeatable_));
  print_classes("lost", lost_classes_);
  printf("explain: the true cause in %zu of %zu misses (%.2f %%); after a single change in %zu of %zu (%.2f %%)\n",
         asked_ - told_wrong_, asked_, share(asked_ - told_wrong_, asked_), single_ - single_wrong_, single_,
         share(single_ - single_wrong_, single_));
  print_classes("explain", told_classes_);
  const double steps = static_cast<double>(std::max<size_t>(1, steps_)) * 1000;
  printf("per step: %.1f ms in compiles, %.1f ms beside them\n", static_cast<double>(compile_us_) / steps,
         static_cast<double>(own_us_) / steps);
}

int Report::finish() const {
  // Each step is a test, and so are the two goals that are shares.
  const bool lost = share(lost_, repeatable_) > kMostLost, untrue = share(told_wrong_, asked_) > kMostUntrue;
  if (lost) printf("FAILED: more than %.0f %% of the repeatable steps were compiled again\n", kMostLost);
  if (untrue) printf("FAILED: explain misses the true cause in more than %.0f %%\n", kMostUntrue);
  const size_t failed = wrong_ + (lost ? 1 : 0) + (untrue ? 1 : 0);
  printf("%zu passed, %zu failed\n", steps_ + 2 - failed, failed);
  return failed == 0 && steps_ != 0 ? 0 : 1;
}

bool read_directory(const std::string& directory, Report* report) {
  Result<std::vector<std::string>> names = list_directory(directory);
  if (!names.ok()) return false;
  for (const std::string& name : *names) {
    if (!name.starts_with("seed-") || !name.ends_with(".log")) continue;
    ++report->seeds;
    for (const Line& line : read_log(directory + "/" + name)) report->add(line);
  }
  return report->seeds != 0;
}

}  // namespace hpcc::fuzz
