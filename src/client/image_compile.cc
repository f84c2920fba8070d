#include "client/image_compile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/fs.h"
#include "base/limits.h"
#include "client/guest_outputs.h"
#include "client/history.h"
#include "client/image_action.h"
#include "client/image_local.h"
#include "compiler/logical.h"
#include "compiler/source_facts.h"

namespace hpcc {
namespace {

constexpr int kRounds = 4;  // of adding what a guest looked for in vain
constexpr uint32_t kRemoteTimeoutMs = 15 * 60 * 1000;
constexpr size_t kWhyNames = 8;  // inputs that explain names

bool is_same_directory(const std::string& a, const std::string& b) {
  struct stat first, second;
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

// What no worker is meant to do.
bool is_query(const BypassReason& reason) {
  const bool links = reason.reason == Bypass::kLink && reason.detail.empty();  // and does not compile
  return reason.reason == Bypass::kNoSource || links || reason.reason == Bypass::kPreprocess;
}

}  // namespace

ImageCompile::ImageCompile(Engine& engine, const Request& request, const std::string& root, const ProjectFile& project,
                           const std::function<bool()>& caller_waits, Wake wake)
    : engine_(engine),
      mode_(*engine.image_mode()),
      request_(request),
      project_(project),
      caller_waits_(caller_waits),
      wake_(std::move(wake)) {
  place_.root = root;
  place_.cwd = request.cwd;
  place_.logical_root = true;
  place_.image = true;
}

ImageCompile::~ImageCompile() {
  if (awaits_record_) record(nullptr);
  if (!inbox_) return;
  {
    std::lock_guard lock(inbox_->mutex);
    inbox_->wake = nullptr;
  }
  if (asked_ != 0) mode_.link()->cancel(asked_);
}

Answer ImageCompile::begin() {
  begun_ns_ = monotonic_ns();
  if (std::optional<BypassReason> reason = prepare()) return locally(*reason);
  const int64_t scanned_ns = monotonic_ns();
  build_action();
  key_ = DirectKey::of("image action " + action_.hex());
  key_text_ = describe_action(command_, inputs_, directories_, project_.image);
  quarantined_ = engine_.quarantine().holds(key_);
  if (quarantined_) engine_.remove_entries(key_, place_);
  if (!(request_.flags & frame::kRecache) && cacheable_ && !quarantined_) {
    if (std::optional<Answer> hit = try_hit()) return std::move(*hit);
  }
  if (!verified_) engine_.store().count(Counter::kMissNoKey);
  why_ = verified_ ? "compiled again, to verify a hit" : quarantined_ ? "in quarantine" : why_compiled();
  timing_ = "scan " + std::to_string((scanned_ns - begun_ns_) / 1000) + ", action and store " +
            std::to_string((monotonic_ns() - scanned_ns) / 1000);
  return ask();
}

// Everything up to the Action. A reason when it cannot go to a worker.
std::optional<BypassReason> ImageCompile::prepare() {
  family_ = family_by_name(request_.argv[0]);
  if (!is_under(request_.cwd, place_.root)) return BypassReason{Bypass::kOutsideRoot, request_.cwd, {}, {}};
  scan_place_.root = place_.root;
  scan_place_.cwd = request_.cwd == place_.root ? "" : request_.cwd.substr(place_.root.size() + 1);
  // $PWD may name the same directory by another path; then it names the root so, too.
  const std::string& pwd = request_.pwd;
  const std::string below = scan_place_.cwd.empty() ? "" : "/" + scan_place_.cwd;
  if (!pwd.empty() && pwd[0] == '/' && pwd != request_.cwd && pwd.ends_with(below)) {
    scan_place_.root_alias = pwd.substr(0, pwd.size() - below.size());
    // "/p/" and "/p/." are no other name: they would be cut off paths, and be mapped, in the wrong place.
    const bool normal = lexically_normal(scan_place_.root_alias) == scan_place_.root_alias;
    if (!normal || !is_same_directory(scan_place_.root_alias, place_.root)) scan_place_.root_alias.clear();
  }
  auto read = [this](const std::string& path) {
    return read_file(join_path(request_.cwd, path), limits::kResponseFileBytes);
  };
  argv_ = request_.argv;
  Result<std::vector<std::string>> expanded = expand_response_files(request_.argv, read);
  if (!expanded.ok()) return BypassReason{Bypass::kBadCommand, expanded.error().message, {}, {}};
  argv_ = std::move(expanded).value();
  parsed_ = parse_command(family_, argv_, read);
  if (auto* reason = std::get_if<BypassReason>(&parsed_)) return *reason;
  invocation_ = &std::get<Invocation>(parsed_);
  const std::string& object = invocation_->object.empty() ? invocation_->source : invocation_->object;
  history_name_ = lexically_normal(join_path(request_.cwd, object));
  auto env = key_environment(family_, request_.env, false);
  if (auto* reason = std::get_if<BypassReason>(&env)) return *reason;
  env_ = std::get<EnvKey>(std::move(env));
  if (invocation_->native_cpu) return BypassReason{Bypass::kNativeCpu, "-march=native or a kin", {}, {}};
  if (std::optional<BypassReason> reason = check_outputs()) return reason;
  return scan();
}

void ImageCompile::build_action() {
  const ActionInputs in = {*invocation_, argv_, request_.env, scan_place_, project_.date_time, coloured_};
  command_ = make_command(in);
  submit_ = {};
  submit_.command = encode_reapi_command(command_);
  InputTree tree = build_input_tree(inputs_, directories_);
  input_root_ = tree.root;
  for (auto& [digest, bytes] : tree.directories) submit_.directories.push_back(std::move(bytes));
  submit_.files = inputs_;
  submit_.image = project_.image;
  submit_.root = place_.root;
  submit_.timeout_ms = kRemoteTimeoutMs;
  submit_.action = make_action(SizedDigest::of(submit_.command), input_root_, project_.image, cacheable_);
  action_ = ActionDigest::of(submit_.action);
}

bool ImageCompile::wants_colour() const {
  if (invocation_->colour != Invocation::Colour::kAuto || invocation_->leaks_output_name) return false;
  return chooses_colour(family_, (request_.flags & frame::kStderrTty) != 0, request_.env);
}

std::optional<Answer> ImageCompile::try_hit() {
  const std::string colours = wants_colour() ? "on" : "off";
  Engine::LoadedList entries = engine_.load(key_, place_);
  for (const auto& entry : *entries) {
    const CompileResult& result = entry->result;
    if (!result.bound_colour.empty() && result.bound_colour != colours) continue;
    if (!result.bound_names.empty() && result.bound_names != bound_names_text(*invocation_)) continue;
    if (!entry->manifest->matches(engine_.files())) continue;
    if (mode_.link() && engine_.wants_verification(request_)) {
      verified_ = Verified{entry, {}, action_};
      return std::nullopt;
    }
    if (std::optional<Answer> answer = serve(*entry)) return answer;
  }
  return std::nullopt;
}

std::optional<Answer> ImageCompile::serve(const Engine::Loaded& entry) {
  Store& store = engine_.store();
  Result<uint64_t> bytes = place_outputs(entry.result, *invocation_, place_, request_.umask, store, {}, caller_waits_);
  if (!bytes.ok()) return std::nullopt;
  store.touch(key_, entry.sequence);
  store.count(Counter::kLocalHit);
  store.count(Counter::kBytesServed, *bytes);
  store.count(Counter::kHitTimeUs, static_cast<uint64_t>(monotonic_ns() - begun_ns_) / 1000);
  engine_.note_hit(history_name_, key_, entry.sequence);
  log("hit " + key_.hex());
  return done(entry.result, 0);
}

// What changed since this output was made last: the command and the files that the scan knows, or what else the entry
// that served it depends on.
std::string ImageCompile::why_compiled() {
  if (request_.flags & frame::kRecache) return "asked for by HPCC_RECACHE";
  Store& store = engine_.store();
  std::optional<HistoryRecord> last = read_history(store, history_name_);
  uint64_t sequence = 0;
  std::optional<HitNote> hit = engine_.last_hit(history_name_);
  if (hit && (!last || hit->when_ns > last->when_ns)) {
    if (std::optional<std::string> text = read_key_text(store, hit->key)) {
      sequence = hit->sequence;
      last = HistoryRecord{hit->when_ns, "hit", "", history_name_, *std::move(text), hit->key.hex()};
    }
  }
  if (!last) last = read_history(store, source_history_name(request_.cwd, invocation_->source));
  if (!last) return "first compile of this file";
  if (last->key_text.empty()) return "the last compile did not go to a worker: " + last->outcome;
  std::vector<std::string> why = explain_key_change(last->key_text, key_text_);
  if (why.empty() && !cacheable_) why.emplace_back("an input names the time, so the result is never stored");
  if (why.empty()) {
    Engine::LoadedList entries = engine_.load(key_, place_);
    auto used = std::find_if(entries->begin(), entries->end(), [&](const auto& e) { return e->sequence == sequence; });
    if (used == entries->end()) used = entries->begin();
    if (used != entries->end()) (*used)->manifest->matches(engine_.files(), &why, kWhyNames);
  }
  if (why.empty() && last->outcome != "hit") why.push_back("the last compile: " + last->outcome);
  if (why.empty()) why.emplace_back("the entry was evicted or removed");
  std::string text;
  for (const std::string& sentence : why) text += (text.empty() ? "" : "\n") + sentence;
  return text;
}

Answer ImageCompile::ask() {
  if (!mode_.link()) return locally({Bypass::kNoDaemon, "this process asks no worker", {}, {}});
  if (std::optional<std::string> word = not_utf8(command_, inputs_, directories_)) {
    return locally({Bypass::kNotUtf8, *word, {}, {}});
  }
  inbox_ = std::make_shared<Inbox>();
  inbox_->wake = wake_;
  auto deliver = [inbox = inbox_](remote::RemoteResult result, HeldBlobs blobs) {
    Wake wake;
    {
      std::lock_guard lock(inbox->mutex);
      inbox->result = std::move(result);
      inbox->blobs = std::move(blobs);
      wake = inbox->wake;
    }
    if (wake) wake();
  };
  asked_s_ = static_cast<uint64_t>(realtime_ns() / 1'000'000'000);
  asked_seen_ = mode_.receipts().seen();
  compiles_anew_ = (request_.flags & frame::kRecache) || verified_ || quarantined_;
  if (compiles_anew_) submit_.flags |= remote::kSkipCache;
  for (const SeenNote& one : asked_seen_) submit_.seen.push_back({one.worker, one.rows});
  Result<uint64_t> id = mode_.link()->submit(std::move(submit_), deliver);
  if (!id.ok()) return locally({Bypass::kNoWorker, id.error().to_string(), {}, {}});
  asked_ = *id;
  return {frame::Type::kBusy, {}};
}

bool ImageCompile::ready() const {
  if (asked_ == 0) return false;
  std::lock_guard lock(inbox_->mutex);
  return inbox_->result.has_value();
}

Answer ImageCompile::resume() {
  remote::RemoteResult result;
  HeldBlobs blobs;
  {
    std::lock_guard lock(inbox_->mutex);
    result = std::move(*inbox_->result);
    blobs = std::move(inbox_->blobs);
  }
  asked_ = 0;
  switch (result.outcome) {
    case remote::Outcome::kDone:
      return take(result, std::move(blobs));
    case remote::Outcome::kNoWorker:
      return locally({Bypass::kNoWorker, result.message, {}, {}});
    case remote::Outcome::kInputChanged:
      return locally({Bypass::kInputChanged, result.message, {}, {}});
    case remote::Outcome::kFailed:
    case remote::Outcome::kCancelled:
      return locally({Bypass::kRemoteFailed, result.message, {}, {}});
  }
  return locally({Bypass::kRemoteFailed, result.message, {}, {}});
}

Answer ImageCompile::take(const remote::RemoteResult& result, HeldBlobs blobs) {
  timing_ += ", " + result.timing;
  const AskedFor asked = {project_.image, input_root_, action_, scan_place_.cwd, asked_s_, asked_seen_};
  Result<AuditRow> row = mode_.receipts().check(result, asked);
  if (!row.ok()) return locally({Bypass::kReceiptRefused, row.error().to_string(), {}, {}});
  if (row->probes_digest.empty()) {
    return locally({Bypass::kUntraced, "in the guest: what the compile looked at is not all known", {}, {}});
  }
  const bool cached = row->disposition == Disposition::kHit;
  if (cached && compiles_anew_) {
    return locally({Bypass::kReceiptRefused, "the worker answered from its cache, asked not to", {}, {}});
  }
  Result<Probes> probes = decode_probes(result.probes);
  if (!probes.ok()) return locally({Bypass::kReceiptRefused, probes.error().to_string(), {}, {}});
  bool added = false;
  if (std::optional<BypassReason> reason = add_missing(*probes, &added)) return locally(*reason);
  if (std::optional<BypassReason> reason = check_added()) return locally(*reason);
  if (added) {
    if (++rounds_ > kRounds)
      return locally({Bypass::kScanIncomplete, "after " + std::to_string(kRounds) + " rounds", {}, {}});
    if (std::optional<BypassReason> reason = digest_inputs()) return locally(*reason);
    build_action();
    return ask();
  }
  // Objects are the same with and without colour; only who has messages and a terminal needs them once more.
  const bool messages = !result.stdout_text.empty() || !result.stderr_text.empty();
  if (messages && !coloured_ && wants_colour()) {
    coloured_ = true;
    build_action();
    return ask();
  }
  return accept(result, cached, *std::move(probes), std::move(blobs));
}

Answer ImageCompile::accept(const remote::RemoteResult& result, bool cached, Probes probes, HeldBlobs blobs) {
  Store& store = engine_.store();
  if (result.exit_code != 0 && project_.fallback != ProjectFile::Fallback::kNone &&
      names_own_place(result.stderr_text)) {
    // The guest has no such path: the name was made by macros, where the scan does not see it.
    return locally({Bypass::kAbsoluteInclude, "a failing compile that names the project's place", {}, {}});
  }
  Collected collected = collect_guest_outputs(*invocation_, scan_place_, result, store, blobs);
  if (collected.problem != Bypass::kNone) return locally({collected.problem, collected.detail, {}, {}});
  Made made{std::move(collected), std::move(probes), std::move(blobs), result.exit_code, cached, result.worker};
  if (verified_) return finish_verification(std::move(made));
  if (made.cached && made.exit_code == 0 && engine_.wants_verification(request_)) {
    verified_ = Verified{nullptr, std::move(made), action_};
    build_action();
    return ask();
  }
  store.count(made.cached ? Counter::kRemoteHit : Counter::kRemoteCompiled);
  const std::string how = std::string(made.cached ? "hit" : "compiled") + " by worker " + made.worker;
  if (!quarantined_) return deliver(std::move(made), how, true);
  Result<ResultImage> again = image_of(made.collected.result, made.exit_code, made.blobs);
  if (again.ok()) engine_.quarantine().note_repeat(key_, *again);
  return deliver(std::move(made), how + ", not stored: quarantined", false);
}

// The outputs go to their places, and into the store.
Answer ImageCompile::deliver(Made made, const std::string& how, bool stores) {
  Store& store = engine_.store();
  CompileResult& result = made.collected.result;
  Result<uint64_t> bytes =
      place_outputs(result, *invocation_, place_, request_.umask, store, made.blobs, caller_waits_);
  if (!bytes.ok()) return locally({Bypass::kStoreError, bytes.error().to_string(), {}, {}});
  log(how + ", us: " + timing_ + ", in all " + std::to_string((monotonic_ns() - begun_ns_) / 1000));
  if (made.exit_code != 0) {
    const std::string object = join_path(request_.cwd, invocation_->object);
    struct stat info;
    if (removes_old_object(result.stderr_text) && lstat(object.c_str(), &info) == 0 && S_ISREG(info.st_mode))
      unlink(object.c_str());
    write_history("failed, " + how);
    return done(result, made.exit_code);
  }
  if (!result.stdout_text.empty() || !result.stderr_text.empty()) result.bound_colour = wants_colour() ? "on" : "off";
  result.compile_ns = static_cast<uint64_t>(monotonic_ns() - begun_ns_);
  if (stores) store_result(made);
  write_history(how);
  return done(result, 0);
}

// The outputs are in place: that the store fails is only counted.
void ImageCompile::store_result(const Made& made) {
  Store& store = engine_.store();
  Manifest manifest = manifest_of(made.probes);
  const bool asked = asked_for_output(made.probes);
  const bool differed = engine_.quarantine().holds(key_);  // perhaps since a worker was asked
  if (!cacheable_ || asked || view_->failure() || differed) {
    store.count(Counter::kNotStored);
    store.count_reason(asked              ? Bypass::kInputChanged
                       : view_->failure() ? Bypass::kUnreadable
                       : differed         ? Bypass::kQuarantined
                                          : Bypass::kTimeMacro);
    return;
  }
  auto put_all = [&]() -> Status {
    for (const StoredOutput& output : made.collected.result.outputs) {
      const auto found = made.blobs.find(output.digest);
      if (found != made.blobs.end()) TRY(store.put_blob(output.digest, found->second));
    }
    return store.put(key_, Entry{0, std::move(manifest), made.collected.result});
  };
  if (!put_all().ok()) return store.count(Counter::kError);
  store.count(Counter::kBytesStored, made.collected.bytes);
  write_key_text(store, key_, key_text_);
}

Answer ImageCompile::done(const CompileResult& result, int exit_code) {
  std::string err = name_missing_compiler(from_logical(result.stderr_text, place_.root));
  if (exit_code != 0 && err.find("-Werror=date-time") != std::string::npos) {
    err +=
        "hpcc: an object that holds the time cannot be reproduced: set SOURCE_DATE_EPOCH, or date_time = \"allow\" "
        "in " +
        join_path(place_.root, kProjectFile) + "\n";
  }
  if (!refusal_.empty()) exit_code = frame::kStrictExit;
  return {frame::Type::kDone, encode_done(exit_code, from_logical(result.stdout_text, place_.root), err + refusal_)};
}

// Whether the compiler, failing, takes away an object of an earlier success. gcc does so for what the failing program
// was to write: the compiler proper writes assembly, the assembler the object.
bool ImageCompile::removes_old_object(const std::string& messages) const {
  if (invocation_->object.empty()) return false;
  if (family_ == Family::kClang || messages.find("Assembler messages:") != std::string::npos) return true;
  return std::any_of(argv_.begin(), argv_.end(), [](const std::string& arg) { return arg == "-S" || arg == "-pipe"; });
}

// No worker: the image's compiler here, or what .hpcc allows in its place.
Answer ImageCompile::locally(const BypassReason& reason) {
  if (verified_) return unverified(reason);
  local_reason_ = reason;
  is_query_ = is_query(reason);
  plain_ = !invocation_ || reason.reason == Bypass::kUnsupportedEnv;
  if (!plain_ && !view_ && is_under(request_.cwd, place_.root)) (void)scan();  // for absolute_
  Store& store = engine_.store();
  const std::string detail = std::string(bypass_name(reason.reason)) + " " + reason.detail;
  log("not by a worker: " + detail);
  if (is_query_) {
    store.count_bypass(reason.reason);
    if (reason.link_output.empty()) note_bypass(store, request_, detail);  // else what it links is recorded at the end
  } else {
    store.count_reason(reason.reason);
  }
  if (project_.fallback == ProjectFile::Fallback::kNone && !is_query_) {
    return refused("not compiled by a worker (" + why_local() + "), and fallback is \"none\" in " +
                   join_path(place_.root, kProjectFile));
  }
  Result<std::string> tree = mode_.tree(project_.image);
  std::string problem = tree.ok() ? "" : tree.error().message;
  if (tree.ok() && is_reachable()) {
    Result<std::vector<std::string>> words = image_words(*tree);
    if (words.ok()) {
      if (!is_query_) store.count(Counter::kFallbackImage);
      awaits_record_ = true;
      uint32_t flags = frame::kCommand | frame::kReport;
      if (!reads_stdin(argv_)) flags |= frame::kNoStdin;
      if (!plain_) flags |= frame::kCapture | frame::kHold;
      return {frame::Type::kRun, encode_run(flags, *words, {})};
    }
    problem = words.error().message;
  } else if (tree.ok()) {
    problem = "it lies outside of the project";
  }
  if (project_.fallback == ProjectFile::Fallback::kHost) {
    store.count(Counter::kFallbackHost);
    if (invocation_) write_history("compiled by the host's compiler: " + detail);
    on_host_ = awaits_record_ = true;
    return {frame::Type::kRun, encode_run(frame::kReport, {}, {})};
  }
  store.count_reason(Bypass::kNoImage);
  return refused("not compiled by a worker (" + why_local() + ") nor by the image here (" + problem + ")" +
                 remedies(tree.ok()));
}

// Nobody may compile it.
Answer ImageCompile::refused(const std::string& why) {
  if (invocation_) write_history("failed, " + why);
  engine_.store().count(Counter::kError);
  return {frame::Type::kDone, encode_done(1, "", "hpcc: " + why + "\n")};
}

// Whether everything that the command is known to name can be seen from inside the image here: the project, and /tmp.
bool ImageCompile::is_reachable() const {
  if (!is_under(request_.cwd, place_.root)) return false;
  auto seen = [this](const std::string& name) {
    const std::string path = lexically_normal(join_path(request_.cwd, name));
    return project_path(path, scan_place_) || is_under(path, "/tmp") || is_under(path, "/dev");
  };
  if (!invocation_) return local_reason_.link_output.empty() || seen(local_reason_.link_output);
  const std::vector<OutputFile>& outputs = invocation_->outputs;
  return seen(invocation_->source) &&
         std::all_of(outputs.begin(), outputs.end(), [&](const OutputFile& output) { return seen(output.path); });
}

Result<std::vector<std::string>> ImageCompile::image_words(const std::string& tree) {
  ImageRun run;
  run.tree = tree;
  run.root = place_.root;
  run.cwd = scan_place_.cwd;
  if (plain_) {
    run.places = plain_places();
    run.environment = plain_environment(family_, request_.env);
  } else {
    run.environment = guest_environment(request_.env, scan_place_);
  }
  run.argv = local_arguments();
  auto add_output = [&](const std::string& path) {
    if (!path.empty()) run.outputs.push_back(lexically_normal(join_path(request_.cwd, path)));
  };
  add_output(local_reason_.link_output);
  if (invocation_) {
    for (const OutputFile& output : invocation_->outputs) add_output(output.path);
  }
  run.umask = request_.umask;
  lone_outputs_ = make_lone_outputs(run);
  if (plain_ || !wants_own_place()) return image_command(run);
  // Where the image leaves room for it.
  ImageRun both = run;
  for (std::string& place : plain_places()) both.places.push_back(std::move(place));
  Result<std::vector<std::string>> words = image_command(both);
  return words.ok() || words.error().code != Code::kUnsupported ? words : image_command(run);
}

// After a local run, by the image's compiler or the host's.
Answer ImageCompile::finish(const Finish& finish) {
  record(&finish);
  for (const std::string& path : lone_outputs_) {
    if (finish.exit_code != 0) unlink(path.c_str());
  }
  if (plain_ || on_host_) {
    const bool links = !local_reason_.link_output.empty();
    const std::string note = links ? record_link(engine_, request_, local_reason_, finish) : "recorded";
    return {frame::Type::kStored, encode_string(note)};
  }
  Store& store = engine_.store();
  store.count(Counter::kLocalCompiled);
  store.count(Counter::kCompileTimeMs, finish.wall_ns / 1000000);
  if (invocation_->dep.wanted) render_dep_file();
  write_history(std::string(finish.exit_code == 0 ? "compiled" : "failed") + " by the image's compiler here: " +
                std::string(bypass_name(local_reason_.reason)) + " (" + local_reason_.detail + ")");
  CompileResult result;
  result.stdout_text = finish.stdout_text;
  result.stderr_text = finish.stderr_text;
  return done(result, finish.exit_code);
}

// The compiler wrote it with logical paths, for the image's view of the files.
void ImageCompile::render_dep_file() {
  const std::string path = join_path(request_.cwd, invocation_->dep.path);
  Result<std::string> text = read_file(path, limits::kDepFileBytes);
  if (!text.ok()) return;
  Result<std::string> rendered = render_guest_dep(*text, *invocation_, place_);
  Fd fd(open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW));
  if (fd && rendered.ok()) (void)write_fd(fd.get(), *rendered, path).ok();
}

void ImageCompile::log(const std::string& text) const {
  append_log(request_, invocation_ ? history_name_ : request_.argv[0], text);
}

void ImageCompile::write_history(const std::string& outcome) {
  HistoryRecord record;
  record.when_ns = realtime_ns();
  record.outcome = outcome;
  record.object = history_name_;
  record.key_text = key_text_;
  if (!key_text_.empty()) record.key = key_.hex();
  record.why = why_;
  Store& store = engine_.store();
  ::hpcc::write_history(store, history_name_, record);
  ::hpcc::write_history(store, source_history_name(request_.cwd, invocation_->source), record);
}

}  // namespace hpcc
