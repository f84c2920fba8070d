"""Deliberate bugs, one at a time. Each is a mistake somebody could make in the code that decides what is a hit.

A mutant is a name, a class, the edits (file, exact text, replacement; the text must stand in the file exactly once), and
the scenarios of the matrix that should catch it (titles, or parts of one). `caught` says as what: WRONG for a mutant that
serves wrong results, "expected" for one that can only lose hits or explain badly. Several edits make one mutant where
one fact is kept in two places, and either alone would change nothing.
"""
import dataclasses


@dataclasses.dataclass
class Mutant:
    name: str
    kind: str            # the class of mistakes it stands for
    edits: tuple
    scenarios: tuple
    caught: str = "WRONG"
    tools: tuple = ("hpcc",)


MUTANTS = []
KEY, CHECK, OBSERVE = "src/client/key.cc", "src/client/check.cc", "src/client/observation.cc"
FILES, OUT, COMPILE, PLACE = "src/client/files.cc", "src/client/outputs.cc", "src/client/compile.cc", "src/client/place.cc"
PARSE, ENV, FACTS = "src/compiler/parse.cc", "src/compiler/environment.cc", "src/compiler/source_facts.cc"
TRACER, ENGINE = "src/launcher/tracer.cc", "src/client/engine.cc"
EXPECTED = "expected"


def mutant(kind, name, edits, *scenarios, **more):
    if isinstance(edits[0], str):
        edits = (edits,)
    if any(m.name == name for m in MUTANTS):
        raise ValueError(f"two mutants named {name}")
    MUTANTS.append(Mutant(name, kind, tuple(edits), scenarios, **more))


# --- the key text ---
mutant("key: a fact left out", "key-drops-flags", (KEY, "for (const KeyArg& arg : invocation.key_args) text.line",
                                                 "for (const KeyArg& arg : invocation.key_args) if (arg.has_value) text.line"),
       "option: -fPIC comes in", "option: -funsigned-char comes in")
mutant("key: a fact left out", "key-drops-values", (KEY, "return out + arg.value;\n    case KeyRole::kPath:", "return out;\n    case KeyRole::kPath:"),
       "option: -DX=1 → -DX=2", "option: -std=c99 -DX")
mutant("key: a fact left out", "key-drops-path-values", (KEY, "return out + anchored(arg.value, place);", "return out + basename_of(arg.value).data();"),
       "input: --sysroot swapped", "input: another source name", "path: relative source by another route", "input: ./ before the source's name")
mutant("key: a fact left out", "key-drops-prefix-map-target",
       (KEY, 'anchored(value.substr(0, equals), place) + "=" + anchored(value.substr(equals + 1), place)', "anchored(value.substr(0, equals), place)"),
       "path: -ffile-prefix-map value changes", "path: -fmacro-prefix-map value changes")
mutant("key: a fact left out", "key-drops-env-values", (KEY, '(list ? anchored_list(variable.value, in.place) : variable.value)', '(list ? anchored_list(variable.value, in.place) : "")'),
       "environment: LC_ALL: quotes", "time: SOURCE_DATE_EPOCH changes")
mutant("key: a fact left out", "key-first-of-a-list-only", (KEY, "if (colon == std::string_view::npos) return out;\n    out += ':';", "if (colon != 0) return out;\n    out += ':';"),
       "environment: CPATH: the second element changes")
mutant("key: a fact left out", "key-drops-logical-root", (KEY, 'if (in.place.logical_root) text.line("map", "/hpcc/w");', ""), "path: .hpcc file appears", "path: .hpcc file goes")
mutant("key: a fact left out", "key-drops-cpu", (KEY, 'if (!in.cpu.empty()) text.line("cpu", in.cpu);', ""), "machine: -march=native on another processor", caught=EXPECTED)
mutant("key: a fact left out", "key-drops-pwd", ((KEY, 'if (!in.place.pwd.empty()) text.line("pwd", in.place.pwd);', ""),
                                                (PLACE, 'return place.root + "\\n" + place.cwd + "\\n" + place.pwd;', 'return place.root + "\\n" + place.cwd;')),
       "environment: PWD is a symlink, -g")
