#include "agent/observe.h"

#include <sys/stat.h>

#include "base/fs.h"
#include "base/limits.h"
#include "wire/volatile.h"

namespace hpcc {

bool ProbeCollector::add(std::string_view chunk) {
  std::vector<Event> events;
  if (!decode_events(chunk, &events).ok()) return false;
  for (const Event& event : events) {
    const std::string path = join_path(cwd_, event.path);
    const bool there = event.state != frame::State::kAbsent;
    if (there && volatile_kind(event.path, event.op) == Volatile::kRefuse) saw_more_ = true;
    const bool own = event.op == frame::Op::kList || event.op == frame::Op::kExec;
    if (there && own && is_under(lexically_normal(path), kLogicalRoot)) saw_more_ = true;
    switch (event.op) {
      case frame::Op::kWrite:
        written_.insert(lexically_normal(path));
        break;
      case frame::Op::kRemove:
        break;
      case frame::Op::kRead:
        // Nobody opens for reading what is to be written: this was looked for as an input.
        if (event.state == frame::State::kAbsent) read_.insert(lexically_normal(path));
        [[fallthrough]];
      case frame::Op::kStat:
      case frame::Op::kLstat:
      case frame::Op::kReadlink:
      case frame::Op::kExec:
      case frame::Op::kList:
        if (event.state == frame::State::kAbsent) add_failed(path);
        break;
    }
  }
  return failed_.size() + written_.size() <= limits::kProbeNames;
}

void ProbeCollector::note(const std::string& normal) {
  if (is_under(normal, kLogicalRoot) && normal != kLogicalRoot) failed_.insert(normal);
}

// "a/../x.h" fails as well when only "a" is missing: every directory that a ".." leaves is a probe of its own.
void ProbeCollector::add_failed(const std::string& path) {
  for (size_t at = path.find("/.."); at != std::string::npos; at = path.find("/..", at + 1)) {
    if (at + 3 < path.size() && path[at + 3] != '/') continue;
    const std::string before = lexically_normal(path.substr(0, at));
    struct stat info;
    if (!is_under(before, kLogicalRoot) || stat(before.c_str(), &info) == 0) continue;
    note(before);
  }
  note(lexically_normal(path));
}

Probes ProbeCollector::finish(const v1::Compile& compile) const {
  std::set<std::string> outputs;
  for (const std::string& path : compile.outputs()) outputs.insert(std::string(kLogicalRoot) + "/" + path);
  std::vector<std::string> paths;
  for (const std::string& path : failed_) {
    if ((!outputs.contains(path) && !written_.contains(path)) || read_.contains(path)) paths.push_back(path);
  }
  return Probes::from_paths(paths);
}

}  // namespace hpcc
