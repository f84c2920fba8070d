// The worker as a whole: store, log, sessions and services on one mutually authenticated port, and the heartbeat to the
// scheduler. Made by hpcc-worker's main and by tests.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "rpc/tls.h"
#include "trust/audit_log.h"
#include "trust/keys.h"
#include "worker/operations.h"
#include "worker/sessions.h"

namespace hpcc {

struct WorkerOptions {
  std::string cas_dir;    // blobs and results
  std::string audit_log;  // …/audit.tsv
  std::string listen = "127.0.0.1:0";
  std::string advertise;          // host:port that clients dial; "": `listen`, which then is no wildcard address
  std::string scheduler_address;  // "" for none: then set_scheduler_key()
  std::string driver;
  std::string build;                                 // build id, for people
  std::function<std::vector<std::string>()> images;  // "sha256:…" it has ready; asked at each heartbeat
  uint64_t cas_bytes = limits::kDefaultCacheBytes;
  OperationOptions operations;
  SessionOptions sessions;
};

class WorkerServer {
 public:
  // Listens when it returns. `key` signs rows and receipts; it never leaves this process.
  static Result<std::unique_ptr<WorkerServer>> start(const WorkerOptions& options, const TlsMaterial& tls,
                                                     SigningKey key, BootGuest boot);
  virtual ~WorkerServer() = default;  // stops: running compiles are cancelled, guests ended

  virtual const std::string& name() const = 0;  // from its certificate
  virtual std::string address() const = 0;      // host:port that clients dial
  virtual const PublicKey& public_key() const = 0;
  virtual void set_scheduler_key(const PublicKey& key) = 0;
  virtual Sessions& sessions() = 0;
  virtual AuditLog& log() = 0;
};

}  // namespace hpcc
