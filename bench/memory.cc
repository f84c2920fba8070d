// Measures of what hpcc holds and how fast it comes up.
#include <filesystem>
#include <memory>

#include "bench/context.h"

namespace hpcc::bench {
namespace {

Summary single(double value) { return {value, value, value, 1}; }

void add_mb(Context& context, const std::string& name, long kb, double goal_mb) {
  double mb = static_cast<double>(kb) / 1024;
  context.report.add(Row{"memory", name, "hpcc", "MB", single(mb), ""});
  Goal kind = goal_mb > 0 ? Goal::kAtMost : Goal::kReport;
  context.report.add(Ratio{"memory " + name + ", MB", mb, kind, goal_mb});
}

void daemon_memory(Context& context, const Session& session, const std::string& when, double goal_mb) {
  pid_t daemon = find_process("hpccd", session.dir());
  if (daemon == 0) {
    context.report.note("no daemon found " + when);
    return;
  }
  add_mb(context, "daemon " + when, status_kb(daemon, "VmRSS"), goal_mb);
  add_mb(context, "daemon " + when + ", not file-backed", status_kb(daemon, "RssAnon"), 0);
  add_mb(context, "daemon " + when + ", peak", status_kb(daemon, "VmHWM"), 0);
}

}  // namespace

void measure_memory(Context& context) {
  const Tool* hpcc = context.find(Kind::kHpcc);
  if (!hpcc) return;
  std::string root = context.work + "/many";
  std::vector<Unit> units = write_project(root, context.pick(50, 300, 3000), false);
  settle();
  Session session(context, *hpcc, "memory");
  std::vector<Command> commands;
  for (const Unit& unit : units) commands.push_back(session.compile(root, unit, {"-Iinclude"}));
  std::string count = std::to_string(units.size());
  timed(context, commands, 4);
  daemon_memory(context, session, "after " + count + " misses", 0);
  session.stop_server();
  timed(context, commands, 4);
  daemon_memory(context, session, "after " + count + " hits", 150);
  Memory launcher = memory_at_exit(commands[0]);
  add_mb(context, "launcher of a hit, peak", launcher.peak_rss_kb, 1);
  add_mb(context, "launcher of a hit, private dirty", launcher.private_dirty_kb, 0);
}

void measure_first(Context& context) {
  std::string root = context.work + "/first";
  std::vector<Unit> tiny = write_tiny_files(root, 1);
  settle();
  std::vector<std::vector<double>> times(context.tools.size());
  int rounds = context.pick(3, 25, 50);
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < context.tools.size(); ++i) {
      if (context.tools[i].is_stub()) continue;
      Session session(context, context.tools[i], "first");
      times[i].push_back(timed(context, {session.compile(root, tiny[0], {})}, 1)[0]);
    }
  }
  for (size_t i = 0; i < context.tools.size(); ++i) {
    if (context.tools[i].is_stub()) continue;
    context.report.add(Row{"first", "compile in a fresh dir", context.tools[i].name, "ms", summarize(times[i]), ""});
  }
}

}  // namespace hpcc::bench
