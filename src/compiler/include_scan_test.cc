#include "compiler/include_scan.h"

#include <gtest/gtest.h>

#include <map>

namespace hpcc {
namespace {

using Names = std::vector<std::string>;

// A project in memory: path → text. Directories follow from the paths.
class Project {
 public:
  explicit Project(std::map<std::string, std::string> files) : files_(std::move(files)) {}
  void add_directory(const std::string& path) { files_[path + "/"] = ""; }
  void add_link(const std::string& path, const std::string& to = "") {
    links_.insert(path);
    if (!to.empty()) same_[path] = to;
  }

  ScanResult scan(std::vector<std::string> arguments, std::vector<std::string> env = {}, std::string cwd = "") {
    arguments.insert(arguments.begin(), "g++");
    arguments.push_back("-c");
    auto none = [](const std::string& path) -> Result<std::string> { return Error{Code::kNotFound, path, 0}; };
    ParseResult parsed = parse_command(Family::kGcc, arguments, none);
    if (!std::holds_alternative<Invocation>(parsed)) {
      ADD_FAILURE() << std::get<BypassReason>(parsed).detail;
      return {};
    }
    auto keyed = key_environment(Family::kGcc, env, false);
    ScanFiles files;
    files.kind = [this](const std::string& path) { return kind(path); };
    files.is_link = [this](const std::string& path) { return links_.count(path) != 0; };
    files.identity = [this](const std::string& path) { return same_.count(path) != 0 ? same_[path] : path; };
    files.directives = [this](const std::string& path) -> Result<std::shared_ptr<const Directives>> {
      ++reads_;
      return std::make_shared<const Directives>(scan_directives(files_.at(path)));
    };
    return scan_includes(std::get<Invocation>(parsed), std::get<EnvKey>(keyed), {"/p", "", cwd}, files);
  }
  size_t reads() const { return reads_; }

