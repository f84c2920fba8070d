// Executor: what the worker does with an action, from its digest to the answer. The order is fixed: compile, hash on
// this side, store outputs, sign the row, append and sync it, publish, answer.
//
// Nothing a client or guest says enters a row unchecked, except peak_rss_kib and cpu_ms, which the row's format marks
// as the guest's. Thread-safe.
#pragma once

#include <hpcc/v1/worker.pb.h>

#include <functional>
#include <string>

#include "base/deadline.h"
#include "rpc/identity.h"
#include "trust/audit_log.h"
#include "trust/keys.h"
#include "worker/action.h"
#include "worker/results.h"
#include "worker/sessions.h"

namespace hpcc {

// Who asks, checked: from the certificate, and the digest of the grant that was shown ("" where none is needed).
struct Caller {
  std::string tenant;
  std::string principal;  // sha256 hex of the certificate
  std::string grant_digest;
  std::vector<uint64_t> seen_rows = {};  // of this worker's log: it wants proofs that the log still begins with them
};

// The answer may hold these outputs' bytes, as far as they are small.
struct Inlined {
  std::vector<std::string> files;
};

struct ExecuteJob {
  Caller caller;
  Plan plan;
  Inlined inlined;
  enum class Lookup { kUse, kSkip } lookup = Lookup::kUse;
};

class Executor {
 public:
  struct Parts {
    std::string worker;  // this worker's name
    Cas& cas;
    Results& results;
    Sessions& sessions;
    AuditLog& log;
    const SigningKey& key;
  };
  explicit Executor(const Parts& parts) : parts_(parts) {}

  // The action, its command and tree, checked. kNotFound with *missing when blobs are not there.
  Result<Plan> plan(const std::string& tenant, const SizedDigest& action, std::vector<MissingBlob>* missing);

  // A stored result, with a row of its own; kNotFound when there is none.
  Result<reapi::ActionResult> find(const Caller& caller, const SizedDigest& action, const Inlined& inlined,
                                   Deadline deadline);

  // `running` is called once a guest compiles.
  reapi::ExecuteResponse execute(const ExecuteJob& job, Cancel cancel, Deadline deadline,
                                 const std::function<void()>& running);

  // The row's action again, in a guest booted for it.
  Result<hpcc::v1::ReplayResponse> replay(const Caller& caller, const SignedRow& row, const Plan& plan, Cancel cancel,
                                          Deadline deadline);

 private:
  struct Made;
  AuditRow begin_row(const Caller& caller, const Plan& plan, const SandboxInfo& sandbox, Disposition disposition);
  Result<Made> keep(const ExecuteJob& job, GuestResult& guest);
  Result<hpcc::v1::Receipt> append(const Caller& caller, const AuditRow& row, const std::string& probes,
                                   Deadline deadline);
  reapi::ExecuteResponse lost_inputs(const ExecuteJob& job, const Error& error);
  void append_lost(AuditRow row, int64_t started_ms, const Error& why);
  void inline_files(const std::string& tenant, const Inlined& inlined, reapi::ActionResult* result);
  Result<GuestResult> compile(const std::string& tenant, const Sessions::Lease& lease, const GuestCompile& what,
                              Cancel cancel, Deadline deadline);

  const Parts parts_;
};

}  // namespace hpcc
