// InFlight: compiles that a worker has begun and that are not in its log yet, a file each, so that a worker that is
// killed leaves word of them and its next start can tell of them in the log.
//
// `<dir>/<row id>`: the row as far as it was known, unsigned ("-"), and a newline. Written before the compile begins
// and not synced: a killed process loses nothing, a machine that stops may lose the last seconds.
//
// Thread-safe for different rows; one process owns the directory (that which owns the log).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "trust/row.h"

namespace hpcc {

class InFlight {
 public:
  explicit InFlight(std::string directory) : directory_(std::move(directory)) {}

  Status open() const;  // makes the directory
  Status begin(const AuditRow& row) const;
  void end(const std::string& row_id) const;
  // What an earlier process left. A file that holds no row is removed: its compile had not begun.
  Result<std::vector<AuditRow>> left() const;

 private:
  std::string directory_;
};

}  // namespace hpcc
