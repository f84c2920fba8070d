#include "remote/replay.h"

#include <grpcpp/client_context.h>
#include <hpcc/v1/scheduler.grpc.pb.h>
#include <hpcc/v1/worker.grpc.pb.h>

#include "rpc/status.h"
#include "rpc/tls.h"
#include "trust/grant.h"
#include "trust/seen.h"
#include "wire/client_config.h"

namespace hpcc {
namespace {

constexpr int kMessageBytes = 16 << 20;
constexpr int kLookupMs = 20'000;

void set_deadline(grpc::ClientContext& context, Deadline deadline) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(deadline.remaining_ms()));
}

// A lease for the worker that has the row's inputs.
Result<v1::Lease> look_up(const ClientConfig& config, const TlsMaterial& tls, const AuditRow& row, Deadline deadline) {
  auto scheduler = v1::Scheduler::NewStub(dial_tls(config.scheduler, "scheduler.hpcc", tls, kMessageBytes));
  grpc::ClientContext context;
  set_deadline(context, Deadline::earlier(deadline, Deadline::after_ms(kLookupMs)));
  v1::LookupRequest request;
  request.set_image(row.image_digest);
  request.set_worker(row.worker);
  v1::Lease lease;
  const grpc::Status status = scheduler->Lookup(&context, request, &lease);
  if (!status.ok()) return from_grpc(status, "scheduler " + config.scheduler);
  return lease;
}

}  // namespace

Result<Replayed> replay_row(const std::string& client_dir, const std::string& line, Deadline deadline) {
  TRY_ASSIGN(const SignedRow old, decode_row(line));
  TRY(check_replayable(old));
  TRY_ASSIGN(const ClientConfig config, load_client_config(client_dir + "/client.toml"));
  if (old.row.tenant != config.tenant) {
    return Error{Code::kPermission, "the row is of tenant " + old.row.tenant + ", this client is of " + config.tenant};
  }
  const std::optional<PublicKey> scheduler_key = PublicKey::from_hex(config.scheduler_key);
  if (!scheduler_key) return Error{Code::kInvalid, "client.toml: scheduler_key is no key"};
  TRY_ASSIGN(const TlsMaterial tls, read_tls(client_dir));
  TRY_ASSIGN(const v1::Lease lease, look_up(config, tls, old.row, deadline));
  TRY_ASSIGN(const Grant grant, decode_grant(lease.grant(), *scheduler_key));
  if (grant.worker != old.row.worker) return Error{Code::kPermission, "the grant is for worker " + grant.worker};
  if (!row_signature_ok(old, grant.worker_key)) {
    return Error{Code::kPermission, "the row is not as worker " + old.row.worker + " signed it"};
  }
  TlsMaterial trust = tls;
  if (!lease.ca_pem().empty()) trust.ca_pem = lease.ca_pem();
  auto worker = v1::Replay::NewStub(dial_tls(lease.address(), old.row.worker + ".worker.hpcc", trust, kMessageBytes));
  grpc::ClientContext context;
  set_deadline(context, deadline);
  context.AddMetadata(kGrantMetadata, lease.grant());
  const SeenCheckpoints seen(client_dir + "/seen");
  const std::vector<SeenNote> asked = seen.all();
  std::vector<uint64_t> rows;
  for (const SeenNote& one : asked) {
    if (one.worker == old.row.worker) rows.push_back(one.rows);
  }
  if (!rows.empty()) context.AddMetadata(kSeenMetadata, seen_rows_text(rows));
  v1::ReplayRequest request;
  request.set_row(line);
  v1::ReplayResponse response;
  const grpc::Status status = worker->Replay(&context, request, &response);
  if (!status.ok()) return from_grpc(status, "worker " + old.row.worker);
  const v1::Receipt& said = response.receipt();
  Receipt receipt{said.row(),
                  said.leaf_index(),
                  said.checkpoint(),
                  {said.inclusion().begin(), said.inclusion().end()},
                  said.probes()};
  for (const v1::Consistency& proof : said.consistency()) {
    receipt.consistency.push_back({proof.from(), {proof.steps().begin(), proof.steps().end()}});
  }
  Replayed out;
  TRY_ASSIGN(out.replay, check_replay(receipt, old, grant.worker_key));
  TRY(seen.see(receipt, grant.worker_key, asked));
  out.row_number = receipt.leaf_index + 1;
  return out;
}

}  // namespace hpcc
