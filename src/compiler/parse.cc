// argv → Invocation. Straight line: expand response files, walk the arguments through the family's table, then derive
// the outputs. A problem found on the way is kept and the walk goes on, so that a link step still lists its inputs.
#include "compiler/parse.h"

#include <algorithm>
#include <optional>

#include "compiler/depfile.h"
#include "compiler/options.h"

namespace hpcc {
namespace {

enum class Mode : uint8_t { kLink, kCompile, kAssemble, kSyntaxOnly, kPreprocess };

// One key argument, and how it was written, which matters only when the command line itself leaks into an output.
struct Item {
  KeyArg arg;
  bool only_if_leaks = false;
  bool separate = false;
};

struct Source {
  std::string path;
  std::optional<Language> language;
};

class Parser {
 public:
  Parser(Family family, std::vector<std::string> argv) : family_(family), argv_(std::move(argv)) {
    inv_.family = family;
    table_ = family == Family::kGcc ? gcc_options() : clang_options();
  }

  ParseResult run();

 private:
  void take(const std::string& arg);
  void take_input(const std::string& arg);
  void apply(const OptionMatch& match, std::string_view name, std::string_view value, bool separate);
  void key(std::string_view name, std::string_view value, KeyRole role, bool has_value);
  void problem(Bypass reason, std::string_view detail);
  ParseResult finish();
  void derive_outputs();

