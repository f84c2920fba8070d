// What a client saw of each worker's log: files in a directory that all its processes share, a signed note each.
//
// No answer is used without a proof that its log extends everything that this client had seen when it asked. Answers of
// parallel compiles overtake each other: then neither proves anything of the other, and both notes are kept. What is
// kept is so the heads of what was seen: every note that was ever accepted is one of them, or proved to be the
// beginning of one. The next answer has to extend all of them, and takes their place. A worker that shows two histories
// is found out by then, and by `hpcc audit verify` at any time.
//
// Any thread, any process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "trust/receipt.h"

namespace hpcc {

// As it lies on disk: nothing of it is checked.
struct SeenNote {
  std::string worker, note;
  uint64_t rows = 0;
};

class SeenCheckpoints {
 public:
  explicit SeenCheckpoints(std::string directory) : directory_(std::move(directory)) {}

  // Of all workers: what each is to be asked a proof from.
  std::vector<SeenNote> all() const;
  std::vector<std::string> kept(std::string_view worker) const;
  // `asked`: what all() was when the worker was asked. kPermission unless the receipt's row came after each of them and
  // its checkpoint is proved to extend each; those of other workers and of earlier keys say nothing about this log.
  Status see(const Receipt& receipt, const PublicKey& key, const std::vector<SeenNote>& asked) const;

 private:
  Result<Fd> lock(int how) const;
  std::vector<std::string> files(std::string_view prefix) const;
  Status keep(const Checkpoint& fresh, const std::string& note, const PublicKey& key,
              const std::vector<Checkpoint>& proved) const;
  std::string directory_;
};

// The metadata that asks for proofs: the rows of each note of this worker, decimal, with commas between them.
inline constexpr char kSeenMetadata[] = "hpcc-seen-rows";
std::string seen_rows_text(const std::vector<uint64_t>& rows);
// What is malformed or too much is none: the client then has no proof, and says so itself.
std::vector<uint64_t> parse_seen_rows(std::string_view text);

}  // namespace hpcc
