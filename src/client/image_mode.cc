#include "client/image_mode.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/uuid.h"
#include "trust/row.h"

namespace hpcc {

ImageMode::ImageMode(Store& store, Files& files, const std::string& dir, const std::string& programs, Link link)
    : up_dir_(dir + "/up"), projects_(files), receipts_(up_dir_ + "/client") {
  if (link == Link::kNone) return;
  link_ = std::make_unique<RemoteLink>(
      store, std::vector<std::string>{programs + "/hpcc-remote", "--client-dir", up_dir_ + "/client"});
}

Result<std::string> ImageMode::tree(const std::string& image) const {
  const std::string path = up_dir_ + "/images/" + image.substr(image.find(':') + 1) + "/tree";
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return Error{Code::kNotFound, "image " + image + " is not on this machine", 0};
  }
  return path;
}

void ImageMode::record_local(AuditRow row, std::vector<std::string> arguments) {
  row.row_id = new_uuid7();
  row.start = rfc3339_us(realtime_ns() - static_cast<int64_t>(row.duration_ms) * 1'000'000);
  row.replayable = Replayable::kLocal;
  if (redaction_key_.ok()) {
    redact_flags(arguments, *redaction_key_);
    row.flags = join_flags(arguments);
  }
  Result<std::string> line = assert_row(row);
  if (!line.ok()) return;
  std::lock_guard lock(record_mutex_);
  if (!make_directories(up_dir_, 0700).ok()) return;
  const std::string path = up_dir_ + "/local.tsv";
  Fd fd(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat info;
  if (!fd || fstat(fd.get(), &info) != 0) return;
  const std::string head = info.st_size == 0 ? row_header() + "\n" : "";
  (void)write_fd(fd.get(), head + *line + "\n", path).ok();
}

void ImageMode::stop() {
  if (link_) link_->stop();
}

}  // namespace hpcc
