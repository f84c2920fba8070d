#include "trust/row.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <functional>

#include "model/digest.h"

namespace hpcc {

namespace {

constexpr std::array<std::string_view, kRowColumns> kColumns = {"image_digest",
                                                                "source_digest",
                                                                "flags",
                                                                "output_digest",
                                                                "tenant",
                                                                "worker",
                                                                "vm",
                                                                "duration",
                                                                "exit",
                                                                "row_id",
                                                                "start",
                                                                "action_digest",
                                                                "disposition",
                                                                "driver",
                                                                "rootfs_hash",
                                                                "kernel_digest",
                                                                "agent_digest",
                                                                "principal",
                                                                "grant_digest",
                                                                "probes_digest",
                                                                "stdio_digest",
                                                                "object_digest",
                                                                "peak_rss_kib",
                                                                "cpu_ms",
                                                                "name",
                                                                "replayable",
                                                                "compiled_row_id",
                                                                "signature"};

constexpr std::array<std::string_view, 6> kDispositions = {"compiled", "hit", "replay", "fallback", "bypass", "lost"};
constexpr std::array<std::string_view, 3> kReplayables = {"yes", "no:redacted", "no:local"};

// Length of the UTF-8 sequence at the start of `text`, 0 if there is none. Refuses overlong forms and surrogates.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) || (lead == 0xf0 && byte(1) < 0x90) ||
      (lead == 0xf4 && byte(1) > 0x8f)) {
    return 0;
  }
  return length;
}

void append_hex_escape(std::string& out, char c) {
  char text[8];
  snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
  out += text;
}

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const char c = text[0];
    const size_t length = utf8_length(text);
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (length == 0 || static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      append_hex_escape(out, c);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
      continue;
    }
    text.remove_prefix(1);
  }
}

std::string escape_column(std::string_view text) {
  if (text.empty()) return "-";
  if (text == "-") return "\\x2d";
  std::string out;
  append_escaped(out, text);
  return out;
}

// The inverse; what escape_column would not have written is found by comparing afterwards.
bool unescape_column(std::string_view text, std::string* out) {
  out->clear();
  if (text == "-") return true;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      *out += text[i];
      continue;
    }
    if (++i >= text.size()) return false;
    uint8_t byte = 0;
    switch (text[i]) {
      case '\\':
        *out += '\\';
        break;
      case 't':
        *out += '\t';
        break;
      case 'n':
        *out += '\n';
        break;
      case 'r':
        *out += '\r';
        break;
      case 'x':
        if (i + 2 >= text.size() || !hex_decode(text.substr(i + 1, 2), &byte, 1)) return false;
        *out += static_cast<char>(byte);
        i += 2;
        break;
      default:
        return false;
    }
  }
  return true;
}

// Calls text(member) or number(member) for each column but the signature, in order: encoder and decoder cannot differ.
template <typename Row, typename Text, typename Number>
void each_column(Row& row, Text text, Number number) {
  text(row.image_digest), text(row.source_digest), text(row.flags), text(row.output_digest), text(row.tenant);
  text(row.worker), text(row.vm), number(row.duration_ms), number(row.exit), text(row.row_id), text(row.start);
  text(row.action_digest), number(row.disposition), text(row.driver), text(row.rootfs_hash), text(row.kernel_digest);
  text(row.agent_digest), text(row.principal), text(row.grant_digest), text(row.probes_digest), text(row.stdio_digest);
  text(row.object_digest);
  number(row.peak_rss_kib), number(row.cpu_ms), text(row.name), number(row.replayable), text(row.compiled_row_id);
}

std::string number_text(uint64_t value) { return std::to_string(value); }
std::string number_text(int value) { return std::to_string(value); }
std::string number_text(Replayable value) { return std::string(kReplayables[static_cast<size_t>(value)]); }
std::string number_text(Disposition value) { return std::string(disposition_name(value)); }

template <typename Integer>
bool parse_number(std::string_view text, Integer* out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}
template <size_t kNames, typename Enum>
bool parse_name(std::string_view text, const std::array<std::string_view, kNames>& names, Enum* out) {
  const auto found = std::find(names.begin(), names.end(), text);
  *out = static_cast<Enum>(found - names.begin());
  return found != names.end();
}
bool parse_number(std::string_view text, Replayable* out) { return parse_name(text, kReplayables, out); }
bool parse_number(std::string_view text, Disposition* out) { return parse_name(text, kDispositions, out); }

// Everything before the signature's tab.
std::string row_body(const AuditRow& row) {
  std::string out;
  auto put = [&](const std::string& column) {
    if (!out.empty()) out += '\t';
    out += column;
  };
  // The flags are escaped already, argument by argument.
  each_column(
      row, [&](const std::string& text) { put(&text == &row.flags && !text.empty() ? text : escape_column(text)); },
      [&](const auto& value) { put(number_text(value)); });
  return out;
}

Result<std::string> finish_row(std::string body, std::string_view signature) {
  body += '\t';
  body += signature;
  if (body.size() > kRowBytes) {
    return Error{Code::kLimit, "an audit row of " + std::to_string(body.size()) + " bytes; the limit is " +
                                   std::to_string(kRowBytes)};
  }
  return body;
}

bool looks_secret(std::string_view name) {
  std::string upper(name);
  for (char& c : upper) c = c == '-' ? '_' : static_cast<char>(toupper(static_cast<unsigned char>(c)));
  constexpr std::array<std::string_view, 10> kWords = {"TOKEN",      "SECRET",    "PASSWORD",    "PASSWD",
                                                       "PASSPHRASE", "API_KEY",   "PRIVATE_KEY", "APIKEY",
                                                       "CREDENTIAL", "ACCESS_KEY"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return upper.find(word) != upper.npos; });
}

