#include "client/observation.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <unordered_map>

#include "base/fs.h"
#include "base/limits.h"
#include "client/elf.h"
#include "client/place.h"
#include "compiler/parse.h"
#include "compiler/source_facts.h"
#include "wire/volatile.h"

namespace hpcc {
namespace {

using frame::Op;
using frame::State;

// All that is known of one path.
struct Seen {
  const Event* first = nullptr;       // first event of any kind
  const Event* first_look = nullptr;  // first event that is no write or removal
  bool read = false, listed = false, executed = false, unfollowed = false, followed = false, readlinked = false;
  bool written = false, removed = false;
  bool read_before_write = false;
  bool assembled = false, used_otherwise = false;  // read by an assembler; read or run by anything else
  uint32_t looker = 0;                             // of an output: the program that looked before anything was written
  bool inconsistent = false;  // two looks saw different things and the tree itself did not write in between
};

bool same_look(const Event& a, const Event& b) {
  if (a.state != b.state) return false;
  if (a.state == State::kFile) {
    return a.dev == b.dev && a.ino == b.ino && a.size == b.size && a.mtime_ns == b.mtime_ns && a.ctime_ns == b.ctime_ns;
  }
  return true;
}

InputKind file_kind(const struct stat& info) { return info.st_mode & 0111 ? InputKind::kProgram : InputKind::kFile; }
bool is_file(InputKind kind) { return kind == InputKind::kFile || kind == InputKind::kProgram; }
bool names_time(uint32_t facts) {
  return facts & (kFactDateTime | kFactTimestamp | kFactTimePiece | kFactPragmaDependency | kFactClangPch);
}
bool is_follow(Op op) { return op != Op::kLstat && op != Op::kReadlink; }

// A program that a process of the compile runs or ran.
struct Program {
  std::string path;
  uint32_t number = 0;  // from 1, in the order of their starts
  bool assembler = false;
  bool has_written = false;
};

void add_event(Seen& seen, const Event& event, const Program* program) {
  if (!seen.first) seen.first = &event;
  if (event.op == Op::kWrite) seen.written = true;
  if (event.op == Op::kRemove) seen.removed = true;
  if (event.op == Op::kWrite || event.op == Op::kRemove) return;
  const bool untouched = !seen.written && !seen.removed;
  seen.read_before_write |= untouched && event.op == Op::kRead;
  const bool assembler = program && program->assembler && event.op == Op::kRead;
  seen.assembled |= assembler;
  seen.used_otherwise |= !assembler && (event.op == Op::kRead || event.op == Op::kExec);
  seen.read |= event.op == Op::kRead;
  seen.listed |= event.op == Op::kList;
  seen.executed |= event.op == Op::kExec;
  seen.readlinked |= event.op == Op::kReadlink;
  (is_follow(event.op) ? seen.followed : seen.unfollowed) = true;
  if (!seen.first_look) {
    seen.first_look = &event;
  } else if (is_follow(event.op) == is_follow(seen.first_look->op) && !same_look(event, *seen.first_look)) {
    seen.inconsistent = true;
  }
}

bool is_assembler_name(std::string_view name) { return name == "as" || name.ends_with("-as"); }

// Of these it is known that they write the same whatever they see at the output's place when they start.
bool is_compile_tool(const std::string& program) {
  const std::string_view name = basename_of(program);
  const bool known = is_compiler_name(name) || name == "cc1" || name == "cc1plus" || is_assembler_name(name) ||
                     name == "objcopy" || name.ends_with("-objcopy");
  return known && is_elf_file(program);
}

class Observer {
 public:
  Observer(const std::vector<OutputFile>& outputs, const Place& place, int64_t start_ns, Files& files)
      : place_(place), fresh_ns_(start_ns - kTickNs), files_(files) {
    for (const OutputFile& output : outputs) {
      outputs_.emplace(lexically_normal(join_path(place.cwd, output.path)), output.kind);
    }
  }

