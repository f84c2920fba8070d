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

// build.bazel.remote.execution.v2.Digest: content and its size.
struct CasDigest {
  BlobDigest digest;
  uint64_t size_bytes = 0;

  static CasDigest of(std::string_view bytes) { return {BlobDigest::of(bytes), bytes.size()}; }
  auto operator<=>(const CasDigest&) const = default;
};

struct ReapiFile {
  std::string name;  // one path component
  CasDigest content;
  bool executable = false;
};

struct ReapiSubdirectory {
  std::string name;  // one path component
  CasDigest directory;
};

struct ReapiCommand {
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  // in any order, names unique
  std::vector<std::string> output_paths;                         // relative to working_directory; in any order
  std::string working_directory;                                 // relative to the input root; "" is the root
};

struct ReapiAction {
  CasDigest command;
  CasDigest input_root;
  uint32_t timeout_s = 0;  // 0: the server's
  bool do_not_cache = false;
  std::vector<std::pair<std::string, std::string>> platform;  // in any order
};

// Both lists in any order, names unique over both.
std::string encode_reapi_directory(std::vector<ReapiFile> files, std::vector<ReapiSubdirectory> directories);
std::string encode_reapi_command(const ReapiCommand& command);
std::string encode_reapi_action(const ReapiAction& action);

}  // namespace hpcc
