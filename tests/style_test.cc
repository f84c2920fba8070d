// The style rules a machine can check, over every file of the project: include layers (tests/layers), sizes, banned
// words, headers, blanks. Each rule is a function from text to complaints, tested on a planted violation first.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Complaints = std::vector<std::string>;
using Layers = std::map<std::string, std::set<std::string>>;

constexpr size_t kFileLines = 600, kFunctionLines = 70, kColumns = 120, kPythonColumns = 160;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

size_t skip_raw_string(const std::string& text, size_t at) {
  size_t open = text.find('(', at);
  if (open == std::string::npos) return text.size();
  std::string close = ")" + text.substr(at + 2, open - at - 2) + "\"";
  size_t end = text.find(close, open);
  return end == std::string::npos ? text.size() : end + close.size();
}

size_t skip_quoted(const std::string& text, size_t at) {
  char quote = text[at++];
  while (at < text.size() && text[at] != quote && text[at] != '\n') at += text[at] == '\\' ? 2 : 1;
  return std::min(at + 1, text.size());
}

// A quote between digits (1'000) does not open a character.
bool opens_literal(const std::string& text, size_t at) {
  if (text[at] == '"') return true;
  return text[at] == '\'' && (at == 0 || !std::isalnum(static_cast<unsigned char>(text[at - 1])));
}

// End of the comment, literal or (at a line's start) preprocessor directive at `at`; `at` itself if there is none.
size_t skip_non_code(const std::string& text, size_t at, bool line_start) {
  if (text.compare(at, 2, "//") == 0) return std::min(text.find('\n', at), text.size());
  if (text.compare(at, 2, "/*") == 0) return std::min(text.find("*/", at + 2), text.size() - 2) + 2;
  if (text.compare(at, 2, "R\"") == 0) return skip_raw_string(text, at);
  if (opens_literal(text, at)) return skip_quoted(text, at);
  if (!line_start || text[at] != '#') return at;
  while (at < text.size() && text[at] != '\n') at += text[at] == '\\' ? 2 : 1;
  return std::min(at, text.size());
}

// The text with comments, literals and preprocessor lines blanked, line structure kept.
std::string code_only(const std::string& text) {
  std::string out = text;
  bool line_start = true;
  for (size_t at = 0; at < text.size();) {
    size_t end = skip_non_code(text, at, line_start);
    if (end == at) {
      if (text[at] == '\n') line_start = true;
      if (!std::isspace(static_cast<unsigned char>(text[at]))) line_start = false;
      ++at;
      continue;
    }
    for (; at < end; ++at) {
      if (text[at] != '\n') out[at] = ' ';
    }
  }
  return out;
}

enum class Brace { kScope, kFunction, kOther };

// What a '{' opens, by the text since the last ';', '{' or '}'. Only called where functions can stand.
Brace classify(const std::string& head) {
  static const std::regex kType(R"(\b(namespace|class|struct|union|enum|extern)\b)");
  bool parens = head.find('(') != std::string::npos;
  if (!parens && std::regex_search(head, kType)) return Brace::kScope;
  int depth = 0;
  for (char c : head) {
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == '=' && depth == 0 && head.find("operator") == std::string::npos) return Brace::kOther;
  }
  return Brace::kFunction;
}

Complaints check_functions(const std::string& text) {
  struct Open {
    Brace kind;
    size_t line;
  };
  Complaints out;
  std::vector<Open> open;
  std::string head, code = code_only(text);
  size_t line = 1;
  for (char c : code) {
    if (c == '\n') ++line;
    if (c == '{') {
      bool outside = std::all_of(open.begin(), open.end(), [](const Open& o) { return o.kind == Brace::kScope; });
      open.push_back({outside ? classify(head) : Brace::kOther, line});
    } else if (c == '}' && !open.empty()) {
      size_t length = line - open.back().line + 1;
      if (open.back().kind == Brace::kFunction && length > kFunctionLines) {
        std::string where = "line " + std::to_string(open.back().line);
        out.push_back(where + ": function of " + std::to_string(length) + " lines");
      }
      open.pop_back();
    }
    if (c == '{' || c == '}' || c == ';') {
      head.clear();
    } else {
      head += c;
    }
  }
  return out;
}

Layers parse_layers(const std::string& text) {
  Layers layers;
  for (const std::string& line : lines_of(text)) {
    std::istringstream in(line);
    std::string folder;
    if (!(in >> folder) || folder[0] == '#') continue;
    std::set<std::string>& allowed = layers[folder];
    allowed.insert(folder);
    for (std::string name; in >> name;) allowed.insert(name);
  }
  return layers;
}

