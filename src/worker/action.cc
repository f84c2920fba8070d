#include "worker/action.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <set>

#include "base/fs.h"
#include "base/limits.h"
#include "compiler/parse.h"

namespace hpcc {
namespace {

constexpr size_t kNameBytes = 255;

Error invalid(const std::string& what) { return {Code::kInvalid, what}; }

bool has_unknown(const google::protobuf::Message& message) {
  const google::protobuf::Reflection* reflection = message.GetReflection();
  if (!reflection->GetUnknownFields(message).empty()) return true;
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      if (has_unknown(reflection->GetMessage(message, field))) return true;
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      if (has_unknown(reflection->GetRepeatedMessage(message, field, i))) return true;
    }
  }
  return false;
}

template <typename Message>
Status parse(std::string_view bytes, size_t limit_bytes, const char* what, Message* out) {
  if (bytes.size() > limit_bytes) return Error{Code::kLimit, std::string(what) + " is too large"};
  if (!out->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return invalid(std::string(what) + " is malformed");
  }
  if (has_unknown(*out)) return invalid(std::string(what) + " has fields that are not known here");
  return {};
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytes && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && !has_nul(name);
}

// "docker://name@sha256:<hex>" or "sha256:<hex>".
Result<ImageDigest> decode_platform(const reapi::Platform& platform) {
  std::string_view image;
  for (const auto& property : platform.properties()) {
    if (property.name() == "container-image") {
      if (!image.empty()) return invalid("container-image is given twice");
      image = property.value();
    } else if (property.name() == "OSFamily") {
      if (property.value() != "linux" && property.value() != "Linux") return invalid("OSFamily must be linux");
    } else if (property.name() == "ISA") {
      if (property.value() != "x86-64") return invalid("ISA must be x86-64");
    } else {
      return invalid("platform property " + property.name().substr(0, 64) + " is not known here");
    }
  }
  if (const size_t at = image.rfind('@'); at != std::string_view::npos && image.starts_with("docker://")) {
    image.remove_prefix(at + 1);
  }
  const auto digest = ImageDigest::from_text(image);
  if (!digest) return invalid("container-image must name an image by its sha256 digest");
  return *digest;
}

Result<uint32_t> decode_timeout(const google::protobuf::Duration& timeout) {
  constexpr int64_t kMaxS = limits::kActionTimeoutMs / 1000;
  if (timeout.seconds() < 0 || timeout.nanos() < 0 || timeout.nanos() > 999'999'999)
    return invalid("malformed timeout");
  if (timeout.seconds() > kMaxS) return invalid("a timeout over " + std::to_string(kMaxS) + " s is refused");
  const int64_t ms = timeout.seconds() * 1000 + (timeout.nanos() + 999'999) / 1'000'000;
  return static_cast<uint32_t>(std::min<int64_t>(ms, limits::kActionTimeoutMs));
}

}  // namespace

bool is_inner_path(std::string_view path) {
  if (path.empty() || path.size() > limits::kPathBytes) return false;
  for (size_t start = 0; start <= path.size();) {
    const size_t slash = std::min(path.find('/', start), path.size());
    if (!is_name(path.substr(start, slash - start))) return false;
    start = slash + 1;
  }
  return true;
}

std::string from_root(std::string_view working_directory, std::string_view path) {
  // An absolute path would replace the directory; a zero byte or nothing at all has no place in either.
  if (path.empty() || path[0] == '/' || path.size() > limits::kPathBytes) return "";
  return lexically_normal(working_directory.empty() ? std::string(path) : join_path(working_directory, path));
}

Result<ActionSpec> decode_action(std::string_view bytes) {
  reapi::Action action;
  TRY(parse(bytes, limits::kActionBytes, "the action", &action));
  ActionSpec spec;
  TRY_ASSIGN(spec.command, decode_digest(action.command_digest()));
  TRY_ASSIGN(spec.input_root, decode_digest(action.input_root_digest()));
  if (action.has_timeout()) {
    TRY_ASSIGN(spec.timeout_ms, decode_timeout(action.timeout()));
  }
  spec.do_not_cache = action.do_not_cache();
  // An empty platform is what Bazel sends beside one in the command.
  spec.has_platform = action.platform().properties_size() != 0;
  if (spec.has_platform) {
    TRY_ASSIGN(spec.image, decode_platform(action.platform()));
  }
  return spec;
}