mutant("key: a fact left out", "key-takes-mmd-for-md", ((KEY, 'dep = invocation.dep.user_headers_only ? "-MMD" : "-MD";', 'dep = "-MD";'),
                                                       (PARSE, "    case Act::kDepUser:\n      dep_.user = true;\n      break;", "    case Act::kDepUser:\n      dep_.user = true;\n      return true;"),
                                                       (PARSE, "    case Act::kDepAll:\n      dep_.all = true;\n      break;", "    case Act::kDepAll:\n      dep_.all = true;\n      return true;")),
       "side file: .d: -MD → -MMD", "side file: .d: -MMD → -MD")
mutant("key: a fact left out", "key-drops-phony-targets", ((KEY, 'if (invocation.dep.phony_targets) dep += " -MP";', ""),
                                                          (PARSE, "      dep_.phony = true;\n      break;", "      dep_.phony = true;\n      return true;")),
       "side file: .d: -MP comes")
mutant("key: order and form", "key-sorts-options", (KEY, "  std::string dep = \"none\";",
                                                   "  std::string all = text.take();\n  std::vector<std::string> sorted;\n  for (auto& l : split_lines(all)) "
                                                   "sorted.push_back(std::string(l.first) + \" \" + std::string(l.second));\n  std::sort(sorted.begin(), sorted.end());\n"
                                                   "  for (auto& l : sorted) text.line(\"sorted\", l);\n  std::string dep = \"none\";"),
       "option: -DY -UY", "option: -O0 -O2", "input: -I directories in another order")
mutant("key: order and form", "key-forgeable-lines", (KEY, "text_ += \"\\\\n\";", "text_ += c;"), "option: a newline in a -D")
mutant("key: order and form", "key-ignores-case", (KEY, "DirectKey direct_key(std::string_view key_text) { return DirectKey::of(key_text); }",
                                                  "DirectKey direct_key(std::string_view key_text) {\n  std::string low(key_text);\n  for (char& c : low) c = c >= 'A' && c <= 'Z' ? c + 32 : c;\n"
                                                  "  return DirectKey::of(low);\n}"),
       "option: -D in another case")

# --- the check of a Manifest ---
LOOK = "look.dev, look.ino, look.size, look.mtime_ns, look.ctime_ns"
STAMP = "  stamp.ctime_ns = int64_t{info.st_ctim.tv_sec} * 1000000000 + info.st_ctim.tv_nsec;"
mutant("check: stat believed too much", "stamp-without-ctime", ((FILES, STAMP, "  stamp.ctime_ns = stamp.mtime_ns;"), (OBSERVE, LOOK, "look.dev, look.ino, look.size, look.mtime_ns, look.mtime_ns")),
       "same size and mtime", "mtime copied")
mutant("check: stat believed too much", "stamp-without-inode", ((FILES, "  stamp.ino = info.st_ino;", "  stamp.ino = 1;"),
                                                                (OBSERVE, LOOK, "look.dev, 1, look.size, look.mtime_ns, look.ctime_ns")),
       "input: directories of files with equal stamps are swapped")
mutant("check: stat believed too much", "stamp-in-seconds", ((FILES, "int64_t{info.st_mtim.tv_sec} * 1000000000 + info.st_mtim.tv_nsec", "int64_t{info.st_mtim.tv_sec} * 1000000000"),
                                                            (FILES, "int64_t{info.st_ctim.tv_sec} * 1000000000 + info.st_ctim.tv_nsec", "int64_t{info.st_ctim.tv_sec} * 1000000000"),
                                                            (OBSERVE, LOOK, "look.dev, look.ino, look.size, look.mtime_ns / 1000000000 * 1000000000, look.ctime_ns / 1000000000 * 1000000000")),
       "input: header edited, same size", "assembler: -Wa,-I content", "identity: ")
mutant("check: stat believed too much", "same-tick-rule-of-files", (FILES, "fact.stamp == stamp_of(first) && fact.stamp.ctime_ns < before_ns - kTickNs", "fact.stamp == stamp_of(first)"),
       "input: header edited twice in one tick")
mutant("check: stat believed too much", "same-tick-rule-everywhere", ("src/client/files.h", "kTickNs = 12'000'000", "kTickNs = -1'000'000'000"), "input: header edited twice in one tick")
mutant("check: stat believed too much", "writers-ignored", (FILES, "return errno == EAGAIN;", "return false;"), "input: header held open and edited through mmap")
mutant("check: stat believed too much", "remembered-fact-without-stamp", (FILES, "if (record.digest != 0 && record.stamp == stamp) return FileFact", "if (record.digest != 0) return FileFact"),
       "input: header edited", "input: source edited")
