#include "worker/executor.h"

#include <algorithm>

#include "base/fs.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "trust/replay.h"

namespace hpcc {
namespace {

constexpr size_t kInlineMessageBytes = 256u << 10;  // stdout or stderr within the answer
constexpr size_t kInlineFilesBytes = 4u << 20;      // all outputs within one answer
constexpr int64_t kCompileSlackMs = 15'000;         // over the compile's own limit: staging inputs, fetching outputs
constexpr int64_t kAppendMs = 30'000;

// The guest's blobs are the tenant's.
class TenantBlobs : public BlobSource {
 public:
  TenantBlobs(Cas& cas, const std::string& tenant, const GuestCompile& what) : cas_(cas), tenant_(tenant) {
    for (const GuestInput& input : what.inputs) sizes_[input.digest] = input.size_bytes;
  }
  Result<Fd> open(const BlobDigest& digest) override {
    const auto size = sizes_.find(digest);
    if (size == sizes_.end()) return Error{Code::kNotFound, "blob " + digest.hex() + " is no input of this compile"};
    return cas_.open_blob(tenant_, {digest, size->second});
  }

 private:
  Cas& cas_;
  const std::string& tenant_;
  std::map<BlobDigest, uint64_t> sizes_;
};

void stamp(google::protobuf::Timestamp* out) {
  const int64_t now_ns = realtime_ns();
  out->set_seconds(now_ns / 1'000'000'000);
  out->set_nanos(static_cast<int32_t>(now_ns % 1'000'000'000));
}

std::vector<OutputName> names_of(const std::vector<GuestOutput>& outputs) {
  std::vector<OutputName> names;
  for (const GuestOutput& output : outputs) names.push_back({output.path, output.digest.hex(), output.executable});
  return names;
}

// What the guest did, in the row.
void describe(const Plan& plan, const GuestResult& guest, const std::string& probes, AuditRow* row) {
  row->exit = guest.exit_code;
  row->output_digest = outputs_digest(names_of(guest.outputs));
  for (const GuestOutput& output : guest.outputs) {
    if (output.path == plan.object) row->object_digest = output.digest.hex();
  }
  row->probes_digest = probes.empty() ? "" : BlobDigest::of(probes).hex();
  row->stdio_digest = stdio_digest_of(BlobDigest::of(guest.stdout_bytes), BlobDigest::of(guest.stderr_bytes));
  row->peak_rss_kib = guest.peak_rss_kib;
  row->cpu_ms = guest.cpu_ms;
}

// An end that is not the compiler's own exit. Not FAILED_PRECONDITION, which asks for blobs, nor UNAVAILABLE, which
// asks for another attempt.
grpc::Status status_of(const GuestResult& guest) {
  const std::string more = guest.message.empty() ? "" : ": " + guest.message;
  switch (guest.end) {
    case GuestEnd::kExited:
    case GuestEnd::kSignalled:
      return grpc::Status::OK;
    case GuestEnd::kTimeLimit:
      return {grpc::StatusCode::DEADLINE_EXCEEDED, "the compile took longer than it may" + more};
    case GuestEnd::kMemoryLimit:
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "the compile used more memory than it may" + more};
    case GuestEnd::kOutputLimit:
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "the compile wrote more than it may" + more};
    case GuestEnd::kRefusedOutput:
      return {grpc::StatusCode::INVALID_ARGUMENT, "an output is not a regular file" + more};
  }
  return {grpc::StatusCode::INTERNAL, "unknown end"};
}

// What the caller of a compile that did not come to an end is told: another attempt may do, so UNAVAILABLE, unless the
// caller gave up or the action itself is wrong.
grpc::Status status_of(const Error& error) {
  switch (error.code) {
    case Code::kNotFound:
    case Code::kInvalid:
    case Code::kPermission:
    case Code::kUnsupported:
    case Code::kLimit:
      return to_grpc(error);
    case Code::kTimeout:
    case Code::kCorrupt:
    case Code::kIo:
      return {grpc::StatusCode::UNAVAILABLE, error.to_string()};
  }
  return to_grpc(error);
}

reapi::ExecuteResponse failed(const grpc::Status& status) {
  reapi::ExecuteResponse response;
  *response.mutable_status() = to_rpc(status);
  response.set_message(status.error_message());
  return response;
}

}  // namespace

// A result that is stored but not yet in the log.
struct Executor::Made {
  reapi::ActionResult result;
  std::string probes;
};

Result<Plan> Executor::plan(const std::string& tenant, const SizedDigest& action, std::vector<MissingBlob>* missing) {
  const PlanBlobs blobs{[&](const SizedDigest& blob) { return parts_.cas.read(tenant, blob); },
                        [&](const SizedDigest& blob) { return parts_.cas.has(tenant, blob); }};
  return load_plan(action, blobs, missing);
}

AuditRow Executor::begin_row(const Caller& caller, const Plan& plan, const SandboxInfo& sandbox,
                             Disposition disposition) {
  AuditRow row;
  row.image_digest = plan.image.text();
  row.source_digest = plan.input_root.digest.hex();
  std::vector<std::string> arguments = plan.compile.argv;
  row.replayable = redact_flags(arguments, parts_.key) ? Replayable::kRedacted : Replayable::kYes;
  row.flags = join_flags(arguments);
  row.tenant = caller.tenant;
  row.worker = parts_.worker;
  row.vm = sandbox.vm_id;
  row.exit = kExitUnknown;
  row.row_id = new_uuid7();
  row.start = rfc3339_us(realtime_ns());
  row.action_digest = plan.action.digest.hex();
  row.disposition = disposition;
  row.driver = sandbox.driver;
  row.rootfs_hash = sandbox.rootfs_hash;
  row.kernel_digest = sandbox.kernel_digest;
  row.agent_digest = sandbox.agent_digest;
  row.principal = caller.principal;
  row.grant_digest = caller.grant_digest;
  row.name = plan.source;
  return row;
}

Result<hpcc::v1::Receipt> Executor::append(const Caller& caller, const AuditRow& row, const std::string& probes,
                                           Deadline deadline) {
  TRY_ASSIGN(AuditLog::Appended appended, parts_.log.append(row, deadline, caller.seen_rows));
  hpcc::v1::Receipt receipt;
  receipt.set_row(std::move(appended.line));
  receipt.set_leaf_index(appended.leaf_index);
  receipt.set_checkpoint(std::move(appended.checkpoint));
  for (std::string& step : appended.inclusion) receipt.add_inclusion(std::move(step));
  receipt.set_probes(probes);
  for (Consistency& proof : appended.consistency) {
    auto* out = receipt.add_consistency();
    out->set_from(proof.from);
    for (std::string& step : proof.steps) out->add_steps(std::move(step));
  }
  return receipt;
}

// A compile began and nothing came of it: the log says so.
void Executor::append_lost(AuditRow row, int64_t started_ms, const Error& why) {
  fprintf(stderr, "hpcc-worker: compile %s in guest %s is lost: %s\n", row.row_id.c_str(), row.vm.c_str(),
          why.to_string().c_str());
  row.disposition = Disposition::kLost;
  row.duration_ms = static_cast<uint64_t>(monotonic_ms() - started_ms);
  const auto appended = parts_.log.append(row, Deadline::after_ms(kAppendMs));
  if (!appended.ok()) fprintf(stderr, "hpcc-worker: %s\n", appended.error().to_string().c_str());
}

Result<GuestResult> Executor::compile(const std::string& tenant, const Sessions::Lease& lease, const GuestCompile& what,
                                      Cancel cancel, Deadline deadline) {
  TenantBlobs blobs(parts_.cas, tenant, what);
  const Deadline own = Deadline::after_ms(what.limits.wall_ms + kCompileSlackMs);
  return lease.session().compile(what, blobs, cancel, Deadline::earlier(deadline, own));
}

// --- results ---

// Every output is hashed once more while it is stored: what the proxy found must be what the store holds.
Result<Executor::Made> Executor::keep(const ExecuteJob& job, GuestResult& guest) {
  Made made;
  const std::string& tenant = job.caller.tenant;
  made.result.set_exit_code(guest.exit_code);
  for (GuestOutput& output : guest.outputs) {
    const auto asked = std::find(job.plan.compile.outputs.begin(), job.plan.compile.outputs.end(), output.path);
    if (asked == job.plan.compile.outputs.end())
      return Error{Code::kCorrupt, "the guest gave an output nobody asked for"};
    const SizedDigest blob{output.digest, output.size_bytes};
    TRY(parts_.cas.put_from(tenant, blob, output.file.get()));
    auto* file = made.result.add_output_files();
    file->set_path(job.plan.output_names[static_cast<size_t>(asked - job.plan.compile.outputs.begin())]);
    *file->mutable_digest() = encode_digest(blob);
    file->set_is_executable(output.executable);
  }
  const auto keep_message = [&](const std::string& bytes, auto set_raw, auto set_digest) -> Status {
    if (bytes.empty()) return {};
    const SizedDigest blob = SizedDigest::of(bytes);
    TRY(parts_.cas.put(tenant, blob, bytes));
    set_digest(encode_digest(blob));
    if (bytes.size() <= kInlineMessageBytes) set_raw(bytes);
    return {};
  };
  reapi::ActionResult& result = made.result;
  TRY(keep_message(
      guest.stdout_bytes, [&](const auto& raw) { result.set_stdout_raw(raw); },
      [&](const auto& digest) { *result.mutable_stdout_digest() = digest; }));
  TRY(keep_message(
      guest.stderr_bytes, [&](const auto& raw) { result.set_stderr_raw(raw); },
      [&](const auto& digest) { *result.mutable_stderr_digest() = digest; }));
  result.mutable_execution_metadata()->set_worker(parts_.worker);
  if (guest.observed) made.probes = encode_probes(guest.probes);
  return made;
}

// An input that was there when the plan was made is not any more: the client is to send it again.
reapi::ExecuteResponse Executor::lost_inputs(const ExecuteJob& job, const Error& error) {
  std::vector<MissingBlob> missing;
  for (const GuestInput& input : job.plan.compile.inputs) {
    if (parts_.cas.has(job.caller.tenant, {input.digest, input.size_bytes})) continue;
    missing.push_back({input.digest.hex(), static_cast<int64_t>(input.size_bytes)});
  }
  if (missing.empty()) return failed({grpc::StatusCode::UNAVAILABLE, error.to_string()});
  reapi::ExecuteResponse response;
  *response.mutable_status() = missing_blobs(missing);
  return response;
}

void Executor::inline_files(const std::string& tenant, const Inlined& inlined, reapi::ActionResult* result) {
  size_t room = kInlineFilesBytes;
  for (auto& file : *result->mutable_output_files()) {
    if (std::find(inlined.files.begin(), inlined.files.end(), file.path()) == inlined.files.end()) continue;
    const auto blob = decode_digest(file.digest());
    if (!blob.ok() || blob->size_bytes > room) continue;
    auto bytes = parts_.cas.read(tenant, *blob);
    if (!bytes.ok()) continue;  // the client asks for it by digest
    room -= bytes->size();
    file.set_contents(std::move(*bytes));
  }
}

Result<reapi::ActionResult> Executor::find(const Caller& caller, const SizedDigest& action, const Inlined& inlined,
                                           Deadline deadline) {
  const int64_t started_ms = monotonic_ms();
  TRY_ASSIGN(Results::Found found, parts_.results.find(caller.tenant, action.digest));
  AuditRow row = found.row;
  row.disposition = Disposition::kHit;
  row.compiled_row_id = found.row.row_id;
  row.row_id = new_uuid7();
  row.start = rfc3339_us(realtime_ns());
  row.principal = caller.principal;
  row.grant_digest = caller.grant_digest;
  row.duration_ms = static_cast<uint64_t>(monotonic_ms() - started_ms);
  row.peak_rss_kib = row.cpu_ms = 0;
  TRY_ASSIGN(const hpcc::v1::Receipt receipt, append(caller, row, found.stored.probes(), deadline));
  reapi::ActionResult result = std::move(*found.stored.mutable_result());
  result.mutable_execution_metadata()->add_auxiliary_metadata()->PackFrom(receipt);
  inline_files(caller.tenant, inlined, &result);
  return result;
}

reapi::ExecuteResponse Executor::execute(const ExecuteJob& job, Cancel cancel, Deadline deadline,
                                         const std::function<void()>& running) {
  const Plan& plan = job.plan;
  reapi::ExecutedActionMetadata times;
  stamp(times.mutable_queued_timestamp());
  if (job.lookup == ExecuteJob::Lookup::kUse && !plan.do_not_cache) {
    auto found = find(job.caller, plan.action, job.inlined, deadline);
    if (found.ok()) {
      reapi::ExecuteResponse response;
      *response.mutable_result() = std::move(*found);
      response.set_cached_result(true);
      response.mutable_status();
      return response;
    }
    if (found.error().code != Code::kNotFound) return failed(status_of(found.error()));
  }
  auto lease = parts_.sessions.acquire(job.caller.tenant, plan.image, deadline);
  if (!lease.ok()) return failed(status_of(lease.error()));
  running();
  AuditRow row = begin_row(job.caller, plan, lease->sandbox(), Disposition::kCompiled);
  if (const Status begun = parts_.log.begin(row); !begun.ok()) return failed(status_of(begun.error()));
  const int64_t started_ms = monotonic_ms();
  stamp(times.mutable_worker_start_timestamp());
  *times.mutable_execution_start_timestamp() = times.worker_start_timestamp();
  auto guest = compile(job.caller.tenant, *lease, plan.compile, cancel, deadline);
  stamp(times.mutable_execution_completed_timestamp());
  if (!guest.ok()) {
    append_lost(std::move(row), started_ms, guest.error());
    return guest.error().code == Code::kNotFound ? lost_inputs(job, guest.error()) : failed(status_of(guest.error()));
  }
  row.duration_ms = static_cast<uint64_t>(monotonic_ms() - started_ms);
  *times.mutable_output_upload_start_timestamp() = times.execution_completed_timestamp();
  auto made = keep(job, *guest);
  if (!made.ok()) {
    append_lost(std::move(row), started_ms, made.error());
    return failed(status_of(made.error()));
  }
  stamp(times.mutable_output_upload_completed_timestamp());
  describe(plan, *guest, made->probes, &row);
  auto receipt = append(job.caller, row, made->probes, Deadline::after_ms(kAppendMs));
  if (!receipt.ok()) return failed(status_of(receipt.error()));
  stamp(times.mutable_worker_completed_timestamp());
  made->result.mutable_execution_metadata()->MergeFrom(times);

  const grpc::Status end = status_of(*guest);
  // A compile that escaped its observer may have looked for files that its probes do not name: true now, perhaps not
  // for the next client.
  const bool may_keep =
      guest->end == GuestEnd::kExited && guest->exit_code == 0 && guest->observed && !plan.do_not_cache;
  if (may_keep) {
    hpcc::v1::StoredResult stored;
    *stored.mutable_result() = made->result;
    stored.set_row(receipt->row());
    stored.set_probes(made->probes);
    stored.set_working_directory(plan.compile.working_directory);
    const Status put = parts_.results.put(job.caller.tenant, plan.action.digest, stored);
    if (!put.ok()) fprintf(stderr, "hpcc-worker: %s\n", put.error().to_string().c_str());
  }
  reapi::ExecuteResponse response;
  made->result.mutable_execution_metadata()->add_auxiliary_metadata()->PackFrom(*receipt);
  inline_files(job.caller.tenant, job.inlined, &made->result);
  *response.mutable_result() = std::move(made->result);
  *response.mutable_status() = to_rpc(end);
  if (!end.ok()) response.set_message(end.error_message());
  return response;
}

// --- replay ---

Result<hpcc::v1::ReplayResponse> Executor::replay(const Caller& caller, const SignedRow& old, const Plan& plan,
                                                  Cancel cancel, Deadline deadline) {
  TRY_ASSIGN(const Sessions::Lease lease, parts_.sessions.boot_alone(caller.tenant, plan.image, deadline));
  AuditRow row = begin_row(caller, plan, lease.sandbox(), Disposition::kReplay);
  if (row.vm == old.row.vm) return Error{Code::kCorrupt, "the replay did not get a guest of its own"};
  row.compiled_row_id = replayed_row_id(old.row);
  TRY(parts_.log.begin(row));
  const int64_t started_ms = monotonic_ms();
  auto guest = compile(caller.tenant, lease, plan.compile, cancel, deadline);
  if (!guest.ok()) {
    append_lost(std::move(row), started_ms, guest.error());
    return std::move(guest).error();
  }
  row.duration_ms = static_cast<uint64_t>(monotonic_ms() - started_ms);
  const std::string probes = guest->observed ? encode_probes(guest->probes) : "";
  describe(plan, *guest, probes, &row);
  hpcc::v1::ReplayResponse response;
  TRY_ASSIGN(*response.mutable_receipt(), append(caller, row, probes, Deadline::after_ms(kAppendMs)));
  for (std::string& difference : replay_differences(old.row, row)) response.add_differences(std::move(difference));
  response.set_equal(response.differences().empty());
  return response;
}

}  // namespace hpcc
