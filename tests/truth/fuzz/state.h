// State: all that a compile may depend on, as values: a tree of files, a command, and how to get there. A walk is a
// list of States; whatever lies on disk is made from one (disk.h), so that any list of States can be run, shortened and
// written down as a scenario. Thread rule: values.
//
// Texts (contents, flags, variables) may hold @W@, the checkout's root; flags and file names of the command also @R@,
// the root as seen from the working directory ("." or "..").
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hpcc::fuzz {

using Text = std::shared_ptr<const std::string>;

inline Text make_text(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

// What one or more names (hard links) lead to. Inode numbers are a walk's own: the same number in two States is the
// same file edited in place, another number at the same path is a file replaced.
struct Inode {
  Text text;
  unsigned mode = 0644;
  int64_t mtime_s = 0;
};

struct Entry {
  enum class Kind : uint8_t { kFile, kLink, kDirectory };
  Kind kind = Kind::kFile;
  uint32_t inode = 0;
  std::string target;
  bool operator==(const Entry&) const = default;
};

struct Tree {
  std::map<std::string, Entry> entries;  // paths below the root; directories of files are implied
  std::map<uint32_t, Inode> inodes;

  const Inode* file(const std::string& path) const;
  bool has(const std::string& path) const { return entries.count(path) != 0; }
  void put(const std::string& path, uint32_t inode, std::string text, int64_t mtime_s, unsigned mode = 0644);
  void put_link(const std::string& path, std::string target);
  void put_directory(const std::string& path);
  void erase(const std::string& path);  // and its inode with the last name
  std::vector<std::string> files() const;
};

enum class Compiler : uint8_t { kGcc, kGxx, kClang, kClangxx };

inline bool is_clang(Compiler compiler) { return compiler == Compiler::kClang || compiler == Compiler::kClangxx; }
inline bool is_cxx(Compiler compiler) { return compiler == Compiler::kGxx || compiler == Compiler::kClangxx; }
const char* compiler_name(Compiler compiler);

inline constexpr unsigned kRoots = 3;
inline constexpr const char* kRootNames[kRoots] = {"w-one", "w-two", "w-another"};

struct Command {
  Compiler compiler = Compiler::kGcc;
  std::vector<std::string> flags;  // each one option with its value, separated by a blank
  std::string mode = "-c";
  std::string source;     // below the root
  std::string output;     // below the root; "" for the compiler's own choice
  std::string cwd;        // below the root; "" is the root
  bool absolute = false;  // the source is named by its absolute path
  unsigned root = 0;
  unsigned mask = 022;
  std::map<std::string, std::string> env;
  bool operator==(const Command&) const = default;

  std::string up() const { return cwd.empty() ? "." : ".."; }
  std::vector<std::string> argv() const;  // @W@ left in place
  std::string object() const;             // the output below the root
};

struct State {
  Tree tree;
  Command command;
  bool settle = true;   // wait until no timestamp is of the present tick
  bool quiet = false;   // compiled through hpcc only, result not looked at: what precedes a race
  bool alone = false;   // HPCC_DAEMON=0
  int overlap_us = -1;  // >= 0: this state's changes are made so long after hpcc began to compile the one before
  std::string what;     // the mutations, for people
};

std::string expand(std::string_view text, std::string_view root, std::string_view up);

// Equal texts mean: a compiler cannot tell the two states apart. Holds the identity of equal files, not their times.
std::string digest(const State& state);

// One thing that differs between two states, and the words by which it may be named.
struct Change {
  std::string what;
  std::vector<std::string> names;
};
std::vector<Change> differences(const State& before, const State& now);

}  // namespace hpcc::fuzz