mutant("check: stat believed too much", "stored-fact-without-stamp", (FILES, "if (stored && stored->stamp == stamp) return *stored;", "if (stored) return *stored;"),
       "input: header edited", "input: source edited", tools=("hpcc0",))
mutant("check: stat believed too much", "listing-without-stamp", (FILES, "if (record.digest != 0 && record.stamp == stamp) return digests_[record.digest];",
                                                                 "if (record.digest != 0) return digests_[record.digest];"), "toolchain: driver: a wrapper script lists a directory")
mutant("check: stat believed too much", "stamp-without-digest", (FILES, "return record.digest == wanted && record.stamp", "return wanted != 0 && record.stamp"),
       "control: back to the first content of a header, twice")
mutant("check: an input skipped", "absent-names-ignored", (CHECK, "  if (!check(directory.names)) return false;\n", ""), "absent: shadow beside the source", "absent: __has_include: the header appears")
mutant("check: an input skipped", "first-absent-name-only", (CHECK, "      return false;\n    }\n    return true;\n  };", "      return false;\n    }\n    return true;\n  };\n"
                                                            "  if (directory.names.size() > 1) directory.names.resize(1);"),
       "absent: shadow beside the source", "absent: several headers are probed in one directory")
mutant("check: an input skipped", "dangling-names-ignored", (CHECK, "  if (!check(directory.checked_names)) return false;\n", ""), "absent: __has_include through a dangling link")
mutant("check: an input skipped", "dangling-names-proved-by-directory", (CHECK, "if (proved && directory.checked_names.empty()) return true;", "if (proved) return true;"),
       "absent: a dangling link's target appears elsewhere, after a hit")
mutant("check: an input skipped", "directory-stamp-ignored", (CHECK, "proved = directory.proved == stamp;", "proved = directory.proved.ino == stamp.ino;"),
       "absent: shadow after a hit")
mutant("check: an input skipped", "identity-groups-ignored", (CHECK, "  if (groups_match(stats, files, note)) return true;", "  return true;"), "identity: equal #pragma once")
mutant("check: an input skipped", "identity-fields-swapped", (CHECK, "const bool by_inode = group.by == IdentityGroup::By::kInode;", "const bool by_inode = group.by == IdentityGroup::By::kMtimeSecond;"),
       "identity: equal #pragma once headers: mtimes", caught=EXPECTED)
mutant("check: an input skipped", "link-targets-ignored", (CHECK, '(digest.ok() && *digest == files.digest(in.digest)) || differs("symbolic link leads elsewhere")', "digest.ok()"),
       "path: a link on the way to a system header moves")
mutant("check: an input skipped", "files-that-become-links-ignored",
       ((CHECK, 'if (in.not_link != 0 && S_ISLNK(info->st_mode)) return differs("became a symbolic link");',
         "if (in.not_link != 0 && S_ISLNK(info->st_mode)) fstatat(AT_FDCWD, path.c_str(), info, 0);"),
        (CHECK, 'return !S_ISLNK(info->st_mode) || differs("became a symbolic link");', "return true;")), "path: a system header becomes a link")
mutant("check: an input skipped", "mode-bits-ignored", (CHECK, 'if (((info->st_mode & 0111) != 0) != (in.kind == InputKind::kProgram)) return differs("changed its mode");', ""),
       "toolchain: PATH: as ceases to be executable")
mutant("check: an input skipped", "listings-ignored", (CHECK, '(digest.ok() && *digest == files.digest(in.digest)) || differs("directory has other entries")', "digest.ok()"),
       "toolchain: driver: a wrapper script lists a directory")
mutant("check: an input skipped", "last-input-not-checked", (CHECK, "for (size_t i = 0; i < inputs_.size(); ++i) {\n    if (inputs_[i].covered) continue;",
                                                            "for (size_t i = 0; i + 1 < inputs_.size(); ++i) {\n    if (inputs_[i].covered) continue;"),
       "input: header edited", "input: link chain", "assembler: .include nested", "input: -include file edited")

# --- the observation of a run ---
mutant("observation: a look left out", "absent-paths-not-recorded", (OBSERVE, "  std::string directory(directory_of(path)), missing(basename_of(path));\n  for (;;) {",
                                                                    "  std::string directory(directory_of(path)), missing(basename_of(path));\n  if (path[0] != '/') return;\n  for (;;) {"),
       "absent: shadow beside the source", "absent: shadow in an earlier -I")