Result<CommandSpec> decode_command(std::string_view bytes) {
  reapi::Command command;
  TRY(parse(bytes, limits::kCommandBytes, "the command", &command));
  CommandSpec spec;
  if (command.arguments_size() == 0 || command.arguments(0).empty()) return invalid("the command has no arguments");
  for (const std::string& argument : command.arguments()) {
    if (has_nul(argument)) return invalid("an argument holds a zero byte");
    spec.arguments.push_back(argument);
  }
  std::set<std::string_view> names;
  for (const auto& variable : command.environment_variables()) {
    const std::string& name = variable.name();
    if (name.empty() || name.find('=') != std::string::npos || has_nul(name) || has_nul(variable.value())) {
      return invalid("malformed environment variable");
    }
    if (!names.insert(name).second) return invalid("environment variable " + name.substr(0, 64) + " is given twice");
    spec.environment.push_back(name + "=" + variable.value());
  }
  spec.working_directory = command.working_directory();
  if (!spec.working_directory.empty() && !is_inner_path(spec.working_directory)) {
    return invalid("the working directory is not a path inside the root");
  }
  if (command.output_directories_size() != 0) return Error{Code::kUnsupported, "output directories are not supported"};
  const auto& outputs = command.output_paths_size() != 0 ? command.output_paths() : command.output_files();
  if (static_cast<size_t>(outputs.size()) > limits::kActionOutputs) return Error{Code::kLimit, "too many outputs"};
  std::set<std::string> seen;
  for (const std::string& path : outputs) {
    const std::string inner = from_root(spec.working_directory, path);
    if (!is_inner_path(inner)) {
      return invalid("output " + path.substr(0, 256) + " is not a path inside the root");
    }
    if (!seen.insert(inner).second) return invalid("output " + path.substr(0, 256) + " is named twice");
    spec.outputs.push_back(path);
  }
  spec.has_platform = command.platform().properties_size() != 0;
  if (spec.has_platform) {
    TRY_ASSIGN(spec.image, decode_platform(command.platform()));
  }
  return spec;
}

Result<DirectorySpec> decode_directory(std::string_view bytes) {
  reapi::Directory directory;
  TRY(parse(bytes, limits::kDirectoryBytes, "a directory", &directory));
  if (directory.symlinks_size() != 0)
    return Error{Code::kUnsupported, "symbolic links in the input tree are not supported"};
  DirectorySpec spec;
  std::set<std::string_view> names;
  for (const auto& file : directory.files()) {
    if (!is_name(file.name()) || !names.insert(file.name()).second)
      return invalid("malformed or repeated name in a directory");
    TRY_ASSIGN(const SizedDigest blob, decode_digest(file.digest()));
    spec.files.push_back({file.name(), blob, file.is_executable()});
  }
  for (const auto& child : directory.directories()) {
    if (!is_name(child.name()) || !names.insert(child.name()).second)
      return invalid("malformed or repeated name in a directory");
    TRY_ASSIGN(const SizedDigest blob, decode_digest(child.digest()));
    spec.directories.push_back({child.name(), blob});
  }
  return spec;
}

// --- the plan ---

namespace {

// Walks an input tree without recursion.
class TreeWalk {
 public:
  TreeWalk(const PlanBlobs& blobs, std::vector<MissingBlob>* missing, GuestCompile* out)
      : blobs_(blobs), missing_(missing), out_(out) {}

  Status walk(const SizedDigest& root) {
    waiting_.push_back({"", root, 0});
    while (!waiting_.empty()) {
      const Waiting next = std::move(waiting_.back());
      waiting_.pop_back();
      if (++directories_ > limits::kTreeDirectories || next.depth > limits::kTreeDepth) {
        return Error{Code::kLimit, "the input tree is too large or too deep"};
      }
      if (next.digest.size_bytes > limits::kDirectoryBytes) return Error{Code::kLimit, "a directory is too large"};
      auto bytes = blobs_.read(next.digest);
      if (!bytes.ok()) {
        if (bytes.error().code != Code::kNotFound) return std::move(bytes).error();
        note_missing(next.digest);
        continue;
      }
      TRY_ASSIGN(const DirectorySpec spec, decode_directory(*bytes));
      TRY(add(next, spec));
    }
    return {};
  }

 private:
  struct Waiting {
    std::string path;
    SizedDigest digest;
    size_t depth;
  };

  Status add(const Waiting& at, const DirectorySpec& spec) {
    const std::string prefix = at.path.empty() ? "" : at.path + "/";
    for (const auto& file : spec.files) {
      if (prefix.size() + file.name.size() > limits::kPathBytes) return Error{Code::kLimit, "a path is too long"};
      if (out_->inputs.size() >= limits::kTreeFiles) return Error{Code::kLimit, "the input tree has too many files"};
      // In a guest each path has a copy of its own, in whole pages.
      const uint64_t page_bytes = (file.blob.size_bytes + 4095) & ~uint64_t{4095};
      if (page_bytes > limits::kTreeBytes - bytes_) return Error{Code::kLimit, "the input tree has too many bytes"};
      bytes_ += page_bytes;
      out_->inputs.push_back({prefix + file.name, file.blob.digest, file.blob.size_bytes, file.executable});
      if (!blobs_.has(file.blob)) note_missing(file.blob);
    }
    for (const auto& child : spec.directories) {
      if (prefix.size() + child.name.size() > limits::kPathBytes) return Error{Code::kLimit, "a path is too long"};
      waiting_.push_back({prefix + child.name, child.directory, at.depth + 1});
    }
    if (spec.files.empty() && spec.directories.empty() && !at.path.empty()) out_->directories.push_back(at.path);
    return {};
  }

