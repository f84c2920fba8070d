// Leases: where to compile with an image, asked of the scheduler and kept until shortly before they end. Any thread.
#pragma once

#include <grpcpp/channel.h>
#include <hpcc/v1/scheduler.grpc.pb.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "rpc/tls.h"
#include "wire/client_config.h"

namespace hpcc {

class Leases {
 public:
  explicit Leases(std::string config_path) : config_path_(std::move(config_path)) {}

  // kNotFound or kIo, with the reason: no scheduler, or no worker with that image.
  Result<v1::Lease> get(const std::string& image);
  // The worker failed, so: the next lease is for another, if there is one, or for this one once it has come back.
  void avoid(const v1::Lease& lease, const std::string& image, const Error& why);
  // The worker did not accept the lease: the next one is asked for anew.
  void drop(const std::string& image);
  Result<ClientConfig> config();
  Result<TlsMaterial> tls();

 private:
  Status connect_locked();
  Result<v1::Lease> look_up(const std::string& image, const std::string& avoided);

  const std::string config_path_;
  std::mutex mutex_;  // guards everything below
  ClientConfig config_;
  TlsMaterial tls_;
  std::unique_ptr<v1::Scheduler::Stub> scheduler_;
  std::map<std::string, v1::Lease> leases_;
  struct Avoided {
    std::string worker, why;
    uint64_t registration = 0;
    int64_t until_ns = 0;
  };
  std::map<std::string, Avoided> avoided_;  // by image
  // Of the last attempt, when it may have cost time: it stands for a moment, so that a build does not wait for each
  // file, or until client.toml is another: somebody said `hpcc up`.
  Error failure_;
  int64_t failed_until_ns_ = 0;
  std::string failed_config_;  // what client.toml was then
};

}  // namespace hpcc
