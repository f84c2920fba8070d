// Frames between hpccd and hpcc-remote, its process with gRPC, over a socket pair. hpcc-remote speaks to the network:
// what it says is decoded as hostile, and no result of a worker is used before hpccd itself has checked the receipt.
//
// frame  := u32 magic, u32 type, u32 length, payload[length]
// submit := u64 id, u8 flags, text16 image, text16 root, text32 action, text32 command, u32 n, text32*n directories,
//           u32 n, (raw32 digest, u64 size, text16 path)*n files, u32 n, (text16 worker, u64 rows)*n seen,
//           u32 timeout_ms
// cancel := u64 id
// blob   := u64 id, raw32 digest, u64 size, text32 bytes        parts of one blob come one after the other
// result := see RemoteResult; after the blobs it names
// There is no version: hpccd starts the hpcc-remote beside it, and launchers of another build have another hpccd. What
// does not decode ends the link.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "model/consistency.h"
#include "model/input_tree.h"

namespace hpcc::remote {

enum class Type : uint32_t { kSubmit = 1, kCancel = 2, kBlob = 16, kResult = 17 };

inline constexpr uint8_t kSkipCache = 1;  // submit flags

// Of that worker's log hpccd has a checkpoint of so many rows: the answer must prove that it extends it.
struct SeenRows {
  std::string worker;
  uint64_t rows = 0;
};

struct Submit {
  uint64_t id = 0;
  uint8_t flags = 0;
  std::string image;  // "sha256:..."
  std::string root;   // absolute: where the files are read
  std::string action, command;
  std::vector<std::string> directories;
  std::vector<TreeFile> files;  // paths below the root
  std::vector<SeenRows> seen;
  uint32_t timeout_ms = 0;
};

enum class Outcome : uint8_t {
  kDone,          // the compiler ran, now or earlier, and exited
  kNoWorker,      // nobody to ask, or nobody answered
  kFailed,        // the worker could not run it
  kInputChanged,  // a file has other content than when it was hashed
  kCancelled,
};
inline constexpr Outcome kLastOutcome = Outcome::kCancelled;

struct RemoteOutput {
  std::string path;  // relative to the working directory, as asked for
  SizedDigest content;
  bool executable = false;
};

struct RemoteResult {
  uint64_t id = 0;
  Outcome outcome = Outcome::kDone;
  std::string message;  // for people, unless kDone
  uint64_t bytes_sent = 0;
  std::string timing;  // for people: "lease 12, lookup 840, ..." in microseconds
  // Of kDone:
  int32_t exit_code = 0;
  std::string stdout_text, stderr_text;
  std::vector<RemoteOutput> outputs;
  // The receipt: the row as signed, its place in the worker's log, the probes; and the scheduler's grant that names the
  // worker's key.
  std::string row, checkpoint, probes, grant, worker;
  uint64_t leaf_index = 0;
  std::vector<std::string> inclusion;
  std::vector<Consistency> consistency;
};

std::string encode_submit(const Submit& submit);
Result<Submit> decode_submit(std::string_view payload);
std::string encode_cancel(uint64_t id);
Result<uint64_t> decode_cancel(std::string_view payload);

struct BlobPart {
  uint64_t id = 0;
  SizedDigest blob;
  std::string_view bytes;  // points into the payload
};
inline constexpr size_t kPartBytes = 1u << 20;
inline constexpr size_t kTimingBytes = 1024;
std::string encode_blob_part(uint64_t id, const SizedDigest& blob, std::string_view bytes);
Result<BlobPart> decode_blob_part(std::string_view payload);
std::string encode_remote_result(const RemoteResult& result);
Result<RemoteResult> decode_remote_result(std::string_view payload);

// Whole frames on a blocking socket. kNotFound when the peer closed.
Status send_frame(int fd, Type type, std::string_view payload);
struct Frame {
  Type type;
  std::string payload;
};
Result<Frame> receive_frame(int fd);

}  // namespace hpcc::remote
