#include "client/outputs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "base/fs.h"
#include "base/limits.h"
#include "compiler/depfile.h"
#include "compiler/logical.h"
#include "compiler/object_scan.h"

namespace hpcc {
namespace {

// Stands in a stored dependency list for the root of absolute prerequisites, so that they move along.
constexpr char kRootMark = '\1';
constexpr size_t kTemporaryBytes = 8;  // a shorter name is no mkstemp's, and may stand anywhere

bool holds(std::string_view text, const std::string& path) {
  return !path.empty() && path != "/" && memmem(text.data(), text.size(), path.data(), path.size()) != nullptr;
}

// Text outputs write other bytes of a path in escaped forms, which a search would not find.
bool is_plain(std::string_view path) {
  return std::all_of(path.begin(), path.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("/._+@=,-", c);
  });
}

bool holds_place(std::string_view text, const Place& place) {
  if (!is_plain(place.root) || !is_plain(place.cwd) || !is_plain(place.pwd)) return true;
  if (place.root == "/" || place.cwd == "/") return true;  // nothing to search for: assume the worst
  return holds(text, place.root) || holds(text, place.cwd) || holds(text, place.pwd);
}

// Objects are made anew by assembler and compiler; assembly and side files are written into what is there, through a
// symbolic link and keeping its mode. Clang's compiler renames its output into place; its assembler, when the source is
// assembly, writes into what is there. The GNU assembler removes an old object first, unless that is empty.
enum class Made { kAnew, kAnewUnlessEmpty, kInPlace };
Made how_made(const Invocation& invocation, OutputKind kind) {
  if (kind != OutputKind::kObject) return kind == OutputKind::kDwo ? Made::kAnew : Made::kInPlace;
  bool to_assembly = false, own_assembler = invocation.family == Family::kClang;
  for (const KeyArg& arg : invocation.key_args) {
    if (arg.option == "-S") to_assembly = true;
    if (arg.option == "-fno-integrated-as" || arg.option == "-no-integrated-as") own_assembler = false;
    if (arg.option == "-fintegrated-as" || arg.option == "-integrated-as") own_assembler = true;
  }
  if (to_assembly) return invocation.family == Family::kGcc ? Made::kInPlace : Made::kAnew;
  if (!own_assembler) return Made::kAnewUnlessEmpty;
  const bool assembly =
      invocation.language == Language::kAssembler || invocation.language == Language::kAssemblerWithCpp;
  return assembly ? Made::kInPlace : Made::kAnew;
}

bool written_in_place(const Invocation& invocation, OutputKind kind, const struct stat& old) {
  switch (how_made(invocation, kind)) {
    case Made::kAnew:
      return false;
    case Made::kAnewUnlessEmpty:
      return old.st_size == 0;
    case Made::kInPlace:
      return true;
  }
  return true;
}

class Collector {
 public:
  Collector(const Invocation& invocation, const Place& place, const Observed& observed, Store& store)
      : invocation_(invocation), place_(place), observed_(observed), store_(store) {}

  Collected run(std::string_view out, std::string_view err) {
    if (holds_place(out, place_) || holds_place(err, place_)) bound_ = true;
    refuse_temporaries(out, "messages");
    refuse_temporaries(err, "messages");
    collected_.result.stdout_text = out;
    collected_.result.stderr_text = err;
    for (size_t i = 0; i < invocation_.outputs.size() && collected_.problem == Bypass::kNone; ++i) {
      take(static_cast<uint32_t>(i), invocation_.outputs[i]);
    }
    if (invocation_.leaks_cwd || invocation_.opaque_outputs) bound_ = true;
    if (bound_) collected_.result.bound_place = bound_place_text(place_);
    return std::move(collected_);
  }

 private:
  void refuse(Bypass problem, const std::string& detail) {
    collected_.problem = problem;
    collected_.detail = detail;
  }
  void refuse_temporaries(std::string_view text, const std::string& name) {
    for (const std::string& temporary : observed_.temporaries) {
      if (temporary.size() < kTemporaryBytes || !holds(text, temporary)) continue;
      refuse(Bypass::kVolatileInput, name + " name the temporary file " + temporary);
    }
  }
  void take(uint32_t index, const OutputFile& output);
  std::string take_dep(const std::string& text);

