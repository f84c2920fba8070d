// Measures of builds: all-hit rebuilds under ninja, and cold builds with an empty cache.
#include <filesystem>
#include <memory>

#include "bench/context.h"

namespace hpcc::bench {
namespace {

const std::vector<std::string> kProjectFlags = {"-O1", "-g", "-Iinclude"};

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::vector<std::string> dep_flags(const Session& session, const Unit& unit) {
  std::vector<std::string> flags = kProjectFlags;
  for (const std::string& word : {std::string("-MD"), std::string("-MF"), session.object(unit) + ".d"}) {
    flags.push_back(word);
  }
  return flags;
}

// Targets: "objects", and "whole" which links them too (through the launcher, as with CC="hpcc gcc").
void write_ninja(const Context& context, const std::string& root, const std::vector<Unit>& units,
                 const Session& session) {
  std::string text = "rule cc\n  command = $cmd\n  depfile = $out.d\n  deps = gcc\n";
  std::string objects;
  for (const Unit& unit : units) {
    Command command = session.compile(root, unit, dep_flags(session, unit));
    text += "build " + session.object(unit) + ": cc " + unit.source + "\n  cmd = " + join(command.argv) + "\n";
    objects += " " + session.object(unit);
  }
  std::string launcher = session.tool().is_cache() ? session.tool().path + " " : "";
  text += "rule link\n  command = " + launcher + context.gcc + " -shared -o $out $in\n";
  text += "build objects: phony" + objects + "\nbuild whole: phony " + session.dir() + "/obj/whole.so\n";
  text += "build " + session.dir() + "/obj/whole.so: link" + objects + "\n";
  write_file(session.dir() + "/build.ninja", text);
}

double ninja_ms(Context& context, const std::string& root, const Session& session, const std::string& jobs,
                const std::string& target) {
  std::filesystem::remove_all(session.dir() + "/obj");
  std::filesystem::create_directories(session.dir() + "/obj");
  Command command{{context.ninja, "-C", root, "-f", session.dir() + "/build.ninja", jobs, target}, session.env(), root};
  double start = now_ms();
  Finished done = run(command);
  if (done.code != 0) context.report.note(session.tool().name + ": ninja " + jobs + " failed");
  double wall = now_ms() - start;
  std::filesystem::remove(root + "/.ninja_log");
  std::filesystem::remove(root + "/.ninja_deps");
  return wall;
}

// Wall of each step when the harness itself starts them, `parallel` at a time, as ninja would.
void step_times(Context& context, const std::string& root, const std::vector<Unit>& units, const Session& session,
                unsigned parallel) {
  std::vector<Command> commands;
  for (const Unit& unit : units) commands.push_back(session.compile(root, unit, dep_flags(session, unit)));
  std::filesystem::remove_all(session.dir() + "/obj");
  std::filesystem::create_directories(session.dir() + "/obj");
  Summary steps = summarize(timed(context, commands, parallel));
  std::string name = "one step, -j" + std::to_string(parallel);
  context.report.add(Row{"rebuild", name, session.tool().name, "ms", steps, text_of(commands[0])});
  if (session.tool().kind == Kind::kHpcc) {
    Ratio tail{"rebuild " + name + ": hpcc p99 / median", steps.p99 / steps.median, Goal::kAtMost, 3};
    context.report.add(tail);
  }
}

struct ColdCase {
  std::string name;
  std::vector<Unit> units;
  std::vector<std::string> flags;
  double goal;  // 0: report only
};

void cold_case(Context& context, const std::string& root, const ColdCase& what, int rounds) {
  std::vector<std::vector<double>> totals(context.tools.size());
  std::vector<std::string> commands(context.tools.size());
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::unique_ptr<Session>> sessions;
    std::vector<double> spent(context.tools.size());
    for (const Tool& tool : context.tools) sessions.push_back(std::make_unique<Session>(context, tool, "cold"));
    // The daemon's start is measured by measure_first; here it is up, as after the first file of a build.
    for (const auto& session : sessions) {
      if (session->tool().is_cache()) run(session->compile(root, {"warm.c", "warm.o", false}, {}));
    }
    for (const Unit& unit : what.units) {
      for (size_t i = 0; i < sessions.size(); ++i) {
        if (context.tools[i].is_stub()) continue;
        Command command = sessions[i]->compile(root, unit, what.flags);
        spent[i] += timed(context, {command}, 1)[0];
        commands[i] = text_of(command);
      }
    }
    for (size_t i = 0; i < spent.size(); ++i) totals[i].push_back(spent[i] / static_cast<double>(what.units.size()));
  }
  for (size_t i = 0; i < context.tools.size(); ++i) {
    if (context.tools[i].is_stub()) continue;
    context.report.add(Row{"cold", what.name, context.tools[i].name, "ms", summarize(totals[i]), commands[i]});
    if (!context.tools[i].is_cache()) continue;
    bool judged = context.tools[i].kind == Kind::kHpcc && what.goal > 0;
    context.report.ratio("cold", what.name, context.tools[i].name, "none", judged ? Goal::kAtMost : Goal::kReport,
                         what.goal);
  }
}

}  // namespace

