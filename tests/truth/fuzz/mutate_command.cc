// Mutations of the command: options, environment, directory, names, compiler, tools.
#include <algorithm>

#include "walk.h"

namespace hpcc::fuzz {
namespace {

// Options of one group exclude each other; group 0 does not.
struct Option {
  const char* text;
  unsigned group = 0;
};

constexpr Option kBoth[] = {{"-O0", 1},
                            {"-O1", 1},
                            {"-O2", 1},
                            {"-O3", 1},
                            {"-Os", 1},
                            {"-g", 2},
                            {"-g1", 2},
                            {"-g3", 2},
                            {"-ggdb", 2},
                            {"-gsplit-dwarf", 3},
                            {"-gdwarf-4", 4},
                            {"-Wall"},
                            {"-Wextra"},
                            {"-Wunused-macros"},
                            {"-Wimplicit-fallthrough"},
                            {"-Wsign-compare"},
                            {"-w"},
                            {"-Wpedantic"},
                            {"-Wno-unused"},
                            {"-DUSE_A"},
                            {"-DV1=77", 5},
                            {"-DV1=78", 5},
                            {"-D V2=5"},
                            {"-UV3"},
                            {"-DNDEBUG"},
                            {"-fPIC", 6},
                            {"-fpic", 6},
                            {"-fno-pic", 6},
                            {"-ffunction-sections"},
                            {"-fdata-sections"},
                            {"-fno-inline"},
                            {"-fomit-frame-pointer"},
                            {"-march=native", 7},
                            {"-march=haswell", 7},
                            {"-mtune=native", 8},
                            {"-MD", 9},
                            {"-MMD", 9},
                            {"-MD -MP", 9},
                            {"-MD -MF @R@/out/x.d", 9},
                            {"-MMD -MF @R@/out/y.d -MT target", 9},
                            {"-MD -MQ $a", 9},
                            {"-I@R@/inc/one"},
                            {"-I@R@/inc/two"},
                            {"-I @R@/inc/three"},
                            {"-I@W@/inc/two"},
                            {"-isystem @R@/inc/two"},
                            {"-iquote @R@/inc/one"},
                            {"-idirafter @R@/inc/three"},
                            {"-I@R@/none"},
                            {"-include @R@/src/av.h"},
                            {"-imacros @R@/src/av.h"},
                            {"-Wa,-I@R@/data"},
                            {"-B@R@/tools/"},
                            {"-fstack-usage"},
                            {"-fdiagnostics-color=always", 10},
                            {"-fdiagnostics-color=never", 10},
                            {"-ffile-prefix-map=@W@=/made", 11},
                            {"-fmacro-prefix-map=@W@/=x/", 11},
                            {"-fdebug-prefix-map=@W@=y", 11},
                            {"-pipe"},
                            {"-fno-ident"},
                            {"-fverbose-asm"},
                            {"-save-temps=obj"},
                            {"-fstack-protector-strong"},
                            {"-Wa,--noexecstack"},
                            {"-fvisibility=hidden"},
                            {"-fno-common"},
                            {"-pthread"},
                            {"-Werror=unused-variable"},
                            {"-x none"},
                            {"-nostdinc"}};

constexpr Option kGccOnly[] = {{"-frecord-gcc-switches"},
                               {"-grecord-gcc-switches"},
                               {"-fcallgraph-info"},
                               {"-fdump-tree-optimized"},
                               {"-fopt-info-all=@R@/out/opt.txt"},
                               {"-fdiagnostics-format=json"},
                               {"--coverage -frandom-seed=7", 20},
                               {"-flto -frandom-seed=7", 20},
                               {"-fprofile-arcs -frandom-seed=8", 20},
                               {"-fmax-errors=3"},
                               {"-Wa,-al=@R@/out/list.txt"},
                               {"-fno-diagnostics-show-caret"},
                               {"--param max-inline-insns-single=50"},
                               {"-fdiagnostics-column-unit=byte"}};

constexpr Option kClangOnly[] = {{"-fno-integrated-as"},
                                 {"-fsave-optimization-record"},
                                 {"-Weverything"},
                                 {"-fcolor-diagnostics", 10},
                                 {"-fno-color-diagnostics", 10},
                                 {"--coverage", 20},
                                 {"-flto", 20},
                                 {"-Xclang -fno-validate-pch"},
                                 {"-fdebug-macro"},
                                 {"-grecord-command-line"},
                                 {"-frecord-command-line"},
                                 {"-Wno-unused-command-line-argument"},
                                 {"-fdiagnostics-absolute-paths"},
                                 {"-gline-tables-only", 2}};

struct Variable {
  const char* name;
  const char* values[3];
};

constexpr Variable kVariables[] = {{"CPATH", {"inc/three", "@W@/inc/two", "@W@/inc/one:@W@/inc/two"}},
                                   {"C_INCLUDE_PATH", {"@W@/inc/one", "@W@/inc/three", "none"}},
                                   {"CPLUS_INCLUDE_PATH", {"@W@/inc/one", "@W@/inc/three", "none"}},
                                   {"SOURCE_DATE_EPOCH", {"1000000000", "1234567890", "1700000000"}},
                                   {"LANG", {"C", "C.UTF-8", "de_DE.UTF-8"}},
                                   {"LC_ALL", {"C", "C.UTF-8", "POSIX"}},
                                   {"GCC_COLORS", {"", "error=01;35", "warning=01;34"}},
                                   {"COMPILER_PATH", {"@W@/tools", "@W@/none", "@W@/data"}},
                                   {"PATH", {"@W@/tools:/usr/bin:/bin", "/usr/bin:/bin", "/usr/bin:/bin:@W@/tools"}},
                                   {"TZ", {"UTC", "Europe/Berlin", "EST5EDT"}},
                                   {"TMPDIR", {"/tmp", "/var/tmp", "/tmp/."}},
                                   {"COLUMNS", {"40", "80", "200"}},
                                   {"UNRELATED", {"1", "2", "3"}},
                                   {"MAKEFLAGS", {"-j2", "-j4", "k"}}};

bool contains(const std::vector<std::string>& flags, const std::string& flag) {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

const Option& pick_option(Source& source, Compiler compiler) {
  if (source.rng.chance(75)) return source.rng.pick(kBoth);
  return is_clang(compiler) ? source.rng.pick(kClangOnly) : source.rng.pick(kGccOnly);
}

unsigned group_of(const std::string& flag) {
  for (const Option& option : kBoth) {
    if (flag == option.text) return option.group;
  }
  for (const Option& option : kGccOnly) {
    if (flag == option.text) return option.group;
  }
  for (const Option& option : kClangOnly) {
    if (flag == option.text) return option.group;
  }
  return 0;
}

bool add_flag(Source& source, State* state) {
  std::vector<std::string>& flags = state->command.flags;
  const Option& option = pick_option(source, state->command.compiler);
  if (contains(flags, option.text) || flags.size() > 14) return false;
  // Options that are never cached would spoil the rest of the walk: they are rare.
  const std::string text = option.text;
  const bool never_cached = text.starts_with("-save-temps") || text.starts_with("-fdump") || text == "-nostdinc";
  if (never_cached && !source.rng.chance(20)) return false;
  if (option.group != 0) {
    std::erase_if(flags, [&](const std::string& flag) { return group_of(flag) == option.group; });
  }
  flags.insert(flags.begin() + static_cast<std::ptrdiff_t>(source.rng.below(flags.size() + 1)), text);
  state->what += "new option " + text + "; ";
  return true;
}

bool drop_flag(Source& source, State* state) {
  std::vector<std::string>& flags = state->command.flags;
  if (flags.empty()) return false;
  const size_t at = source.rng.below(flags.size());
  // The data directory is what assembler pieces need to compile at all.
  if (flags[at] == "-Wa,-I@R@/data" && !source.rng.chance(15)) return false;
  state->what += "drop option " + flags[at] + "; ";
  flags.erase(flags.begin() + static_cast<std::ptrdiff_t>(at));
  return true;
}

bool reorder_flags(Source& source, State* state) {
  std::vector<std::string>& flags = state->command.flags;
  if (flags.size() < 2) return false;
  const size_t a = source.rng.below(flags.size()), b = source.rng.below(flags.size());
  if (flags[a] == flags[b]) return false;
  std::swap(flags[a], flags[b]);
  state->what += "swap options " + flags[a] + " and " + flags[b] + "; ";
  return true;
}

bool change_env(Source& source, State* state) {
  std::map<std::string, std::string>& env = state->command.env;
  const Variable& variable = source.rng.pick(kVariables);
  if (env.count(variable.name) != 0 && source.rng.chance(50)) {
    env.erase(variable.name);
    state->what += "unset " + std::string(variable.name) + "; ";
    return true;
  }
  if (env.size() > 4) env.erase(env.begin());
  env[variable.name] = source.rng.pick(variable.values);
  state->what += std::string(variable.name) + "=" + env[variable.name] + "; ";
  return true;
}

bool change_cwd(Source&, State* state) {
  state->command.cwd = state->command.cwd.empty() ? "src" : "";
  state->what += "working directory \"" + state->command.cwd + "\"; ";
  return true;
}

bool change_output(Source& source, State* state) {
  static constexpr const char* kNames[] = {"out/a.o", "out/other.o", "a.o", "src/a.o", "out/a.obj", ""};
  std::string name = source.rng.pick(kNames);
  if (name == state->command.output) return false;
  state->command.output = name;
  state->what += "output \"" + name + "\"; ";
  return true;
}

bool change_root(Source& source, State* state) {
  const unsigned root = static_cast<unsigned>(source.rng.below(kRoots));
  if (root == state->command.root) return false;
  state->command.root = root;
  state->what += std::string("checkout ") + kRootNames[root] + "; ";
  return true;
}

// The same files with another of the compilers for that language (a C source also as C++).
bool change_compiler(Source& source, State* state) {
  Command& command = state->command;
  if (command.source.ends_with(".cc")) {
    command.compiler = command.compiler == Compiler::kGxx ? Compiler::kClangxx : Compiler::kGxx;
  } else {
    static constexpr Compiler kCompilers[] = {Compiler::kGcc, Compiler::kClang, Compiler::kGcc, Compiler::kGxx};
    command.compiler = source.rng.pick(kCompilers);
  }
  // What the other family does not know would fail or bypass each following step.
  std::erase_if(command.flags, [&](const std::string& flag) {
    auto is = [&](const Option& option) { return flag == option.text; };
    return is_clang(command.compiler) ? std::any_of(std::begin(kGccOnly), std::end(kGccOnly), is)
                                      : std::any_of(std::begin(kClangOnly), std::end(kClangOnly), is);
  });
  state->what += std::string("compiler ") + compiler_name(command.compiler) + "; ";
  return true;
}

bool change_source(Source& source, State* state) {
  Command& command = state->command;
  const bool cxx = state->tree.has("src/a.cc");
  const std::string extension = cxx ? ".cc" : ".c";
  const std::string sources[] = {"src/a" + extension, "src/a" + extension, "src/b" + extension, "src/s.S"};
  std::string path = source.rng.pick(sources);
  if (path == command.source) return false;
  command.source = path;
  if (!command.output.empty()) command.output = "out/" + path.substr(4, 1) + ".o";
  state->what += "source " + path + "; ";
  return true;
}

bool change_spelling(Source&, State* state) {
  state->command.absolute = !state->command.absolute;
  state->what += state->command.absolute ? "absolute source; " : "relative source; ";
  return true;
}

bool change_mode_option(Source& source, State* state) {
  state->command.mode = state->command.mode == "-c" && source.rng.chance(60) ? "-S" : "-c";
  state->what += "mode " + state->command.mode + "; ";
  return true;
}

bool change_mask(Source& source, State* state) {
  static constexpr unsigned kMasks[] = {022, 077, 002, 027};
  state->command.mask = source.rng.pick(kMasks);
  state->what += "umask; ";
  return true;
}

// Some options move into a response file, or it is edited, or taken back.
bool change_response(Source& source, State* state) {
  std::vector<std::string>& flags = state->command.flags;
  const std::string word = "@@R@/opts.rsp";
  const Inode* old = state->tree.file("opts.rsp");
  if (old == nullptr || !contains(flags, word)) {
    std::string text;
    std::erase_if(flags, [&](const std::string& flag) {
      const bool moves =
          flag.find('@') == std::string::npos && flag.find('$') == std::string::npos && source.rng.chance(50);
      if (moves) text += flag + "\n";
      return moves;
    });
    state->tree.put("opts.rsp", source.inode(), text + "-DRSP=11\n", source.tick());
    flags.push_back(word);
    state->what += "response file; ";
  } else if (source.rng.chance(60)) {
    state->tree.put("opts.rsp", source.inode(), *old->text + (source.rng.chance(50) ? "-O1\n" : "-DV4=55\n"),
                    source.tick());
    state->what += "longer response file; ";
  } else {
    std::erase(flags, word);
    state->what += "no response file; ";
  }
  return true;
}

}  // namespace

std::vector<std::string> first_flags(Source& source, Compiler compiler) {
  std::vector<std::string> flags{"-I@R@/inc/one", "-I@R@/inc/two", "-Wa,-I@R@/data"};
  if (is_clang(compiler)) flags.push_back("-I@R@/data");
  if (source.rng.chance(30)) std::swap(flags[0], flags[1]);
  if (source.rng.chance(40)) flags.push_back("-I@R@/inc/three");
  if (source.rng.chance(50)) flags.push_back("-O2");
  if (source.rng.chance(40)) flags.push_back("-g");
  if (source.rng.chance(40)) flags.push_back("-Wall");
  if (source.rng.chance(40)) flags.push_back("-MD");
  return flags;
}

bool mutate_command(Source& source, State* state) {
  struct Row {
    unsigned weight;
    bool (*mutate)(Source&, State*);
  };
  static constexpr Row kRows[] = {
      {22, add_flag},          {16, drop_flag},  {8, reorder_flags},   {16, change_env},   {4, change_cwd},
      {4, change_output},      {6, change_root}, {2, change_compiler}, {5, change_source}, {3, change_spelling},
      {2, change_mode_option}, {2, change_mask}, {3, change_response}};
  std::vector<unsigned> weights;
  for (const Row& row : kRows) weights.push_back(row.weight);
  return kRows[source.rng.weighted(weights)].mutate(source, state);
}

}  // namespace hpcc::fuzz
