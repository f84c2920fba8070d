#include "compiler/include_scan.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/fs.h"
#include "base/limits.h"
#include "model/probes.h"

namespace hpcc {
namespace {

using Form = Reference::Form;

// Directories of the project in the order in which a compiler searches them. Those of the image lie before `after`.
struct SearchPath {
  std::vector<std::string> quote, bracket, after;
  std::vector<std::string> other;  // named by options whose place in the order is not modelled: all matches count
};

struct ListOption {
  std::string_view option;
  std::vector<std::string> SearchPath::*list;
};
constexpr ListOption kListOptions[] = {
    {"-iquote", &SearchPath::quote},
    {"-I", &SearchPath::bracket},
    {"--include-directory=", &SearchPath::bracket},
    {"--include-directory", &SearchPath::bracket},
    {"-idirafter", &SearchPath::after},
    {"--include-directory-after=", &SearchPath::after},
    {"--include-directory-after", &SearchPath::after},
};

std::string_view without_trailing_blank(std::string_view option) {
  return option.ends_with(' ') ? option.substr(0, option.size() - 1) : option;
}

class Scan {
 public:
  Scan(const Invocation& invocation, const ScanPlace& place, const ScanFiles& files)
      : invocation_(invocation), place_(place), files_(files) {
    const Language language = invocation.language;
    preprocessed_ = language == Language::kC || language == Language::kCxx || language == Language::kAssemblerWithCpp;
  }

  ScanResult run(const EnvKey& env);

 private:
  void collect_search_path(const EnvKey& env);
  void take_option(const KeyArg& arg);
  void take_passed_on(std::string_view list);
  void add_directory(std::vector<std::string>& list, std::string_view path);
  void add_environment(const EnvKey& env, std::string_view name, std::vector<std::string>& list);
  void start();
  void drain();
  void visit(const std::string& path);
  void resolve(const Reference& reference, const std::string& directory);
  bool is_own_path(const std::string& name) const;
  void resolve_computed();
  void look_everywhere(const std::string& name, const std::string& directory);
  void look_along_path(const std::string& name, const std::vector<std::string>& first);
  bool take_at(const std::string& directory, std::string_view name);
  void add_file(const std::string& path);
  std::optional<std::string> walk(const std::string& base, std::string_view relative);
  std::optional<std::string> locate(std::string_view path);
  bool crosses_link(const std::string& directory);
  void check_links();
  void refuse(Bypass problem, const std::string& detail);

