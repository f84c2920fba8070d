// The rules of compiler/ against the compilers they were learnt from: which files appear, and that a dependency file
// decodes and encodes to the same bytes. Skipped where gcc 12 or clang 14 is not installed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "compiler/depfile.h"
#include "compiler/object_scan.h"
#include "compiler/parse.h"

namespace hpcc {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A directory with a small source, in which compilers are run.
class Workshop {
 public:
  Workshop() {
    std::string pattern = (fs::temp_directory_path() / "hpcc-truth-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    fs::create_directories(root_ / "sub");
    fs::create_directories(root_ / "o.d");
  }
  ~Workshop() { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) { std::ofstream(root_ / name) << text; }
  std::string read(const std::string& name) const { return contents(root_ / name); }

  int run(const Words& argv) {
    Words words = {"/usr/bin/env", "-C", root_.string(), "LC_ALL=C"};
    words.insert(words.end(), argv.begin(), argv.end());
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    int failed = posix_spawn(&pid, pointers[0], &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    if (failed || waitpid(pid, &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  Words files() const {
    Words names;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (entry.is_regular_file()) names.push_back(fs::relative(entry.path(), root_).string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  fs::path root_;
};

bool installed(const std::string& path) { return access(path.c_str(), X_OK) == 0; }

Invocation parsed(Family family, const Words& argv) {
  ParseResult result = parse_command(family, argv, [](const std::string& path) -> Result<std::string> {
    return Error{Code::kNotFound, path, 0};
  });
  const BypassReason* reason = std::get_if<BypassReason>(&result);
  EXPECT_EQ(reason, nullptr) << reason->detail;
  return reason ? Invocation{} : std::get<Invocation>(std::move(result));
}

// Runs the command; what it leaves behind must be what parse_command declared, and the .d must be as depfile.cc writes
// it.
void expect_truth(Family family, const Words& argv) {
  std::string line;
  for (const std::string& word : argv) line += word + " ";
  SCOPED_TRACE(line);
  Workshop shop;
  const std::string program = "int printf(const char*, ...);\n#include \"h.h\"\nint f(int x) { return x + H; }\n";
  for (const char* name : {"a.c", "sub/b.x.c"}) shop.write(name, program);
  for (const char* name : {"h.h", "sub/h.h"}) shop.write(name, "#define H 1\n");
  Words before = shop.files();
  ASSERT_EQ(shop.run(argv), 0);
  Words appeared;
  Words after = shop.files();
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(appeared));

  Invocation inv = parsed(family, argv);
  Words declared;
  for (const OutputFile& output : inv.outputs) declared.push_back(fs::path(output.path).lexically_normal().string());
  std::sort(declared.begin(), declared.end());
  EXPECT_EQ(declared, appeared);
  EXPECT_TRUE(outputs_are_searchable(shop.read(inv.object)));
  if (!inv.dep.wanted) return;
  const std::string text = shop.read(inv.dep.path);
  Result<DepFile> dep = decode_depfile(text);
  ASSERT_TRUE(dep.ok()) << text;
  EXPECT_EQ(dep->targets, inv.dep.targets);
  EXPECT_EQ(dep->phony, inv.dep.phony_targets);
  EXPECT_EQ(encode_depfile(*dep, family), text);
}

const Words kSideFiles = {"-g", "-gsplit-dwarf", "--coverage", "-fstack-usage"};

Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Truth, SideFilesOfGcc) {
  if (!installed("/usr/bin/gcc-12")) GTEST_SKIP();
  const Words gcc = {"gcc-12"};
  expect_truth(Family::kGcc, gcc + kSideFiles + Words{"-MD", "-MP", "-fcallgraph-info", "-c", "sub/b.x.c"});
  expect_truth(Family::kGcc, gcc + kSideFiles + Words{"-MMD", "-c", "a.c", "-o", "./o.d/q", "-Wa,-al=o.d/lst"});
  expect_truth(Family::kGcc,
               gcc + Words{"-Wp,-MD,o.d/k", "-MP", "-c", "a.c", "-o", "o.d/q.o", "-fsave-optimization-record"});
  expect_truth(Family::kGcc,
               gcc + Words{"-S", "-MD", "-fopt-info-all=o.d/i", "-aux-info", "o.d/p", "--coverage", "a.c"});
}

TEST(Truth, SideFilesOfClang) {
  if (!installed("/usr/bin/clang-14")) GTEST_SKIP();
  const Words clang = {"clang-14"};
  expect_truth(Family::kClang, clang + kSideFiles + Words{"-MD", "-MP", "-c", "sub/b.x.c"});
  expect_truth(Family::kClang,
               clang + kSideFiles + Words{"-MMD", "-c", "a.c", "-o", "./o.d/q", "--serialize-diagnostics", "x"});
  expect_truth(Family::kClang, clang + Words{"-Wp,-MD,o.d/k", "-S", "a.c", "-fsave-optimization-record"});
}

// Long and odd header names, several targets: wrapping and quoting.
void expect_depfile_layout(Family family, const std::string& compiler) {
  Workshop shop;
  std::string program;
  for (int i = 0; i < 40; ++i) {
    std::string name = std::string(static_cast<size_t>(i) % 23, 'x') + (i % 7 == 0 ? " s " : "") +
                       (i % 5 == 0 ? "$" : "") + (i % 11 == 0 ? "#" : "") + (i % 13 == 0 ? "\\ b" : "") +
                       std::to_string(i) + ".h";
    shop.write(name, "\n");
    program += "#include \"" + name + "\"\n";
  }
  shop.write("a.c", program);
  const Words argv = {compiler,
                      "-MMD",
                      "-MP",
                      "-MF",
                      "x.d",
                      "-c",
                      "a.c",
                      "-MT",
                      "one target",
                      "-MQ",
                      "two target$",
                      "-MT",
                      "three",
                      "-MQ",
                      "a#b",
                      "-MT",
                      "some_long_target_name_to_wrap_the_line.o",
                      "-MQ",
                      "./another_long_target_name.o"};
  ASSERT_EQ(shop.run(argv), 0);
  const std::string text = shop.read("x.d");
  Result<DepFile> dep = decode_depfile(text);
  ASSERT_TRUE(dep.ok()) << text;
  EXPECT_EQ(dep->prerequisites.size(), 41u);
  EXPECT_TRUE(dep->phony);
  EXPECT_EQ(encode_depfile(*dep, family), text);
  dep->targets = parsed(family, argv).dep.targets;
  EXPECT_EQ(encode_depfile(*dep, family), text);
}

TEST(Truth, DependencyFileLayoutOfGcc) {
  if (!installed("/usr/bin/gcc-12")) GTEST_SKIP();
  expect_depfile_layout(Family::kGcc, "gcc-12");
}

TEST(Truth, DependencyFileLayoutOfClang) {
  if (!installed("/usr/bin/clang-14")) GTEST_SKIP();
  expect_depfile_layout(Family::kClang, "clang-14");
}

}  // namespace
}  // namespace hpcc