  Family family_;
  std::vector<std::string> argv_;
  size_t next_ = 1;
  std::span<const OptionRow> table_;
  Invocation inv_;
  std::vector<Item> items_;
  std::vector<Source> sources_;
  std::vector<std::string> link_inputs_;
  std::optional<std::string> output_;
  std::optional<std::string> language_;
  Mode mode_ = Mode::kLink;
  bool query_ = false;
  BypassReason problem_;
  bool options_ended_ = false;
};

std::string_view basename_of(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view stem_of(std::string_view name) {
  size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(0, dot);
}

void Parser::problem(Bypass reason, std::string_view detail) {
  if (problem_.reason == Bypass::kNone) problem_ = {reason, std::string(detail), {}, {}};
}

void Parser::key(std::string_view name, std::string_view value, KeyRole role, bool has_value) {
  items_.push_back({KeyArg{std::string(name), std::string(value), role, has_value}});
}

std::optional<Language> language_by_name(std::string_view name) {
  if (name == "c") return Language::kC;
  if (name == "c++") return Language::kCxx;
  if (name == "cpp-output") return Language::kPreprocessedC;
  if (name == "c++-cpp-output") return Language::kPreprocessedCxx;
  if (name == "assembler") return Language::kAssembler;
  if (name == "assembler-with-cpp") return Language::kAssemblerWithCpp;
  return std::nullopt;
}

std::optional<Language> language_by_extension(std::string_view path, bool cxx_driver) {
  size_t dot = path.rfind('.');
  std::string_view ext = dot == std::string_view::npos ? "" : path.substr(dot + 1);
  if (ext == "c") return cxx_driver ? Language::kCxx : Language::kC;
  if (ext == "i") return cxx_driver ? Language::kPreprocessedCxx : Language::kPreprocessedC;
  if (ext == "ii") return Language::kPreprocessedCxx;
  if (ext == "s") return Language::kAssembler;
  if (ext == "S" || ext == "sx") return Language::kAssemblerWithCpp;
  for (std::string_view cxx : {"cc", "cp", "cxx", "cpp", "CPP", "c++", "C"}) {
    if (ext == cxx) return Language::kCxx;
  }
  return std::nullopt;
}

void Parser::take_input(const std::string& arg) {
  link_inputs_.push_back(arg);
  if (arg == "-") return problem(Bypass::kStdin, arg);
  bool cxx_driver = basename_of(argv_[0]).find("++") != std::string_view::npos;
  if (language_) {
    auto language = language_by_name(*language_);
    if (!language) problem(Bypass::kUnsupportedLanguage, *language_);
    sources_.push_back({arg, language});
  } else {
    sources_.push_back({arg, language_by_extension(arg, cxx_driver)});
  }
}

void Parser::take(const std::string& arg) {
  if (options_ended_ || arg == "-" || !arg.starts_with('-')) return take_input(arg);
  OptionMatch match = find_option(table_, arg);
  if (!match.row) return problem(Bypass::kUnknownOption, arg);
  if (match.negated) return apply(match, arg, {}, false);
  const OptionRow& row = *match.row;
  std::string_view glued = std::string_view(arg).substr(row.name.size());
  bool separate = row.arity == Arity::kSeparate || (row.arity == Arity::kJoinedOrSeparate && glued.empty());
  if (!separate) return apply(match, row.name, glued, false);
  if (next_ == argv_.size()) return problem(Bypass::kBadCommand, arg);
  apply(match, row.name, argv_[next_++], true);
}

void Parser::apply(const OptionMatch& match, std::string_view name, std::string_view value, bool separate) {
  const OptionRow& row = *match.row;
  bool has_value = row.arity != Arity::kFlag;
  switch (row.act) {
    case Act::kText: case Act::kMachine: return key(name, value, KeyRole::kText, has_value);
    case Act::kPath: return key(name, value, KeyRole::kPath, has_value);
    case Act::kCompile: mode_ = std::max(mode_, Mode::kCompile); return key(name, {}, KeyRole::kText, false);
    case Act::kAssemble: mode_ = std::max(mode_, Mode::kAssemble); return key(name, {}, KeyRole::kText, false);
    case Act::kPreprocess: mode_ = Mode::kPreprocess; return;
    case Act::kOutput: output_ = value; return;
    case Act::kLanguage: language_ = value; if (value == "none") language_.reset(); return;
    case Act::kLinkInput: link_inputs_.push_back("-l" + std::string(value)); return key(name, value, KeyRole::kText, true);
    case Act::kDepAll: inv_.dep.wanted = true; return key(name, {}, KeyRole::kText, false);
    case Act::kDepUser:
      inv_.dep.wanted = inv_.dep.user_headers_only = true;
      return key(name, {}, KeyRole::kText, false);
    case Act::kDepFile: inv_.dep.path = value; return;
    case Act::kDepTarget: inv_.dep.targets.emplace_back(value); return;
    case Act::kDepQuoted: inv_.dep.targets.push_back(quote_for_make(value)); return;
    case Act::kDepPhony: inv_.dep.phony_targets = true; return key(name, {}, KeyRole::kText, false);
    case Act::kColourOn: inv_.colour = Invocation::Colour::kAlways; return;
    case Act::kColourOff: inv_.colour = Invocation::Colour::kNever; return;
    case Act::kColourValue:
      inv_.colour = value == "always" ? Invocation::Colour::kAlways
                    : value == "never" ? Invocation::Colour::kNever : Invocation::Colour::kAuto;
      return;
    default: return problem(Bypass::kUnsupportedOption, name);
  }
  (void)separate;
}

void Parser::derive_outputs() {
  inv_.object = output_ ? *output_
                        : std::string(stem_of(basename_of(inv_.source))) + (mode_ == Mode::kAssemble ? ".s" : ".o");
  if (inv_.dep.wanted) {
    if (inv_.dep.path.empty()) {
      size_t slash = inv_.object.rfind('/');
      std::string dir = slash == std::string::npos ? "" : inv_.object.substr(0, slash + 1);
      inv_.dep.path = dir + std::string(stem_of(basename_of(inv_.object))) + ".d";
    }
    inv_.outputs.push_back({OutputKind::kDepFile, inv_.dep.path, false});
  }
  inv_.outputs.push_back({OutputKind::kObject, inv_.object, false});
}

ParseResult Parser::finish() {
  if (query_) return BypassReason{Bypass::kNoSource, {}, {}, {}};
  if (problem_.reason == Bypass::kBadCommand) return problem_;
  if (link_inputs_.empty()) return BypassReason{Bypass::kNoSource, {}, {}, {}};
  if (mode_ == Mode::kPreprocess) return BypassReason{Bypass::kPreprocess, {}, {}, {}};
  if (mode_ == Mode::kLink) return BypassReason{Bypass::kLink, {}, link_inputs_, output_.value_or("a.out")};
  if (problem_.reason != Bypass::kNone) return problem_;
  if (sources_.empty()) return BypassReason{Bypass::kNoSource, {}, {}, {}};
  if (sources_.size() > 1) return BypassReason{Bypass::kSeveralSources, sources_[1].path, {}, {}};
  if (!sources_[0].language) return BypassReason{Bypass::kUnsupportedLanguage, sources_[0].path, {}, {}};
  if (output_ == "-") return BypassReason{Bypass::kOutputStdout, "-", {}, {}};
  inv_.source = sources_[0].path;
  inv_.language = *sources_[0].language;
  derive_outputs();
  key("source", inv_.source, KeyRole::kPath, true);
  key("language", std::to_string(static_cast<int>(inv_.language)), KeyRole::kText, true);
  key("driver", basename_of(argv_[0]), KeyRole::kText, true);
  for (Item& item : items_) {
    if (!item.only_if_leaks || inv_.leaks_output_name) inv_.key_args.push_back(std::move(item.arg));
  }
  return std::move(inv_);
}

ParseResult Parser::run() {
  while (next_ < argv_.size()) take(argv_[next_++]);
  return finish();
}

}  // namespace

ParseResult parse_command(Family family, const std::vector<std::string>& argv, const ReadFile& read_file) {
  Result<std::vector<std::string>> expanded = expand_response_files(argv, read_file);
  if (!expanded.ok()) return BypassReason{Bypass::kBadCommand, expanded.error().message, {}, {}};
  if (expanded->empty()) return BypassReason{Bypass::kBadCommand, "empty command", {}, {}};
  return Parser(family, std::move(expanded).value()).run();
}

bool is_compiler_name(std::string_view name) {
  // A version suffix: "-12", "-12.2.0" or "15".
  size_t last = name.find_last_not_of("0123456789.");
  if (last == std::string_view::npos) return false;
  if (last + 1 < name.size() && name[last] == '-') --last;
  name = name.substr(0, last + 1);
  for (std::string_view known : {"gcc", "g++", "cc", "c++", "clang", "clang++"}) {
    if (name == known) return true;
    if (name.ends_with(known) && name[name.size() - known.size() - 1] == '-') return true;
  }
  return false;
}

}  // namespace hpcc