mutant("observation: a look left out", "programs-not-recorded", (OBSERVE, "  if (!present_file(path, full, seen, now)) return false;\n", "  if (!seen.executed && !present_file(path, full, seen, now)) return false;\n"),
       "toolchain: -B directory: as edited")
mutant("observation: a look left out", "script-interpreters-not-recorded", (OBSERVE, "return !seen.executed || add_interpreter(full, 0);", "return true;"), "toolchain: -B directory: the interpreter of as")
mutant("observation: a look left out", "shared-objects-not-recorded", (OBSERVE, "  const FileStamp stamp = stamp_of(now);\n  if (is_follow(look.op)) {",
                                                                      "  if (path.find(\".so\") != std::string::npos) return true;\n  const FileStamp stamp = stamp_of(now);\n  if (is_follow(look.op)) {"),
       "toolchain: -B directory: a shared object of as")
mutant("observation: a look left out", "listings-not-recorded", (OBSERVE, "if (!seen.listed && !seen.read) return true;", "return true;"), "toolchain: driver: a wrapper script lists a directory")
mutant("observation: a look left out", "proc-is-no-input", ("src/wire/volatile.cc", "!reads ? Volatile::kIgnore : Volatile::kRefuse", "!reads ? Volatile::kIgnore : Volatile::kIgnore"),
       "toolchain: -B directory: as reads its limits", "machine: an assembler that reads /proc/uptime")
mutant("observation: a look left out", "only-equal-inodes-grouped", (OBSERVE, "    add(IdentityGroup::By::kMtimeSecond, members, same_second);\n", ""), "identity: equal #pragma once headers: mtimes")
mutant("observation: a look left out", "directories-not-grouped", (OBSERVE, "if (directories.size() > 1) add", "if (directories.size() > 1000) add"), "identity: include directories become one", "identity: one include directory")
mutant("observation: a look left out", "facts-of-headers-dropped", (OBSERVE, "    result_.source_facts |= fact->facts;\n", ""), "time: __TIME__ in a header", "time: __TIME__ behind -include")
mutant("observation: a look left out", "what-an-assembler-reads-is-never-a-source", (OBSERVE, "if (!assembled_only && (", "if (!seen.assembled && ("),
       "time: __TIME__ comes into a header that .incbin takes in, too")
mutant("observation: races", "inputs-not-looked-at-again", ((OBSERVE, "if (look.state != State::kFile || !(looked_at == stamp)) return", "if (look.state != State::kFile) return"),
                                                           (OBSERVE, "  if (stamp.ctime_ns >= fresh_ns_) return refuse(Bypass::kInputChanged, path);\n  Result<FileFact> fact = files_.fact(files_.intern(full), now);\n  if (!fact.ok() || ",
                                                            "  Result<FileFact> fact = files_.fact(files_.intern(full), now);\n  if (!fact.ok() || ")), "race: a header is edited during the compile")
mutant("observation: races", "inputs-not-compared-with-the-look", (OBSERVE, "if (look.state != State::kFile || !(looked_at == stamp)) return", "if (look.state != State::kFile) return"),
       "race: a header's directory is exchanged during the compile")
mutant("observation: races", "absent-paths-not-looked-at-again", ((OBSERVE, "if (is_follow(look.op) && look.state == State::kAbsent) return refuse(Bypass::kInputChanged, path);", ""),
                                                                   (OBSERVE, "if (look.state != State::kFile || !(looked_at == stamp)) return", "if (look.state == State::kFile && !(looked_at == stamp)) return")),
       "race: a header appears during the compile")
mutant("observation: outputs", "overwritten-inputs-allowed", (OBSERVE, "if (seen.read_before_write && (declared || seen.first_look->state == State::kFile)) {", "if (seen.read_before_write && !declared && seen.first_look->state == State::kFile) {"),
       "output: a header as output, edited")
mutant("observation: outputs", "undeclared-outputs-allowed", (OBSERVE, "if (lstat(full.c_str(), &now) == 0 && !S_ISDIR(now.st_mode)) return refuse(Bypass::kOutputMissing, path);", ""),
       "toolchain: -B directory: as leaves a log")
mutant("observation: outputs", "output-asked-for-by-scripts", (OBSERVE, "if (output && !prepares_output(", "if (output && event.pid == 0 && !prepares_output("),
       "toolchain: -B directory: as asks for the output")
