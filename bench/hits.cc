// Measures of hits: wall of one, and how many a second.
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "bench/context.h"

namespace hpcc::bench {
namespace {

using Sessions = std::vector<std::unique_ptr<Session>>;

Sessions open_all(const Context& context, const std::string& name) {
  Sessions sessions;
  for (const Tool& tool : context.tools) sessions.push_back(std::make_unique<Session>(context, tool, name));
  return sessions;
}

size_t header_count(const Context& context, const std::string& root, const Unit& unit) {
  const std::string& compiler = unit.cxx ? context.gxx : context.gcc;
  std::string rule = output_of({{compiler, "-M", unit.source}, {"PATH=/usr/bin:/bin"}, root});
  size_t words = 0;
  for (size_t at = rule.find(':'); at < rule.size(); ++at) {
    if (rule[at] != ' ' && rule[at] != '\\' && rule[at] != '\n' && (rule[at - 1] == ' ')) ++words;
  }
  return words ? words - 1 : 0;
}

void check_bytes(Context& context, const std::string& root, const Unit& unit, const Session& session) {
  std::string plain = root + "/plain.o";
  run({{unit.cxx ? context.gxx : context.gcc, "-O2", "-c", unit.source, "-o", plain}, {"PATH=/usr/bin:/bin"}, root});
  if (read_file(plain) != read_file(session.object(unit))) {
    context.report.note(session.tool().name + ": object of " + unit.source + " differs from the plain compiler's");
  }
}

void one_unit(Context& context, const std::string& root, const Unit& unit, const Sessions& sessions) {
  int rounds = context.pick(10, 200, 500), plain_rounds = context.pick(2, 7, 15);
  std::vector<std::vector<double>> times(sessions.size());
  std::vector<long> before(sessions.size());
  for (size_t i = 0; i < sessions.size(); ++i) {
    run(sessions[i]->compile(root, unit, {}));  // the miss that fills the cache, and a first hit
    run(sessions[i]->compile(root, unit, {}));
    before[i] = sessions[i]->hits();
  }
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < sessions.size(); ++i) {
      if (sessions[i]->tool().kind == Kind::kNone && round >= plain_rounds) continue;
      unlink(sessions[i]->object(unit).c_str());
      times[i].push_back(timed(context, {sessions[i]->compile(root, unit, {})}, 1)[0]);
    }
  }
  std::string name = unit.source + " (" + std::to_string(header_count(context, root, unit)) + " headers)";
  for (size_t i = 0; i < sessions.size(); ++i) {
    const Tool& tool = sessions[i]->tool();
    Command command = sessions[i]->compile(root, unit, {});
    context.report.add(Row{"hit", name, tool.name, "ms", summarize(times[i]), text_of(command)});
    long hits = sessions[i]->hits() - before[i];
    if (before[i] >= 0 && hits != rounds) {
      context.report.note(tool.name + ": " + std::to_string(hits) + " of " + std::to_string(rounds) + " rounds of " +
                          unit.source + " were hits");
    }
    if (!tool.is_stub()) check_bytes(context, root, unit, *sessions[i]);
    if (tool.is_rival()) {
      context.report.ratio("hit", name, "hpcc", tool.name, Goal::kAtMost, 0.25);
      context.report.ratio("hit", name, "hpcc-alone", tool.name, Goal::kReport, 0);
    }
  }
  context.report.ratio("hit", name, "hpcc", "stub-asks", Goal::kReport, 0);
}

}  // namespace

void measure_hits(Context& context) {
  std::string root = context.work + "/single";
  std::vector<Unit> units = write_single_units(root);
  settle();
  fill_stub_dir(context, root, units, {});
  Sessions sessions = open_all(context, "hits");
  for (const Unit& unit : units) one_unit(context, root, unit, sessions);
}

void measure_rate(Context& context) {
  constexpr unsigned kParallel = 4;
  std::string root = context.work + "/single";
  std::vector<Unit> units = write_single_units(root);
  settle();
  int count = context.pick(40, 400, 1000), rounds = context.pick(2, 5, 9);
  for (const Unit& unit : units) {
    Sessions sessions = open_all(context, "rate");
    std::vector<std::vector<double>> rates(sessions.size());
    for (int round = -1; round < rounds; ++round) {
      for (size_t i = 0; i < sessions.size(); ++i) {
        const Tool& tool = sessions[i]->tool();
        if (!tool.is_cache()) continue;
        if (round < 0) {
          run(sessions[i]->compile(root, unit, {}));
          continue;
        }
        std::vector<Command> commands;
        for (int n = 0; n < count; ++n) {
          Unit numbered = unit;
          numbered.object = "r" + std::to_string(n % 16) + "_" + unit.object;
          commands.push_back(sessions[i]->compile(root, numbered, {}));
        }
        double start = now_ms();
        timed(context, commands, kParallel);
        rates[i].push_back(count / (now_ms() - start) * 1e3);
      }
    }
    for (size_t i = 0; i < sessions.size(); ++i) {
      const Tool& tool = sessions[i]->tool();
      if (!tool.is_cache()) continue;
      context.report.add(Row{"rate", unit.source, tool.name, "/s", summarize(rates[i]), "4 in parallel"});
      if (tool.is_rival()) context.report.ratio("rate", unit.source, "hpcc", tool.name, Goal::kAtLeast, 3);
    }
  }
}

}  // namespace hpcc::bench
