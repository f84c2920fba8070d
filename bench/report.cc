#include "bench/report.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace hpcc::bench {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' || c == '\t' ? ' ' : c;
  }
  return out + "\"";
}

std::string number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string first_value(const char* path, const std::string& field) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, field.size(), field) != 0) continue;
    size_t at = line.find_first_of(":=");
    size_t from = line.find_first_not_of(" \t\"", at + 1);
    size_t to = line.find_last_not_of(" \t\"");
    return from == std::string::npos ? "" : line.substr(from, to - from + 1);
  }
  return "";
}

const char* verdict(const Ratio& ratio) {
  switch (ratio.kind) {
    case Goal::kAtMost: return ratio.value <= ratio.goal ? "met" : "NOT MET";
    case Goal::kAtLeast: return ratio.value >= ratio.goal ? "met" : "NOT MET";
    case Goal::kReport: return "";
  }
  return "";
}

}  // namespace

void Report::note(std::string text) {
  std::printf("note: %s\n", text.c_str());
  notes_.push_back(std::move(text));
}

void Report::add(Row row) {
  const Summary& v = row.value;
  std::printf("%-8s %-26s %-14s %9s %-5s  p10 %-8s p99 %-8s n=%zu\n", row.section.c_str(), row.name.c_str(),
              row.tool.c_str(), number(v.median).c_str(), row.unit.c_str(), number(v.p10).c_str(),
              number(v.p99).c_str(), v.count);
  std::fflush(stdout);
  rows_.push_back(std::move(row));
}

void Report::add(Ratio ratio) { ratios_.push_back(std::move(ratio)); }

double Report::median(const std::string& section, const std::string& name, const std::string& tool) const {
  for (const Row& row : rows_) {
    if (row.section == section && row.name == name && row.tool == tool) return row.value.median;
  }
  return 0;
}

void Report::ratio(const std::string& section, const std::string& name, const std::string& tool,
                   const std::string& other, Goal kind, double goal) {
  double mine = median(section, name, tool), base = median(section, name, other);
  if (mine > 0 && base > 0) add(Ratio{section + " " + name + ": " + tool + " / " + other, mine / base, kind, goal});
}

std::string Report::json() const {
  std::string out = "{\"schema\":1,\n\"machine\":{";
  const char* comma = "";
  for (const auto& [name, value] : machine_) {
    out += comma + quoted(name) + ":" + quoted(value);
    comma = ",";
  }
  out += "},\n\"rows\":[";
  comma = "\n";
  for (const Row& row : rows_) {
    out += comma;
    out += "{\"section\":" + quoted(row.section) + ",\"name\":" + quoted(row.name) + ",\"tool\":" + quoted(row.tool) +
           ",\"unit\":" + quoted(row.unit) + ",\"median\":" + number(row.value.median) +
           ",\"p10\":" + number(row.value.p10) + ",\"p99\":" + number(row.value.p99) +
           ",\"n\":" + std::to_string(row.value.count) + ",\"command\":" + quoted(row.command) + "}";
    comma = ",\n";
  }
  out += "],\n\"ratios\":[";
  comma = "\n";
  for (const Ratio& ratio : ratios_) {
    out += comma;
    out += "{\"name\":" + quoted(ratio.name) + ",\"value\":" + number(ratio.value);
    if (ratio.kind != Goal::kReport) {
      out += ",\"goal\":" + number(ratio.goal) + ",\"met\":" + (verdict(ratio)[0] == 'm' ? "true" : "false");
    }
    out += "}";
    comma = ",\n";
  }
  out += "],\n\"notes\":[";
  comma = "\n";
  for (const std::string& text : notes_) {
    out += comma + quoted(text);
    comma = ",\n";
  }
  return out + "]}\n";
}

void Report::print_goals() const {
  std::printf("\n%-62s %8s %10s\n", "ratio", "value", "goal");
  for (const Ratio& ratio : ratios_) {
    std::string goal;
    if (ratio.kind != Goal::kReport) goal = (ratio.kind == Goal::kAtMost ? "<= " : ">= ") + number(ratio.goal);
    std::printf("%-62s %8s %10s  %s\n", ratio.name.c_str(), number(ratio.value).c_str(), goal.c_str(), verdict(ratio));
  }
}

void describe_machine(Report* report) {
  utsname name;
  uname(&name);
  report->machine("processor", first_value("/proc/cpuinfo", "model name"));
  report->machine("cores", std::to_string(sysconf(_SC_NPROCESSORS_ONLN)));
  report->machine("memory", first_value("/proc/meminfo", "MemTotal"));
  report->machine("kernel", std::string(name.sysname) + " " + name.release);
  report->machine("system", first_value("/etc/os-release", "PRETTY_NAME"));
}

}  // namespace hpcc::bench
