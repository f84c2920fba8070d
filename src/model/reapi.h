// The messages of the Bazel Remote Execution API v2 whose digests hpcc computes itself: Action, Command, Directory, in
// their canonical serialisation (fields in tag order, defaults omitted, lists sorted where the API says so). Written by
// hand so that the local engine needs no protobuf; src/remote/reapi_test.cc compares every byte with the protobuf
// library.
//
// One message is encoded once and its bytes kept: nothing received is ever encoded again to find its digest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/digest.h"

namespace hpcc {

using ActionDigest = TaggedDigest<struct ActionTag>;

// build.bazel.remote.execution.v2.Digest. Size is part of a blob's identity: the right hash with another size names
// nothing.
struct SizedDigest {
  BlobDigest digest;
  uint64_t size_bytes = 0;

  static SizedDigest of(std::string_view bytes) { return {BlobDigest::of(bytes), bytes.size()}; }
  auto operator<=>(const SizedDigest&) const = default;
};

struct ReapiFile {
  std::string name;  // one path component
  SizedDigest content;
  bool executable = false;
};

struct ReapiSubdirectory {
  std::string name;  // one path component
  SizedDigest directory;
};

struct ReapiCommand {
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  // in any order, names unique
  std::vector<std::string> output_paths;                         // relative to working_directory; in any order
  std::string working_directory;                                 // relative to the input root; "" is the root
};

struct ReapiAction {
  SizedDigest command;
  SizedDigest input_root;
  uint32_t timeout_s = 0;  // 0: the server's
  bool do_not_cache = false;
  std::vector<std::pair<std::string, std::string>> platform;  // in any order
};

// Both lists in any order, names unique over both.
std::string encode_reapi_directory(std::vector<ReapiFile> files, std::vector<ReapiSubdirectory> directories);
std::string encode_reapi_command(const ReapiCommand& command);
std::string encode_reapi_action(const ReapiAction& action);

}  // namespace hpcc
