#include "session.h"

#include <algorithm>

#include "base/fs.h"

namespace hpcc::fuzz {
namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    while (!line.empty() && line[0] == ' ') line.remove_prefix(1);
    if (!line.empty()) out.emplace_back(line);
  }
  return out;
}

// What `hpcc explain` prints below its heading.
std::vector<std::string> reasons_of(const std::string& explained) {
  const size_t at = explained.find("why it was compiled:\n");
  return at == std::string::npos ? std::vector<std::string>() : lines_of(std::string_view(explained).substr(at + 21));
}

// An option and its value may be printed with a blank, "=" or nothing between them.
std::string bare(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != ' ' && c != '=') out += c;
  }
  return out;
}

bool says(const std::string& line, const std::string& name) {
  return line.find(name) != std::string::npos || bare(line).find(bare(name)) != std::string::npos;
}

bool says_any(const std::vector<std::string>& reasons, const std::vector<std::string>& names) {
  return std::any_of(reasons.begin(), reasons.end(), [&](const std::string& line) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return says(line, name); });
  });
}

std::string object_key(const State& state) {
  return std::string(kRootNames[state.command.root]) + "/" + state.command.object();
}

std::string source_key(const State& state) {
  return std::string("source:") + kRootNames[state.command.root] + "/" + state.command.source;
}

}  // namespace

const char* told_name(Told told) {
  switch (told) {
    case Told::kNotAsked:
      return "-";
    case Told::kRight:
      return "right";
    case Told::kFirst:
      return "first";
    case Told::kWrong:
      return "wrong";
  }
  return "";
}

std::string class_of(const std::string& line) {
  if (line.starts_with("gone: ") || line.starts_with("new: "))
    return line.substr(0, line.find(' ', line.find(' ') + 1));
  if (line.starts_with("/")) {
    const size_t colon = line.find(": ");
    std::string rest = colon == std::string::npos ? line : line.substr(colon + 2);
    return "file " + rest.substr(0, rest.find(" with /"));
  }
  return line.substr(0, std::min(line.find(" ("), line.find(": ")));
}

const Session::Last* Session::last_of(const State& state) const {
  auto at = last_.find(object_key(state));
  if (at == last_.end()) at = last_.find(source_key(state));
  return at == last_.end() ? nullptr : &at->second;
}

void Session::remember(const State& state, Answer::Kind answer, bool mixed) {
  if (answer == Answer::Kind::kBypass && last_of(state) != nullptr) {
    for (const std::string& name : {object_key(state), source_key(state)}) {
      if (auto at = last_.find(name); at != last_.end()) at->second.bypassed = true;
    }
    return;
  }
  last_.insert_or_assign(object_key(state), Last{state, answer, mixed});
  last_.insert_or_assign(source_key(state), Last{state, answer, mixed});
  Answer given;
  given.kind = answer;
  if (!mixed && given.in_store()) stored_[digest(state)] = true;
}

void Session::recall(const std::vector<State>& states, Answer::Kind answer) {
  for (const State& state : states) {
    remember(state, state.quiet ? Answer::Kind::kNothing : answer, state.quiet);
  }
}

void Session::quiet(const State& state, const State& next) {
  runner_.disk().sync(state.command.root, state.tree);
  if (state.settle) runner_.settle();
  if (next.overlap_us >= 0) {
    runner_.overlapped(state, next);
    remember(state, Answer::Kind::kNothing, true);
    return;
  }
  Answer answer;
  (void)runner_.through(state, &answer);
  remember(state, answer.kind, false);
}

Step Session::run(const std::vector<State>& states, Explain explain) {
  const int64_t start_ns = realtime_ns(), spent_ns = runner_.compile_ns();
  for (size_t i = 0; i + 1 < states.size(); ++i) quiet(states[i], states[i + 1]);
  const State& state = states.back();
  runner_.disk().sync(state.command.root, state.tree);
  Step step;
  step.digest = digest(state);
  step.repeatable = stored_.count(step.digest) != 0;
  Outcome direct, through;
  // The direct compile goes first where time may pass, second where hpcc must meet fresh timestamps.
  if (state.settle) {
    direct = runner_.direct(state);
    runner_.settle();
  }
  // The daemon writes its notes of hits a moment later; who goes on without it would be told of the time before them.
  if (state.alone) (void)runner_.explain(state);
  through = runner_.through(state, &step.answer);
  step.lost = step.repeatable && step.answer.compiled();
  judge_explanation(state, explain, &step);
  const bool unmapped = step.answer.kind == Answer::Kind::kBypass && state.tree.file(".hpcc") != nullptr;
  const Runner::Way way = unmapped ? Runner::Way::kDirectUnmapped : Runner::Way::kDirect;
  if (!state.settle || unmapped) direct = runner_.direct(state, way);
  step.wrong = compare(through, direct);
  if (!step.wrong.empty()) step.unstable = !compare(runner_.direct(state, way), direct).empty();
  if (step.unstable) step.wrong.clear();
  remember(state, step.answer.kind, false);
  step.compile_us = (runner_.compile_ns() - spent_ns) / 1000;
  step.own_us = (realtime_ns() - start_ns) / 1000 - step.compile_us;
  return step;
}

void Session::judge_explanation(const State& state, Explain explain, Step* step) {
  const Last* last = last_of(state);
  std::vector<Change> changes;
  if (last != nullptr) changes = differences(last->state, state);
  step->changes = changes.size();
  if (!step->answer.compiled() || (last != nullptr && last->mixed)) return;
  std::vector<std::string> reasons =
      explain == Explain::kAsk ? reasons_of(runner_.explain(state)) : lines_of(step->answer.why);
  step->told = Told::kRight;
  for (const Change& change : changes) {
    if (says_any(reasons, change.names)) return;
  }
  if (last == nullptr && says_any(reasons, {"first compile", "known command", "of another checkout"})) {
    step->told = Told::kFirst;
    return;
  }
  // Whatever changed: there was no result of the last time.
  Answer given;
  if (last != nullptr && !last->bypassed) given.kind = last->answer;
  if (last != nullptr && !given.in_store() && says_any(reasons, {"failed", "not stored", "not cached"})) return;
  step->told = Told::kWrong;
  const std::string changed = last == nullptr ? "first" : changes.empty() ? "nothing changed" : changes[0].what;
  const std::string said = reasons.empty() ? "nothing" : reasons[0];
  step->told_class =
      "said \"" + class_of(said) + "\", last was " + (last == nullptr ? "never" : answer_name(last->answer)) + ", " +
      (changes.size() > 1 ? "several changes" : changed.substr(0, changed.find(' '))) + " | " + changed + " | " + said;
}

}  // namespace hpcc::fuzz
