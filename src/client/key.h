// The DirectKey: one encoder, one text. The key is the SHA-256 of the text; `hpcc explain` compares the texts of two
// compiles line by line, so it cannot disagree with the key. Grammar in docs/formats.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/place.h"
#include "compiler/environment.h"
#include "model/digest.h"
#include "model/invocation.h"

namespace hpcc {

struct KeyInputs {
  const Invocation& invocation;
  const EnvKey& env;
  const Place& place;
  std::string driver_name;  // basename of argv[0]
  BlobDigest driver;        // content of the driver's file
  BlobDigest source;        // content of the source
  std::string cpu;          // identity of the processor, for -march=native and kin; else ""
};

std::string encode_key_text(const KeyInputs& inputs);
DirectKey direct_key(std::string_view key_text);

// What differs between two key texts, for people: one sentence per difference ("option -O2: now -O3").
std::vector<std::string> explain_key_change(std::string_view before, std::string_view now);

}  // namespace hpcc
