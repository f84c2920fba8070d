// Whether a source can see its own path: through __FILE__ and its kin, or through macros that lead there (assert). A
// file named by an absolute path may put that path's length or hash into an object without its text, so such a compile
// must not serve another checkout. Conservative: true when in doubt.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace hpcc {

class PathMacros {
 public:
  // A file of the compile. `observable`: it is named by an absolute path of the project, so its __FILE__ matters; other
  // files only contribute macro definitions.
  enum class Named : uint8_t { kAbsolute, kElsewhere };
  void add_file(std::string_view text, Named named);
  // A macro of the command line, "NAME", "NAME=body" or "NAME(x)=body". Before the files: what it defines for good
  // decides their #ifdef groups (NDEBUG and assert).
  void add_definition(std::string_view definition);
  void add_undefinition(std::string_view name);  // -U

  bool may_see_path();

 private:
  using Names = std::unordered_set<std::string>;
  struct File {
    std::string clean;
    Named named;
  };
  void add_macro(std::string_view line);
  void read_file(const File& file);
  void read_line(std::string_view line, bool observable);
  bool group_is_dead(std::string_view directive);
  void forget_undefined();

  std::vector<File> files_;
  Names undefined_;
  bool follows_groups_ = true;  // no file hides lines that look like directives
  Names defined_;               // by the command line, and undefined or defined anew nowhere
  std::vector<bool> groups_;    // of the file being read: one for each open #if, true while its lines are dead
  std::vector<bool> decided_;   // parallel: whether its condition is known

  std::unordered_map<std::string, std::vector<std::string>> macros_;  // name → identifiers of its bodies
  Names used_;            // identifiers outside of definitions in observable files
  Names defined_pieces_;  // identifiers anywhere in observable files, for pasting
  bool pastes_ = false;   // an observable file has ##
  bool certain_ = false;  // a construct that no macro analysis is needed for
};

}  // namespace hpcc
