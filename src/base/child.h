// Child: one process we started and will see to its end. Move-only; destroying it kills the process and reaps it, so
// none outlives its owner. Not thread-safe; starting one from a process with threads is fine.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/confine.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/result.h"

namespace hpcc {

struct ChildSpec {
  std::string program;  // the file to execute; opened before the confinement, which need not reach it
  std::vector<std::string> argv;         // argv[0] is what it calls itself
  std::vector<std::string> environment;  // all of it
  std::vector<int> descriptors;  // what it has as 0, 1, 2, 3 ...; -1 is /dev/null. It has no others
  std::optional<Confinement> confinement;
  // Killed when the *thread* that starts it ends. Only for processes whose main thread does the starting.
  bool dies_with_starter = false;
};

class Child {
 public:
  // Returns when the program runs; an Error names the program and what was refused.
  static Result<Child> start(const ChildSpec& spec);

  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable once it ended
  // Exit code, or 128 + signal. kTimeout leaves it running.
  Result<int> wait(Deadline deadline);
  void kill();  // and reap

 private:
  Child() = default;
  pid_t pid_ = -1;
  Fd pidfd_;
  std::optional<int> status_;
};

}  // namespace hpcc
