// ImageCompile's inputs: what the scan finds, what it must refuse, what a guest's failed probes add, and what the local
// entry depends on.
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "base/fs.h"
#include "client/image_compile.h"
#include "compiler/directives.h"
#include "compiler/source_facts.h"

namespace hpcc {
namespace {

std::string join_relative(const std::string& directory, std::string_view name) {
  return directory.empty() ? std::string(name) : directory + "/" + std::string(name);
}

// A logical path of a guest's probes, below the root.
std::string below_root(const std::string& logical) {
  const size_t size = std::string_view(kLogicalRoot).size();
  return logical.size() <= size ? std::string() : logical.substr(size + 1);
}

}  // namespace

std::optional<BypassReason> ImageCompile::check_outputs() {
  for (const OutputFile& output : invocation_->outputs) {
    const std::string path = join_path(request_.cwd, output.path);
    std::optional<std::string> below = project_path(path, scan_place_);
    if (!below) return BypassReason{Bypass::kOutsideRoot, output.path, {}, {}};
    if (leaves_link(path)) return BypassReason{Bypass::kOddPath, output.path, {}, {}};
    outputs_.insert(*below);
  }
  std::string offender;
  if (outputs_are_ordinary(*invocation_, place_, &offender)) return std::nullopt;
  return BypassReason{Bypass::kOutputSpecial, offender, {}, {}};
}

// Whether a ".." in the path stands behind a symbolic link.
bool ImageCompile::leaves_link(const std::string& path) const {
  for (size_t at = path.find("/.."); at != std::string::npos; at = path.find("/..", at + 1)) {
    struct stat info;
    if (at + 3 < path.size() && path[at + 3] != '/') continue;
    if (lstat(path.substr(0, at).c_str(), &info) == 0 && S_ISLNK(info.st_mode)) return true;
  }
  return false;
}

std::optional<BypassReason> ImageCompile::scan() {
  view_ = std::make_unique<ProjectView>(mode_.projects(), place_.root);
  ScanResult found = scan_includes(*invocation_, env_, scan_place_, view_->scan_files());
  absolute_ = found.absolute;
  // First: a file that cannot be seen may also have been taken for one that is not there.
  if (std::optional<BypassReason> reason = unseen()) return reason;
  if (found.problem != Bypass::kNone) return BypassReason{found.problem, found.detail, {}, {}};
  if (!absolute_.empty() && project_.fallback != ProjectFile::Fallback::kNone) {
    return BypassReason{Bypass::kAbsoluteInclude, absolute_, {}, {}};
  }
  // Clang looks at its outputs before it writes them, as it does at headers: were one asked for, it could not be told.
  for (const std::string& output : outputs_) {
    if (!found.computed || family_ != Family::kClang || view_->kind(output) == EntryKind::kAbsent) continue;
    return BypassReason{Bypass::kOddPath, output + ", and computed names of headers", {}, {}};
  }
  files_ = std::move(found.files);
  directories_ = std::move(found.directories);
  add_left_directories();
  return digest_inputs();
}

// "dir/../a.d" is written only where there is a "dir".
void ImageCompile::add_left_directories() {
  for (const OutputFile& output : invocation_->outputs) {
    for (size_t at = output.path.find("/.."); at != std::string::npos; at = output.path.find("/..", at + 1)) {
      const std::optional<std::string> left =
          project_path(join_path(request_.cwd, output.path.substr(0, at)), scan_place_);
      if (left && !left->empty() && view_->kind(*left) == EntryKind::kDirectory) directories_.push_back(*left);
    }
  }
  std::sort(directories_.begin(), directories_.end());
  directories_.erase(std::unique(directories_.begin(), directories_.end()), directories_.end());
}

std::optional<BypassReason> ImageCompile::digest_inputs() {
  uint32_t facts = 0;
  bool once = std::any_of(invocation_->key_args.begin(), invocation_->key_args.end(),
                          [](const KeyArg& arg) { return scan_directives(arg.value).once; });
  std::map<BlobDigest, std::string> contents;
  std::map<std::pair<uint64_t, uint64_t>, std::string> files;
  std::string equal, same;
  inputs_.clear();
  inputs_.reserve(files_.size());
  for (const std::string& path : added_) (void)view_->directives(path).ok();  // else the next line tells
  for (const std::string& path : files_) {
    Result<ProjectView::Fact> fact = view_->fact(path);
    if (!fact.ok()) return BypassReason{Bypass::kInputChanged, fact.error().to_string(), {}, {}};
    facts |= fact->facts;
    once = once || fact->once;
    auto [other, fresh] = contents.emplace(fact->file.content.digest, path);
    if (!fresh && fact->file.content.size_bytes != 0) equal = path + " and " + other->second;
    auto [first, alone] = files.emplace(fact->identity, path);
    if (!alone) same = path + " and " + first->second;
    inputs_.push_back(fact->file);
  }
  if (names_resolved_paths() && view_->met_link())
    return BypassReason{Bypass::kOddPath, "a dependency file that names what links lead to", {}, {}};
  // Clang calls two names of one file by one of them; in a guest they are two files.
  if (family_ == Family::kClang && !same.empty()) return BypassReason{Bypass::kIdenticalInputs, same, {}, {}};
  // Which of them is read depends on times, or on whether they are one file; here all are files of one time.
  if (once && !equal.empty()) return BypassReason{Bypass::kIdenticalInputs, equal, {}, {}};
  return check_time(facts);
}

// __DATE__ and its kin, anywhere in reach: such a result is made each time anew, unless the time is fixed.
std::optional<BypassReason> ImageCompile::check_time(uint32_t facts) {
  facts = compile_facts(facts, *invocation_);
  // Files have other times in a guest. That -Werror=date-time stands among the options does not mean that it is heeded.
  if ((facts & (kFactPragmaDependency | kFactTimestamp)) != 0 || may_paste_time_macro(facts)) {
    return BypassReason{Bypass::kTimeMacro, "the time of a file may show in the result", {}, {}};
  }
  const bool epoch = find_env(request_.env, "SOURCE_DATE_EPOCH").has_value();
  if ((facts & kFactDateTime) != 0 && !(epoch && family_ == Family::kGcc)) cacheable_ = false;
  return std::nullopt;
}

std::optional<BypassReason> ImageCompile::add_missing(const Probes& probes, bool* added) {
  const std::set<std::string> known(files_.begin(), files_.end());
  std::set<std::string> directories(directories_.begin(), directories_.end());
  for (const ProbeGroup& group : probes.groups) {
    for (uint32_t index : group.directories) {
      const std::string directory = below_root(probes.directories[index]);
      for (const std::string& name : group.names) {
        const EntryKind kind = view_->kind_in(directory, name);
        if (kind == EntryKind::kAbsent) continue;
        const std::string path = join_relative(directory, name);
        const bool is_directory = kind == EntryKind::kDirectory;
        // What the guest would have instead is not the same: a plain directory, a file that the compile is to make.
        if (kind == EntryKind::kOther || outputs_.count(path) != 0 ||
            view_->crosses_link(is_directory ? path : directory)) {
          return BypassReason{Bypass::kOddPath, path, {}, {}};
        }
        if (is_directory && directories.insert(path).second) {
          added_directories_.push_back(path);
          *added = true;
        } else if (!is_directory && known.count(path) == 0) {
          files_.push_back(path);
          added_.push_back(path);
          *added = true;
        }
      }
    }
  }
  if (const std::optional<BypassReason> reason = unseen()) return reason;
  directories_.assign(directories.begin(), directories.end());
  std::sort(files_.begin(), files_.end());
  files_.erase(std::unique(files_.begin(), files_.end()), files_.end());
  return std::nullopt;
}

// The guest asked for a file that this compile makes: the answer is another one each time.
bool ImageCompile::asked_for_output(const Probes& probes) const {
  for (const ProbeGroup& group : probes.groups) {
    for (uint32_t index : group.directories) {
      const std::string directory = below_root(probes.directories[index]);
      for (const std::string& name : group.names) {
        if (outputs_.count(join_relative(directory, name)) != 0) return true;
      }
    }
  }
  return false;
}

// What could not be looked at is not absent.
std::optional<BypassReason> ImageCompile::unseen() const {
  if (!view_->failure()) return std::nullopt;
  return BypassReason{Bypass::kUnreadable, view_->failure()->to_string(), {}, {}};
}

// What the local entry depends on beyond the Action's digest: files that only a guest knew to ask for, and everything
// that it looked for and nobody has.
Manifest ImageCompile::manifest_of(const Probes& probes) {
  Manifest manifest;
  for (const std::string& path : added_) {
    Result<ProjectView::Fact> fact = view_->fact(path);
    if (!fact.ok()) continue;
    struct stat info;
    const bool program = stat(join_path(place_.root, path).c_str(), &info) == 0 && (info.st_mode & 0111) != 0;
    manifest.inputs.push_back(
        {{Anchor::kRoot, path}, program ? InputKind::kProgram : InputKind::kFile, fact->file.content.digest});
  }
  for (const std::string& path : added_directories_) {
    manifest.inputs.push_back({{Anchor::kRoot, path}, InputKind::kDirectory, BlobDigest()});
  }
  std::sort(manifest.inputs.begin(), manifest.inputs.end(),
            [](const Input& a, const Input& b) { return a.path < b.path; });
  for (const auto& [directory, names] : absent_names(probes)) {
    AbsentSet set;
    set.directory = {Anchor::kRoot, directory.empty() ? "." : directory};
    // A link that leads nowhere may begin to lead somewhere without its directory changing.
    for (const std::string& name : names) {
      (view_->lists(directory, name) ? set.checked_names : set.names).push_back(name);
    }
    manifest.absents.push_back(std::move(set));
  }
  std::sort(manifest.absents.begin(), manifest.absents.end(),
            [](const AbsentSet& a, const AbsentSet& b) { return a.directory < b.directory; });
  return manifest;
}

// By directory that is here. Where even the directory is absent, so is its first missing part.
std::map<std::string, std::set<std::string>> ImageCompile::absent_names(const Probes& probes) {
  std::map<std::string, std::set<std::string>> absent;
  for (const ProbeGroup& group : probes.groups) {
    for (uint32_t index : group.directories) {
      std::string directory = below_root(probes.directories[index]), gone;
      while (view_->kind(directory) != EntryKind::kDirectory) {
        gone = std::string(basename_of(directory));
        directory = directory.find('/') == std::string::npos ? "" : std::string(directory_of(directory));
      }
      if (!gone.empty()) {
        absent[directory].insert(gone);
        continue;
      }
      for (const std::string& name : group.names) {
        if (view_->kind_in(directory, name) == EntryKind::kAbsent) absent[directory].insert(name);
      }
    }
  }
  return absent;
}

// gcc names system headers in a dependency file by their real path where that is shorter.
bool ImageCompile::names_resolved_paths() const {
  if (family_ != Family::kGcc || !invocation_->dep.wanted || invocation_->dep.user_headers_only) return false;
  for (const EnvKey::Variable& variable : env_.variables) {
    if (variable.name.ends_with("_INCLUDE_PATH")) return true;
  }
  return std::any_of(invocation_->key_args.begin(), invocation_->key_args.end(), [](const KeyArg& arg) {
    return arg.option.starts_with("-isystem") || arg.option.starts_with("-idirafter") ||
           arg.option.starts_with("-iwith") || arg.option.starts_with("--include-") ||
           arg.option.starts_with("--sysroot") || arg.option.starts_with("-isysroot");
  });
}

// Which of the files in a .gch directory is taken, no probe says.
std::optional<BypassReason> ImageCompile::check_added() {
  for (const std::string& path : directories_) {
    if (path.ends_with(".gch")) return BypassReason{Bypass::kPrecompiledHeader, path, {}, {}};
  }
  for (const std::string& path : added_) {
    if (path.ends_with(".gch") || view_->kind(path + ".gch") != EntryKind::kAbsent)
      return BypassReason{Bypass::kPrecompiledHeader, path, {}, {}};
  }
  return std::nullopt;
}

}  // namespace hpcc