// `path` is relative to src/: "store/index.cc".
Complaints check_layers(const Layers& layers, const std::string& path, const std::string& text) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s+"([^"]+)")re");
  Complaints out;
  auto own = layers.find(path.substr(0, path.find('/')));
  if (own == layers.end()) return {path + ": folder is not in tests/layers"};
  for (const std::string& line : lines_of(text)) {
    std::smatch match;
    if (!std::regex_search(line, match, kInclude)) continue;
    std::string header = match[1], folder = header.substr(0, header.find('/'));
    bool in_folder = folder != header && own->second.contains(folder);
    if (!in_folder && !own->second.contains(header)) out.push_back("includes " + header + " across layers");
  }
  return out;
}

struct Banned {
  const char* pattern;
  const char* reason;
};
constexpr std::array<Banned, 6> kBannedCode{{{R"(\bthrow\b)", "no exceptions"},
                                             {R"(\bcatch\s*\()", "no exceptions"},
                                             {R"(\busing\s+namespace\s+std\b)", "name what you use"},
                                             {R"(\bv?sprintf\b)", "unbounded"},
                                             {R"(\bstr(cpy|cat)\b)", "unbounded"},
                                             {R"(\bgets\b)", "unbounded"}}};
// The patterns are written so that they do not match their own text here.
constexpr std::array<Banned, 4> kBannedText{{{"\\bTO" R"(DO\b|\bFIX)" "ME\\b", "finish it or write an issue"},
                                             {"\\bpki" "ll\\b|\\bkill" "all\\b", "end only what you started"},
                                             {"/wor" "k/|/far" "m/|\\.lib" "rary/", "path of a build machine"},
                                             {"/ro" "ot/|/ho" "me/[a-z]", "path of a build machine"}}};

template <size_t N>
Complaints check_banned(const std::array<Banned, N>& banned, const std::string& text) {
  Complaints out;
  std::vector<std::string> lines = lines_of(text);
  for (const Banned& entry : banned) {
    std::regex pattern(entry.pattern);
    for (size_t i = 0; i < lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(lines[i], match, pattern)) continue;
      out.push_back("line " + std::to_string(i + 1) + ": " + match.str() + " (" + entry.reason + ")");
    }
  }
  return out;
}

// Columns are code points, not bytes.
size_t columns(const std::string& line) {
  return std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
}

Complaints check_lines(const std::string& text, size_t max_columns) {
  Complaints out;
  std::vector<std::string> lines = lines_of(text);
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string where = "line " + std::to_string(i + 1) + ": ";
    if (columns(lines[i]) > max_columns) out.push_back(where + std::to_string(columns(lines[i])) + " columns");
    if (!lines[i].empty() && (lines[i].back() == ' ' || lines[i].back() == '\t' || lines[i].back() == '\r')) {
      out.push_back(where + "trailing blank");
    }
  }
  if (!text.empty() && text.back() != '\n') out.push_back("no newline at the end");
  return out;
}

Complaints check_size(const std::string& text) {
  size_t count = lines_of(text).size();
  return count > kFileLines ? Complaints{std::to_string(count) + " lines"} : Complaints{};
}

Complaints check_header(const std::string& text) {
  Complaints out;
  if (text.compare(0, 3, "// ") != 0) out.push_back("no top comment");
  if (text.find("\n#pragma once\n") == std::string::npos) out.push_back("no #pragma once");
  return out;
}

bool is_cxx(const fs::path& path) {
  return path.extension() == ".cc" || path.extension() == ".h" || path.extension() == ".c";
}

bool is_script(const fs::path& path) {
  if (path.extension() == ".py" || path.extension() == ".sh" || path.filename() == "CMakeLists.txt") return true;
  return path.extension().empty() && read_file(path).compare(0, 2, "#!") == 0;
}

// Tables are as long as what they list.
bool is_table(const std::string& path) {
  return path.find("/options_") != std::string::npos || path.find("tests/truth/matrix/") == 0 ||
         path == "tests/truth/mutants/mutants.py";
}

Complaints check_file(const Layers& layers, const std::string& path, const std::string& text) {
  Complaints out;
  auto add = [&](const Complaints& more) { out.insert(out.end(), more.begin(), more.end()); };
  bool cxx = is_cxx(path);
  add(check_banned(kBannedText, text));
  const bool prose = path.ends_with(".md") || is_table(path);
  add(check_lines(text, prose ? 100000 : path.ends_with(".py") ? kPythonColumns : kColumns));
  if (!path.ends_with(".md") && !is_table(path)) add(check_size(text));
  if (!cxx) return out;
  add(check_banned(kBannedCode, code_only(text)));
  add(check_functions(text));
  if (path.ends_with(".h")) add(check_header(text));
  if (path.compare(0, 4, "src/") == 0) add(check_layers(layers, path.substr(4), text));
  return out;
}

std::vector<fs::path> project_files(const fs::path& root) {
  std::vector<fs::path> files;
  for (const char* name : {"README.md", "dev", "CMakeLists.txt", ".ci/run"}) {
    if (fs::exists(root / name)) files.push_back(root / name);
  }
  for (const char* folder : {"src", "tests", "bench", "tools", "docs"}) {
    for (auto it = fs::recursive_directory_iterator(root / folder); it != fs::recursive_directory_iterator(); ++it) {
      if (it->path().filename() == "corpus") it.disable_recursion_pending();
      if (!it->is_regular_file()) continue;
      if (is_cxx(it->path()) || it->path().extension() == ".md" || is_script(it->path())) files.push_back(it->path());
    }
  }
  return files;
}

