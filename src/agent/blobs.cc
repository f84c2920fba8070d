#include "agent/blobs.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fs.h"
#include "model/digest.h"

namespace hpcc {

Status BlobDir::begin(const v1::Blob& part) {
  if (sizes_.contains(part.digest())) return Error{Code::kInvalid, "blob is here already", 0};
  if (part.size() > limit_bytes_ - used_bytes_) return Error{Code::kLimit, "more blobs than were announced", 0};
  const std::string name = hex_encode(part.digest());
  incoming_file_ = Fd(openat(directory_, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!incoming_file_) return errno_error("create blob");
  incoming_ = part.digest();
  incoming_size_ = part.size();
  incoming_have_ = 0;
  used_bytes_ += incoming_size_;
  return {};
}

Status BlobDir::put(const v1::Blob& part) {
  if (!incoming_file_) TRY(begin(part));
  if (part.digest() != incoming_ || part.size() != incoming_size_) {
    return Error{Code::kInvalid, "parts of two blobs are mixed", 0};
  }
  if (part.data().size() > incoming_size_ - incoming_have_) return Error{Code::kInvalid, "blob is too long", 0};
  TRY(write_fd(incoming_file_.get(), part.data(), "blob"));
  incoming_have_ += part.data().size();
  if (incoming_have_ == incoming_size_) {
    sizes_[incoming_] = incoming_size_;
    incoming_file_.reset();
  } else if (part.data().empty()) {
    return Error{Code::kInvalid, "empty part of a blob", 0};
  }
  return {};
}

void BlobDir::drop(const std::string& digest) {
  auto found = sizes_.find(digest);
  if (found == sizes_.end()) return;
  unlinkat(directory_, hex_encode(digest).c_str(), 0);
  used_bytes_ -= found->second;
  sizes_.erase(found);
}

void BlobDir::clear() {
  if (incoming_file_) {
    unlinkat(directory_, hex_encode(incoming_).c_str(), 0);
    used_bytes_ -= incoming_size_;
    incoming_file_.reset();
  }
  while (!sizes_.empty()) drop(std::string(sizes_.begin()->first));
}

}  // namespace hpcc
