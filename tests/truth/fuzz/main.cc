// truth_fuzz: random walks through projects and commands, each step compiled through hpcc and directly and compared.
//
//   truth_fuzz --seed N [--seed N ...] | --random-seed   [--steps N] [--out DIR] [--until-wrong] [--no-explain]
//   truth_fuzz --report DIR                 the sum over all logs there
//   truth_fuzz --seed N --show STEP         what that step is: files and command
//   truth_fuzz --seed N --replay STEP       what that step is, run from an empty cache, shrunk, as a scenario
//
// HPCC_BIN names the folder with hpcc, hpccd and hpcc-tool. A walk's log is DIR/seed-N.log: a run that was ended goes
// on where it stopped. Exit code 1 when any result was wrong, 2 for mistakes in the command.
#include <dirent.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>

#include "base/fs.h"
#include "report.h"
#include "session.h"
#include "shrink.h"
#include "walk.h"

namespace hpcc::fuzz {
namespace {

struct Options {
  std::vector<uint64_t> seeds;
  size_t steps = 500;
  std::string out, report, hpcc;
  long replay = -1, show = -1;
  bool until_wrong = false, shrink = true;
  Session::Explain explain = Session::Explain::kAsk;
};

constexpr size_t kShrinkRuns = 400;
constexpr int64_t kShrinkNs = 120'000'000'000;

int usage() {
  fputs(
      "usage: truth_fuzz --seed N... | --random-seed [--steps N] [--out DIR] [--until-wrong] [--no-explain]\n"
      "                  [--no-shrink] [--show STEP] [--replay STEP] | --report DIR\n",
      stderr);
  return 2;
}

struct Word {
  const char* name;
  bool has_value;
  void (*take)(Options* options, const char* value);
};

uint64_t number(const char* text) { return strtoull(text, nullptr, 10); }

const Word kWords[] = {
    {"--seed", true, [](Options* o, const char* v) { o->seeds.push_back(number(v)); }},
    {"--random-seed", false, [](Options* o, const char*) { o->seeds.push_back(std::random_device{}() % 1'000'000); }},
    {"--steps", true, [](Options* o, const char* v) { o->steps = number(v); }},
    {"--out", true, [](Options* o, const char* v) { o->out = v; }},
    {"--report", true, [](Options* o, const char* v) { o->report = v; }},
    {"--replay", true, [](Options* o, const char* v) { o->replay = static_cast<long>(number(v)); }},
    {"--show", true, [](Options* o, const char* v) { o->show = static_cast<long>(number(v)); }},
    {"--until-wrong", false, [](Options* o, const char*) { o->until_wrong = true; }},
    {"--no-shrink", false, [](Options* o, const char*) { o->shrink = false; }},
    {"--no-explain", false, [](Options* o, const char*) { o->explain = Session::Explain::kFromLog; }},
};

bool parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const Word* word = nullptr;
    for (const Word& known : kWords) word = strcmp(known.name, argv[i]) == 0 ? &known : word;
    if (word == nullptr || (word->has_value && i + 1 == argc)) return false;
    word->take(options, word->has_value ? argv[++i] : "");
  }
  return !options->seeds.empty() || !options->report.empty();
}