void measure_rebuild(Context& context) {
  std::string root = context.work + "/project";
  std::vector<Unit> units = write_project(root, context.pick(30, 300, 300), true);
  settle();
  int rounds = context.pick(2, 7, 15);
  std::vector<std::unique_ptr<Session>> sessions;
  for (const Tool& tool : context.tools) {
    if (tool.kind == Kind::kNone || tool.kind == Kind::kStubAsks) continue;
    sessions.push_back(std::make_unique<Session>(context, tool, "rebuild"));
    write_ninja(context, root, units, *sessions.back());
  }
  fill_stub_dir(context, root, units, kProjectFlags);
  for (const auto& session : sessions) ninja_ms(context, root, *session, "-j4", "objects");  // fills the cache
  using Variant = std::pair<std::string, std::string>;
  for (const auto& [jobs, target] : {Variant("-j2", "objects"), Variant("-j32", "objects"), Variant("-j2", "whole")}) {
    std::vector<std::vector<double>> times(sessions.size());
    for (int round = 0; round < rounds; ++round) {
      for (size_t i = 0; i < sessions.size(); ++i) {
        times[i].push_back(ninja_ms(context, root, *sessions[i], jobs, target));
      }
    }
    std::string name = std::to_string(units.size()) + " " + target + ", ninja " + jobs;
    for (size_t i = 0; i < sessions.size(); ++i) {
      const Tool& tool = sessions[i]->tool();
      context.report.add(Row{"rebuild", name, tool.name, "ms", summarize(times[i]), "ninja " + jobs});
    }
    for (const auto& session : sessions) {
      const Tool& tool = session->tool();
      Goal kind = target == "objects" ? Goal::kAtMost : Goal::kReport;
      if (tool.is_rival()) context.report.ratio("rebuild", name, "hpcc", tool.name, kind, 0.5);
    }
    context.report.ratio("rebuild", name, "hpcc", "stub", target == "objects" ? Goal::kAtMost : Goal::kReport, 1.25);
    context.report.ratio("rebuild", name, "hpcc-alone", "stub", Goal::kReport, 0);
  }
  for (unsigned parallel : {2u, 32u}) {
    for (const auto& session : sessions) step_times(context, root, units, *session, parallel);
  }
}

void measure_cold(Context& context) {
  std::string root = context.work + "/cold-sources";
  std::vector<Unit> cxx = write_cxx_files(root, context.pick(2, 10, 20));
  std::vector<Unit> tiny = write_tiny_files(root, context.pick(10, 100, 200));
  write_file(root + "/warm.c", "int warm;\n");
  std::vector<std::string> includes;
  for (int i = 0; i < 30; ++i) {
    std::string dir = "inc" + std::to_string(i);
    write_file(root + "/" + dir + "/only" + std::to_string(i) + ".h", "\n");
    includes.push_back("-I" + dir);
  }
  settle();
  int rounds = context.pick(1, 5, 9);
  cold_case(context, root, {"C++ files", cxx, {}, 1.06}, rounds);
  cold_case(context, root, {"tiny C files", tiny, {}, 1.25}, rounds);
  cold_case(context, root, {"tiny C files, 30 -I", tiny, includes, 0}, rounds);
}

}  // namespace hpcc::bench