  void note_missing(const SizedDigest& blob) {
    if (!noted_.insert(blob).second) return;
    missing_->push_back({blob.digest.hex(), static_cast<int64_t>(blob.size_bytes)});
  }

  const PlanBlobs& blobs_;
  std::vector<MissingBlob>* missing_;
  GuestCompile* out_;
  std::vector<Waiting> waiting_;
  std::set<SizedDigest> noted_;
  size_t directories_ = 0;
  uint64_t bytes_ = 0;
};

// A blob of the plan; a missing one is noted. One that is too large for its part is not even read.
Result<std::string> read_part(const PlanBlobs& blobs, const SizedDigest& digest, size_t limit_bytes,
                              std::vector<MissingBlob>* missing) {
  if (digest.size_bytes > limit_bytes) return Error{Code::kLimit, "a part of the action is too large"};
  auto bytes = blobs.read(digest);
  if (!bytes.ok() && bytes.error().code == Code::kNotFound) {
    missing->push_back({digest.digest.hex(), static_cast<int64_t>(digest.size_bytes)});
  }
  return bytes;
}

// A path of the command below the root, "" outside of it.
std::string below_root(const GuestCompile& compile, std::string_view path) {
  const std::string root = std::string(kLogicalRoot) + "/";
  const bool is_logical = path.starts_with(root);
  const std::string inner = is_logical ? lexically_normal(path.substr(root.size()))
                                       : from_root(compile.working_directory, path);
  return is_inner_path(inner) ? inner : "";
}

// Says of the row what is compiled into what, when the command is one that the client's parser understands.
void name_files(Plan* plan) {
  const GuestCompile& compile = plan->compile;
  const auto no_files = [](const std::string& path) { return Error{Code::kNotFound, path}; };
  const ParseResult parsed = parse_command(family_by_name(compile.argv[0]), compile.argv, no_files);
  const auto* invocation = std::get_if<Invocation>(&parsed);
  if (invocation == nullptr) return;
  const std::string source = below_root(compile, invocation->source), object = below_root(compile, invocation->object);
  if (!source.empty()) plan->source = std::string(kLogicalRoot) + "/" + source;
  const auto& outputs = compile.outputs;
  if (std::find(outputs.begin(), outputs.end(), object) != outputs.end()) plan->object = object;
}

}  // namespace

Result<Plan> load_plan(const SizedDigest& action, const PlanBlobs& blobs, std::vector<MissingBlob>* missing) {
  Plan plan;
  plan.action = action;
  TRY_ASSIGN(const std::string action_bytes, read_part(blobs, action, limits::kActionBytes, missing));
  // The store's word is not taken for what decides the key.
  if (SizedDigest::of(action_bytes) != action) return Error{Code::kCorrupt, "the action is not what its digest says"};
  TRY_ASSIGN(const ActionSpec spec, decode_action(action_bytes));
  plan.input_root = spec.input_root;
  plan.do_not_cache = spec.do_not_cache;
  if (spec.timeout_ms != 0) plan.compile.limits.wall_ms = spec.timeout_ms;

  auto command_bytes = read_part(blobs, spec.command, limits::kCommandBytes, missing);
  if (!command_bytes.ok() && missing->empty()) return std::move(command_bytes).error();
  TRY(TreeWalk(blobs, missing, &plan.compile).walk(spec.input_root));
  if (!missing->empty()) return Error{Code::kNotFound, std::to_string(missing->size()) + " blobs are missing"};
  TRY_ASSIGN(CommandSpec command, decode_command(*command_bytes));
  if (!spec.has_platform && !command.has_platform) return invalid("no container-image among the platform properties");
  plan.image = spec.has_platform ? spec.image : command.image;
  plan.compile.argv = std::move(command.arguments);
  plan.compile.environment = std::move(command.environment);
  plan.compile.working_directory = std::move(command.working_directory);
  plan.output_names = command.outputs;
  for (const std::string& output : command.outputs) {
    plan.compile.outputs.push_back(from_root(plan.compile.working_directory, output));
  }
  name_files(&plan);
  return plan;
}

}  // namespace hpcc
