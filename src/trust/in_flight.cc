#include "trust/in_flight.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "base/fd.h"
#include "base/fs.h"

namespace hpcc {

Status InFlight::open() const { return make_directories(directory_, 0700); }

Status InFlight::begin(const AuditRow& row) const {
  TRY_ASSIGN(const std::string line, assert_row(row));
  const std::string path = directory_ + "/" + row.row_id;
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return errno_error("create " + path);
  return write_fd(fd.get(), line + "\n", path);
}

void InFlight::end(const std::string& row_id) const { ::unlink((directory_ + "/" + row_id).c_str()); }

Result<std::vector<AuditRow>> InFlight::left() const {
  std::vector<AuditRow> out;
  TRY_ASSIGN(const std::vector<std::string> names, list_directory(directory_));
  for (const std::string& name : names) {
    TRY_ASSIGN(std::string line, read_file(directory_ + "/" + name, kRowBytes + 1));
    const bool whole = line.ends_with('\n');
    if (whole) line.pop_back();
    Result<SignedRow> row = decode_row(line);
    if (whole && row.ok() && row->row.row_id == name) {
      out.push_back(std::move(row->row));
    } else {
      fprintf(stderr, "hpcc: removed %s/%s: no row\n", directory_.c_str(), name.c_str());
      end(name);
    }
  }
  return out;
}

}  // namespace hpcc