TEST(Style, EveryFileOfTheProjectFollowsTheRules) {
  fs::path root = HPCC_SOURCE_DIR;
  Layers layers = parse_layers(read_file(root / "tests/layers"));
  ASSERT_GE(layers.size(), 7u);
  const std::string architecture = read_file(root / "docs/architecture.md");
  for (const auto& [folder, allowed] : layers) {
    EXPECT_TRUE(std::filesystem::is_directory(root / "src" / folder)) << "tests/layers names " << folder;
    EXPECT_NE(architecture.find("| `" + folder + "/` |"), std::string::npos)
        << "docs/architecture.md lacks " << folder;
  }
  std::vector<fs::path> files = project_files(root);
  ASSERT_GE(files.size(), 20u);
  for (const fs::path& file : files) {
    std::string path = fs::relative(file, root).string();
    for (const std::string& complaint : check_file(layers, path, read_file(file))) {
      ADD_FAILURE() << path << ": " << complaint;
    }
  }
}

TEST(Style, AnIncludeFromAHigherLayerIsFound) {
  Layers layers = parse_layers("base\nstore base\nwire base launcher/frame.h\nlauncher build_id.h\n");
  EXPECT_EQ(check_layers(layers, "base/fd.cc", "#include \"store/store.h\"\n").size(), 1u);
  EXPECT_EQ(check_layers(layers, "launcher/main.cc", "#include \"base/fd.h\"\n").size(), 1u);
  EXPECT_EQ(check_layers(layers, "wire/local.cc", "#include \"launcher/sys.h\"\n").size(), 1u);
  EXPECT_EQ(check_layers(layers, "new/x.cc", "").size(), 1u);
  EXPECT_TRUE(check_layers(layers, "store/store.cc", "#include \"base/fd.h\"\n#include <map>\n").empty());
  EXPECT_TRUE(check_layers(layers, "wire/local.cc", "#include \"launcher/frame.h\"\n").empty());
  EXPECT_TRUE(check_layers(layers, "launcher/main.cc", "#include \"build_id.h\"\n").empty());
}

TEST(Style, ALongFunctionIsFoundAndALongTableIsNot) {
  std::string body(80, '\n');
  EXPECT_EQ(check_functions("namespace a {\nint f(int x = 1) {" + body + "}\n}\n").size(), 1u);
  EXPECT_EQ(check_functions("struct A {\n  A() : b_{1} {" + body + "}\n};\n").size(), 1u);
  EXPECT_EQ(check_functions("TEST(A, B) { if (x) {" + body + "} }\n").size(), 1u);
  EXPECT_TRUE(check_functions("const int kTable[] = {" + body + "};\n").empty());
  EXPECT_TRUE(check_functions("struct A {" + body + "};\n").empty());
  EXPECT_TRUE(check_functions("int f() { return '{' + \"}\"[0]; } // {\n" + body).empty());
}

TEST(Style, BannedWordsAreFoundInCodeOnly) {
  EXPECT_EQ(check_banned(kBannedCode, code_only("void f() { throw 1; }\n")).size(), 1u);
  EXPECT_EQ(check_banned(kBannedCode, code_only("using namespace std;\n")).size(), 1u);
  EXPECT_EQ(check_banned(kBannedCode, code_only("sprintf(a, b); strcpy(a, b);\n")).size(), 2u);
  EXPECT_TRUE(check_banned(kBannedCode, code_only("// throw\nauto s = R\"(strcpy)\"; /* catch ( */\n")).empty());
  EXPECT_EQ(check_banned(kBannedText, std::string("// TO") + "DO: later\n").size(), 1u);
  EXPECT_EQ(check_banned(kBannedText, std::string("pki") + "ll -f hpccd\n").size(), 1u);
  EXPECT_EQ(check_banned(kBannedText, std::string("/wor") + "k/main\n").size(), 1u);
}

TEST(Style, LongLinesAndTrailingBlanksAreFound) {
  EXPECT_EQ(check_lines("a \nb\t\n", kColumns).size(), 2u);
  EXPECT_EQ(check_lines(std::string(121, 'x') + "\n", kColumns).size(), 1u);
  EXPECT_EQ(check_lines("no newline", kColumns).size(), 1u);
  EXPECT_TRUE(check_lines("\xe2\x89\xa4 5\n", 3).empty());
  EXPECT_EQ(check_size(std::string(601, '\n')).size(), 1u);
}

TEST(Style, AHeaderWithoutCommentOrGuardIsFound) {
  EXPECT_EQ(check_header("#include <map>\n").size(), 2u);
  EXPECT_TRUE(check_header("// What it is.\n#pragma once\n").empty());
}

}  // namespace
