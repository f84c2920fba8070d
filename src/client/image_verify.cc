// ImageCompile, the part that checks hits (HPCC_VERIFY): what the worker made now is compared with the entry, or with
// what the worker's cache gave a moment ago (see docs/decisions/0010-verify-in-place.md).
#include <utility>

#include "client/image_compile.h"

namespace hpcc {

Result<ResultImage> ImageCompile::image_of(const CompileResult& result, int exit_code, const HeldBlobs& blobs) {
  ResultImage image{exit_code, result.stdout_text, result.stderr_text, {}};
  TRY_ASSIGN(image.outputs, stored_images(result, *invocation_, place_, engine_.store(), blobs));
  return image;
}

Answer ImageCompile::finish_verification(Made made) {
  Store& store = engine_.store();
  const Verified hit = *std::exchange(verified_, std::nullopt);
  const std::string by = "compiled by worker " + made.worker;
  const auto is_void = [&](const std::string& why) {
    store.count(Counter::kRemoteCompiled);
    return deliver(std::move(made), by + ", which verified no hit: " + why, true);
  };
  if (made.exit_code >= 128) return is_void("the compiler was killed");
  const Result<ResultImage> stored =
      image_of(hit.entry ? hit.entry->result : hit.made.collected.result, 0, hit.made.blobs);
  const Result<ResultImage> compiled = image_of(made.collected.result, made.exit_code, made.blobs);
  if (!stored.ok()) return is_void("the stored result cannot be read: " + stored.error().to_string());
  if (!compiled.ok()) return is_void(compiled.error().to_string());
  const std::vector<std::string> found = differences(*stored, *compiled);
  if (found.empty()) {
    store.count(hit.entry ? Counter::kLocalHit : Counter::kRemoteHit);
    store.count(Counter::kVerified);
    if (hit.entry) store.touch(key_, hit.entry->sequence);
    return deliver(std::move(made), "hit, verified: " + by, !hit.entry);
  }
  // Only when both saw the same inputs is it the stored result that is wrong.
  const bool same_inputs = hit.entry ? hit.entry->manifest->matches(engine_.files()) : hit.action == action_;
  if (!same_inputs) return is_void("an input changed meanwhile");
  return quarantine(std::move(made), found, *stored, *compiled, hit.entry ? "" : hit.made.worker);
}

Answer ImageCompile::quarantine(Made made, const std::vector<std::string>& found, const ResultImage& stored,
                                const ResultImage& compiled, const std::string& stored_by) {
  Store& store = engine_.store();
  const std::string report =
      quarantine_head(request_, key_, found) + "image    " + project_.image + "\ncompiled by worker " + made.worker +
      (stored_by.empty() ? "" : "\nstored   by worker " + stored_by) +
      "\n\nBoth were compiled by workers, of the same inputs. Nothing is stored or served for this "
      "command and these\nsources any more; remove this directory to allow it again. Run the "
      "command once more: this report then says\nwhether the compiler repeats itself.\n";
  const Status kept = engine_.quarantine().add(key_, report, stored, compiled);
  const std::string where = kept.ok() ? engine_.quarantine().path_of(key_) : kept.error().to_string();
  engine_.remove_entries(key_, place_);
  store.count(Counter::kRemoteCompiled);
  store.count(Counter::kVerifyDiffered);
  store.count(Counter::kNotStored);
  store.count_reason(Bypass::kQuarantined);
  why_ = "HPCC_VERIFY: the stored result differs from what the compiler gives now";
  for (const std::string& difference : found) why_ += "\n" + difference;
  const std::string how = "compiled by worker " + made.worker + ", not stored: quarantined " + where;
  if (fails_when_different(request_)) {
    refusal_ = "hpcc: " + history_name_ + ": the stored result differs from what the compiler gives now (" +
               found.front() + "); see " + where + "\n";
  }
  return deliver(std::move(made), how, false);
}

// No worker compiles it again: the hit is served as if nobody had asked.
Answer ImageCompile::unverified(const BypassReason& reason) {
  Verified hit = *std::exchange(verified_, std::nullopt);
  log("not verified: " + std::string(bypass_name(reason.reason)) + " " + reason.detail);
  if (!hit.entry) {
    engine_.store().count(Counter::kRemoteHit);
    engine_.store().count_reason(reason.reason);
    const std::string how = "hit by worker " + hit.made.worker + ", not stored";
    return deliver(std::move(hit.made), how, false);  // a later round may have added inputs
  }
  if (hit.entry->manifest->matches(engine_.files())) {
    if (std::optional<Answer> answer = serve(*hit.entry)) {
      engine_.store().count_reason(reason.reason);
      return std::move(*answer);
    }
  }
  return locally(reason);
}

}  // namespace hpcc
