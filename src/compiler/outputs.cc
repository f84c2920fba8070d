#include "compiler/outputs.h"

#include <algorithm>

#include "base/fs.h"
#include "compiler/depfile.h"

namespace hpcc {
namespace {

// The path without the last extension of its last component.
std::string_view without_extension(std::string_view path) {
  size_t name = path.size() - basename_of(path).size();
  size_t dot = path.rfind('.');
  return dot == std::string_view::npos || dot < name ? path : path.substr(0, dot);
}

std::string_view extension_of(std::string_view path) { return path.substr(without_extension(path).size()); }

bool is_assembler(Language language) {
  return language == Language::kAssembler || language == Language::kAssemblerWithCpp;
}

// Whether the compiler preprocesses: without it gcc writes no .d and clang calls the options unused.
bool is_preprocessed_here(Language language) {
  return language == Language::kC || language == Language::kCxx || language == Language::kAssemblerWithCpp;
}

BypassReason unsupported(std::string detail) { return {Bypass::kUnsupportedOption, std::move(detail), {}, {}}; }

struct Deriver {
  const OutputRequest& request;
  const DepRequest& dep;
  Invocation& inv;
  std::string base;  // output or source without extension: every side file is named after it

  BypassReason object();
  BypassReason dep_file();
  void dep_targets();
  BypassReason side_files();
  BypassReason opt_record();
  BypassReason check_paths() const;
  void add(OutputKind kind, std::string path) { inv.outputs.push_back({kind, std::move(path), true}); }
};

BypassReason Deriver::object() {
  if (request.emit_llvm && !request.output) return unsupported("-emit-llvm without -o");
  std::string_view named = request.output ? std::string_view(*request.output) : basename_of(inv.source);
  base = without_extension(named);
  // ".o" or ".c": the compilers disagree with each other on what its extension is.
  if (basename_of(base).empty()) return unsupported("a name with nothing before its extension");
  if (request.mode == Mode::kSyntaxOnly) return {};
  if (request.output)
    inv.object = *request.output;
  else
    inv.object = base + (request.mode == Mode::kAssemble ? ".s" : ".o");
  return {};
}

// gcc's driver hands all -MT to cc1 before any -MQ.
void Deriver::dep_targets() {
  std::vector<std::string>& words = inv.dep.targets;
  std::vector<DepTarget> targets = dep.targets;
  if (inv.family == Family::kGcc) {
    std::stable_partition(targets.begin(), targets.end(), [](const DepTarget& target) { return !target.quoted; });
  }
  for (const DepTarget& target : targets) {
    std::string_view name = target.name;
    if (inv.family == Family::kGcc) name = strip_leading_dot_slash(name);
    words.push_back(target.quoted ? quote_for_make(name) : std::string(name));
  }
  if (!words.empty()) return;
  bool follows_output = request.output && !(dep.preprocessor_file && inv.family == Family::kGcc);
  std::string name = follows_output ? *request.output : std::string(without_extension(basename_of(inv.source))) + ".o";
  std::string_view view = name;
  if (inv.family == Family::kGcc) view = strip_leading_dot_slash(view);
  words.push_back(quote_for_make(view));
}

BypassReason Deriver::dep_file() {
  bool wanted = dep.all || dep.user || dep.preprocessor_file;
  bool details = dep.file || !dep.targets.empty() || dep.phony;
  if (!wanted) return details ? unsupported("-MF, -MT, -MQ or -MP without -MD") : BypassReason{};
  if (!is_preprocessed_here(inv.language)) {
    if (dep.preprocessor_file) return unsupported("-Wp,-MD");
    return {};
  }
  if (dep.preprocessor_file && (dep.all || dep.user || dep.file)) return unsupported("-Wp,-MD beside -MD or -MF");
  for (const DepTarget& target : dep.targets) {
    // A target that holds what ends a target cannot be found again in the file.
    if (target.name.empty() || target.name.find(": ") != std::string::npos || target.name.ends_with(':') ||
        target.name.find_first_of("\n\\") != std::string::npos) {
      return unsupported("-MT " + target.name);
    }
  }
  inv.dep.wanted = true;
  inv.dep.user_headers_only = dep.preprocessor_file ? dep.preprocessor_user : dep.user;
  inv.dep.phony_targets = dep.phony;
  if (dep.preprocessor_file)
    inv.dep.path = *dep.preprocessor_file;
  else
    inv.dep.path = dep.file ? *dep.file : base + ".d";
  dep_targets();
  inv.outputs.push_back({OutputKind::kDepFile, inv.dep.path, false});
  return {};
}

BypassReason Deriver::opt_record() {
  if (request.opt_record_file) {
    add(OutputKind::kOptRecord, *request.opt_record_file);
  } else if (inv.family == Family::kGcc) {
    // Named after the object, then the extension of the source: a.cc to x/b.o gives x/b.cc.opt-record.json.gz.
    add(OutputKind::kOptRecord, base + std::string(extension_of(inv.source)) + ".opt-record.json.gz");
  } else {
    // Without -o clang strips two extensions off a name like a.x.c.
    if (!request.output && base.find('.') != std::string::npos) return unsupported("-fsave-optimization-record");
    add(OutputKind::kOptRecord, base + ".opt.yaml");
  }
  return {};
}

BypassReason Deriver::side_files() {
  bool any = request.split_dwarf || request.coverage || request.stack_usage || request.callgraph ||
             request.opt_record || request.opt_info_file || request.aux_info_file || request.listing_file;
  if (request.mode == Mode::kSyntaxOnly && any) return unsupported("side files under -fsyntax-only");
  if (request.split_dwarf && request.mode == Mode::kAssemble && inv.family == Family::kClang) {
    return unsupported("-gsplit-dwarf with -S");  // the .dwo lands in the working directory
  }
  if (request.split_dwarf && request.mode == Mode::kCompile) add(OutputKind::kDwo, base + ".dwo");
  if (!is_assembler(inv.language)) {
    if (request.coverage) add(OutputKind::kCoverageNotes, base + ".gcno");
    if (request.stack_usage) add(OutputKind::kStackUsage, base + ".su");
    if (request.callgraph) add(OutputKind::kCallgraph, base + ".ci");
    if (request.opt_info_file) add(OutputKind::kOptRecord, *request.opt_info_file);
    if (request.aux_info_file) add(OutputKind::kAuxInfo, *request.aux_info_file);
  }
  if (request.opt_record && !is_assembler(inv.language)) {
    if (BypassReason reason = opt_record(); reason.reason != Bypass::kNone) return reason;
  }
  if (request.listing_file && request.mode == Mode::kCompile) add(OutputKind::kListing, *request.listing_file);
  if (request.diagnostics_file) add(OutputKind::kDiagnostics, *request.diagnostics_file);
  return {};
}

BypassReason Deriver::check_paths() const {
  std::vector<std::string_view> seen = {inv.source};
  for (const OutputFile& output : inv.outputs) {
    const std::string& path = output.path;
    if (path == "-") return {Bypass::kOutputStdout, path, {}, {}};
    if (path.empty() || path.ends_with('/') || path.starts_with("/dev/") || path.starts_with("/proc/")) {
      return {Bypass::kOutputSpecial, path, {}, {}};
    }
    if (std::find(seen.begin(), seen.end(), path) != seen.end()) return unsupported("two files named " + path);
    seen.push_back(path);
  }
  return {};
}

}  // namespace

BypassReason derive_outputs(const OutputRequest& request, const DepRequest& dep, Invocation& inv) {
  Deriver deriver{request, dep, inv, {}};
  if (BypassReason reason = deriver.object(); reason.reason != Bypass::kNone) return reason;
  if (BypassReason reason = deriver.dep_file(); reason.reason != Bypass::kNone) return reason;
  if (BypassReason reason = deriver.side_files(); reason.reason != Bypass::kNone) return reason;
  if (!inv.object.empty()) inv.outputs.push_back({OutputKind::kObject, inv.object, false});
  return deriver.check_paths();
}

}  // namespace hpcc
