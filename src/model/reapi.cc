// Protocol-buffer wire format: each field is a varint tag (number << 3 | type), then a varint (type 0) or a length and
// that many bytes (type 2).
#include "model/reapi.h"

#include <algorithm>

namespace hpcc {
namespace {

class Message {
 public:
  void text(uint32_t field, std::string_view value) {
    if (!value.empty()) bytes(field, value);
  }
  // An element of a repeated field, or a message that is present: written even when empty.
  void bytes(uint32_t field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    out_ += value;
  }
  void number(uint32_t field, uint64_t value) {
    if (value == 0) return;
    varint(field << 3);
    varint(value);
  }
  const std::string& str() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(0x80 | (value & 0x7f));
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

std::string encode_digest(const SizedDigest& digest) {
  Message message;
  message.text(1, digest.digest.hex());
  message.number(2, digest.size_bytes);
  return message.take();
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

// EnvironmentVariable and Platform.Property alike: 1 name, 2 value.
void put_pairs(Message& message, uint32_t field, Pairs pairs) {
  std::sort(pairs.begin(), pairs.end());
  for (const auto& [name, value] : pairs) {
    Message pair;
    pair.text(1, name);
    pair.text(2, value);
    message.bytes(field, pair.str());
  }
}

}  // namespace

std::string encode_reapi_directory(std::vector<ReapiFile> files, std::vector<ReapiSubdirectory> directories) {
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::sort(directories.begin(), directories.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  Message message;
  for (const ReapiFile& file : files) {
    Message node;
    node.text(1, file.name);
    node.bytes(2, encode_digest(file.content));
    node.number(4, file.executable ? 1 : 0);
    message.bytes(1, node.str());
  }
  for (const ReapiSubdirectory& directory : directories) {
    Message node;
    node.text(1, directory.name);
    node.bytes(2, encode_digest(directory.directory));
    message.bytes(2, node.str());
  }
  return message.take();
}

std::string encode_reapi_command(const ReapiCommand& command) {
  Message message;
  for (const std::string& argument : command.arguments) message.bytes(1, argument);
  put_pairs(message, 2, command.environment);
  message.text(6, command.working_directory);
  std::vector<std::string> outputs = command.output_paths;
  std::sort(outputs.begin(), outputs.end());
  outputs.erase(std::unique(outputs.begin(), outputs.end()), outputs.end());
  for (const std::string& output : outputs) message.bytes(7, output);
  return message.take();
}

std::string encode_reapi_action(const ReapiAction& action) {
  Message message;
  message.bytes(1, encode_digest(action.command));
  message.bytes(2, encode_digest(action.input_root));
  if (action.timeout_s != 0) {
    Message duration;
    duration.number(1, action.timeout_s);
    message.bytes(6, duration.str());
  }
  message.number(7, action.do_not_cache ? 1 : 0);
  Message platform;
  put_pairs(platform, 1, action.platform);
  if (!action.platform.empty()) message.bytes(10, platform.str());
  return message.take();
}

}  // namespace hpcc