  Observed run(const std::vector<Event>& events);

 private:
  bool refuse(Bypass reason, std::string_view path) {
    if (result_.problem == Bypass::kNone) {
      result_.problem = reason;
      result_.detail = path;
    }
    return false;
  }
  const std::pair<const std::string, OutputKind>* as_output(const std::string& path) const;
  Program* program_of(const Event& event);
  bool prepares_output(const Event& event, OutputKind kind, const Program* program, Seen& seen) const;
  bool classify(const std::string& path, const Seen& seen);
  bool written_path(const std::string& path, const std::string& full, const Seen& seen);
  bool present_file(const std::string& path, const std::string& full, const Seen& seen, const struct stat& now);
  bool unfollowed_path(const std::string& path, const std::string& full, const Seen& seen);
  bool directory(const std::string& path, const std::string& full, const Seen& seen, const struct stat& now);
  void absent_path(const std::string& path);
  bool add_interpreter(const std::string& full, int depth);
  void add_input(const std::string& path, InputKind kind, const BlobDigest& digest, const struct stat& info);
  void finish();
  void group_inputs();

  const Place& place_;
  const int64_t fresh_ns_;
  Files& files_;
  std::map<std::string, OutputKind> outputs_;
  std::unordered_map<uint32_t, Program> programs_;  // what each process runs
  uint32_t started_ = 0;
  Observed result_;
  struct Identity {
    uint64_t dev, ino;
    int64_t mtime_s;
  };
  std::map<std::pair<AnchoredPath, InputKind>, std::pair<BlobDigest, Identity>> inputs_;
  std::map<AnchoredPath, std::pair<std::set<std::string>, std::set<std::string>>> absents_;
  std::unordered_map<std::string, bool> is_directory_;
};

// The declared output that an event's path names, however it is spelled ("a.o", "./a.o", by its whole path).
const std::pair<const std::string, OutputKind>* Observer::as_output(const std::string& path) const {
  const std::string_view base = basename_of(path);
  for (const auto& output : outputs_) {
    if (basename_of(output.first) != base) continue;
    if (lexically_normal(join_path(place_.cwd, path)) == output.first) return &output;
  }
  return nullptr;
}

Program* Observer::program_of(const Event& event) {
  if (event.op == Op::kExec && event.state == State::kFile) {
    // A process not met before may be a thread of one that was, whose program ends now.
    if (programs_.count(event.pid) == 0) {
      for (auto& [pid, program] : programs_) program.assembler = false;
    }
    Program program{.path = join_path(place_.cwd, event.path), .number = ++started_};
    program.assembler = is_assembler_name(basename_of(program.path)) && is_elf_file(program.path);
    programs_[event.pid] = std::move(program);
  }
  auto found = programs_.find(event.pid);
  return found == programs_.end() ? nullptr : &found->second;
}

// Whether a look at an output that is not yet written is its writer's preparation, and not a question whose answer is
// an input (`test -e a.o` in a script, __has_include("a.o")). Compilers, assemblers and objcopy prepare an object: they
// look before they write anything at all, and then it is they who write it. Drivers only resolve its name.
bool Observer::prepares_output(const Event& event, OutputKind kind, const Program* program, Seen& seen) const {
  if (seen.written || seen.removed) return true;  // whatever is there is this compile's
  const uint32_t number = program ? program->number : 0;
  if (event.op == Op::kWrite || event.op == Op::kRemove) return seen.looker == 0 || seen.looker == number;
  if (!program || program->has_written || !is_compile_tool(program->path) || kind == OutputKind::kDepFile) return false;
  if (event.op == Op::kReadlink) return true;
  if (seen.looker != 0 && seen.looker != number) return false;
  seen.looker = number;
  return true;
}

Observed Observer::run(const std::vector<Event>& events) {
  std::unordered_map<std::string_view, Seen> paths;
  paths.reserve(events.size());
  std::vector<std::string_view> order;
  for (const Event& event : events) {
    Volatile kind = volatile_kind(event.path, event.op);
    if (kind == Volatile::kRefuse && event.state != State::kAbsent) {
      refuse(Bypass::kVolatileInput, event.path);
      return std::move(result_);
    }
    if (kind == Volatile::kIgnore) continue;
    std::string_view name = event.path;
    Program* program = program_of(event);
    const auto* output = as_output(event.path);
    if (output) name = output->first;
    auto [at, fresh] = paths.try_emplace(name);
    if (fresh) order.push_back(name);
    if (output && !prepares_output(event, output->second, program, at->second)) {
      refuse(Bypass::kInputChanged, event.path);
      return std::move(result_);
    }
    if (program && (event.op == Op::kWrite || event.op == Op::kRemove)) program->has_written = true;
    add_event(at->second, event, program);
  }
  for (std::string_view path : order) {
    if (!classify(std::string(path), paths[path])) return std::move(result_);
  }
  finish();
  return std::move(result_);
}

bool Observer::classify(const std::string& path, const Seen& seen) {
  const std::string full = join_path(place_.cwd, path);
  if (seen.written || seen.removed || outputs_.count(path) != 0) return written_path(path, full, seen);
  if (seen.inconsistent) return refuse(Bypass::kInputChanged, path);
  if (seen.first_look->state == State::kError) return refuse(Bypass::kVolatileInput, path);
  if (seen.unfollowed && !unfollowed_path(path, full, seen)) return false;
  if (!seen.followed) return true;
  struct stat now;
  if (stat(full.c_str(), &now) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return refuse(Bypass::kVolatileInput, path);
    if (seen.first_look->state != State::kAbsent && is_follow(seen.first_look->op)) {
      return refuse(Bypass::kInputChanged, path);
    }
    absent_path(path);
    return true;
  }
  const Event& look = *seen.first_look;
  if (is_follow(look.op) && look.state == State::kAbsent) return refuse(Bypass::kInputChanged, path);
  if (S_ISDIR(now.st_mode)) return directory(path, full, seen, now);
  if (!S_ISREG(now.st_mode)) return refuse(Bypass::kVolatileInput, path);
  if (!present_file(path, full, seen, now)) return false;
  return !seen.executed || add_interpreter(full, 0);
}

// Temporaries and outputs. A file that was there before and was read must not have been changed by the compile, and
// nothing undeclared may be left behind.
bool Observer::written_path(const std::string& path, const std::string& full, const Seen& seen) {
  const bool declared = outputs_.count(path) != 0;
  if (seen.read_before_write && (declared || seen.first_look->state == State::kFile)) {
    return refuse(Bypass::kInputChanged, path);
  }
  if (declared) {
    if (seen.looker != 0 && !seen.written && !seen.removed) return refuse(Bypass::kInputChanged, path);
    if (seen.written) result_.written_outputs.insert(path);
    return true;
  }
  struct stat now;
  if (lstat(full.c_str(), &now) == 0 && !S_ISDIR(now.st_mode)) return refuse(Bypass::kOutputMissing, path);
  if (seen.written) result_.temporaries.insert(std::string(basename_of(path)));
  return true;
}

bool Observer::present_file(const std::string& path, const std::string& full, const Seen& seen,
                            const struct stat& now) {
  const Event& look = *seen.first_look;
  const FileStamp stamp = stamp_of(now);
  if (is_follow(look.op)) {
    const FileStamp looked_at{look.dev, look.ino, look.size, look.mtime_ns, look.ctime_ns};
    if (look.state != State::kFile || !(looked_at == stamp)) return refuse(Bypass::kInputChanged, path);
  }
  if (stamp.ctime_ns >= fresh_ns_) return refuse(Bypass::kInputChanged, path);
  Result<FileFact> fact = files_.fact(files_.intern(full), now);
  if (!fact.ok() || !(fact->stamp == stamp)) return refuse(Bypass::kInputChanged, path);
  // A binary file of the system is no source, whatever words are in it; nor is what only an assembler reads (.incbin).
  const bool of_project = path[0] != '/' || (place_.root != "/" && is_under(path, place_.root));
  const bool assembled_only = seen.assembled && !seen.used_otherwise;
  if (!assembled_only && (of_project || !(fact->facts & kBinaryFact))) {
    if (result_.time_path.empty() && names_time(fact->facts)) result_.time_path = path;
    result_.source_facts |= fact->facts;
  }
  if (basename_of(path).ends_with(".cfg") && !of_project) result_.reads_config = true;
  if (path[0] == '/' && place_.root != "/" && is_under(path, place_.root)) result_.absolute_inputs = true;
  add_input(path, file_kind(now), fact->digest, now);
  return true;
}

bool Observer::directory(const std::string& path, const std::string& full, const Seen& seen, const struct stat& now) {
  if (is_follow(seen.first_look->op) && seen.first_look->state != State::kDirectory) {
    return refuse(Bypass::kInputChanged, path);
  }
  add_input(path, InputKind::kDirectory, BlobDigest(), now);
  if (!seen.listed && !seen.read) return true;
  if (stamp_of(now).ctime_ns >= fresh_ns_) return refuse(Bypass::kInputChanged, path);
  Result<BlobDigest> digest = files_.listing(files_.intern(full), now);
  if (!digest.ok()) return refuse(Bypass::kVolatileInput, path);
  add_input(path, InputKind::kListing, *digest, now);
  return true;
}

// lstat and readlink: whether the path is a link, and where it leads.
bool Observer::unfollowed_path(const std::string& path, const std::string& full, const Seen& seen) {
  struct stat now;
  if (lstat(full.c_str(), &now) != 0) {
    if (!is_follow(seen.first_look->op) && seen.first_look->state != State::kAbsent) {
      return refuse(Bypass::kInputChanged, path);
    }
    absent_path(path);
    return true;
  }
  if (!is_follow(seen.first_look->op) && seen.first_look->state == State::kAbsent) {
    return refuse(Bypass::kInputChanged, path);
  }
  if (!S_ISLNK(now.st_mode)) {
    add_input(path, InputKind::kNotLink, BlobDigest(), now);
    if (S_ISREG(now.st_mode) && !seen.followed && !seen.readlinked) {
      return present_file(path, full, seen, now);
    }
    return true;
  }
  Result<BlobDigest> digest = link_digest(full);
  if (!digest.ok() || stamp_of(now).ctime_ns >= fresh_ns_) return refuse(Bypass::kInputChanged, path);
  add_input(path, InputKind::kLink, *digest, now);
  return true;
}

// Records the first component that is missing, below the deepest directory that is there: one proof serves many paths.
void Observer::absent_path(const std::string& path) {
  std::string directory(directory_of(path)), missing(basename_of(path));
  for (;;) {
    auto [at, fresh] = is_directory_.try_emplace(directory, false);
    if (fresh) {
      struct stat info;
      at->second = stat(join_path(place_.cwd, directory).c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    }
    if (at->second || directory == "/" || directory == ".") break;
    missing = basename_of(directory);
    directory = directory_of(directory);
  }
  auto& names = absents_[anchor_path(directory, place_)];
  // The name itself may exist and lead nowhere (a dangling link) or be no directory: then only a look can tell.
  struct stat info;
  std::string at = join_path(join_path(place_.cwd, directory), missing);
  if (lstat(at.c_str(), &info) == 0 || missing == ".." || missing == ".") {
    std::string rest = path.substr(
        directory == "." && path[0] != '.' ? 0 : std::min(path.size(), directory.size() + (directory == "/" ? 0 : 1)));
    names.second.insert(rest.empty() ? missing : rest);
  } else {
    names.first.insert(missing);
  }
}

// The kernel itself opens the interpreter of a program: ld.so for ELF, the named file for a script.
bool Observer::add_interpreter(const std::string& full, int depth) {
  Result<std::string> interpreter = find_interpreter(full);
  if (!interpreter.ok()) return refuse(Bypass::kVolatileInput, full);
  if (interpreter->empty() || depth > 4) return true;
  struct stat now;
  const std::string path = join_path(place_.cwd, *interpreter);
  if (stat(path.c_str(), &now) != 0 || !S_ISREG(now.st_mode)) return refuse(Bypass::kInputChanged, path);
  if (stamp_of(now).ctime_ns >= fresh_ns_) return refuse(Bypass::kInputChanged, path);
  Result<FileFact> fact = files_.fact(files_.intern(path), now);
  if (!fact.ok()) return refuse(Bypass::kInputChanged, path);
  add_input(*interpreter, file_kind(now), fact->digest, now);
  return add_interpreter(path, depth + 1);
}

void Observer::add_input(const std::string& path, InputKind kind, const BlobDigest& digest, const struct stat& info) {
  inputs_[{anchor_path(path, place_), kind}] = {digest, Identity{info.st_dev, info.st_ino, info.st_mtim.tv_sec}};
}

void Observer::finish() {
  Manifest& manifest = result_.manifest;
  for (const auto& [key, value] : inputs_) manifest.inputs.push_back({key.first, key.second, value.first});
  for (auto& [directory, names] : absents_) {
    AbsentSet set;
    set.directory = directory;
    set.names.assign(names.first.begin(), names.first.end());
    set.checked_names.assign(names.second.begin(), names.second.end());
    manifest.absents.push_back(std::move(set));
  }
  if (manifest.inputs.size() + manifest.absents.size() > limits::kInputs) refuse(Bypass::kOutputTooLarge, "manifest");
  group_inputs();
}

// Files of equal content and all directories: which of them are one inode, and which files share an mtime second.
void Observer::group_inputs() {
  std::map<BlobDigest, std::vector<uint32_t>> same_content;
  std::vector<uint32_t> directories;
  std::vector<Identity> identity;
  for (const auto& [key, value] : inputs_) {
    uint32_t index = static_cast<uint32_t>(identity.size());
    identity.push_back(value.second);
    if (is_file(key.second)) same_content[value.first].push_back(index);
    if (key.second == InputKind::kDirectory) directories.push_back(index);
  }
  auto add = [&](IdentityGroup::By by, const std::vector<uint32_t>& members, auto same) {
    IdentityGroup group;
    group.by = by;
    group.inputs = members;
    uint32_t next_class = 0;
    for (size_t i = 0; i < members.size(); ++i) {
      size_t j = 0;
      while (j < i && !same(identity[members[i]], identity[members[j]])) ++j;
      group.classes.push_back(j < i ? group.classes[j] : next_class++);
    }
    result_.manifest.groups.push_back(std::move(group));
  };
  auto same_inode = [](const Identity& a, const Identity& b) { return a.dev == b.dev && a.ino == b.ino; };
  auto same_second = [](const Identity& a, const Identity& b) { return a.mtime_s == b.mtime_s; };
  for (const auto& [digest, members] : same_content) {
    if (members.size() < 2) continue;
    add(IdentityGroup::By::kInode, members, same_inode);
    add(IdentityGroup::By::kMtimeSecond, members, same_second);
  }
  if (directories.size() > 1) add(IdentityGroup::By::kInode, directories, same_inode);
}

}  // namespace

Result<BlobDigest> link_digest(const std::string& path) {
  char target[limits::kPathBytes];
  ssize_t size = readlink(path.c_str(), target, sizeof target);
  if (size < 0) return errno_error("readlink " + path);
  return BlobDigest::of(std::string_view(target, static_cast<size_t>(size)));
}

Observed observe(const std::vector<Event>& events, const std::vector<OutputFile>& outputs, const Place& place,
                 int64_t start_ns, Files& files) {
  return Observer(outputs, place, start_ns, files).run(events);
}

}  // namespace hpcc
