#include "run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/fd.h"
#include "base/fs.h"

namespace hpcc::fuzz {
namespace {

constexpr int64_t kSettleNs = 22'000'000;  // hpcc refuses inputs younger than 12 ms
constexpr int kCommandMs = 60'000;
constexpr size_t kMessageBytes = 16u << 20;

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

void sleep_ns(int64_t ns) {
  const struct timespec time = {ns / 1'000'000'000, ns % 1'000'000'000};
  nanosleep(&time, nullptr);
}

std::string find_program(const std::string& name, const std::vector<std::string>& env) {
  if (name.find('/') != std::string::npos) return name;
  for (const std::string& variable : env) {
    if (!variable.starts_with("PATH=")) continue;
    std::string_view rest = std::string_view(variable).substr(5);
    while (!rest.empty()) {
      const std::string_view part = rest.substr(0, rest.find(':'));
      rest.remove_prefix(std::min(rest.size(), part.size() + 1));
      std::string path = join_path(part, name);
      if (access(path.c_str(), X_OK) == 0) return path;
    }
  }
  return name;
}

std::string read_all(const std::string& path) { return read_file(path, kMessageBytes).value_or(""); }

}  // namespace

const char* answer_name(Answer::Kind kind) {
  switch (kind) {
    case Answer::Kind::kHit:
      return "hit";
    case Answer::Kind::kStored:
      return "stored";
    case Answer::Kind::kNotStored:
      return "not-stored";
    case Answer::Kind::kFailed:
      return "failed";
    case Answer::Kind::kBypass:
      return "bypass";
    case Answer::Kind::kNothing:
      return "nothing";
  }
  return "";
}

Runner::Runner(std::string work, std::string hpcc)
    : work_(std::move(work)), hpcc_(std::move(hpcc)), disk_(work_ + "/t") {
  // The files of a run that was ended are made again; its cache goes on.
  std::error_code ignored;
  std::filesystem::remove_all(work_ + "/t", ignored);
  for (const char* name : {"", "/t", "/home", "/tmp"}) (void)make_directories(work_ + name, 0755).ok();
}

Runner::~Runner() {
  State none;
  disk_.sync(0, none.tree);
  const pid_t pid = start({hpcc_, "daemon", "stop"}, none);
  (void)finish(pid);
}

std::vector<std::string> Runner::environment(const State& state) const {
  std::map<std::string, std::string> env{{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                                         {"HOME", work_ + "/home"},
                                         {"TMPDIR", work_ + "/tmp"},
                                         {"LANG", "C.UTF-8"},
                                         {"PWD", directory(state)},
                                         {"HPCC_DIR", work_ + "/hpcc"},
                                         {"HPCC_LOG", work_ + "/log"},
                                         {"HPCC_IDLE_EXIT_S", "300"}};
  if (state.alone) env["HPCC_DAEMON"] = "0";
  for (const auto& [name, value] : state.command.env) env[name] = expand(value, disk_.root(state.command.root), "");
  std::vector<std::string> out;
  for (const auto& [name, value] : env) out.push_back(name + "=" + value);
  return out;
}

std::string Runner::directory(const State& state) const {
  const std::string root = disk_.root(state.command.root);
  return state.command.cwd.empty() ? root : root + "/" + state.command.cwd;
}

std::vector<std::string> Runner::argv(const State& state, Way way) const {
  const std::string root = disk_.root(state.command.root);
  std::vector<std::string> out;
  for (const std::string& word : state.command.argv()) out.push_back(expand(word, root, ""));
  if (way == Way::kDirect && state.tree.file(".hpcc") != nullptr)
    out.insert(out.begin() + 1, "-ffile-prefix-map=" + root + "=/hpcc/w");
  if (way == Way::kThrough) out.insert(out.begin(), hpcc_);
  return out;
}

pid_t Runner::start(const std::vector<std::string>& argv, const State& state) {
  const std::vector<std::string> env = environment(state);
  const std::string program = find_program(argv[0], env), cwd = directory(state);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string out = work_ + "/stdout", err = work_ + "/stderr";
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addchdir_np(&actions, cwd.c_str());
  pid_t pid = -1;
  const mode_t old = umask(state.command.mask);
  const int failed = posix_spawn(&pid, program.c_str(), &actions, nullptr, pointers(argv).data(), pointers(env).data());
  umask(old);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) fprintf(stderr, "truth-fuzz: %s in %s: %s\n", program.c_str(), cwd.c_str(), strerror(failed));
  return failed == 0 ? pid : -1;
}

// Exit code; 128 + signal; 124 after the deadline.
int Runner::finish(pid_t pid) {
  if (pid < 0) return 127;
  Fd ended(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  struct pollfd poll_for = {ended.get(), POLLIN, 0};
  const bool late = poll(&poll_for, 1, kCommandMs) == 0;
  if (late) kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return late ? 124 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Outcome Runner::run(const State& state, Way way) {
  Outcome outcome;
  const unsigned root = state.command.root;
  const Snapshot before = disk_.snapshot(root);
  const int64_t start_ns = realtime_ns();
  outcome.code = finish(start(argv(state, way), state));
  compile_ns_ += realtime_ns() - start_ns;
  outcome.out = read_all(work_ + "/stdout");
  outcome.err = read_all(work_ + "/stderr");
  outcome.left = disk_.left_behind(root, before, start_ns);
  disk_.restore(root, before);
  disk_.sync(root, state.tree);
  return outcome;
}

Outcome Runner::through(const State& state, Answer* answer) {
  unlink((work_ + "/log").c_str());
  Outcome outcome = run(state, Way::kThrough);
  *answer = read_log();
  return outcome;
}

void Runner::overlapped(const State& first, const State& second) {
  const Snapshot before = disk_.snapshot(first.command.root);
  const pid_t pid = start(argv(first, Way::kThrough), first);
  sleep_ns(int64_t{second.overlap_us} * 1000);
  // The output's directory may be the one that changes: only what the compile left is taken back.
  if (second.command.root == first.command.root) disk_.sync(first.command.root, second.tree);
  (void)finish(pid);
  const Snapshot after = disk_.snapshot(first.command.root);
  for (auto made = after.rbegin(); made != after.rend(); ++made) {
    const bool known = before.count(made->first) != 0 || second.tree.has(made->first);
    const std::string full = disk_.root(first.command.root) + "/" + made->first;
    if (!known && made->second.kind != 'd') unlink(full.c_str());
  }
}

void Runner::settle() {
  const int64_t age_ns = realtime_ns() - disk_.written_ns();
  if (age_ns < kSettleNs) sleep_ns(kSettleNs - age_ns);
}

std::string Runner::explain(const State& state) {
  const std::string object = disk_.root(state.command.root) + "/" + state.command.object();
  const int64_t start_ns = realtime_ns();
  (void)finish(start({hpcc_, "explain", object}, state));
  compile_ns_ += realtime_ns() - start_ns;
  return read_all(work_ + "/stdout");
}

// Lines are "<object>: <decision>"; why it was no hit may go on over further lines.
Answer Runner::read_log() {
  Answer answer;
  const std::string text = read_all(work_ + "/log");
  bool in_why = false;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    auto has = [&](const char* word) { return line.find(std::string(": ") + word) != std::string::npos; };
    auto rest = [&](const char* word) { return line.substr(line.find(std::string(": ") + word) + strlen(word) + 2); };
    const bool decision =
        line.starts_with("/") || line.starts_with("gcc: ") || line.starts_with("g++: ") || line.starts_with("clang");
    if (decision && has("hit ")) {
      answer.kind = Answer::Kind::kHit;
    } else if (decision && has("stored ")) {
      answer.kind = Answer::Kind::kStored;
    } else if (decision && has("not stored: ")) {
      answer.kind = Answer::Kind::kNotStored;
      answer.detail = rest("not stored: ");
    } else if (decision && has("bypass ")) {
      answer.kind = Answer::Kind::kBypass;
      answer.detail = rest("bypass ");
    } else if (decision && has("miss ")) {
      answer.kind = Answer::Kind::kFailed;  // unless a later line says more
      const std::string words = rest("miss ");
      answer.why = words.substr(std::min(words.size(), words.find(' ') + 1)) + "\n";
      in_why = true;
      continue;
    } else if (in_why) {
      answer.why += line + "\n";
      continue;
    }
    in_why = false;
  }
  return answer;
}

}  // namespace hpcc::fuzz
