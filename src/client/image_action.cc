#include "client/image_action.h"

#include <algorithm>

#include "base/fs.h"
#include "compiler/logical.h"
#include "model/probes.h"

namespace hpcc {
namespace {

struct AllowedVariable {
  std::string_view name;
  bool paths;
};
constexpr AllowedVariable kAllowed[] = {
    {"CPATH", true},
    {"CPLUS_INCLUDE_PATH", true},
    {"C_INCLUDE_PATH", true},
    {"SOURCE_DATE_EPOCH", false},
};

bool is_preprocessed_here(Language language) {
  return language == Language::kC || language == Language::kCxx || language == Language::kAssemblerWithCpp;
}

bool has_option(const Invocation& invocation, std::string_view name) {
  return std::any_of(invocation.key_args.begin(), invocation.key_args.end(),
                     [&](const KeyArg& arg) { return std::string_view(arg.option).starts_with(name); });
}

// Options that make the object a function of the command alone. They stand before the user's, which so win.
std::vector<std::string> hermetic_options(const ActionInputs& in) {
  std::vector<std::string> out;
  const Invocation& invocation = in.invocation;
  if (invocation.language == Language::kAssembler) return out;  // read by the assembler alone, which draws nothing
  if (invocation.family == Family::kGcc && !has_option(invocation, "-frandom-seed")) {
    const std::string source = invocation.source[0] == '/' ? invocation.source : in.place.cwd + "/" + invocation.source;
    std::optional<std::string> path = invocation.source[0] == '/' ? project_path(source, in.place) : std::nullopt;
    if (!path) path = lexically_normal("/" + source).substr(1);
    out.push_back("-frandom-seed=" + *path);
  }
  const bool dated = in.date_time == ProjectFile::DateTime::kError && !find_env(in.env, "SOURCE_DATE_EPOCH");
  if (dated && is_preprocessed_here(invocation.language)) out.push_back("-Werror=date-time");
  if (in.coloured) {
    out.push_back(invocation.family == Family::kGcc ? "-fdiagnostics-color=always" : "-fcolor-diagnostics");
  }
  return out;
}

// Whether a protocol buffer's string can hold it: well-formed, no surrogates, no longer than need be (RFC 3629).
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
    const unsigned first = byte(i);
    const size_t more = first < 0x80 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first >= 0x80 && (first < 0xc2 || first > 0xf4)) return false;
    for (size_t k = 1; k <= more; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    }
    const unsigned second = byte(i + 1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return false;
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return false;
    i += more + 1;
  }
  return true;
}

}  // namespace

std::optional<std::string> not_utf8(const ReapiCommand& command, const std::vector<TreeFile>& inputs,
                                    const std::vector<std::string>& directories) {
  for (const auto* words : {&command.arguments, &command.output_paths, &directories}) {
    for (const std::string& word : *words) {
      if (!is_utf8(word)) return word;
    }
  }
  for (const auto& [name, value] : command.environment) {
    if (!is_utf8(value)) return name + "=" + value;
  }
  for (const TreeFile& file : inputs) {
    if (!is_utf8(file.path)) return file.path;
  }
  if (!is_utf8(command.working_directory)) return command.working_directory;
  return std::nullopt;
}

std::vector<std::string> guest_arguments(const ActionInputs& in) {
  std::vector<std::string> out = logical_arguments(in.invocation.family, in.argv, in.place);
  std::vector<std::string> hermetic = hermetic_options(in);
  out.insert(out.begin() + 1, hermetic.begin(), hermetic.end());
  return out;
}

std::vector<std::string> plain_arguments(const std::vector<std::string>& argv, const std::vector<std::string>& roots,
                                         Compiles compiles) {
  std::vector<std::string> out = argv;
  out[0] = basename_of(argv[0]);
  for (const std::string& root : roots) {
    if (compiles == Compiles::kYes) out.insert(out.begin() + 1, "-ffile-prefix-map=" + root + "=" + kLogicalRoot);
  }
  return out;
}

Variables plain_environment(Family family, const std::vector<std::string>& env) {
  static constexpr std::string_view kMore[] = {"COLUMNS",      "COMPILER_PATH",         "GCC_COLORS", "LD_RUN_PATH",
                                               "LIBRARY_PATH", "OBJCPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH"};
  Variables out;
  for (const std::string& entry : env) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    const std::string name = entry.substr(0, equals);
    const auto is_name = [&](const auto& known) { return name == known; };
    const bool guests = std::any_of(std::begin(kAllowed), std::end(kAllowed),
                                    [&](const AllowedVariable& allowed) { return is_name(allowed.name); });
    if (guests || std::any_of(std::begin(kMore), std::end(kMore), is_name) || prevents_caching(family, name)) {
      out.emplace_back(name, entry.substr(equals + 1));
    }
  }
  return out;
}

Variables guest_environment(const std::vector<std::string>& env, const ScanPlace& place) {
  Variables out;
  for (const AllowedVariable& allowed : kAllowed) {
    std::optional<std::string_view> value = find_env(env, allowed.name);
    if (!value) continue;
    out.emplace_back(allowed.name, allowed.paths ? to_logical(*value, place) : std::string(*value));
  }
  return out;
}

ReapiCommand make_command(const ActionInputs& in) {
  ReapiCommand command;
  command.arguments = guest_arguments(in);
  command.environment = guest_environment(in.env, in.place);
  command.working_directory = in.place.cwd;
  for (const OutputFile& output : in.invocation.outputs) {
    command.output_paths.push_back(guest_output_path(output.path, in.place));
  }
  return command;
}

std::string guest_output_path(const std::string& path, const ScanPlace& place) {
  std::optional<std::string> below;
  if (path.starts_with('/')) {
    below = project_path(path, place);
  } else {
    below = lexically_normal("/" + place.cwd + "/" + path).substr(1);
  }
  if (!below) return path;
  // Relative to the working directory, by as few ".." as there need be.
  std::string_view from = place.cwd, to = *below;
  while (!from.empty()) {
    const std::string_view head = from.substr(0, from.find('/'));
    if (!to.starts_with(head) || to.size() <= head.size() || to[head.size()] != '/') break;
    to.remove_prefix(head.size() + 1);
    from.remove_prefix(std::min(from.size(), head.size() + 1));
  }
  std::string out;
  while (!from.empty()) {
    out += "../";
    from.remove_prefix(std::min(from.size(), from.substr(0, from.find('/')).size() + 1));
  }
  return out + std::string(to);
}

std::string make_action(const SizedDigest& command, const SizedDigest& input_root, const std::string& image,
                        bool cacheable) {
  ReapiAction action;
  action.command = command;
  action.input_root = input_root;
  action.do_not_cache = !cacheable;
  action.platform = {{"container-image", image}, {"OSFamily", "linux"}, {"ISA", "x86-64"}};
  return encode_reapi_action(action);
}

std::string describe_action(const ReapiCommand& command, const std::vector<TreeFile>& inputs,
                            const std::vector<std::string>& directories, const std::string& image) {
  std::string text = "image " + image + "\n";
  auto line = [&](const std::string& tag, std::string_view value) {
    text += tag + " ";
    for (char c : value) text += c == '\n' ? std::string("\\n") : std::string(1, c);
    text += '\n';
  };
  for (const std::string& argument : command.arguments) line("option", argument);
  for (const auto& [name, value] : command.environment) line("env", name + "=" + value);
  line("directory", command.working_directory);
  for (const std::string& path : directories) line("folder", path);
  for (const TreeFile& file : inputs) line("file:" + file.path, file.content.digest.hex());
  return text;
}

}  // namespace hpcc