  const Invocation& invocation_;
  const ScanPlace& place_;
  const ScanFiles& files_;
  bool preprocessed_ = false;
  SearchPath search_;
  ScanResult result_;
  std::unordered_set<std::string> seen_;
  std::set<std::string> directories_;
  std::vector<std::string> waiting_;
  std::unordered_set<std::string> quoted_, angled_;  // what look_along_path was asked for already
  // Files with computed includes, and every word that these may mean.
  std::set<std::string> computed_in_;
  bool computed_probe_ = false;
  std::vector<std::string> words_;
  std::unordered_set<std::string> known_words_;
  std::set<std::pair<std::string, std::string>> tried_;  // (directory, word)
  std::unordered_map<std::string, bool> crossing_;       // see crosses_link
};

void Scan::refuse(Bypass problem, const std::string& detail) {
  if (result_.problem != Bypass::kNone) return;
  result_.problem = problem;
  result_.detail = detail;
}

// base/relative, made normal. Every directory left by ".." must exist, and is wanted in the guest; through a symbolic
// link ".." leads elsewhere than the text says. nullopt: no such path, or outside of the project.
std::optional<std::string> Scan::walk(const std::string& base, std::string_view relative) {
  std::string path = base;
  while (!relative.empty()) {
    size_t slash = relative.find('/');
    std::string_view part = relative.substr(0, slash);
    relative = slash == std::string_view::npos ? std::string_view() : relative.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (path.empty()) return std::nullopt;
      if (files_.kind(path) != EntryKind::kDirectory) return std::nullopt;
      if (files_.is_link(path)) refuse(Bypass::kOddPath, path + "/..");
      directories_.insert(path);
      size_t last = path.rfind('/');
      path.resize(last == std::string::npos ? 0 : last);
      continue;
    }
    if (!path.empty()) path += '/';
    path += part;
  }
  return path;
}

bool leaves_directories(std::string_view path) {
  return path == ".." || path.starts_with("../") || path.ends_with("/..") ||
         path.find("/../") != std::string_view::npos;
}

// A path as the command writes it. nullopt: no such path, or outside of the project.
std::optional<std::string> Scan::locate(std::string_view path) {
  if (!path.starts_with('/')) return walk(place_.cwd, path);
  if (!leaves_directories(path)) return project_path(path, place_);
  for (const std::string& root : {place_.root, place_.root_alias}) {
    if (!root.empty() && is_under(path, root)) return walk("", path.substr(root.size()));
  }
  if (project_path(path, place_)) refuse(Bypass::kOddPath, std::string(path));
  return std::nullopt;
}

// Whether a directory below the root, or one above it, is a symbolic link.
bool Scan::crosses_link(const std::string& directory) {
  if (directory.empty()) return false;
  auto known = crossing_.find(directory);
  if (known != crossing_.end()) return known->second;
  const size_t slash = directory.rfind('/');
  const bool above = slash != std::string::npos && crosses_link(directory.substr(0, slash));
  return crossing_[directory] = above || files_.is_link(directory);
}

// The guest has plain directories where the project has links to them. That shows where a name that is computed leads
// out of one by "..", and where two names of one directory are searched, of which compilers drop the second.
void Scan::check_links() {
  std::set<std::string> searched, same;
  bool links = false;
  for (const auto* list : {&search_.quote, &search_.bracket, &search_.after, &search_.other}) {
    for (const std::string& directory : *list) {
      searched.insert(directory);
      links = links || crosses_link(directory);
    }
  }
  for (const std::string& directory : searched) {
    if (links && !same.insert(files_.identity(directory)).second) refuse(Bypass::kOddPath, directory);
  }
  if (computed_in_.empty()) return;
  for (const std::string& directory : directories_) links = links || crosses_link(directory);
  for (const std::string& file : result_.files) {
    const size_t slash = file.rfind('/');
    links = links || (slash != std::string::npos && crosses_link(file.substr(0, slash)));
  }
  if (links) refuse(Bypass::kOddPath, "computed names of headers, and links to directories");
}

void Scan::add_directory(std::vector<std::string>& list, std::string_view text) {
  if (text.starts_with('=') || text.starts_with("$SYSROOT")) return;
  std::optional<std::string> path = locate(text);
  if (!path || files_.kind(*path) != EntryKind::kDirectory) return;
  if (!path->empty()) directories_.insert(*path);
  list.push_back(std::move(*path));
}

void Scan::take_passed_on(std::string_view list) {
  while (!list.empty()) {
    size_t comma = list.find(',');
    std::string_view part = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    if (part.starts_with("-I")) part.remove_prefix(2);
    if (!part.empty() && part[0] != '-') add_directory(search_.other, part);
  }
}

void Scan::take_option(const KeyArg& arg) {
  const std::string_view option = without_trailing_blank(arg.option);
  for (const ListOption& known : kListOptions) {
    if (option == known.option) return add_directory(search_.*known.list, arg.value);
  }
  if (option.starts_with("-isystem") || option == "-iwithsysroot") return;  // after all -I: second pass
  if (option == "-Wp," || option == "-Wa," || option == "-Xpreprocessor" || option == "-Xassembler" ||
      option == "-Xclang") {
    return take_passed_on(arg.value);
  }
  if (arg.role == KeyRole::kPath && option != "source") add_directory(search_.other, arg.value);
}

void Scan::add_environment(const EnvKey& env, std::string_view name, std::vector<std::string>& list) {
  for (const EnvKey::Variable& variable : env.variables) {
    if (variable.name != name) continue;
    std::string_view rest = variable.value;
    for (;;) {
      size_t colon = rest.find(':');
      std::string_view part = rest.substr(0, colon);
      add_directory(list, part.empty() ? "." : part);
      if (colon == std::string_view::npos) return;
      rest.remove_prefix(colon + 1);
    }
  }
}

void Scan::collect_search_path(const EnvKey& env) {
  for (const KeyArg& arg : invocation_.key_args) take_option(arg);
  add_environment(env, "CPATH", search_.bracket);
  for (const KeyArg& arg : invocation_.key_args) {
    if (arg.option.starts_with("-isystem")) add_directory(search_.bracket, arg.value);
  }
  const bool cxx = invocation_.language == Language::kCxx;
  add_environment(env, cxx ? "CPLUS_INCLUDE_PATH" : "C_INCLUDE_PATH", search_.bracket);
}

void Scan::add_file(const std::string& path) {
  if (!seen_.insert(path).second) return;
  if (seen_.size() > limits::kInputs) return refuse(Bypass::kInputTooLarge, "more files than one compile may have");
  if (files_.kind(path + ".gch") != EntryKind::kAbsent) refuse(Bypass::kPrecompiledHeader, path + ".gch");
  result_.files.push_back(path);
  waiting_.push_back(path);
}

// True when directory/name is a file; it becomes an input. A directory of that name is wanted in the guest, too.
bool Scan::take_at(const std::string& directory, std::string_view name) {
  std::optional<std::string> path = walk(directory, name);
  if (!path) return false;
  const EntryKind kind = files_.kind(*path);
  if (kind == EntryKind::kDirectory && !path->empty()) directories_.insert(*path);
  if (kind != EntryKind::kFile) return false;
  add_file(*path);
  return true;
}

// The first match along the path is the one the compiler takes. Most headers are asked for many times.
void Scan::look_along_path(const std::string& name, const std::vector<std::string>& first) {
  if (!(&first == &search_.quote ? quoted_ : angled_).insert(name).second) return;
  bool found = false;
  auto search = [&](const std::vector<std::string>& list) {
    for (const std::string& directory : list) {
      if (!found) found = take_at(directory, name);
    }
  };
  if (&first == &search_.quote) search(search_.quote);
  search(search_.bracket);
  search(search_.after);
  for (const std::string& directory : search_.other) take_at(directory, name);
}

void Scan::look_everywhere(const std::string& name, const std::string& directory) {
  take_at(directory, name);
  take_at(place_.cwd, name);
  for (const auto* list : {&search_.quote, &search_.bracket, &search_.after, &search_.other}) {
    for (const std::string& each : *list) take_at(each, name);
  }
}

void Scan::resolve(const Reference& reference, const std::string& directory) {
  if (reference.name[0] == '/') {
    // Such a path is the image's; the logical root is the one that leads here.
    constexpr std::string_view kLogical = "/hpcc/w/";
    if (reference.name.starts_with(kLogical)) take_at("", reference.name.substr(kLogical.size()));
    if (is_own_path(reference.name) && reference.probe) refuse(Bypass::kAbsoluteInclude, reference.name);
    if (is_own_path(reference.name)) result_.absolute = reference.name;
    return;
  }
  switch (reference.form) {
    case Form::kQuote:
      if (reference.next) return look_everywhere(reference.name, directory);
      if (!take_at(directory, reference.name)) look_along_path(reference.name, search_.quote);
      return;
    case Form::kAngle:
      if (reference.next) return look_everywhere(reference.name, directory);
      look_along_path(reference.name, search_.bracket);
      return;
    case Form::kAssembly:
    case Form::kData:
      return look_everywhere(reference.name, directory);
  }
}

void Scan::visit(const std::string& path) {
  Result<std::shared_ptr<const Directives>> read = files_.directives(path);
  if (!read.ok()) return refuse(Bypass::kInputChanged, read.error().to_string());
  const Directives& directives = **read;
  size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? std::string() : path.substr(0, slash);
  for (const Reference& reference : directives.references) {
    const bool assembly = reference.form == Form::kAssembly || reference.form == Form::kData;
    if (assembly || preprocessed_) resolve(reference, directory);
  }
  if (!preprocessed_) return;
  if (directives.computed) computed_in_.insert(directory);
  computed_probe_ |= directives.computed_probe;
  for (const std::string& word : directives.header_words) {
    if (known_words_.insert(word).second) words_.push_back(word);
  }
}

void Scan::drain() {
  while (!waiting_.empty() && result_.problem == Bypass::kNone) {
    std::string path = std::move(waiting_.back());
    waiting_.pop_back();
    visit(path);
  }
}

// Whether it names the project by its path here, which no guest has. What includes so fails there, and loudly; a probe
// would only find nothing.
bool Scan::is_own_path(const std::string& name) const {
  return place_.root != kLogicalRoot && name[0] == '/' && project_path(name, place_);
}

void Scan::resolve_computed() {
  const std::vector<std::string> words = words_;
  for (const std::string& word : words) {
    if (computed_probe_ && is_own_path(word)) return refuse(Bypass::kAbsoluteInclude, word);
  }
  for (const std::string& directory : computed_in_) {
    for (const std::string& word : words) {
      if (is_own_path(word)) continue;
      if (tried_.emplace(directory, word).second) resolve({Form::kQuote, false, word}, directory);
    }
  }
}

void Scan::start() {
  const std::optional<std::string> source = locate(invocation_.source);
  if (!source) return refuse(Bypass::kOutsideRoot, invocation_.source);
  if (files_.kind(*source) != EntryKind::kFile) return refuse(Bypass::kNoSource, invocation_.source);
  add_file(*source);
  Directives defined;
  for (const KeyArg& arg : invocation_.key_args) {
    if (without_trailing_blank(arg.option) == "-D") scan_definition(arg.value, &defined);
  }
  for (const std::string& word : defined.header_words) {
    if (known_words_.insert(word).second) words_.push_back(word);
  }
  for (const std::string& file : invocation_.read_files) {
    if (file.starts_with('/')) {
      std::optional<std::string> path = locate(file);
      if (path && files_.kind(*path) == EntryKind::kFile) add_file(*path);
      if (path && files_.kind(*path) == EntryKind::kDirectory) directories_.insert(*path);
    } else if (!take_at(place_.cwd, file)) {
      look_along_path(file, search_.quote);
    }
  }
}

ScanResult Scan::run(const EnvKey& env) {
  if (!place_.cwd.empty()) directories_.insert(place_.cwd);
  collect_search_path(env);
  start();
  size_t before = 0;
  do {
    before = result_.files.size();
    drain();
    if (!computed_in_.empty()) resolve_computed();
  } while (!waiting_.empty() && result_.files.size() > before && result_.problem == Bypass::kNone);
  drain();
  check_links();
  result_.computed = !computed_in_.empty();
  std::sort(result_.files.begin(), result_.files.end());
  directories_.erase("");
  result_.directories.assign(directories_.begin(), directories_.end());
  return std::move(result_);
}

}  // namespace

std::optional<std::string> project_path(std::string_view path, const ScanPlace& place) {
  const std::string normal = lexically_normal(path);
  for (const std::string& root : {place.root, place.root_alias}) {
    if (root.empty() || !is_under(normal, root)) continue;
    return normal.size() == root.size() ? std::string() : normal.substr(root.size() + (root == "/" ? 0 : 1));
  }
  return std::nullopt;
}

ScanResult scan_includes(const Invocation& invocation, const EnvKey& env, const ScanPlace& place,
                         const ScanFiles& files) {
  return Scan(invocation, place, files).run(env);
}

}  // namespace hpcc
