#include "trust/checkpoint.h"

#include <charconv>
#include <optional>

namespace hpcc {

namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // U+2014 and a space begin a signature line

std::string key_id(std::string_view origin, const PublicKey& key) {
  Sha256 hash;
  hash.update(origin);
  hash.update(std::string_view("\n\1", 2));
  hash.update(key.view());
  uint8_t out[Sha256::kBytes];
  hash.finish(out);
  return std::string(reinterpret_cast<const char*>(out), 4);
}

std::string checkpoint_text(const Checkpoint& checkpoint) {
  return checkpoint.origin + "\n" + std::to_string(checkpoint.size) + "\n" + base64_encode(checkpoint.root.view()) +
         "\n";
}

Error malformed(const char* what) { return Error{Code::kInvalid, std::string("checkpoint: ") + what}; }

// Takes a line without its newline off the front.
bool take_line(std::string_view* text, std::string_view* line) {
  const size_t end = text->find('\n');
  if (end == text->npos) return false;
  *line = text->substr(0, end);
  text->remove_prefix(end + 1);
  return true;
}

}  // namespace

std::string checkpoint_origin(std::string_view worker) { return "hpcc/" + std::string(worker); }

std::string sign_checkpoint(const Checkpoint& checkpoint, const SigningKey& key) {
  const std::string text = checkpoint_text(checkpoint);
  const std::string blob = key_id(checkpoint.origin, key.public_key()) + std::string(key.sign_note(text).view());
  return text + "\n" + std::string(kDash) + checkpoint.origin + " " + base64_encode(blob) + "\n";
}

Result<Checkpoint> decode_checkpoint(std::string_view note, const PublicKey& key) {
  if (note.size() > kCheckpointBytes) return Error{Code::kLimit, "checkpoint: longer than 4,096 bytes"};
  Checkpoint out;
  std::string_view rest = note, origin, size, root, blank;
  if (!take_line(&rest, &origin) || !take_line(&rest, &size) || !take_line(&rest, &root) || !take_line(&rest, &blank)) {
    return malformed("fewer than four lines");
  }
  out.origin = std::string(origin);
  auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), out.size);
  if (error != std::errc() || end != size.data() + size.size()) return malformed("the size is no number");
  std::optional<std::string> hash = base64_decode(root, 32);
  if (!hash || hash->size() != 32) return malformed("the root is no digest");
  memcpy(out.root.bytes.data(), hash->data(), 32);
  const std::string text = checkpoint_text(out);
  if (origin.empty() || !blank.empty() || !note.starts_with(text)) return malformed("not in its one encoding");
  const std::string id = key_id(origin, key);
  const std::string start = std::string(kDash) + out.origin + " ";
  for (std::string_view line; take_line(&rest, &line);) {
    if (!line.starts_with(kDash)) return malformed("a line after the text that is no signature");
    if (!line.starts_with(start)) continue;
    std::optional<std::string> blob = base64_decode(line.substr(start.size()), 4096);
    if (!blob || blob->size() != 68 || !blob->starts_with(id)) continue;
    std::optional<Signature> signature = Signature::from_bytes(std::string_view(*blob).substr(4));
    if (verify_note_signature(key, text, *signature)) return out;
    return Error{Code::kPermission, "checkpoint of " + out.origin + ": the signature is wrong"};
  }
  return Error{Code::kPermission, "checkpoint of " + out.origin + ": not signed by key " + key.hex().substr(0, 16)};
}

}  // namespace hpcc
