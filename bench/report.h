// What was measured: rows and ratios against goals, as a table for people and as JSON.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/process.h"

namespace hpcc::bench {

struct Row {
  std::string section, name, tool, unit;
  Summary value;
  std::string command;  // what was run
};

// A figure that has a goal; met when value <= goal (kAtMost) or value >= goal (kAtLeast). kReport: no goal.
enum class Goal { kAtMost, kAtLeast, kReport };
struct Ratio {
  std::string name;
  double value = 0;
  Goal kind = Goal::kReport;
  double goal = 0;
};

class Report {
 public:
  void machine(std::string name, std::string value) { machine_.emplace_back(std::move(name), std::move(value)); }
  void note(std::string text);
  void add(Row row);
  void add(Ratio ratio);
  // Median of a row, 0 when it was not measured.
  double median(const std::string& section, const std::string& name, const std::string& tool) const;
  // Adds tool's median over other's, if both were measured.
  void ratio(const std::string& section, const std::string& name, const std::string& tool, const std::string& other,
             Goal kind, double goal);

  std::string json() const;
  void print_goals() const;

 private:
  std::vector<std::pair<std::string, std::string>> machine_;
  std::vector<std::string> notes_;
  std::vector<Row> rows_;
  std::vector<Ratio> ratios_;
};

// Machine facts: processor, cores, kernel, memory, system.
void describe_machine(Report* report);

}  // namespace hpcc::bench