// "NAME=value", also as a later part of the argument (-Wp,-DA=1,-DTOKEN=x): from the first name that looks secret on.
bool redact_value(std::string& argument, size_t name_at, const SigningKey& key) {
  for (size_t equals; (equals = argument.find('=', name_at)) != argument.npos; name_at = equals + 1) {
    if (equals + 1 == argument.size()) return false;
    if (!looks_secret(std::string_view(argument).substr(name_at, equals - name_at))) continue;
    const std::string digest = hex_encode(key.keyed_digest(argument.substr(equals + 1)));
    argument = argument.substr(0, equals + 1) + "redacted:" + digest.substr(0, 32);
    return true;
  }
  return false;
}

}  // namespace

std::string_view disposition_name(Disposition disposition) { return kDispositions[static_cast<size_t>(disposition)]; }

std::string row_header() {
  std::string out = "#hpcc-audit-row v1";
  for (std::string_view name : kColumns) out.append("\t").append(name);
  return out;
}

Result<std::string> sign_row(const AuditRow& row, const SigningKey& key) {
  std::string body = row_body(row);
  const Signature signature = key.sign(kRowPayloadType, body);
  return finish_row(std::move(body), base64_encode(signature.view()));
}

Result<std::string> assert_row(const AuditRow& row) { return finish_row(row_body(row), "-"); }

Result<SignedRow> decode_row(std::string_view line) {
  if (line.size() > kRowBytes) return Error{Code::kLimit, "audit row: longer than 65,535 bytes"};
  std::vector<std::string_view> columns;
  for (std::string_view rest = line;;) {
    const size_t tab = rest.find('\t');
    columns.push_back(rest.substr(0, tab));
    if (tab == rest.npos || columns.size() > kRowColumns) break;
    rest.remove_prefix(tab + 1);
  }
  if (columns.size() != kRowColumns) {
    return Error{Code::kInvalid,
                 "audit row: " + std::to_string(columns.size()) + " columns, not " + std::to_string(kRowColumns)};
  }
  SignedRow out;
  out.line = std::string(line);
  size_t at = 0;
  std::string wrong;
  auto note = [&](bool ok) {
    if (!ok && wrong.empty()) wrong = std::string(kColumns[at]);
    ++at;
  };
  each_column(
      out.row,
      [&](std::string& text) {
        if (&text == &out.row.flags) {
          text = columns[at] == "-" ? "" : std::string(columns[at]);
          note(true);
        } else {
          note(unescape_column(columns[at], &text));
        }
      },
      [&](auto& value) { note(parse_number(columns[at], &value)); });
  if (!wrong.empty()) return Error{Code::kInvalid, "audit row: column " + wrong + " is malformed"};
  const std::string body = row_body(out.row);
  if (body != line.substr(0, line.rfind('\t'))) return Error{Code::kInvalid, "audit row: not in its one encoding"};
  if (columns.back() == "-") return out;
  std::optional<std::string> signature = base64_decode(columns.back(), 64);
  if (!signature || signature->size() != 64) return Error{Code::kInvalid, "audit row: column signature is malformed"};
  out.signature = *signature;
  return out;
}

bool row_signature_ok(const SignedRow& row, const PublicKey& key) {
  std::optional<Signature> signature = Signature::from_bytes(row.signature);
  const std::string_view body = std::string_view(row.line).substr(0, row.line.rfind('\t'));
  return signature && verify_signature(key, kRowPayloadType, body, *signature);
}

std::string join_flags(const std::vector<std::string>& arguments) {
  std::string out;
  for (const std::string& argument : arguments) {
    if (&argument != &arguments.front()) out += ' ';
    std::string escaped;
    append_escaped(escaped, argument);
    for (char c : escaped) {
      if (c == ' ') {
        out += "\\s";
      } else {
        out += c;
      }
    }
  }
  if (out == "-") out = "\\x2d";
  if (out.size() <= kFlagsBytes) return out;
  return "@sha256:" + BlobDigest::of(out).hex();
}

bool redact_flags(std::vector<std::string>& arguments, const SigningKey& key) {
  bool any = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string& argument = arguments[i];
    size_t name_at = argument.npos;
    if (argument.starts_with("-D")) name_at = 2;
    if (argument.starts_with("--")) name_at = 2;
    if (argument.starts_with("-Wp,")) name_at = 4;
    if (i > 0 && (arguments[i - 1] == "-D" || arguments[i - 1] == "-Xpreprocessor")) name_at = 0;
    if (name_at != argument.npos && redact_value(argument, name_at, key)) any = true;
  }
  return any;
}

std::string outputs_digest(std::vector<OutputName> outputs) {
  if (outputs.empty()) return "";
  std::sort(outputs.begin(), outputs.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  std::string text;
  for (const OutputName& output : outputs) {
    text += output.digest + (output.executable ? " x " : " - ");
    append_escaped(text, output.path);
    text += '\n';
  }
  return BlobDigest::of(text).hex();
}

std::string rfc3339_us(int64_t unix_ns) {
  const time_t seconds = unix_ns / 1000000000;
  struct tm utc;
  gmtime_r(&seconds, &utc);
  char text[40];
  const size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(text + length, sizeof text - length, ".%06dZ", static_cast<int>(unix_ns / 1000 % 1000000));
  return text;
}

std::string stdio_digest_of(const BlobDigest& out, const BlobDigest& err) {
  return BlobDigest::of(std::string(out.view()) + std::string(err.view())).hex();
}

}  // namespace hpcc
