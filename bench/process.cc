#include "bench/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <thread>

namespace hpcc::bench {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// `out_fd` becomes stdout; -1: /dev/null.
pid_t spawn(const Command& command, int out_fd) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, command.cwd.c_str());
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  if (out_fd >= 0) {
    posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
  } else {
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  }
  std::vector<char*> argv = pointers(command.argv), env = pointers(command.env);
  pid_t pid = -1;
  int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), env.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    std::fprintf(stderr, "bench: cannot start %s (error %d)\n", argv[0], error);
    std::exit(2);
  }
  return pid;
}

long field_kb(const std::string& path, const std::string& field) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, field.size() + 1, field + ":") == 0) return std::atol(line.c_str() + field.size() + 1);
  }
  return 0;
}

}  // namespace

double now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

Finished run(const Command& command) {
  double start = now_ms();
  pid_t pid = spawn(command, -1);
  int status = 0;
  waitpid(pid, &status, 0);
  return {now_ms() - start, exit_code(status)};
}

std::vector<Finished> run_all(const std::vector<Command>& commands, unsigned parallel) {
  std::vector<Finished> results(commands.size());
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < parallel; ++i) {
    threads.emplace_back([&] {
      for (size_t at; (at = next.fetch_add(1)) < commands.size();) results[at] = run(commands[at]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

std::string output_of(const Command& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "";
  pid_t pid = spawn(command, ends[1]);
  close(ends[1]);
  std::string out;
  char chunk[4096];
  for (ssize_t n; (n = read(ends[0], chunk, sizeof chunk)) > 0;) out.append(chunk, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  return out;
}

Memory memory_at_exit(const Command& command) {
  std::vector<char*> argv = pointers(command.argv), env = pointers(command.env);
  pid_t pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    if (chdir(command.cwd.c_str()) == 0) execve(argv[0], argv.data(), env.data());
    _exit(127);
  }
  Memory memory;
  int status = 0;
  while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
    std::string proc = "/proc/" + std::to_string(pid);
    int signal = WSTOPSIG(status);
    if (signal == SIGTRAP && status >> 16 == PTRACE_EVENT_EXIT) {
      memory = {field_kb(proc + "/status", "VmHWM"), field_kb(proc + "/smaps_rollup", "Private_Dirty")};
    } else if (signal == SIGTRAP) {
      ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACEEXIT);
    }
    ptrace(PTRACE_CONT, pid, nullptr, signal == SIGTRAP ? 0 : signal);
  }
  return memory;
}

long status_kb(pid_t pid, const std::string& field) {
  return field_kb("/proc/" + std::to_string(pid) + "/status", field);
}

pid_t find_process(const std::string& name, const std::string& argument) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    std::ifstream in(entry.path() / "cmdline", std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    std::string words = text.str();
    std::string program = words.substr(0, words.find('\0'));
    if (program.ends_with(name) && words.find(argument) != std::string::npos) return pid;
  }
  return 0;
}

Summary summarize(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  auto at = [&](double q) { return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1) + 0.5)]; };
  return {at(0.5), at(0.1), at(0.99), values.size()};
}

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

}  // namespace hpcc::bench
