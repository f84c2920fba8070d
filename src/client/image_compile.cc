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

std::string join_relative(const std::string& directory, std::string_view name) {
  return directory.empty() ? std::string(name) : directory + "/" + std::string(name);
}

// A logical path of a guest's probes, below the root.
std::string below_root(const std::string& logical) {
  const size_t size = std::string_view(kLogicalRoot).size();
  return logical.size() <= size ? std::string() : logical.substr(size + 1);
}

// The driver's name tells the family; cc and c++ are gcc's in the images that hpcc makes.
Family family_of(std::string_view name) {
  return name.find("clang") != std::string_view::npos ? Family::kClang : Family::kGcc;
}

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
  build_action();
  key_ = DirectKey::of("image action " + action_.hex());
  if (!(request_.flags & frame::kRecache) && cacheable_) {
    if (std::optional<Answer> hit = try_hit()) return std::move(*hit);
  }
  engine_.store().count(Counter::kMissNoKey);
  return ask();
}

// Everything up to the Action. A reason when it cannot go to a worker.
std::optional<BypassReason> ImageCompile::prepare() {
  family_ = family_of(basename_of(request_.argv[0]));
  if (!is_under(request_.cwd, place_.root)) return BypassReason{Bypass::kOutsideRoot, request_.cwd, {}, {}};
  scan_place_.root = place_.root;
  scan_place_.cwd = request_.cwd == place_.root ? "" : request_.cwd.substr(place_.root.size() + 1);
  // $PWD may name the same directory by another path; then it names the root so, too.
  const std::string& pwd = request_.pwd;
  if (!pwd.empty() && pwd[0] == '/' && pwd != request_.cwd && pwd.ends_with("/" + scan_place_.cwd)) {
    scan_place_.root_alias = pwd.substr(0, pwd.size() - scan_place_.cwd.size() - (scan_place_.cwd.empty() ? 0 : 1));
    if (!is_same_directory(scan_place_.root_alias, place_.root)) scan_place_.root_alias.clear();
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
  // First: a file that cannot be seen may also have been taken for one that is not there.
  if (std::optional<BypassReason> reason = unseen()) return reason;
  if (found.problem != Bypass::kNone) return BypassReason{found.problem, found.detail, {}, {}};
  // Clang looks at its outputs before it writes them, as it does at headers: were one asked for, it could not be told.
  for (const std::string& output : outputs_) {
    if (!found.computed || family_ != Family::kClang || view_->kind(output) == EntryKind::kAbsent) continue;
    return BypassReason{Bypass::kOddPath, output + ", and computed names of headers", {}, {}};
  }
  files_ = std::move(found.files);
  directories_ = std::move(found.directories);
  return digest_inputs();
}

std::optional<BypassReason> ImageCompile::digest_inputs() {
  uint32_t facts = 0;
  bool once = std::any_of(invocation_->key_args.begin(), invocation_->key_args.end(),
                          [](const KeyArg& arg) { return scan_directives(arg.value).once; });
  std::map<BlobDigest, std::string> contents;
  std::string equal;
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
    inputs_.push_back(fact->file);
  }
  // Which of them is read depends on times, or on whether they are one file; here all are files of one time.
  if (once && !equal.empty()) return BypassReason{Bypass::kIdenticalInputs, equal, {}, {}};
  return check_time(facts);
}

// __DATE__ and its kin, anywhere in reach: such a result is made each time anew, unless the time is fixed.
std::optional<BypassReason> ImageCompile::check_time(uint32_t facts) {
  for (const KeyArg& arg : invocation_->key_args) facts |= scan_source_facts(arg.value);
  const bool fixed = family_ == Family::kGcc && find_env(request_.env, "SOURCE_DATE_EPOCH").has_value();
  const uint32_t never = kFactTimestamp | kFactPragmaDependency;
  if ((facts & never) != 0 || may_paste_time_macro(facts)) cacheable_ = false;
  if ((facts & kFactDateTime) != 0 && !fixed) cacheable_ = false;
  return std::nullopt;
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
  if (request_.flags & frame::kRecache) submit_.flags |= remote::kSkipCache;
  submit_.action = make_action(CasDigest::of(submit_.command), input_root_, project_.image, cacheable_);
  action_ = ActionDigest::of(submit_.action);
}