 private:
  EntryKind kind(const std::string& path) {
    if (path.empty()) return EntryKind::kDirectory;
    if (files_.count(path) != 0) return EntryKind::kFile;
    auto below = files_.lower_bound(path + "/");
    const bool directory = below != files_.end() && below->first.starts_with(path + "/");
    return directory ? EntryKind::kDirectory : EntryKind::kAbsent;
  }
  std::map<std::string, std::string> files_;
  std::set<std::string> links_;
  std::map<std::string, std::string> same_;
  size_t reads_ = 0;
};

TEST(IncludeScan, FollowsIncludesAndLeavesTheImagesHeaders) {
  Project project({{"a.cc", "#include \"b.h\"\n#include <vector>\n"},
                   {"b.h", "#include \"sub/c.h\"\n"},
                   {"sub/c.h", "#include \"d.h\"\n"},
                   {"sub/d.h", ""},
                   {"other.h", ""}});
  EXPECT_EQ(project.scan({"a.cc"}).files, (Names{"a.cc", "b.h", "sub/c.h", "sub/d.h"}));
}

TEST(IncludeScan, TakesTheFirstMatchAsTheCompilerDoes) {
  Project project({{"s/a.cc", "#include \"x.h\"\n#include <x.h>\n"}, {"q/x.h", ""}, {"i/x.h", ""}, {"y/x.h", ""}});
  EXPECT_EQ(project.scan({"-Iy", "-iquote", "q", "-Ii", "s/a.cc"}).files, (Names{"q/x.h", "s/a.cc", "y/x.h"}));
  EXPECT_EQ(project.scan({"-isystem", "y", "-Ii", "s/a.cc"}).files, (Names{"i/x.h", "s/a.cc"}));
  EXPECT_EQ(project.scan({"-idirafter", "y", "-isystem", "q", "s/a.cc"}).files, (Names{"q/x.h", "s/a.cc"}));
}

TEST(IncludeScan, IncludeNextMayMeanAny) {
  Project project({{"a.cc", "#include <x.h>\n"}, {"i/x.h", "#include_next <x.h>\n"}, {"j/x.h", ""}, {"k/x.h", ""}});
  EXPECT_EQ(project.scan({"-Ii", "-Ij", "-Ik", "a.cc"}).files, (Names{"a.cc", "i/x.h", "j/x.h", "k/x.h"}));
}

TEST(IncludeScan, ComputedIncludesMeanWhatAnyMacroHolds) {
  Project project({{"a.cc", "#include \"conf.h\"\n#include HDR\n"},
                   {"conf.h", "#define HDR <i1.h>\n"},
                   {"inc/i1.h", "#include OTHER\n"},
                   {"inc/d.h", ""},
                   {"inc/e.h", ""}});
  EXPECT_EQ(project.scan({"-Iinc", "-DOTHER=\"d.h\"", "-DX=e.h", "a.cc"}).files,
            (Names{"a.cc", "conf.h", "inc/d.h", "inc/e.h", "inc/i1.h"}));
}

TEST(IncludeScan, MacrosCostNothingWithoutComputedIncludes) {
  Project project({{"a.cc", "#define NAME \"b.h\"\n"}, {"b.h", ""}});
  EXPECT_EQ(project.scan({"a.cc"}).files, Names{"a.cc"});
}

TEST(IncludeScan, OptionsNameFiles) {
  Project project({{"a.cc", ""}, {"pre.h", "#include \"in/q.h\"\n"}, {"in/q.h", ""}, {"inc/m.h", ""}});
  EXPECT_EQ(project.scan({"-include", "pre.h", "-Iinc", "-imacros", "m.h", "a.cc"}).files,
            (Names{"a.cc", "in/q.h", "inc/m.h", "pre.h"}));
  EXPECT_EQ(project.scan({"-include", "/p/pre.h", "/p/a.cc"}).files, (Names{"a.cc", "in/q.h", "pre.h"}));
}

TEST(IncludeScan, TheEnvironmentNamesDirectories) {
  Project project({{"a.cc", "#include <x.h>\n"}, {"e/x.h", ""}});
  EXPECT_EQ(project.scan({"a.cc"}, {"CPATH=/nowhere:e"}).files, (Names{"a.cc", "e/x.h"}));
  EXPECT_EQ(project.scan({"a.cc"}, {"CPLUS_INCLUDE_PATH=/p/e"}).files, (Names{"a.cc", "e/x.h"}));
  EXPECT_EQ(project.scan({"a.cc"}, {"C_INCLUDE_PATH=/p/e"}).files, Names{"a.cc"});
}

TEST(IncludeScan, WorksBelowTheRoot) {
  Project project({{"src/a.cc", "#include \"../inc/x.h\"\n"}, {"inc/x.h", ""}, {"build/Makefile", ""}});
  ScanResult result = project.scan({"-I../inc", "../src/a.cc"}, {}, "build");
  EXPECT_EQ(result.files, (Names{"inc/x.h", "src/a.cc"}));
  EXPECT_EQ(result.directories, (Names{"build", "inc", "src"}));
}

TEST(IncludeScan, DirectoriesOnTheSearchPathAreWanted) {
  Project project({{"a.cc", "#include <string>\n"}, {"src/string/impl.h", ""}});
  project.add_directory("empty");
  EXPECT_EQ(project.scan({"-Iempty", "-Isrc", "-Iabsent", "a.cc"}).directories, (Names{"empty", "src", "src/string"}));
}

TEST(IncludeScan, AssemblyReadsFilesToo) {
  Project project({{"a.S", "#include \"x.h\"\n.include \"m.inc\"\n.incbin \"d.bin\"\n"},
                   {"x.h", ""},
                   {"inc/m.inc", ".incbin \"e.bin\"\n"},
                   {"d.bin", "#include \"no.h\""},
                   {"inc/e.bin", ""}});
  EXPECT_EQ(project.scan({"-Iinc", "a.S"}).files, (Names{"a.S", "d.bin", "inc/e.bin", "inc/m.inc", "x.h"}));
}

TEST(IncludeScan, PreprocessedSourcesIncludeNothing) {
  Project project({{"a.ii", "#include \"b.h\"\nasm(\".incbin \\\"d.bin\\\"\");"}, {"b.h", ""}, {"d.bin", ""}});
  EXPECT_EQ(project.scan({"a.ii"}).files, (Names{"a.ii", "d.bin"}));
}

TEST(IncludeScan, LinksThatAPlainDirectoryCannotStandForAreRefused) {
  Project project({{"a.cc", "#include \"h.h\"\n"},
                   {"c.cc", "#include S(x)\n"},
                   {"d/h.h", ""},
                   {"link/h.h", ""},
                   {"link/c.cc", "#include S(x)\n"}});
  project.add_link("link", "d");
  EXPECT_EQ(project.scan({"-Ilink", "a.cc"}).problem, Bypass::kNone);
  EXPECT_EQ(project.scan({"-I/p/link/../d", "a.cc"}).problem, Bypass::kOddPath) << "absolute, and out of a link";
  EXPECT_EQ(project.scan({"/p/link/../a.cc"}).problem, Bypass::kOddPath);
  EXPECT_EQ(project.scan({"-I/p/d/../link", "a.cc"}).problem, Bypass::kNone) << "out of no link";
  EXPECT_EQ(project.scan({"-Id", "-Ilink", "a.cc"}).problem, Bypass::kOddPath) << "one directory, two names";
  EXPECT_EQ(project.scan({"-Ilink", "c.cc"}).problem, Bypass::kOddPath) << "any name may be computed";
  EXPECT_EQ(project.scan({"-Id", "c.cc"}).problem, Bypass::kNone);
  EXPECT_TRUE(project.scan({"-Id", "c.cc"}).computed);
}

TEST(IncludeScan, WhatCannotBeStagedIsRefused) {
  Project project({{"a.cc", "#include \"b.h\"\n"}, {"b.h", ""}, {"b.h.gch", ""}, {"l/x.h", ""}});
  project.add_link("l");
  EXPECT_EQ(project.scan({"a.cc"}).problem, Bypass::kPrecompiledHeader);
  EXPECT_EQ(project.scan({"-Il/..", "a.cc"}).problem, Bypass::kOddPath);
  EXPECT_EQ(project.scan({"/elsewhere/a.cc"}).problem, Bypass::kOutsideRoot);
  EXPECT_EQ(project.scan({"../a.cc"}).problem, Bypass::kOutsideRoot);
  EXPECT_EQ(project.scan({"no.cc"}).problem, Bypass::kNoSource);
}

TEST(IncludeScan, PathsOfTheProjectHereAreToldAndProbesForThemRefused) {
  Project project({{"unity.cc", "#include \"/p/a.cc\"\n"},
                   {"a.cc", "#include </elsewhere/b.h>\n#if __has_include(\"/elsewhere/b.h\")\n#endif\n"},
                   {"probe.cc", "#if __has_include(\"/p/x/../none.h\")\n#endif\n"},
                   {"named.cc", "#include HERE\n"},
                   {"probed.cc", "#define IS(x) __has_include(x)\n#if IS(HERE)\n#endif\n"}});
  const ScanResult unity = project.scan({"unity.cc"});
  EXPECT_EQ(unity.problem, Bypass::kNone);
  EXPECT_EQ(unity.absolute, "/p/a.cc");
  EXPECT_EQ(project.scan({"a.cc"}).problem, Bypass::kNone);
  EXPECT_EQ(project.scan({"a.cc"}).absolute, "");
  EXPECT_EQ(project.scan({"probe.cc"}).problem, Bypass::kAbsoluteInclude);
  // What is computed may be data as well; as an include it fails where it is not found.
  EXPECT_EQ(project.scan({"-DHERE=\"/p/a.cc\"", "named.cc"}).problem, Bypass::kNone);
  EXPECT_EQ(project.scan({"-DHERE=\"/p/a.cc\"", "named.cc"}).absolute, "");
  EXPECT_EQ(project.scan({"-DHERE=\"/p/a.cc\"", "probed.cc"}).problem, Bypass::kAbsoluteInclude);
  EXPECT_EQ(project.scan({"-DHERE=/p", "probed.cc"}).problem, Bypass::kAbsoluteInclude);
  EXPECT_EQ(project.scan({"-DHERE=\"/pp/a.cc\"", "probed.cc"}).problem, Bypass::kNone);
}

TEST(IncludeScan, EachFileIsReadOnce) {
  Project project({{"a.cc", "#include \"b.h\"\n#include \"b.h\"\n#include <b.h>\n"}, {"b.h", "#include \"b.h\"\n"}});
  EXPECT_EQ(project.scan({"-I.", "a.cc"}).files.size(), 2u);
  EXPECT_EQ(project.reads(), 2u);
}

}  // namespace
}  // namespace hpcc
