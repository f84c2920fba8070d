// Compile: one command through the engine, as a straight line. parse → key → entries → serve, or run traced → store.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/fs.h"
#include "base/limits.h"
#include "client/config.h"
#include "client/elf.h"
#include "client/engine.h"
#include "client/history.h"
#include "client/image_compile.h"
#include "compiler/driver.h"
#include "compiler/environment.h"
#include "compiler/path_macros.h"
#include "compiler/source_facts.h"

namespace hpcc {
namespace {

constexpr size_t kProjectFileBytes = 1u << 20;
constexpr size_t kSourceBytes = 64u << 20;  // larger inputs are no sources

// Such a name means another file to each process (/proc/self, /dev/stdin).
bool is_kernel_path(std::string_view path) {
  return path.starts_with("/proc/") || path.starts_with("/sys/") || (path.starts_with("/dev/") && path != "/dev/null");
}

}  // namespace

Compile::Compile(Engine& engine, Request request, std::function<bool()> caller_waits, std::function<void()> wake)
    : engine_(engine), request_(std::move(request)), caller_waits_(std::move(caller_waits)), wake_(std::move(wake)) {}
Compile::~Compile() = default;

bool Compile::busy() const { return image_ && image_->busy(); }
bool Compile::ready() const { return image_ && image_->ready(); }
Answer Compile::resume() { return image_->resume(); }

Answer Compile::begin() {
  begun_ns_ = monotonic_ns();
  if (request_.build_id != engine_.build_id()) return {frame::Type::kExec, encode_string(frame::kOtherBuild)};
  project_root_ = find_project_root(request_.cwd);
  if (std::optional<Answer> answer = begin_in_image(project_root_)) return std::move(*answer);
  std::optional<BypassReason> reason = prepare();
  if (!reason) return begin_cacheable();
  if (reason->reason == Bypass::kOutsideRoot || reason->reason == Bypass::kBadProjectFile) {
    if (std::optional<Answer> answer = begin_in_image(place_.root)) return std::move(*answer);
  }
  return bypass(*reason);
}

// It may name an image: compiled otherwise, objects would be others without a word.
Answer Compile::unusable_project(const Error& error) {
  engine_.store().count_reason(Bypass::kBadProjectFile);
  log("refused: " + error.to_string());
  return {frame::Type::kDone, encode_done(1, "", "hpcc: " + error.message + "\n")};
}

// nullopt when the project names no image.
std::optional<Answer> Compile::begin_in_image(const std::string& root) {
  if (root.empty() || !engine_.image_mode()) return std::nullopt;
  const std::string path = join_path(root, kProjectFile);
  Result<std::string> text = read_file(path, kProjectFileBytes);
  if (!text.ok()) return unusable_project(text.error());
  Result<ProjectFile> project = decode_project_file(*text, path);
  if (!project.ok()) return unusable_project(project.error());
  if (project->image.empty()) return std::nullopt;
  image_ = std::make_unique<ImageCompile>(engine_, request_, root, *project, caller_waits_, wake_);
  return image_->begin();
}

// Everything up to the key. A reason when the command is not cached.
std::optional<BypassReason> Compile::prepare() {
  const std::string driver = join_path(request_.cwd, request_.driver);
  Result<FileFact> driver_fact = engine_.files().fact(driver);
  if (!driver_fact.ok()) return BypassReason{Bypass::kUnknownCompiler, driver_fact.error().to_string(), {}, {}};
  const DriverKind kind = engine_.driver_kind(driver, *driver_fact);
  const std::string name(basename_of(request_.argv[0]));
  if (kind == DriverKind::kUnknown || !is_compiler_name(name)) {
    return BypassReason{Bypass::kUnknownCompiler, driver, {}, {}};
  }
  const bool script = kind == DriverKind::kScript;
  const bool clang = script ? family_by_name(name) == Family::kClang : kind == DriverKind::kClang;
  const Family family = clang ? Family::kClang : Family::kGcc;
  parsed_ = parse_command(family, request_.argv, [this](const std::string& path) {
    return read_file(join_path(request_.cwd, path), limits::kResponseFileBytes);
  });
  if (auto* reason = std::get_if<BypassReason>(&parsed_)) return *reason;
  invocation_ = &std::get<Invocation>(parsed_);
  auto env = key_environment(family, request_.env, script);
  if (auto* reason = std::get_if<BypassReason>(&env)) return *reason;
  env_ = std::get<EnvKey>(std::move(env));
  place_ = find_place(request_, invocation_->source, project_root_);
  if (script && request_.pwd != request_.cwd) place_.pwd = request_.pwd;  // it may read the variable as it stands
  if (std::optional<BypassReason> reason = project_problem()) return reason;
  for (const KeyArg& arg : invocation_->key_args) {
    if (arg.role == KeyRole::kPath && is_kernel_path(arg.value)) {
      return BypassReason{Bypass::kVolatileInput, arg.value, {}, {}};
    }
  }
  std::string offender;
  if (!outputs_are_ordinary(*invocation_, place_, &offender))
    return BypassReason{Bypass::kOutputSpecial, offender, {}, {}};
  Result<FileFact> source = engine_.files().fact(join_path(request_.cwd, invocation_->source));
  if (!source.ok()) return BypassReason{Bypass::kNoSource, source.error().to_string(), {}, {}};
  source_facts_ = source->facts;
  std::string cpu = invocation_->native_cpu ? engine_.cpu_identity() : std::string();
  key_text_ = encode_key_text({*invocation_, env_, place_, name, driver_fact->digest, source->digest, cpu});
  key_ = direct_key(key_text_);
  const std::string& object = invocation_->object.empty() ? invocation_->source : invocation_->object;
  history_name_ = lexically_normal(join_path(request_.cwd, object));
  return std::nullopt;
}

// A .hpcc file that cannot be read; or one that names an image, beside the source and not above the working directory.
std::optional<BypassReason> Compile::project_problem() const {
  if (!place_.logical_root) return std::nullopt;
  const std::string path = join_path(place_.root, kProjectFile);
  Result<std::string> text = read_file(path, kProjectFileBytes);
  if (!text.ok()) return BypassReason{Bypass::kBadProjectFile, text.error().to_string(), {}, {}};
  Result<ProjectFile> project = decode_project_file(*text, path);
  if (!project.ok()) return BypassReason{Bypass::kBadProjectFile, project.error().to_string(), {}, {}};
  if (!project->image.empty()) return BypassReason{Bypass::kOutsideRoot, request_.cwd, {}, {}};
  return std::nullopt;
}

Answer Compile::begin_cacheable() {
  bool had_entries = false;
  if (!(request_.flags & frame::kRecache)) {
    if (std::optional<Answer> hit = try_hit(&had_entries)) return std::move(*hit);
  }
  return run_traced(had_entries);
}

// "on" or "off": whether the compiler would colour its messages for this user now.
std::string Compile::colour() const {
  switch (invocation_->colour) {
    case Invocation::Colour::kAlways:
      return "on";
    case Invocation::Colour::kNever:
      return "off";
    case Invocation::Colour::kAuto:
      break;
  }
  const bool on_terminal = (request_.flags & frame::kStderrTty) != 0;
  return chooses_colour(invocation_->family, on_terminal, request_.env) ? "on" : "off";
}

std::optional<Answer> Compile::try_hit(bool* had_entries) {
  Engine::LoadedList entries = engine_.load(key_, place_);
  *had_entries = !entries->empty();
  if (*had_entries && engine_.quarantine().holds(key_)) {
    engine_.remove_entries(key_, place_);
    return std::nullopt;
  }
  const std::string place = bound_place_text(place_), colours = colour(), names = bound_names_text(*invocation_);
  for (const auto& entry : *entries) {
    const CompileResult& result = entry->result;
    if (!result.bound_place.empty() && result.bound_place != place) continue;
    if (!result.bound_colour.empty() && result.bound_colour != colours) continue;
    if (!result.bound_names.empty() && result.bound_names != names) continue;
    if (!entry->manifest->matches(engine_.files())) continue;
    if (engine_.wants_verification(request_)) {
      verified_ = entry;
      log("verify " + key_.hex());
      return traced();
    }
    if (std::optional<Answer> answer = serve(*entry)) return answer;
  }
  return std::nullopt;
}

std::optional<Answer> Compile::serve(const Engine::Loaded& entry) {
  Store& store = engine_.store();
  Result<uint64_t> bytes = place_outputs(entry.result, *invocation_, place_, request_.umask, store, {}, caller_waits_);
  if (!bytes.ok()) {
    log("entry cannot be served: " + bytes.error().to_string());
    if (bytes.error().code == Code::kIo || bytes.error().code == Code::kLimit) store.count(Counter::kError);
    if (bytes.error().code == Code::kCorrupt || bytes.error().code == Code::kNotFound) {
      blob_lost_ = true;
      (void)store.remove(key_, entry.sequence).ok();
      engine_.forget(key_, place_);
    }
    return std::nullopt;
  }
  const uint64_t spent_ns = static_cast<uint64_t>(monotonic_ns() - begun_ns_);
  store.touch(key_, entry.sequence);
  store.count(Counter::kLocalHit);
  store.count(Counter::kBytesServed, *bytes);
  store.count(Counter::kHitTimeUs, spent_ns / 1000);
  if (entry.result.compile_ns > spent_ns)
    store.count(Counter::kTimeSavedMs, (entry.result.compile_ns - spent_ns) / 1000000);
  engine_.note_hit(history_name_, key_, entry.sequence);
  log("hit " + key_.hex());
  return Answer{frame::Type::kDone, encode_done(0, entry.result.stdout_text, entry.result.stderr_text)};
}

Answer Compile::bypass(const BypassReason& reason) {
  invocation_ = nullptr;
  engine_.store().count_bypass(reason.reason);
  log("bypass " + std::string(bypass_name(reason.reason)) + " " + reason.detail);
  const std::string detail = std::string(bypass_name(reason.reason)) + " " + reason.detail;
  if (reason.reason == Bypass::kLink && !reason.link_output.empty()) {
    link_ = reason;
    return {frame::Type::kRun, encode_run(frame::kReport, {}, {})};
  }
  note_bypass(engine_.store(), request_, detail);
  return {frame::Type::kExec, encode_string(detail)};
}

Answer Compile::run_traced(bool had_entries) {
  Store& store = engine_.store();
  const bool recache = (request_.flags & frame::kRecache) != 0;
  store.count(recache       ? Counter::kMissRecache
              : blob_lost_  ? Counter::kMissBlob
              : had_entries ? Counter::kMissInputs
                            : Counter::kMissNoKey);
  why_ = recache      ? "HPCC_RECACHE was set"
         : blob_lost_ ? "the entry matched, but a stored output was gone or corrupt"
                      : why_missed(had_entries);
  log("miss " + key_.hex() + " " + why_);
  return traced();
}

// The compile as the launcher is to run it.
Answer Compile::traced() const {
  std::vector<std::string> prefix;
  if (place_.logical_root) prefix.push_back("-ffile-prefix-map=" + place_.root + "=" + std::string(kLogicalRoot));
  // Messages go through a pipe, where the compiler would not colour them; ask for what the terminal would have got. An
  // object that records its command line must not see the extra option.
  if (invocation_->colour == Invocation::Colour::kAuto && colour() == "on" && !invocation_->leaks_output_name) {
    prefix.push_back(invocation_->family == Family::kGcc ? "-fdiagnostics-color=always" : "-fcolor-diagnostics");
  }
  return {frame::Type::kRun, encode_run(frame::kTrace | frame::kCapture | frame::kReport, prefix, {})};
}

// What became of this output last: the command that compiled it, or the hit since. `sequence` is the entry it was.
std::optional<HistoryRecord> Compile::last_result(uint64_t* sequence) {
  Store& store = engine_.store();
  std::optional<HistoryRecord> last = read_history(store, history_name_);
  std::optional<HitNote> hit = engine_.last_hit(history_name_);
  if (hit && (!last || hit->when_ns > last->when_ns)) {
    if (std::optional<std::string> text = read_key_text(store, hit->key)) {
      *sequence = hit->sequence;
      return HistoryRecord{hit->when_ns, "hit", "", history_name_, *std::move(text), hit->key.hex()};
    }
  }
  if (!last) last = read_history(store, source_history_name(request_.cwd, invocation_->source));
  return last;
}

// Names what changed since this output was made last: the command, or inputs of the entry that served it.
std::string Compile::why_missed(bool had_entries) {
  uint64_t sequence = 0;
  const std::optional<HistoryRecord> last = last_result(&sequence);
  if (!last && !had_entries) return "first compile of this file";
  if (last && last->key_text.empty()) return "the last compile was not cached: " + last->outcome;
  std::string why;
  auto add = [&](const std::string& sentence) { why += (why.empty() ? "" : "\n") + sentence; };
  if (last) {
    for (const std::string& sentence : explain_key_change(last->key_text, key_text_)) add(sentence);
  }
  if (!why.empty()) return why;
  if (last && last->outcome.starts_with("not stored")) add("the last compile was " + last->outcome);
  if (last && last->outcome.starts_with("failed")) add("the last compile failed");
  Engine::LoadedList entries = engine_.load(key_, place_);
  auto used = std::find_if(entries->begin(), entries->end(), [&](const auto& e) { return e->sequence == sequence; });
  if (used == entries->end()) used = entries->begin();
  if (used != entries->end()) {
    for (const std::string& difference : why_not(**used)) add(difference);
  }
  if (!why.empty()) return why;
  return last ? "the entry was evicted or removed" : "known command, but no entry serves this output";
}

// Why an entry under the right key does not serve.
std::vector<std::string> Compile::why_not(const Engine::Loaded& entry) {
  const CompileResult& result = entry.result;
  std::vector<std::string> why;
  entry.manifest->matches(engine_.files(), &why, 8);
  if (!result.bound_place.empty() && result.bound_place != bound_place_text(place_)) {
    why.emplace_back("the stored outputs hold the path of another checkout or directory");
  }
  if (!result.bound_colour.empty() && result.bound_colour != colour()) {
    why.emplace_back("the stored messages are coloured otherwise");
  }
  if (!result.bound_names.empty() && result.bound_names != bound_names_text(*invocation_)) {
    why.emplace_back("output names differ");
  }
  return why;
}

Answer Compile::finish(const Finish& finish) {
  if (image_) return image_->finish(finish);
  std::string note = "nothing to do";
  if (!link_.link_output.empty()) {
    note = record_link(engine_, request_, link_, finish);
  } else if (invocation_) {
    std::optional<Answer> verified = verified_ ? finish_verification(finish) : std::nullopt;
    if (verified) return std::move(*verified);
    note = finish_miss(finish);
  }
  return {frame::Type::kStored, encode_string(note)};
}

std::string Compile::finish_miss(const Finish& finish) {
  Store& store = engine_.store();
  store.count(Counter::kLocalCompiled);
  store.count(Counter::kCompileTimeMs, finish.wall_ns / 1000000);
  if (finish.exit_code != 0) {
    write_history("failed", why_);
    log("failed, exit code " + std::to_string(finish.exit_code));
    return "failed";
  }
  if (finish.flags & frame::kUntraced) return not_stored(Bypass::kUntraced, "no tracer");
  if (finish.flags & frame::kForeign) return not_stored(Bypass::kUntraced, "a process left the tracer's sight");
  if (finish.flags & frame::kNetwork) return not_stored(Bypass::kVolatileInput, "a network connection");
  if (finish.flags & frame::kTruncated) return not_stored(Bypass::kOutputTooLarge, "messages");
  if (engine_.quarantine().holds(key_)) {
    engine_.quarantine().note_repeat(key_, made(finish));
    return not_stored(Bypass::kQuarantined, engine_.quarantine().path_of(key_));
  }
  Observed observed = observe_run(finish);
  if (observed.problem != Bypass::kNone) return not_stored(observed.problem, observed.detail);
  // Clang reads options from configuration files since version 16; the parser has not seen those.
  if (observed.reads_config && invocation_->family == Family::kClang) {
    return not_stored(Bypass::kUnsupportedOption, "a compiler configuration file");
  }
  if (Bypass problem = time_problem(observed); problem != Bypass::kNone) return not_stored(problem, observed.time_path);
  return store_result(finish, observed);
}

Observed Compile::observe_run(const Finish& finish) const {
  return observe(events_, invocation_->outputs, place_, finish.start_ns, engine_.files());
}

// __DATE__ and its kin, in an input or on the command line, whole or in pieces that could be pasted.
Bypass Compile::time_problem(const Observed& observed) const {
  const uint32_t facts = compile_facts(observed.source_facts | source_facts_, *invocation_);
  if (facts & (kFactTimestamp | kFactPragmaDependency | kFactClangPch)) return Bypass::kTimeMacro;
  if (may_paste_time_macro(facts)) return Bypass::kTimeMacro;
  if (!(facts & kFactDateTime)) return Bypass::kNone;
  const bool fixed = invocation_->family == Family::kGcc && find_env(request_.env, "SOURCE_DATE_EPOCH").has_value();
  return fixed ? Bypass::kNone : Bypass::kTimeMacro;
}

// A source that is named by an absolute path can see that path without writing it down (its length, its hash).
bool Compile::bound_by_path(const Observed& observed) const {
  if (place_.logical_root) return false;
  if (invocation_->has_prefix_map) return true;
  const uint32_t facts = compile_facts(observed.source_facts | source_facts_, *invocation_);
  PathMacros macros;
  for (const KeyArg& arg : invocation_->key_args) {
    if (arg.option == "-D") macros.add_definition(arg.value);
    if (arg.option == "-U") macros.add_undefinition(arg.value);
  }
  if (!observed.absolute_inputs || !(facts & kFactFileMacro)) return false;
  for (const Input& input : observed.manifest.inputs) {
    if (input.kind != InputKind::kFile && input.kind != InputKind::kProgram) continue;
    const std::string path = resolve_path(input.path, place_);
    if (is_elf_file(path)) continue;
    Result<std::string> text = read_file(path, kSourceBytes);
    if (!text.ok()) return true;
    const bool absolute = input.path.anchor == Anchor::kRoot;
    macros.add_file(*text, absolute ? PathMacros::Named::kAbsolute : PathMacros::Named::kElsewhere);
  }
  return macros.may_see_path();
}

std::string Compile::store_result(const Finish& finish, Observed& observed) {
  Store& store = engine_.store();
  Collected collected = collect_outputs(*invocation_, place_, observed, finish.stdout_text, finish.stderr_text, store);
  if (collected.problem != Bypass::kNone) return not_stored(collected.problem, collected.detail);
  // The source was hashed before the run for the key; it must be what the compiler read.
  const std::string source = join_path(request_.cwd, invocation_->source);
  Result<FileFact> now = engine_.files().fact(source);
  if (!now.ok() || key_text_.find("\nsource " + now->digest.hex() + "\n") == std::string::npos) {
    return not_stored(Bypass::kInputChanged, source);
  }
  CompileResult& result = collected.result;
  if (bound_by_path(observed)) result.bound_place = bound_place_text(place_);
  if (!result.stdout_text.empty() || !result.stderr_text.empty()) result.bound_colour = colour();
  result.compile_ns = finish.wall_ns;
  Status put = store.put(key_, Entry{0, std::move(observed.manifest), std::move(result)});
  if (!put.ok()) return not_stored(Bypass::kStoreError, put.error().to_string());
  store.count(Counter::kBytesStored, collected.bytes);
  write_history("stored", why_);
  write_key_text(store, key_, key_text_);
  log("stored " + key_.hex());
  return "stored";
}

std::string Compile::not_stored(Bypass reason, const std::string& detail) {
  engine_.store().count(Counter::kNotStored);
  if (reason == Bypass::kStoreError) engine_.store().count(Counter::kError);
  const std::string outcome = "not stored: " + std::string(bypass_name(reason)) + " (" + detail + ")";
  engine_.store().count_reason(reason);
  write_history(outcome, why_);
  log(outcome);
  return outcome;
}

std::string record_link(Engine& engine, const Request& request, const BypassReason& link, const Finish& finish) {
  if (finish.exit_code != 0) return "failed";
  const std::string path = lexically_normal(join_path(request.cwd, link.link_output));
  std::string text = "link " + join_path(request.cwd, link.link_output) + "\n";
  auto add = [&](const char* what, const std::string& name) {
    const std::string file = join_path(request.cwd, name);
    Result<FileFact> fact = engine.files().fact(file);
    if (fact.ok()) text += std::string(what) + " " + fact->digest.hex() + " " + file + "\n";
  };
  for (const std::string& input : link.link_inputs) add("input", input);
  add("output", link.link_output);
  (void)engine.store().put_history("link:" + path, text).ok();
  engine.store().count(Counter::kLinksRecorded);
  return "recorded";
}

void Compile::write_history(const std::string& outcome, const std::string& why) {
  HistoryRecord record;
  record.when_ns = realtime_ns();
  record.outcome = outcome;
  record.why = why;
  record.object = history_name_;
  record.key_text = key_text_;
  if (!key_text_.empty()) record.key = key_.hex();
  ::hpcc::write_history(engine_.store(), history_name_, record);
  ::hpcc::write_history(engine_.store(), source_history_name(request_.cwd, invocation_->source), record);
}

void Compile::log(const std::string& text) {
  append_log(request_, invocation_ ? history_name_ : request_.argv[0], text);
}

void append_log(const Request& request, const std::string& subject, const std::string& text) {
  std::optional<std::string_view> file = find_env(request.env, "HPCC_LOG");
  if (!file || file->empty()) return;
  Fd fd(open(join_path(request.cwd, *file).c_str(),
             O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600));
  struct stat info;
  if (!fd || fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid()) return;
  std::string line = subject + ": " + text;
  std::replace(line.begin(), line.end(), '\n', ';');  // one event, one line
  (void)write_fd(fd.get(), line + "\n", std::string(*file)).ok();
}

}  // namespace hpcc