  const Invocation& invocation_;
  const Place& place_;
  const Observed& observed_;
  Store& store_;
  Collected collected_;
  bool bound_ = false;
};

void Collector::take(uint32_t index, const OutputFile& output) {
  const std::string path = join_path(place_.cwd, output.path);
  if (observed_.written_outputs.count(lexically_normal(path)) == 0) {
    if (!output.optional) refuse(Bypass::kOutputMissing, path);
    return;
  }
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd && errno == ENOENT && output.optional) return;
  struct stat info;
  if (!fd || fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return refuse(Bypass::kOutputMissing, path);
  Result<std::string> content = read_fd(fd.get(), limits::kOutputBytes, path);
  if (!content.ok()) return refuse(Bypass::kOutputTooLarge, content.error().to_string());
  std::string data = std::move(content).value();
  refuse_temporaries(data, path);
  if (collected_.problem != Bypass::kNone) return;
  if (output.kind == OutputKind::kDepFile) {
    data = take_dep(data);
  } else {
    if (holds_place(data, place_)) bound_ = true;
    if (output.kind == OutputKind::kObject && !outputs_are_searchable(data)) bound_ = true;
  }
  StoredOutput stored;
  stored.kind = output.kind;
  stored.index = index;
  stored.digest = BlobDigest::of(data);
  stored.size_bytes = data.size();
  // What is written in place has the mode of what was there before, which is not the compiler's doing.
  stored.executable = how_made(invocation_, output.kind) == Made::kAnew && (info.st_mode & S_IXUSR) != 0;
  Status put = store_.put_blob(stored.digest, data);
  if (!put.ok()) return refuse(Bypass::kStoreError, put.error().to_string());
  collected_.bytes += data.size();
  collected_.result.outputs.push_back(stored);
}

// A dependency file that hpcc would write exactly as the compiler did is stored as a list and written anew for each
// command; any other is kept as it is, for commands with the same names only.
std::string Collector::take_dep(const std::string& text) {
  Result<DepFile> dep = decode_depfile(text);
  if (dep.ok()) {
    dep->targets = dep_targets(invocation_);
    if (encode_depfile(*dep, invocation_.family) == text) {
      std::string list = encode_dep_list(*dep, place_);
      const Result<DepFile> again = decode_dep_list(list, place_);
      if (again.ok() && again->prerequisites == dep->prerequisites) return list;  // no name that looks like the mark
    }
  }
  collected_.result.bound_names = bound_names_text(invocation_);
  if (holds_place(text, place_)) bound_ = true;
  return text;
}

// An output until it is committed. It has no name where the file system allows that: a killed daemon leaves nothing.
struct Temporary {
  Fd fd;
  std::string name;  // empty while it has none
  std::string final;
};

// Calls make(name) with names in the directory of `final` until one is free.
template <typename Make>
Status with_fresh_name(const std::string& final, Temporary* temporary, Make make) {
  static std::atomic<uint64_t> serial{0};
  const std::string stem = std::string(directory_of(final)) + "/.hpcc-" + std::to_string(getpid()) + "-";
  for (int attempt = 0; attempt < 16; ++attempt) {
    const std::string name = stem + std::to_string(serial.fetch_add(1)) + ".tmp";
    if (make(name.c_str())) {
      temporary->name = name;
      return {};
    }
    if (errno != EEXIST) return errno_error("create " + name);
  }
  return Error{Code::kIo, "create a temporary file beside " + final, 0};
}

std::string descriptor_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

Result<Temporary> make_temporary(const std::string& final, unsigned mode) {
  static const bool can_be_named_later = access("/proc/self/fd", X_OK) == 0;
  Temporary made;
  made.final = final;
  if (can_be_named_later) {
    made.fd.reset(open(std::string(directory_of(final)).c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, mode));
    if (made.fd) return made;
  }
  TRY(with_fresh_name(final, &made, [&](const char* name) {
    made.fd.reset(open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    return static_cast<bool>(made.fd);
  }));
  return made;
}

// Onto what is there only by rename: at every instant one of the two files has the name.
Status commit(Temporary& temporary) {
  if (temporary.name.empty()) {
    const std::string file = descriptor_path(temporary.fd.get());
    auto link_as = [&](const char* name) {
      return linkat(AT_FDCWD, file.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
    };
    if (link_as(temporary.final.c_str())) return {};
    if (errno != EEXIST) return errno_error("link " + temporary.final);
    TRY(with_fresh_name(temporary.final, &temporary, link_as));
  }
  const std::string& final = temporary.final;
  if (rename(temporary.name.c_str(), final.c_str()) != 0) return errno_error("rename onto " + final);
  temporary.name.clear();
  return {};
}

// A dependency file is stored as a list; or, when it does not read as one, as it is.
bool is_list(const StoredOutput& stored, const CompileResult& result) {
  return stored.kind == OutputKind::kDepFile && result.bound_names.empty();
}

bool is_rendered(const StoredOutput& stored, const CompileResult& result, const Place& place) {
  return stored.kind == OutputKind::kDepFile && (place.image || is_list(stored, result));
}

Result<std::string> output_bytes(const StoredOutput& stored, const CompileResult& result, const Invocation& invocation,
                                 const Place& place, Store& store, const HeldBlobs& held) {
  std::string blob;
  if (const auto found = held.find(stored.digest); found != held.end()) {
    blob = found->second;
  } else {
    TRY_ASSIGN(blob, store.get_blob(stored.digest));
  }
  if (!is_rendered(stored, result, place)) return blob;
  if (!is_list(stored, result)) return from_logical(blob, place.root);
  TRY_ASSIGN(DepFile dep, decode_dep_list(blob, place));
  dep.targets = dep_targets(invocation);
  return encode_depfile(dep, invocation.family);
}

Status write_output(const StoredOutput& stored, const CompileResult& result, const Invocation& invocation,
                    const Place& place, Store& store, const HeldBlobs& held, int fd, const std::string& name) {
  if (!is_rendered(stored, result, place)) {
    const auto found = held.find(stored.digest);
    if (found != held.end()) return write_fd(fd, found->second, name);
    return store.copy_blob_to(stored.digest, stored.size_bytes, fd);
  }
  TRY_ASSIGN(std::string text, output_bytes(stored, result, invocation, place, store, held));
  return write_fd(fd, text, name);
}

bool names_output_of(const StoredOutput& stored, const Invocation& invocation) {
  return stored.index < invocation.outputs.size() && invocation.outputs[stored.index].kind == stored.kind;
}

}  // namespace

std::vector<std::string> dep_targets(const Invocation& invocation) {
  if (!invocation.dep.targets.empty()) return invocation.dep.targets;
  return {default_dep_target(invocation)};
}

std::string encode_dep_list(const DepFile& dep, const Place& place) {
  std::string out(dep.phony ? "P\n" : "-\n");
  const std::string root = quote_for_make(place.root);
  for (const std::string& word : dep.prerequisites) {
    if (place.root != "/" && word.size() > root.size() && word[0] == '/' && is_under(word, root)) {
      out += kRootMark;
      out += std::string_view(word).substr(root.size());
    } else {
      out += word;
    }
    out += '\n';
  }
  return out;
}

Result<DepFile> decode_dep_list(std::string_view text, const Place& place) {
  DepFile dep;
  if (text.size() < 2 || (text[0] != 'P' && text[0] != '-') || text[1] != '\n') {
    return Error{Code::kCorrupt, "stored dependency list: bad head", 0};
  }
  dep.phony = text[0] == 'P';
  text.remove_prefix(2);
  while (!text.empty()) {
    size_t end = text.find('\n');
    if (end == std::string_view::npos) return Error{Code::kCorrupt, "stored dependency list: truncated", 0};
    std::string_view word = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (!word.empty() && word[0] == kRootMark) {
      dep.prerequisites.push_back(quote_for_make(place.root) + std::string(word.substr(1)));
    } else if (!place.image || word.empty() || word[0] != '/' || access(std::string(word).c_str(), F_OK) == 0) {
      dep.prerequisites.emplace_back(word);
    }
  }
  return dep;
}

std::string bound_names_text(const Invocation& invocation) {
  std::string text = invocation.object + "\n" + invocation.dep.path;
  for (const std::string& target : invocation.dep.targets) text += "\n" + target;
  return text;
}

bool outputs_are_ordinary(const Invocation& invocation, const Place& place, std::string* offender) {
  for (const OutputFile& output : invocation.outputs) {
    const std::string path = join_path(place.cwd, output.path);
    struct stat info;
    if (stat(path.c_str(), &info) != 0) {
      if (errno == ENOENT && lstat(path.c_str(), &info) != 0) continue;
    } else if (S_ISREG(info.st_mode)) {
      // Where the compiler writes into the file that is there, other names of it would see that.
      const bool shared = info.st_nlink > 1 || info.st_uid != geteuid() || !(info.st_mode & S_IWUSR);
      if (!written_in_place(invocation, output.kind, info) || !shared) continue;
    }
    *offender = path;
    return false;
  }
  return true;
}

Collected collect_outputs(const Invocation& invocation, const Place& place, const Observed& observed,
                          std::string_view stdout_text, std::string_view stderr_text, Store& store) {
  return Collector(invocation, place, observed, store).run(stdout_text, stderr_text);
}

Result<uint64_t> place_outputs(const CompileResult& result, const Invocation& invocation, const Place& place,
                               unsigned umask, Store& store, const HeldBlobs& held,
                               const std::function<bool()>& caller_waits) {
  std::vector<Temporary> made;
  uint64_t bytes = 0;
  auto fail = [&](Error error) {
    for (const Temporary& temporary : made) {
      if (!temporary.name.empty()) unlink(temporary.name.c_str());
    }
    return error;
  };
  for (const StoredOutput& stored : result.outputs) {
    if (!names_output_of(stored, invocation)) {
      return fail(Error{Code::kCorrupt, "entry names other outputs than the command", 0});
    }
    std::string path = join_path(place.cwd, invocation.outputs[stored.index].path);
    unsigned mode = (stored.executable ? 0777 : 0666) & ~umask;
    struct stat old;
    if (stat(path.c_str(), &old) == 0 && written_in_place(invocation, stored.kind, old)) {
      char real[PATH_MAX];
      if (!realpath(path.c_str(), real)) return fail(errno_error("resolve " + path));
      path = real;
      mode = old.st_mode & 0777;
    }
    Result<Temporary> temporary = make_temporary(path, mode);
    if (!temporary.ok()) return fail(temporary.error());
    made.push_back(std::move(temporary).value());
    Status written = write_output(stored, result, invocation, place, store, held, made.back().fd.get(), path);
    if (!written.ok()) return fail(written.error());
    bytes += stored.size_bytes;
  }
  if (!caller_waits()) return fail(Error{Code::kTimeout, "the launcher has gone", 0});
  // In the order of the command's declared outputs: the object comes last.
  for (Temporary& temporary : made) {
    Status committed = commit(temporary);
    if (!committed.ok()) return fail(committed.error());
  }
  return bytes;
}

Result<std::vector<OutputImage>> stored_images(const CompileResult& result, const Invocation& invocation,
                                               const Place& place, Store& store, const HeldBlobs& held) {
  std::vector<OutputImage> images;
  for (const StoredOutput& stored : result.outputs) {
    if (!names_output_of(stored, invocation)) {
      return Error{Code::kCorrupt, "entry names other outputs than the command", 0};
    }
    TRY_ASSIGN(std::string bytes, output_bytes(stored, result, invocation, place, store, held));
    images.push_back({invocation.outputs[stored.index].path, std::move(bytes), stored.executable});
  }
  return images;
}

std::vector<OutputImage> written_images(const Invocation& invocation, const Place& place,
                                        const std::set<std::string>& written) {
  std::vector<OutputImage> images;
  for (const OutputFile& output : invocation.outputs) {
    const std::string path = join_path(place.cwd, output.path);
    struct stat info;
    if (written.count(lexically_normal(path)) == 0 || stat(path.c_str(), &info) != 0) continue;
    Result<std::string> bytes = read_file(path, limits::kOutputBytes);
    if (bytes.ok()) images.push_back({output.path, std::move(bytes).value(), (info.st_mode & S_IXUSR) != 0});
  }
  return images;
}

}  // namespace hpcc
