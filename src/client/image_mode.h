// ImageMode: what all compiles of projects with an image share in one process: the project files they scanned, the link
// to hpcc-remote, and where images are on this machine. Owned by Engine; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/project_files.h"
#include "client/receipt_check.h"
#include "client/remote_link.h"

namespace hpcc {

enum class Link { kNone, kRemote };  // kNone: one command in a process of its own (HPCC_DAEMON=0)

class ImageMode {
 public:
  // `dir` is HPCC_DIR; `programs` the directory of hpcc's binaries.
  ImageMode(Store& store, Files& files, const std::string& dir, const std::string& programs, Link link);

  ProjectFiles& projects() { return projects_; }
  RemoteLink* link() { return link_.get(); }
  ReceiptCheck& receipts() { return receipts_; }
  // The image's tree on this machine: root of the local compile. kNotFound when it is not here.
  Result<std::string> tree(const std::string& image) const;
  // A client-asserted record: a row without signature in $HPCC_DIR/up/local.tsv, for what no worker vouches for. Its
  // time, id and flags are filled in here; what looks like a secret in the arguments is replaced.
  void record_local(AuditRow row, std::vector<std::string> arguments);
  void stop();

 private:
  const std::string up_dir_;
  ProjectFiles projects_;
  ReceiptCheck receipts_;
  std::unique_ptr<RemoteLink> link_;
  std::mutex record_mutex_;
  const Result<SigningKey> redaction_key_ = SigningKey::create();  // names a secret alike while this process lives
};

}  // namespace hpcc