ANY_LOOKER = ((OBSERVE, "return seen.looker == 0 || seen.looker == number;", "return true;"), (OBSERVE, "  if (seen.looker != 0 && seen.looker != number) return false;\n", ""))
mutant("observation: outputs", "output-asked-for-by-programs", ((OBSERVE, "return known && is_elf_file(program);", "return is_elf_file(program);"), *ANY_LOOKER),
       "toolchain: -B directory: as asks a program for the output")
mutant("observation: outputs", "output-asked-for-by-another-than-its-writer", ANY_LOOKER, "toolchain: -B directory: as is a program that asks for the output")
mutant("observation: outputs", "output-names-tested-by-sources", ((OBSERVE, "program->has_written || ", ""),
                                                                   (OBSERVE, "(declared || seen.first_look->state == State::kFile)", "(seen.first_look->state == State::kFile)")), "absent: __has_include of the output")

# --- places ---
mutant("places", "checkouts-share-absolute-inputs", (PLACE, 'return {Anchor::kRoot, rest.empty() ? "." : std::string(rest)};', "return {Anchor::kAbsolute, std::string(path)};"),
       "path: checkout: a header by an absolute name differs there", caught=EXPECTED)
mutant("places", "loaded-entries-shared-between-places", (ENGINE, "return std::string(key.view()) + bound_place_text(place);", "return std::string(key.view());"),
       "path: checkout: a header differs there, after a hit here")
mutant("places", "bound-place-ignored", (COMPILE, "if (!result.bound_place.empty() && result.bound_place != place) continue;", ""), "path: leak: __FILE__ of an absolute name", "path: leak: -g")
mutant("places", "only-paths-in-objects-bind", (OUT, "if (holds_place(out, place_) || holds_place(err, place_)) bound_ = true;", ""), "path: leak: the path in a diagnostic")
mutant("places", "hidden-uses-of-the-path-ignored", (COMPILE, "return macros.may_see_path();", "return false;"), "path: leak: only the path's length", "path: leak: a hash of the path")
mutant("places", "opaque-outputs-searched", ((OUT, "if (invocation_.leaks_cwd || invocation_.opaque_outputs) bound_ = true;", ""),
                                            (OUT, "if (output.kind == OutputKind::kObject && !outputs_are_searchable(data)) bound_ = true;", "")), "path: leak: -g with zlib sections", "path: leak: -flto with -g")
mutant("places", "leaks-of-the-directory-ignored", (OUT, "if (invocation_.leaks_cwd || invocation_.opaque_outputs)", "if (invocation_.opaque_outputs)"),
       "path: leak: coverage", "path: leak: clang's unique", "path: leak: clang's IR", "path: leak: clang's profile names", "side file: coverage: another working", "side file: -fprofile-generate: another working",
       "path: leak: clang's coverage")
mutant("places", "sibling-taken-for-the-root", ("src/base/fs.cc", "return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');", "return path.starts_with(directory);"),
       "path: a sibling of the root whose name begins like it")
mutant("places", "view-of-files-ignored", ("src/launcher/view.h", 'snprintf(out, size, "%u.%u:%llu:%llu:%llu:%llx", root.dev_major, root.dev_minor,',
                                          "root.ino = root.mount_id = name_space = 0;\n  root.dev_major = root.dev_minor = 0;\n  "
                                          'snprintf(out, size, "%u.%u:%llu:%llu:%llu:%llx", root.dev_major, root.dev_minor,'),
       "machine: a mount namespace shows another header", "machine: two mount namespaces")

# --- what is served ---
mutant("serving", "colour-ignored", (COMPILE, "if (!result.bound_colour.empty() && result.bound_colour != colours) continue;", ""), "option: -Wall -fdiagnostics-color=never", "option: -Wall -fdiagnostics-color=always → -Wall")
mutant("serving", "bound-names-ignored", (COMPILE, "if (!result.bound_names.empty() && result.bound_names != names) continue;", ""), "side file: .d with a backslash at a name's end")
mutant("serving", "messages-of-the-newest-entry", (COMPILE, "if (std::optional<Answer> answer = serve(*entry)) return answer;",
                                                  "if (serve(*entry)) {\n      const CompileResult& newest = entries->front()->result;\n"
                                                  "      return Answer{frame::Type::kDone, encode_done(0, newest.stdout_text, newest.stderr_text)};\n    }"), "control: back to a header whose warning was away")