// A scratch directory for one walk's files and cache; gone afterwards.
class Scratch {
 public:
  Scratch() {
    char name[] = "/tmp/hpcc-truth-fuzz-XXXXXX";
    path_ = mkdtemp(name) != nullptr ? name : "";
  }
  explicit Scratch(std::string path) : path_(std::move(path)) { (void)make_directories(path_, 0755).ok(); }
  ~Scratch() {
    std::error_code ignored;
    if (!keep) std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  const std::string& path() const { return path_; }
  bool keep = false;

 private:
  std::string path_;
};

// Groups a list of states into steps: each ends with a state that is not quiet.
Step run_states(Runner& runner, const std::vector<State>& states) {
  Session session(runner);
  std::vector<State> batch;
  Step last;
  for (const State& state : states) {
    batch.push_back(state);
    if (state.quiet) continue;
    last = session.run(batch, Session::Explain::kFromLog);
    batch.clear();
  }
  return last;
}

bool fails_again(const Options& options, const std::vector<State>& states) {
  Scratch scratch;
  Runner runner(scratch.path(), options.hpcc);
  return !run_states(runner, states).wrong.empty();
}

// Shrinks the failure at the end of `states` and writes it beside the log.
void write_failure(const Options& options, uint64_t seed, size_t number, const std::vector<State>& states,
                   const Step& step) {
  const std::string name = "seed " + std::to_string(seed) + " step " + std::to_string(number);
  const std::string path = options.out + "/seed-" + std::to_string(seed) + "-step-" + std::to_string(number) + ".py";
  std::string remark = name + ":";
  for (const std::string& difference : step.wrong) remark += " " + difference + ";";
  const int64_t until_ns = monotonic_ns() + kShrinkNs;
  auto fails = [&](const std::vector<State>& fewer) {
    return monotonic_ns() < until_ns && fails_again(options, fewer);
  };
  const std::vector<State> shrunk = shrink(states, fails, kShrinkRuns);
  if (shrunk.empty()) {
    printf("%s does not fail again from an empty cache: a matter of time; replay it with --seed %llu --replay %zu\n",
           name.c_str(), static_cast<unsigned long long>(seed), number);
    return;
  }
  const std::string text = scenario_text("fuzz: " + name, shrunk, remark);
  if (FILE* file = fopen(path.c_str(), "w")) {
    fputs(text.c_str(), file);
    fclose(file);
  }
  printf("shrunk to %zu states, as a scenario in %s:\n%s", shrunk.size(), path.c_str(), text.c_str());
  for (const State& state : shrunk) printf("  state: %s%s\n", state.what.c_str(), state.quiet ? "(quiet)" : "");
}

void print_wrong(uint64_t seed, size_t number, const State& state, const Step& step) {
  printf("WRONG: seed %llu step %zu, answer %s %s\n  change: %s\n", static_cast<unsigned long long>(seed), number,
         answer_name(step.answer.kind), step.answer.detail.c_str(), state.what.c_str());
  for (const std::string& difference : step.wrong) printf("  %s\n", difference.c_str());
  fflush(stdout);
}

void run_walk(const Options& options, uint64_t seed, Report* report) {
  const std::string base = options.out + "/seed-" + std::to_string(seed);
  Scratch scratch(base + ".work");
  const std::vector<Line> done = read_log(base + ".log");
  Runner runner(scratch.path(), options.hpcc);
  Session session(runner);
  Walk walk(seed);
  std::vector<State> past;
  bool first_wrong = true;
  FILE* log = fopen((base + ".log").c_str(), "a");
  for (size_t number = 0; number < options.steps && log != nullptr; ++number) {
    const std::vector<State> states = walk.next();
    past.insert(past.end(), states.begin(), states.end());
    if (number < done.size()) {
      session.recall(states, answer_kind(done[number].answer));
      report->add(done[number]);
      continue;
    }
    const Step step = session.run(states, options.explain);
    const Line line = line_of(number, step);
    fputs(encode_line(line).c_str(), log);
    fflush(log);
    report->add(line);
    if (step.wrong.empty()) continue;
    print_wrong(seed, number, states.back(), step);
    // One bug makes many steps wrong; the first shows it best.
    if (options.shrink && first_wrong) write_failure(options, seed, number, past, step);
    first_wrong = false;
    if (options.until_wrong) break;
  }
  if (log != nullptr) fclose(log);
}

std::vector<State> states_until(uint64_t seed, long step) {
  Walk walk(seed);
  std::vector<State> past;
  for (long at = 0; at <= step; ++at) {
    for (State& state : walk.next()) past.push_back(std::move(state));
  }
  return past;
}

int show(const Options& options) {
  const std::vector<State> past = states_until(options.seeds[0], options.show);
  const State& state = past.back();
  for (const auto& [path, entry] : state.tree.entries) {
    const Inode* file = state.tree.file(path);
    printf("--- %s %s\n%s", path.c_str(), entry.target.c_str(), file != nullptr ? file->text->c_str() : "");
  }
  for (size_t i = past.size() > 5 ? past.size() - 5 : 0; i < past.size(); ++i) {
    printf("state %zu: %s%s%s\n  in %s/%s:", i, past[i].what.c_str(), past[i].settle ? "" : "(at once) ",
           past[i].alone ? "(without daemon) " : "", kRootNames[past[i].command.root], past[i].command.cwd.c_str());
    for (const auto& [name, value] : past[i].command.env) printf(" %s=%s", name.c_str(), value.c_str());
    for (const std::string& word : past[i].command.argv()) printf(" %s", word.c_str());
    printf("\n");
  }
  return 0;
}

int replay(const Options& options) {
  const std::vector<State> past = states_until(options.seeds[0], options.replay);
  const size_t from = past.size() > 12 ? past.size() - 12 : 0;
  for (size_t i = from; i < past.size(); ++i) printf("state %zu: %s\n", i, past[i].what.c_str());
  Scratch scratch;
  scratch.keep = true;
  Step step;
  {
    Runner runner(scratch.path(), options.hpcc);
    step = run_states(runner, past);
    runner.disk().sync(past.back().command.root, past.back().tree);
  }
  printf("answer %s %s\n%sfiles are kept in %s\n", answer_name(step.answer.kind), step.answer.detail.c_str(),
         step.answer.why.c_str(), scratch.path().c_str());
  if (step.wrong.empty()) return 0;
  print_wrong(options.seeds[0], static_cast<size_t>(options.replay), past.back(), step);
  if (options.shrink) write_failure(options, options.seeds[0], static_cast<size_t>(options.replay), past, step);
  return 1;
}

int run(Options options) {
  Report report;
  if (!options.report.empty()) {
    if (!read_directory(options.report, &report)) return usage();
    report.print();
    return report.finish();
  }
  if (options.show >= 0) return show(options);
  const char* bin = getenv("HPCC_BIN");
  options.hpcc = std::string(bin != nullptr ? bin : "build/release/bin") + "/hpcc";
  if (char* real = realpath(options.hpcc.c_str(), nullptr)) options.hpcc = real;
  if (access(options.hpcc.c_str(), X_OK) != 0) {
    fprintf(stderr, "truth_fuzz: no %s (./dev build makes it, HPCC_BIN names its folder)\n", options.hpcc.c_str());
    return 2;
  }
  Scratch scratch;
  if (options.out.empty()) options.out = scratch.path();
  (void)make_directories(options.out, 0755).ok();
  if (options.replay >= 0) return replay(options);
  for (uint64_t seed : options.seeds) {
    printf("seed %llu\n", static_cast<unsigned long long>(seed));
    fflush(stdout);
    ++report.seeds;
    run_walk(options, seed, &report);
    if (options.until_wrong && report.wrong() != 0) break;
  }
  report.print();
  return report.finish();
}

}  // namespace
}  // namespace hpcc::fuzz

int main(int argc, char** argv) {
  hpcc::fuzz::Options options;
  if (!hpcc::fuzz::parse(argc, argv, &options)) return hpcc::fuzz::usage();
  return hpcc::fuzz::run(std::move(options));
}
