// argv → Invocation. Straight line: expand response files, walk the arguments through the family's table, then derive
// the outputs. A problem found on the way is kept and the walk goes on, so that a link step still lists its inputs.
#include "compiler/parse.h"

#include <algorithm>
#include <optional>

#include "base/fs.h"
#include "compiler/depfile.h"
#include "compiler/options.h"
#include "compiler/outputs.h"

namespace hpcc {
namespace {

// One key argument and how it was written, which matters only when the command line itself leaks into an output.
struct Item {
  KeyArg arg;
  bool only_if_leaks = false;  // -o, -MF ...: what an ordinary object does not depend on
  bool separate = false;       // -I x, not -Ix
};

struct Source {
  std::string path;
  std::optional<Language> language;
};

struct Split {
  std::string_view name;
  std::string_view value;
  bool separate = false;
};

class Parser {
 public:
  Parser(Family family, std::vector<std::string> argv)
      : argv_(std::move(argv)), table_(family == Family::kGcc ? gcc_options() : clang_options()) {
    inv_.family = family;
  }

  ParseResult run();

 private:
  void take(const std::string& arg);
  void take_input(const std::string& arg);
  void apply(const OptionRow& row, const Split& split);
  bool apply_mode(const OptionRow& row, const Split& split);
  bool apply_dep(const OptionRow& row, const Split& split);
  bool apply_output(const OptionRow& row, const Split& split);
  bool apply_colour(const OptionRow& row, const Split& split);
  bool apply_passed_on(const OptionRow& row, const Split& split);
  void apply_effects(const OptionRow& row, const Split& split);
  void set_once(std::optional<std::string>& slot, const Split& split);
  void opt_info(std::string_view arg, const Split& split);
  void preprocessor(const Split& split);
  void assembler(const Split& split);
  void assembler_part(const OptionRow& row, std::string_view part, std::string_view value);
  void cc1(const Split& split);
  void key(const Split& split, KeyRole role = KeyRole::kText, bool has_value = true);
  void key_if_leaks(const Split& split);
  void problem(Bypass reason, std::string_view detail);
  ParseResult finish();
  BypassReason reason_not_to_cache() const;