mutant("serving", "stdout-and-stderr-swapped", (COMPILE, "encode_done(0, entry.result.stdout_text, entry.result.stderr_text)", "encode_done(0, entry.result.stderr_text, entry.result.stdout_text)"),
       "control: warnings are replayed")
mutant("serving", "failed-compiles-stored", (COMPILE, '  if (finish.exit_code != 0) {\n    write_history("failed", why_);\n    log("failed, exit code " + std::to_string(finish.exit_code));\n    return "failed";\n  }\n', ""), "input: an error stays under -fsyntax-only")
mutant("serving", "dep-file-as-it-was", ((OUT, "  dep.targets = dep_targets(invocation);\n  return encode_depfile", "  dep.targets = {\"a.o\"};\n  return encode_depfile"),), "side file: .d: another output", "side file: .d: another -MT")
mutant("serving", "dep-file-keeps-the-first-checkout", (OUT, "if (place.root != \"/\" && word.size() > root.size() && word[0] == '/' && is_under(word, root)) {", "if (word.empty()) {"),
       "path: checkout: absolute names with -MD")
mutant("serving", "dep-file-wrapped-elsewhere", ("src/compiler/depfile.cc", "kGccColumns = 72;", "kGccColumns = 7200;"),
       "side file: .d: a longer target, other wrapping", "side file: .d with wrapped lines")
mutant("serving", "umask-ignored", (OUT, "(stored.executable ? 0777 : 0666) & ~umask", "(stored.executable ? 0777 : 0644) & ~0022u"), "output: umask 077", "output: umask 002")
mutant("serving", "assembly-never-written-in-place", (OUT, "if (to_assembly) return invocation.family == Family::kGcc ? Made::kInPlace : Made::kAnew;", "if (to_assembly) return Made::kAnew;"), "output: assembly over a file with mode 600")

# --- parsing, tables ---
mutant("tables", "env-row-cpath", (ENV, '    {"CPATH", Use::kPaths, "include path"},\n', ""), "environment: CPATH changes")
mutant("tables", "env-row-lc-all", (ENV, '    {"LC_ALL", Use::kText, "language of messages"},\n', ""), "environment: LC_ALL: quotes")
mutant("tables", "env-row-source-date-epoch", (ENV, '    {"SOURCE_DATE_EPOCH", Use::kText, "__DATE__ and __TIME__"},\n', ""), "time: SOURCE_DATE_EPOCH changes")
mutant("tables", "env-row-dependencies-output", (ENV, '    {"DEPENDENCIES_OUTPUT", Use::kBypass, "gcc writes dependencies there"},\n', ""), "environment: DEPENDENCIES_OUTPUT appears")
mutant("tables", "env-of-scripts-ignored", (ENV, "if (!row && (!driver_is_script || is_noise(name))) continue;", "if (!row) continue;"), "environment: a variable of the user's that a wrapper reads")
CLANG, GCC = "src/compiler/options_clang.cc", "src/compiler/options_gcc.cc"
mutant("tables", "row-loses-its-name-leak", (CLANG, '{"-frecord-command-line", kFlag, kText, kLeaksName | kLeaksCwd | kNegatable}', '{"-frecord-command-line", kFlag, kText, kLeaksCwd | kNegatable}'),
       "option: -frecord-command-line: the output's name")
mutant("tables", "row-loses-its-name-leak-gcc", (GCC, '{"-gsplit-dwarf", kFlag, kSplitDwarf, kLeaksName | kLeaksCwd}', '{"-gsplit-dwarf", kFlag, kSplitDwarf, kLeaksCwd}'),
       "side file: -gsplit-dwarf: another output", "side file: .dwo: equal object name")
mutant("tables", "row-with-another-arity", (GCC, '{"-idirafter", kJoinedOrSeparate, kPath}', '{"-idirafter", kSeparate, kPath}'), "option: -idirafter joined", caught=EXPECTED)
mutant("tables", "row-takes-the-next-word", (GCC, '    {"-pipe"},', '    {"-pipe", kSeparate},'), "option: -pipe", caught=EXPECTED)
mutant("tables", "side-file-not-declared", (GCC, '{"-fstack-usage", kFlag, kStackUsage}', '{"-fstack-usage"}'), "side file: -fstack-usage: comes back", caught=EXPECTED)
mutant("tables", "native-is-text", ((GCC, '{"-march=", kJoined, kMachine}', '{"-march=", kJoined}'), (CLANG, '{"-march=", kJoined, kMachine}', '{"-march=", kJoined}')),
       "machine: -march=native on another processor", caught=EXPECTED)