bool ImageCompile::wants_colour() const {
  if (invocation_->colour != Invocation::Colour::kAuto || invocation_->leaks_output_name) return false;
  if (!(request_.flags & frame::kStderrTty)) return false;
  std::optional<std::string_view> term = find_env(request_.env, "TERM");
  return term && *term != "dumb";
}

std::optional<Answer> ImageCompile::try_hit() {
  const std::string colours = wants_colour() ? "on" : "off";
  Engine::LoadedList entries = engine_.load(key_, place_);
  for (const auto& entry : *entries) {
    const CompileResult& result = entry->result;
    if (!result.bound_colour.empty() && result.bound_colour != colours) continue;
    if (!result.bound_names.empty() && result.bound_names != bound_names_text(*invocation_)) continue;
    if (!entry->manifest->matches(engine_.files())) continue;
    Result<uint64_t> bytes =
        place_outputs(result, *invocation_, place_, request_.umask, engine_.store(), caller_waits_);
    if (!bytes.ok()) continue;
    Store& store = engine_.store();
    store.touch(key_, entry->sequence);
    store.count(Counter::kLocalHit);
    store.count(Counter::kBytesServed, *bytes);
    store.count(Counter::kHitTimeUs, static_cast<uint64_t>(monotonic_ns() - begun_ns_) / 1000);
    engine_.note_hit(history_name_, key_, entry->sequence);
    return done(result, 0);
  }
  return std::nullopt;
}