  std::vector<std::string> argv_;
  size_t next_ = 1;
  std::span<const OptionRow> table_;
  Invocation inv_;
  OutputRequest outputs_;
  DepRequest dep_;
  std::vector<Item> items_;
  std::vector<Source> sources_;
  std::vector<std::string> link_inputs_;
  std::optional<std::string> language_;     // -x
  const OptionRow* pending_cc1_ = nullptr;  // -Xclang OPTION seen, its value is the next -Xclang's
  std::string asm_debug_;                   // -Wa,-g and kin
  bool options_ended_ = false;
  bool query_ = false;
  BypassReason problem_;
};

struct LanguageName {
  std::string_view name;
  Language language;
};

constexpr LanguageName kLanguageNames[] = {
    {"c", Language::kC},
    {"c++", Language::kCxx},
    {"cpp-output", Language::kPreprocessedC},
    {"c++-cpp-output", Language::kPreprocessedCxx},
    {"assembler", Language::kAssembler},
    {"assembler-with-cpp", Language::kAssemblerWithCpp},
};

constexpr LanguageName kExtensions[] = {
    {"c", Language::kC},
    {"i", Language::kPreprocessedC},
    {"ii", Language::kPreprocessedCxx},
    {"cc", Language::kCxx},
    {"cp", Language::kCxx},
    {"cxx", Language::kCxx},
    {"cpp", Language::kCxx},
    {"CPP", Language::kCxx},
    {"c++", Language::kCxx},
    {"C", Language::kCxx},
    {"s", Language::kAssembler},
    {"S", Language::kAssemblerWithCpp},
    {"sx", Language::kAssemblerWithCpp},
};

std::optional<Language> find_language(std::span<const LanguageName> names, std::string_view name) {
  auto it = std::find_if(names.begin(), names.end(), [&](const LanguageName& row) { return row.name == name; });
  return it == names.end() ? std::nullopt : std::optional(it->language);
}

std::string_view language_key(Language language) {
  for (const LanguageName& row : kLanguageNames) {
    if (row.language == language) return row.name;
  }
  return {};
}

// g++ and clang++ read C as C++.
std::optional<Language> language_of(std::string_view path, std::string_view driver) {
  size_t dot = basename_of(path).rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  std::optional<Language> language = find_language(kExtensions, basename_of(path).substr(dot + 1));
  if (language && driver.find("++") != std::string_view::npos) {
    if (*language == Language::kC) return Language::kCxx;
    if (*language == Language::kPreprocessedC) return Language::kPreprocessedCxx;
  }
  return language;
}

std::vector<std::string_view> split_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    size_t comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

// Character sets in which __DATE__ is written with the same bytes.
bool is_ascii_superset(std::string_view charset) {
  std::string upper(charset);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  for (std::string_view known : {"UTF-8", "UTF8", "ASCII", "US-ASCII", "LATIN1", "KOI8-R"}) {
    if (upper == known) return true;
  }
  return upper.starts_with("ISO-8859-") || upper.starts_with("ISO8859-") || upper.starts_with("CP125");
}

void Parser::problem(Bypass reason, std::string_view detail) {
  if (problem_.reason == Bypass::kNone) problem_ = {reason, std::string(detail), {}, {}};
}

void Parser::key(const Split& split, KeyRole role, bool has_value) {
  items_.push_back({KeyArg{std::string(split.name), std::string(split.value), role, has_value}, false, split.separate});
}

void Parser::key_if_leaks(const Split& split) {
  key(split);
  items_.back().only_if_leaks = true;
}

void Parser::take_input(const std::string& arg) {
  link_inputs_.push_back(arg);
  if (arg == "-") return problem(Bypass::kStdin, arg);
  if (arg.empty()) return problem(Bypass::kBadCommand, "empty argument");
  std::optional<Language> language;
  if (language_)
    language = find_language(kLanguageNames, *language_);
  else
    language = language_of(arg, basename_of(argv_[0]));
  sources_.push_back({arg, language});
  key({"source", arg, false}, KeyRole::kPath);
  if (language) key({"language", language_key(*language), false});
}

void Parser::take(const std::string& arg) {
  if (options_ended_ || arg == "-" || !arg.starts_with('-')) return take_input(arg);
  OptionMatch match = find_option(table_, arg);
  if (!match.row) return problem(Bypass::kUnknownOption, arg);
  if (match.negated) return key({arg, {}, false}, KeyRole::kText, false);
  const OptionRow& row = *match.row;
  std::string_view glued = std::string_view(arg).substr(row.name.size());
  bool separate = row.arity == Arity::kSeparate || (row.arity == Arity::kJoinedOrSeparate && glued.empty());
  if (!separate) return apply(row, {row.name, glued, false});
  if (next_ == argv_.size()) return problem(Bypass::kBadCommand, arg + " without its argument");
  // A copy of the name: rows outlive everything, and so do the elements of argv_.
  apply(row, {row.name, argv_[next_++], true});
}

void Parser::apply(const OptionRow& row, const Split& split) {
  apply_effects(row, split);
  if (apply_mode(row, split) || apply_dep(row, split) || apply_output(row, split)) return;
  if (apply_colour(row, split) || apply_passed_on(row, split)) return;
  KeyRole role = KeyRole::kText;
  if (row.act == Act::kPath) role = KeyRole::kPath;
  if (row.act == Act::kPrefixMap) role = KeyRole::kPrefixMap;
  key(split, role, row.arity != Arity::kFlag);
}

void Parser::apply_effects(const OptionRow& row, const Split& split) {
  if (row.bits & opt::kReads) inv_.read_files.emplace_back(split.value);
  if (row.bits & opt::kLeaksName) inv_.leaks_output_name = true;
  if (row.bits & opt::kLeaksCwd) inv_.leaks_cwd = true;
  if (row.bits & opt::kOpaque) inv_.opaque_outputs = true;
  if (row.bits & opt::kNative) inv_.native_cpu = true;
  if (row.act == Act::kPrefixMap) inv_.has_prefix_map = true;
  if (row.act == Act::kMachine && split.value.find("native") != std::string_view::npos) inv_.native_cpu = true;
}

// Each apply_... returns whether the option was one of its own.
bool Parser::apply_mode(const OptionRow& row, const Split& split) {
  auto mode = [&](Mode wanted) {
    outputs_.mode = std::max(outputs_.mode, wanted);
    key(split, KeyRole::kText, false);
    return true;
  };
  if (row.act == Act::kCompile) return mode(Mode::kCompile);
  if (row.act == Act::kAssemble) return mode(Mode::kAssemble);
  if (row.act == Act::kSyntaxOnly) return mode(Mode::kSyntaxOnly);
  if (row.act == Act::kPreprocess) return mode(Mode::kPreprocess);
  if (row.act == Act::kBypass) return problem(Bypass::kUnsupportedOption, row.name), true;
  if (row.act == Act::kQuery) return query_ = true;
  if (row.act == Act::kEndOfOptions) return options_ended_ = true;
  if (row.act == Act::kLanguage) {
    language_ = split.value;
    if (split.value == "none")
      language_.reset();
    else if (!find_language(kLanguageNames, split.value))
      problem(Bypass::kUnsupportedLanguage, split.value);
    key(split);
    return true;
  }
  if (row.act == Act::kLinkInput) {
    link_inputs_.push_back("-l" + std::string(split.value));
    key(split);
    return true;
  }
  return false;
}

bool Parser::apply_dep(const OptionRow& row, const Split& split) {
  switch (row.act) {
    case Act::kDepAll:
      dep_.all = true;
      break;
    case Act::kDepUser:
      dep_.user = true;
      break;
    case Act::kDepPhony:
      dep_.phony = true;
      break;
    case Act::kDepFile:
      dep_.file = split.value;
      return key_if_leaks(split), true;
    case Act::kDepTarget:
      dep_.targets.push_back({std::string(split.value), false});
      return key_if_leaks(split), true;
    case Act::kDepQuoted:
      dep_.targets.push_back({std::string(split.value), true});
      return key_if_leaks(split), true;
    default:
      return false;
  }
  key(split, KeyRole::kText, false);
  return true;
}

// A second -o or side file of one kind: the compilers take the last, the first, or complain.
void Parser::set_once(std::optional<std::string>& slot, const Split& split) {
  if (slot && *slot != split.value) problem(Bypass::kUnsupportedOption, std::string(split.name) + " twice");
  slot = split.value;
}

void Parser::opt_info(std::string_view kinds, const Split& split) {
  size_t equals = kinds.find('=');
  if (equals != std::string_view::npos) {
    std::string_view file = kinds.substr(equals + 1);
    if (file == "stderr" || file == "stdout") problem(Bypass::kUnsupportedOption, split.name);
    set_once(outputs_.opt_info_file, {split.name, file, false});
  }
  key(split);
}

bool Parser::apply_output(const OptionRow& row, const Split& split) {
  switch (row.act) {
    case Act::kOutput:
      set_once(outputs_.output, split);
      return key_if_leaks(split), true;
    case Act::kSplitDwarf:
      if (split.value == "single") break;
      if (!split.value.empty() && split.value != "split") problem(Bypass::kUnsupportedOption, row.name);
      outputs_.split_dwarf = true;
      break;
    case Act::kCoverage:
      outputs_.coverage = true;
      break;
    case Act::kStackUsage:
      outputs_.stack_usage = true;
      break;
    case Act::kCallgraph:
      outputs_.callgraph = true;
      break;
    case Act::kOptRecord:
      if (row.name.ends_with("record=") && split.value != "yaml") problem(Bypass::kUnsupportedOption, row.name);
      outputs_.opt_record = true;
      break;
    case Act::kOptRecordFile:
      outputs_.opt_record = true;
      set_once(outputs_.opt_record_file, split);
      return key(split, KeyRole::kPath), true;
    case Act::kOptInfo:
      return opt_info(row.name.ends_with('=') ? "=" + std::string(split.value) : split.value, split), true;
    case Act::kAuxInfo:
      set_once(outputs_.aux_info_file, split);
      return key(split, KeyRole::kPath), true;
    case Act::kDiagnostics:
      set_once(outputs_.diagnostics_file, split);
      return key(split, KeyRole::kPath), true;
    case Act::kEmitLlvm:
      outputs_.emit_llvm = true;
      break;
    default:
      return false;
  }
  key(split, KeyRole::kText, row.arity != Arity::kFlag);
  return true;
}

bool Parser::apply_colour(const OptionRow& row, const Split& split) {
  if (row.act == Act::kColourOn) {
    inv_.colour = Invocation::Colour::kAlways;
  } else if (row.act == Act::kColourOff) {
    inv_.colour = Invocation::Colour::kNever;
  } else if (row.act == Act::kPlainOutput) {
    inv_.colour = Invocation::Colour::kNever;
    return key(split, KeyRole::kText, false), true;
  } else if (row.act == Act::kColourValue) {
    if (split.value == "always")
      inv_.colour = Invocation::Colour::kAlways;
    else if (split.value == "never")
      inv_.colour = Invocation::Colour::kNever;
    else if (split.value == "auto")
      inv_.colour = Invocation::Colour::kAuto;
    else
      problem(Bypass::kUnsupportedOption, row.name);
  } else {
    return false;
  }
  key_if_leaks(split);
  return true;
}

bool Parser::apply_passed_on(const OptionRow& row, const Split& split) {
  switch (row.act) {
    case Act::kWp:
    case Act::kXpreprocessor:
      return preprocessor(split), true;
    case Act::kWa:
    case Act::kXassembler:
      return assembler(split), true;
    case Act::kXclang:
      return cc1(split), true;
    case Act::kMllvm:
      if (!find_option(llvm_options(), split.value).row)
        problem(Bypass::kUnknownOption, "-mllvm " + std::string(split.value));
      return key(split), true;
    case Act::kDiagnosticsFormat:
      if (split.value.ends_with("-file")) problem(Bypass::kUnsupportedOption, row.name);
      return key(split), true;
    case Act::kInputCharset:
      if (!is_ascii_superset(split.value)) problem(Bypass::kUnsupportedOption, row.name);
      return key(split), true;
    default:
      return false;
  }
}

void Parser::preprocessor(const Split& split) {
  std::vector<std::string_view> parts = {split.value};
  if (split.name == "-Wp,") parts = split_commas(split.value);
  if (parts.size() == 2 && (parts[0] == "-MD" || parts[0] == "-MMD")) {
    set_once(dep_.preprocessor_file, {split.name, parts[1], false});
    dep_.preprocessor_user = parts[0] == "-MMD";
    key({parts[0] == "-MMD" ? "-Wp,-MMD" : "-Wp,-MD", {}, false}, KeyRole::kText, false);
    return key_if_leaks(split);
  }
  for (std::string_view part : parts) {
    if (!find_option(preprocessor_options(), part).row) {
      problem(Bypass::kUnknownOption, std::string(split.name) + std::string(part));
    }
  }
  key(split);
}

void Parser::assembler(const Split& split) {
  std::vector<std::string_view> parts = {split.value};
  if (split.name == "-Wa,") parts = split_commas(split.value);
  for (size_t i = 0; i < parts.size(); ++i) {
    OptionMatch match = find_option(assembler_options(), parts[i]);
    if (!match.row) return problem(Bypass::kUnknownOption, std::string(split.name) + std::string(parts[i]));
    const OptionRow& row = *match.row;
    std::string_view value = parts[i].substr(row.name.size());
    if (row.arity == Arity::kSeparate || (row.arity == Arity::kJoinedOrSeparate && value.empty())) {
      if (++i == parts.size())
        return problem(Bypass::kUnsupportedOption, std::string(split.name) + std::string(parts[i - 1]));
      value = parts[i];
    }
    assembler_part(row, parts[i], value);
  }
  key(split);
}

void Parser::assembler_part(const OptionRow& row, std::string_view part, std::string_view value) {
  apply_effects(row, {row.name, value, false});
  if (row.act == Act::kAsmDebug) asm_debug_ = part;
  if (row.act != Act::kListing) return;
  size_t equals = value.find('=');
  bool known_letters = value.substr(0, equals).find_first_not_of("cdhilmns") == std::string_view::npos;
  // Without a file the listing goes to stdout; with 'g' it holds the time.
  if (equals == std::string_view::npos || !known_letters) return problem(Bypass::kUnsupportedOption, part);
  set_once(outputs_.listing_file, {"-Wa,-a", value.substr(equals + 1), false});
}

void Parser::cc1(const Split& split) {
  if (pending_cc1_) {
    apply_effects(*pending_cc1_, split);
    key(split, pending_cc1_->act == Act::kPath ? KeyRole::kPath : KeyRole::kText);
    pending_cc1_ = nullptr;
    return;
  }
  OptionMatch match = find_option(cc1_options(), split.value);
  if (!match.row) return problem(Bypass::kUnknownOption, "-Xclang " + std::string(split.value));
  if (match.row->act == Act::kBypass) problem(Bypass::kUnsupportedOption, split.value);
  if (match.row->arity == Arity::kSeparate) pending_cc1_ = match.row;
  key(split);
}

BypassReason Parser::reason_not_to_cache() const {
  if (problem_.reason == Bypass::kBadCommand) return problem_;
  if (query_ || link_inputs_.empty()) return {Bypass::kNoSource, {}, {}, {}};
  if (outputs_.mode == Mode::kPreprocess) return {Bypass::kPreprocess, {}, {}, {}};
  if (outputs_.mode == Mode::kLink) {
    const auto compiled = std::find_if(sources_.begin(), sources_.end(), [](const auto& one) { return one.language; });
    const std::string source = compiled == sources_.end() ? "" : compiled->path;
    return {Bypass::kLink, source, link_inputs_, outputs_.output.value_or("a.out")};
  }
  if (problem_.reason != Bypass::kNone) return problem_;
  if (sources_.empty()) return {Bypass::kNoSource, {}, {}, {}};
  if (sources_.size() > 1) return {Bypass::kSeveralSources, sources_[1].path, {}, {}};
  if (!sources_[0].language) return {Bypass::kUnsupportedLanguage, sources_[0].path, {}, {}};
  if (pending_cc1_) return {Bypass::kBadCommand, "-Xclang without its value", {}, {}};
  bool assembler_source =
      *sources_[0].language == Language::kAssembler || *sources_[0].language == Language::kAssemblerWithCpp;
  if (!asm_debug_.empty() && !assembler_source) return {Bypass::kUnsupportedOption, asm_debug_, {}, {}};
  return {};
}

ParseResult Parser::finish() {
  if (BypassReason reason = reason_not_to_cache(); reason.reason != Bypass::kNone) return reason;
  inv_.source = sources_[0].path;
  inv_.language = *sources_[0].language;
  if (BypassReason reason = derive_outputs(outputs_, dep_, inv_); reason.reason != Bypass::kNone) return reason;
  // clang names every option that a source needing no preprocessor leaves unused, as it was spelled.
  bool preprocessed_here =
      inv_.language == Language::kC || inv_.language == Language::kCxx || inv_.language == Language::kAssemblerWithCpp;
  if (inv_.family == Family::kClang && !preprocessed_here) inv_.leaks_output_name = true;

  // The name picks clang's language, target and mode, and both families begin their messages with it.
  inv_.key_args.push_back({"driver", std::string(basename_of(argv_[0])), KeyRole::kText, true});
  for (Item& item : items_) {
    if (item.only_if_leaks && !inv_.leaks_output_name) continue;
    if (item.separate && inv_.leaks_output_name) item.arg.option += ' ';
    inv_.key_args.push_back(std::move(item.arg));
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
  if (last + 1 < name.size() && name[last] == '-' && last > 0) --last;
  name = name.substr(0, last + 1);
  for (std::string_view known : {"gcc", "g++", "cc", "c++", "clang", "clang++"}) {
    if (name == known) return true;
    if (name.ends_with(known) && name[name.size() - known.size() - 1] == '-') return true;
  }
  return false;
}

Family family_by_name(std::string_view driver) {
  const size_t slash = driver.rfind('/');
  return driver.substr(slash + 1).find("clang") != std::string_view::npos ? Family::kClang : Family::kGcc;
}

}  // namespace hpcc
