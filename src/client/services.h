// Services: the processes of `hpcc up` on this machine. They outlive who started them; DIR/run/<name>.pid holds
// "<pid> <start time>", so that a pid that was given to somebody else is not ended, and DIR/log/<name>.log what they
// say. Callers keep others out (flock on DIR/run/lock).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace hpcc {

class Services {
 public:
  using Words = std::vector<std::string>;
  explicit Services(std::string dir) : dir_(std::move(dir)) {}

  pid_t running(const std::string& name) const;  // -1: it is not
  // Adds `--ready-fd N` to the command and waits for the line that the service writes there when it can be used;
  // returns it. An error holds the last line of the log.
  Result<std::string> start(const std::string& name, Words command) const;
  // By SIGTERM, and by SIGKILL when that is not heeded. An error, and it stays noted, when it cannot be ended.
  Status stop(const std::string& name) const;

  std::string pid_file(const std::string& name) const { return dir_ + "/run/" + name + ".pid"; }
  std::string log_file(const std::string& name) const { return dir_ + "/log/" + name + ".log"; }

 private:
  const std::string dir_;
};

// A command that ends by itself, with this process's descriptors. An error when it fails.
Status run_to_end(const Services::Words& command);

}  // namespace hpcc
