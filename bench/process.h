// Starting and timing programs: posix_spawn, so that the harness costs little and the same for every tool.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace hpcc::bench {

struct Command {
  std::vector<std::string> argv;
  std::vector<std::string> env;  // complete environment, NAME=VALUE
  std::string cwd;
};

struct Finished {
  double wall_ms = 0;
  int code = -1;  // exit code, or 128 + signal
};

// What one process held when it ended, read in its PTRACE_EVENT_EXIT stop: KiB.
struct Memory {
  long peak_rss_kb = 0;
  long private_dirty_kb = 0;
};

struct Summary {
  double median = 0, p10 = 0, p99 = 0;
  size_t count = 0;
};

double now_ms();
// Runs to the end with stdin, stdout and stderr on /dev/null. posix_spawn and wait only.
Finished run(const Command& command);
// The same, all commands, `parallel` at a time; returns each one's result in order.
std::vector<Finished> run_all(const std::vector<Command>& commands, unsigned parallel);
// Standard output of a command.
std::string output_of(const Command& command);
Memory memory_at_exit(const Command& command);
// One value in kB of /proc/PID/status ("VmRSS", "RssAnon", "VmHWM"); 0 if it is gone.
long status_kb(pid_t pid, const std::string& field);
// A process of program `name` with `argument` in its command line; 0 if there is none.
pid_t find_process(const std::string& name, const std::string& argument);

Summary summarize(std::vector<double> values);
double sum(const std::vector<double>& values);

}  // namespace hpcc::bench