Answer ImageCompile::ask() {
  if (!mode_.link()) return locally({Bypass::kNoDaemon, "this process asks no worker", {}, {}});
  inbox_ = std::make_shared<Inbox>();
  inbox_->wake = wake_;
  auto deliver = [inbox = inbox_](remote::RemoteResult result) {
    Wake wake;
    {
      std::lock_guard lock(inbox->mutex);
      inbox->result = std::move(result);
      wake = inbox->wake;
    }
    if (wake) wake();
  };
  asked_s_ = static_cast<uint64_t>(realtime_ns() / 1'000'000'000);
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
  {
    std::lock_guard lock(inbox_->mutex);
    result = std::move(*inbox_->result);
  }
  asked_ = 0;
  switch (result.outcome) {
    case remote::Outcome::kDone:
      return take(result);
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

Answer ImageCompile::take(const remote::RemoteResult& result) {
  const AskedFor asked = {project_.image, input_root_, action_, scan_place_.cwd, asked_s_};
  Result<AuditRow> row = mode_.receipts().check(result, asked);
  if (!row.ok()) return locally({Bypass::kReceiptRefused, row.error().to_string(), {}, {}});
  if (row->probes_digest.empty()) {
    return locally({Bypass::kUntraced, "in the guest: what the compile looked for is not known", {}, {}});
  }
  Result<Probes> probes = decode_probes(result.probes);
  if (!probes.ok()) return locally({Bypass::kReceiptRefused, probes.error().to_string(), {}, {}});
  bool added = false;
  if (std::optional<BypassReason> reason = add_missing(*probes, &added)) return locally(*reason);
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
  return accept(result, *probes);
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

// What could not be looked at is not absent.
std::optional<BypassReason> ImageCompile::unseen() const {
  if (!view_->failure()) return std::nullopt;
  return BypassReason{Bypass::kUnreadable, view_->failure()->to_string(), {}, {}};
}

Answer ImageCompile::accept(const remote::RemoteResult& result, const Probes& probes) {
  Store& store = engine_.store();
  Collected collected = collect_guest_outputs(*invocation_, scan_place_, result, store);
  if (collected.problem != Bypass::kNone) return locally({collected.problem, collected.detail, {}, {}});
  store.count(result.cached ? Counter::kRemoteHit : Counter::kRemoteCompiled);
  CompileResult& made = collected.result;
  Result<uint64_t> bytes = place_outputs(made, *invocation_, place_, request_.umask, store, caller_waits_);
  if (!bytes.ok()) return locally({Bypass::kStoreError, bytes.error().to_string(), {}, {}});
  const std::string how = std::string(result.cached ? "hit" : "compiled") + " by worker " + result.worker;
  if (result.exit_code != 0) {
    const std::string object = join_path(request_.cwd, invocation_->object);
    struct stat info;
    // As the compilers do: an object of an earlier success does not stay.
    if (!invocation_->object.empty() && lstat(object.c_str(), &info) == 0 && S_ISREG(info.st_mode))
      unlink(object.c_str());
    write_history("failed, " + how);
    return done(made, result.exit_code);
  }
  if (!made.stdout_text.empty() || !made.stderr_text.empty()) made.bound_colour = wants_colour() ? "on" : "off";
  made.compile_ns = static_cast<uint64_t>(monotonic_ns() - begun_ns_);
  Manifest manifest = manifest_of(probes);
  if (cacheable_ && !view_->failure()) {
    Status put = store.put(key_, Entry{0, std::move(manifest), made});
    if (!put.ok()) store.count(Counter::kError);
    store.count(Counter::kBytesStored, collected.bytes);
    write_key_text(store, key_, describe_action(command_, inputs_, project_.image));
  } else {
    store.count(Counter::kNotStored);
    store.count_reason(Bypass::kTimeMacro);
  }
  write_history(how);
  return done(made, 0);
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
        if (outputs_.count(join_relative(directory, name)) != 0) continue;
        if (view_->kind_in(directory, name) == EntryKind::kAbsent) absent[directory].insert(name);
      }
    }
  }
  return absent;
}

Answer ImageCompile::done(const CompileResult& result, int exit_code) {
  std::string err = name_missing_compiler(from_logical(result.stderr_text, place_.root));
  if (exit_code != 0 && err.find("-Werror=date-time") != std::string::npos) {
    err +=
        "hpcc: an object that holds the time cannot be reproduced: set SOURCE_DATE_EPOCH, or date_time = \"allow\" "
        "in " +
        join_path(place_.root, kProjectFile) + "\n";
  }
  return {frame::Type::kDone, encode_done(exit_code, from_logical(result.stdout_text, place_.root), err)};
}

// No worker: the image's compiler here, or what .hpcc allows in its place.
Answer ImageCompile::locally(const BypassReason& reason) {
  local_reason_ = reason;
  is_query_ = is_query(reason);
  Store& store = engine_.store();
  const std::string detail = std::string(bypass_name(reason.reason)) + " " + reason.detail;
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
      if (invocation_) flags |= frame::kCapture | frame::kHold;
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
  run.environment = guest_environment(request_.env, scan_place_);
  if (invocation_) {
    run.argv = local_arguments();
  } else {
    run.argv = logical_arguments(family_, argv_, scan_place_);
  }
  auto add_output = [&](const std::string& path) {
    if (!path.empty()) run.outputs.push_back(lexically_normal(join_path(request_.cwd, path)));
  };
  add_output(local_reason_.link_output);
  if (invocation_) {
    for (const OutputFile& output : invocation_->outputs) add_output(output.path);
  }
  run.umask = request_.umask;
  lone_outputs_ = make_lone_outputs(run);
  return image_command(run);
}

// After a local run, by the image's compiler or the host's.
Answer ImageCompile::finish(const Finish& finish) {
  record(&finish);
  for (const std::string& path : lone_outputs_) {
    if (finish.exit_code != 0) unlink(path.c_str());
  }
  if (!invocation_ || on_host_) {
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

void ImageCompile::write_history(const std::string& outcome) {
  HistoryRecord record;
  record.when_ns = realtime_ns();
  record.outcome = outcome;
  record.object = history_name_;
  record.key_text = describe_action(command_, inputs_, project_.image);
  Store& store = engine_.store();
  std::optional<HistoryRecord> last = read_history(store, history_name_);
  if (!last || last->key_text.empty()) {
    record.why = "first compile of this file";
  } else {
    for (const std::string& change : explain_key_change(last->key_text, record.key_text)) {
      record.why += (record.why.empty() ? "" : "\n") + change;
    }
    if (record.why.empty()) record.why = "no entry serves this output, or a file that was absent is there now";
  }
  ::hpcc::write_history(store, history_name_, record);
  ::hpcc::write_history(store, source_history_name(request_.cwd, invocation_->source), record);
}

}  // namespace hpcc
