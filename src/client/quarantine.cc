#include "client/quarantine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/fs.h"
#include "base/limits.h"

namespace hpcc {
namespace {

constexpr const char kReport[] = "report", kRepeat[] = "repeat", kStored[] = "stored", kCompiled[] = "compiled";
constexpr const char* kParts[] = {kStored, kCompiled};

Status write_new(const std::string& path, std::string_view text) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return errno_error("create " + path);
  return write_fd(fd.get(), text, path);
}

// "0-a.o", "1-a.d": the order of the outputs, and names that cannot collide.
std::string file_name(size_t index, const std::string& path) {
  return std::to_string(index) + "-" + std::string(basename_of(path)).substr(0, 200);
}

size_t size_of(const ResultImage& image) {
  size_t size = image.stdout_text.size() + image.stderr_text.size();
  for (const OutputImage& output : image.outputs) size += output.bytes.size();
  return size;
}

Status write_image(const std::string& dir, const ResultImage& image) {
  if (mkdir(dir.c_str(), 0700) != 0) return errno_error("create " + dir);
  for (size_t i = 0; i < image.outputs.size(); ++i) {
    TRY(write_new(dir + "/" + file_name(i, image.outputs[i].path), image.outputs[i].bytes));
  }
  TRY(write_new(dir + "/stdout", image.stdout_text));
  return write_new(dir + "/stderr", image.stderr_text);
}

bool same_as_kept(const std::string& dir, const ResultImage& image) {
  auto same = [&](const std::string& name, const std::string& text) {
    Result<std::string> kept = read_file(dir + "/" + name, limits::kOutputBytes);
    return kept.ok() && *kept == text;
  };
  for (size_t i = 0; i < image.outputs.size(); ++i) {
    if (!same(file_name(i, image.outputs[i].path), image.outputs[i].bytes)) return false;
  }
  return same("stdout", image.stdout_text) && same("stderr", image.stderr_text);
}

}  // namespace

bool Quarantine::holds(const DirectKey& key) const { return access(path_of(key).c_str(), F_OK) == 0; }

Status Quarantine::add(const DirectKey& key, const std::string& report, const ResultImage& stored,
                       const ResultImage& compiled) {
  TRY(make_directories(dir_, 0700));
  static std::atomic<uint32_t> number = 0;  // two threads may find the same
  const std::string temp =
      dir_ + "/tmp." + std::to_string(getpid()) + "." + std::to_string(number++) + "." + key.hex();
  if (mkdir(temp.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("create " + temp);
  auto fill = [&]() -> Status {
    if (size_of(stored) + size_of(compiled) <= limits::kQuarantinedBytes) {
      TRY(write_image(temp + "/" + kStored, stored));
      TRY(write_image(temp + "/" + kCompiled, compiled));
    }
    TRY(write_new(temp + "/" + kReport, report));
    // Whoever was first has said it; a second report of one key would say the same.
    if (rename(temp.c_str(), path_of(key).c_str()) == 0) return {};
    return errno == ENOTEMPTY || errno == EEXIST ? Status() : errno_error("rename " + temp);
  };
  Status filled = fill();
  (void)remove_tree(temp).ok();
  // No room for the evidence: the mark alone still keeps the key from being served.
  if (!filled.ok() && mkdir(path_of(key).c_str(), 0700) == 0) filled = Status();
  forget_oldest();
  return filled;
}

void Quarantine::note_repeat(const DirectKey& key, const ResultImage& again) {
  const std::string dir = path_of(key), compiled = dir + "/" + kCompiled;
  if (access(compiled.c_str(), F_OK) != 0 || access((dir + "/" + kRepeat).c_str(), F_OK) == 0) return;
  const std::string text =
      same_as_kept(compiled, again)
          ? "compiled once more: the same result as in compiled/. What was stored was wrong: a fault of hpcc, or "
            "something that changed between the two and that hpcc cannot see. Please report it.\n"
          : "compiled once more: a third result. This compile does not give the same bytes twice, so nothing can be "
            "cached of it (with -flto or coverage, -frandom-seed=NAME helps).\n";
  (void)write_new(dir + "/" + kRepeat, text).ok();  // the next compile says it again
}

std::vector<std::pair<std::string, std::string>> Quarantine::find(std::string_view prefix) const {
  std::vector<std::pair<std::string, std::string>> out;
  Result<std::vector<std::string>> names = list_directory(dir_);
  if (!names.ok()) return out;
  for (const std::string& name : *names) {
    if (!name.starts_with(prefix) || name.starts_with("tmp.")) continue;
    const std::string dir = dir_ + "/" + name;
    Result<std::string> report = read_file(dir + "/" + kReport, limits::kQuarantineReportBytes);
    Result<std::string> repeat = read_file(dir + "/" + kRepeat, limits::kQuarantineReportBytes);
    out.emplace_back(name, report.ok() ? *report + (repeat.ok() ? *repeat : "") : "no report could be kept\n");
  }
  return out;
}

Status Quarantine::clear() {
  Result<std::vector<std::string>> names = list_directory(dir_);
  if (!names.ok()) return names.error().code == Code::kNotFound ? Status() : Status(names.error());
  for (const std::string& name : *names) (void)remove_tree(dir_ + "/" + name).ok();
  return rmdir(dir_.c_str()) == 0 ? Status() : Status(errno_error("remove " + dir_));
}

void Quarantine::forget_oldest() {
  Result<std::vector<std::string>> names = list_directory(dir_);
  if (!names.ok()) return;
  std::vector<std::pair<int64_t, std::string>> by_age;
  for (const std::string& name : *names) {
    struct stat info;
    if (lstat((dir_ + "/" + name).c_str(), &info) != 0) continue;
    by_age.emplace_back(info.st_mtim.tv_sec * int64_t{1000000000} + info.st_mtim.tv_nsec, name);
  }
  std::sort(by_age.rbegin(), by_age.rend());
  for (size_t i = limits::kQuarantinedWhole; i < by_age.size(); ++i) {
    const std::string dir = dir_ + "/" + by_age[i].second;
    if (i >= limits::kQuarantined) {
      (void)remove_tree(dir).ok();
      continue;
    }
    const struct timespec keep[2] = {{0, UTIME_OMIT}, {by_age[i].first / 1000000000, by_age[i].first % 1000000000}};
    for (const char* part : kParts) (void)remove_tree(dir + "/" + part).ok();
    utimensat(AT_FDCWD, dir.c_str(), keep, 0);  // removing its parts does not make it younger
  }
}

}  // namespace hpcc