mutant("tables", "capital-s-is-not-preprocessed", (PARSE, '{"S", Language::kAssemblerWithCpp}', '{"S", Language::kAssembler}'), "side file: .d of .S", caught=EXPECTED)
mutant("tables", "response-file-skipped", ("src/compiler/response.cc", "for (const std::string& word : words) TRY(add(word, depth + 1));", ""), "time: __TIME__ in a response file",
       "path: leak: only the length, -D in a response file")
mutant("tables", "targets-in-the-order-given", ("src/compiler/outputs.cc", "  if (inv.family == Family::kGcc) {\n    std::stable_partition", "  if (inv.family != Family::kGcc) {\n    std::stable_partition"),
       "side file: .d: -MQ before -MT, another -MQ", caught=EXPECTED)
mutant("time", "time-on-the-command-line", (FACTS, "  for (const KeyArg& arg : invocation.key_args) facts |= scan_source_facts(arg.value);\n  return redefines", "  return redefines"), "time: __TIME__ given by -D")
mutant("time", "time-pasted", (COMPILE, "if (may_paste_time_macro(facts)) return Bypass::kTimeMacro;", ""), "time: __TIME__ pasted")
mutant("time", "time-spliced", (FACTS, "if (!has_split_identifier(text)) return scan_spliced(text);", "return scan_spliced(text);"), "path: leak: only the length, spliced __builtin_FILE")
mutant("time", "epoch-for-every-family", (COMPILE, 'const bool fixed = invocation_->family == Family::kGcc && find_env', "const bool fixed = find_env"), "time: SOURCE_DATE_EPOCH that this clang ignores")

# --- the tracer ---
mutant("tracer", "access-not-watched", (TRACER, "    {SYS_access, Action::kStatPath, 0},\n", ""), "toolchain: -B directory: as asks by access")
mutant("tracer", "stat-not-watched", (TRACER, "      return observe_path(nofollow ? Op::kLstat : Op::kStat, call, call.fd(0), call.arg(1));",
                                       "      if (nofollow) observe_path(Op::kLstat, call, call.fd(0), call.arg(1));\n      return;"), "toolchain: driver: a wrapper script tests for a file")
mutant("tracer", "readlink-not-watched", ((TRACER, "    {SYS_readlink, Action::kReadlink, 0},\n", ""), (TRACER, "    {SYS_readlinkat, Action::kReadlinkAt, 0},\n", "")),
       "path: a link on the way to a system header moves", "toolchain: -B directory: as asks where a link leads")
mutant("tracer", "links-followed-by-lstat", (TRACER, "bool nofollow = row->flag_arg && (call.arg(row->flag_arg) & AT_SYMLINK_NOFOLLOW);", "bool nofollow = false;"),
       "toolchain: -B directory: as asks whether a name is a link")
mutant("tracer", "chdir-forgotten", (TRACER, "      directory_changed_ = true;\n", ""), "toolchain: -B directory: as changes its directory")
mutant("tracer", "directory-descriptors-forgotten", (TRACER, "if (relative && (dirfd != AT_FDCWD || directory_changed_)) {", "if (relative && directory_changed_) {"),
       "toolchain: -B directory: as reads by a directory's descriptor")
mutant("tracer", "foreign-calls-allowed", (TRACER, "    case Action::kForeign:\n      flags_ |= frame::kForeign;\n", "    case Action::kForeign:\n"), "toolchain: -B directory: as in a mount namespace")
mutant("tracer", "network-allowed", (TRACER, "      flags_ |= frame::kNetwork;\n", ""), "toolchain: -B directory: as asks a server")
mutant("tracer", "left-behind-processes-allowed", ("src/launcher/run.cc", "if (leave_to_guardian(child.listener)) flags |= frame::kForeign;", "leave_to_guardian(child.listener);"),
       "toolchain: -B directory: as leaves a process behind", caught=EXPECTED)
mutant("tracer", "one-event-per-path", (TRACER, "(who << 8 | static_cast<uint64_t>(op)) *", "(op == Op::kStat || op == Op::kRead || op == Op::kLstat ? 2 : who << 8 | static_cast<uint64_t>(op)) *"), "toolchain: -B directory: as tests for a link")
