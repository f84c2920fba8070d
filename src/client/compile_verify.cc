// Compile, the part that checks hits (HPCC_VERIFY). A chosen hit is answered as a miss would be, so that the compiler
// runs where and as it always does; what it made is then compared with the entry instead of being stored (see
// docs/decisions/0010-verify-in-place.md).
#include <algorithm>
#include <cctype>
#include <cstring>

#include "base/fs.h"
#include "client/engine.h"
#include "client/history.h"
#include "compiler/environment.h"

namespace hpcc {
namespace {

constexpr size_t kInputsNamed = 20;

std::string quoted(const std::string& word) {
  const auto plain = [](char c) { return isalnum(static_cast<unsigned char>(c)) || strchr("-_=+./:,@%", c); };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string out = "'";
  for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// Paths that one of two Manifests has and the other has not.
std::string inputs_only_in(const Manifest& a, const Manifest& b, const Place& place, const char* label) {
  std::string out;
  size_t named = 0, more = 0;
  for (const Input& input : a.inputs) {
    const bool in_both = std::any_of(b.inputs.begin(), b.inputs.end(), [&](const Input& other) {
      return other.path == input.path && other.kind == input.kind;
    });
    if (in_both) continue;
    if (named < kInputsNamed) out += label + resolve_path(input.path, place) + "\n";
    ++(named < kInputsNamed ? named : more);
  }
  if (more != 0) out += label + std::to_string(more) + " more\n";
  return out;
}

}  // namespace

bool Engine::wants_verification(const Request& request) {
  const double rate = verify_rate(find_env(request.env, "HPCC_VERIFY"));
  if (rate <= 0) return false;
  const auto total = [this](Counter kind) { return store_->totals().counters[static_cast<size_t>(kind)]; };
  std::lock_guard lock(mutex_);
  // Whatever becomes of a chosen hit moves one of these: the next process does not ask of the same number again.
  if (!choices_) {
    choices_ = total(Counter::kLocalHit) + total(Counter::kRemoteHit) + total(Counter::kLocalCompiled) +
               total(Counter::kRemoteCompiled);
  }
  return is_sampled((*choices_)++, rate);
}

bool fails_when_different(const Request& request) {
  std::optional<std::string_view> strict = find_env(request.env, "HPCC_STRICT");
  return strict && !strict->empty() && *strict != "0";
}

std::string quarantine_head(const Request& request, const DirectKey& key, const std::vector<std::string>& differences) {
  std::string text = "The stored result of this compile differs from what the compiler gives now.\n\ncommand  ";
  for (const std::string& word : request.argv) text += quoted(word) + " ";
  text += "\ndirectory " + request.cwd + "\nkey      " + key.hex() + "\nfound    at " +
          std::to_string(realtime_ns() / 1000000000) + " (Unix seconds)\n\n";
  for (const std::string& difference : differences) text += "differs  " + difference + "\n";
  return text;
}

// What the compile left behind. Its own writes tell an output from an older file in the same place; without a tracer
// whatever is there counts.
ResultImage Compile::made(const Finish& finish) const {
  std::set<std::string> written;
  for (const OutputFile& output : invocation_->outputs) {
    const std::string path = lexically_normal(join_path(place_.cwd, output.path));
    const bool wrote = std::any_of(events_.begin(), events_.end(), [&](const Event& event) {
      return event.op == frame::Op::kWrite && basename_of(event.path) == basename_of(path) &&
             lexically_normal(join_path(place_.cwd, event.path)) == path;
    });
    if (wrote || (finish.flags & frame::kUntraced)) written.insert(path);
  }
  ResultImage image;
  image.exit_code = finish.exit_code;
  image.stdout_text = finish.stdout_text;
  image.stderr_text = finish.stderr_text;
  image.outputs = written_images(*invocation_, place_, written);
  return image;
}

// Why two runs of this compile are never alike, as far as that is known; "" otherwise.
std::string Compile::unrepeatable() const {
  const bool drew = std::any_of(events_.begin(), events_.end(), [](const Event& event) {
    return event.op == frame::Op::kRead && (event.path == "/dev/urandom" || event.path == "/dev/random");
  });
  if (drew) return "the compiler drew random numbers (-frandom-seed=NAME gives it fixed ones)";
  bool seeded = false, coverage = false;
  for (const KeyArg& arg : invocation_->key_args) seeded |= arg.option == "-frandom-seed=";
  for (const OutputFile& output : invocation_->outputs) coverage |= output.kind == OutputKind::kCoverageNotes;
  if (!coverage || seeded || invocation_->family != Family::kGcc) return "";
  return "gcc stamps coverage data with the time (-frandom-seed=NAME prevents it)";
}

std::optional<Answer> Compile::finish_verification(const Finish& finish) {
  Store& store = engine_.store();
  const CompileResult& result = verified_->result;
  const auto is_void = [&](const std::string& why) {
    log("not verified: " + why);
    why_ = "compiled to verify a hit, which proved nothing: " + why;
    return std::nullopt;
  };
  if (finish.exit_code >= 128) return is_void("the compiler was killed");
  ResultImage stored{0, result.stdout_text, result.stderr_text, {}};
  Result<std::vector<OutputImage>> images = stored_images(result, *invocation_, place_, store, {});
  if (!images.ok()) {
    (void)store.remove(key_, verified_->sequence).ok();
    engine_.forget(key_, place_);
    return is_void("the entry cannot be read: " + images.error().to_string());
  }
  stored.outputs = std::move(images).value();
  const ResultImage compiled = made(finish);
  const std::vector<std::string> found = differences(stored, compiled);
  if (found.empty()) {
    store.touch(key_, verified_->sequence);
    store.count(Counter::kLocalHit);
    store.count(Counter::kVerified);
    engine_.note_hit(history_name_, key_, verified_->sequence);
    log("verified " + key_.hex());
    return Answer{frame::Type::kStored, encode_string("verified")};
  }
  if (std::string why = unrepeatable(); !why.empty()) return is_void(why);
  // Only when both saw the same inputs is it the entry that is wrong.
  const Observed observed = observe_run(finish);
  if (!verified_->manifest->matches(engine_.files()) || observed.problem == Bypass::kInputChanged) {
    return is_void("an input changed meanwhile");
  }
  return quarantine(found, observed, stored, compiled);
}

Answer Compile::quarantine(const std::vector<std::string>& found, const Observed& observed, const ResultImage& stored,
                           const ResultImage& compiled) {
  Store& store = engine_.store();
  const std::string report = quarantine_report(found, observed);
  Status kept = engine_.quarantine().add(key_, report, stored, compiled);
  const std::string where = kept.ok() ? engine_.quarantine().path_of(key_) : kept.error().to_string();
  engine_.remove_entries(key_, place_);
  store.count(Counter::kLocalCompiled);
  store.count(Counter::kVerifyDiffered);
  why_ = "HPCC_VERIFY: the stored result differs from what the compiler gives now";
  for (const std::string& difference : found) why_ += "\n" + difference;
  const std::string note = not_stored(Bypass::kQuarantined, where);
  if (!fails_when_different(request_)) return {frame::Type::kStored, encode_string(note)};
  return {frame::Type::kRefused,
          encode_string(history_name_ + ": the stored result differs from what the compiler gives now (" +
                        found.front() + "); see " + where)};
}

std::string Compile::quarantine_report(const std::vector<std::string>& found, const Observed& observed) const {
  // What only one of the two runs looked at is where the difference may come from.
  Result<std::vector<Entry>> entries = engine_.store().find(key_);
  std::string inputs;
  for (const Entry& entry : entries.ok() ? *entries : std::vector<Entry>()) {
    if (entry.sequence != verified_->sequence) continue;
    inputs += inputs_only_in(observed.manifest, entry.manifest, place_, "read now, not when stored: ");
    inputs += inputs_only_in(entry.manifest, observed.manifest, place_, "read when stored, not now: ");
  }
  if (observed.problem != Bypass::kNone) {
    inputs = "What it read could not be told this time: " + std::string(bypass_name(observed.problem)) + " (" +
             observed.detail + ")\n";
  }
  if (inputs.empty()) inputs = "Both runs read the same files.\n";
  return quarantine_head(request_, key_, found) + "\n" + inputs +
         "\nNothing is stored or served for this command and source any more; remove this directory to allow it "
         "again. Run\nthe command once more: this report then says whether the compiler repeats itself.\n";
}

}  // namespace hpcc
