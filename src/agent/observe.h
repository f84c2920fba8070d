// ProbeCollector: from the tracer's events to the failed probes under the project.
#pragma once

#include <hpcc/v1/agent.pb.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/probes.h"
#include "wire/local.h"

namespace hpcc {

class ProbeCollector {
 public:
  // `cwd` is absolute: relative paths are relative to it.
  explicit ProbeCollector(std::string cwd) : cwd_(std::move(cwd)) {}

  // One chunk of the tracer. False when there is more than is kept: the probes are then not complete.
  bool add(std::string_view chunk);
  // What the compile wrote itself, and what it was to write, is no probe: a client's old object file is no input.
  Probes finish(const v1::Compile& compile) const;
  // The compile saw what its probes cannot tell: something that the kernel makes up at each look, or the names in a
  // directory of the project, of which only the staged ones are here; or a program of the project ran, which may ask
  // for anything.
  bool saw_more() const { return saw_more_; }

 private:
  void add_failed(const std::string& path);
  void note(const std::string& normal);

  std::string cwd_;
  std::set<std::string> failed_, written_, read_;
  bool saw_more_ = false;
};

}  // namespace hpcc
