#include "bench/project.h"

#include <time.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace hpcc::bench {
namespace {

constexpr int kSharedHeaders = 60, kHeadersPerUnit = 12;

std::string text_of(int n) { return std::to_string(n); }

std::string shared_header(int n) {
  std::string text = "#pragma once\n";
  if (n % 5 == 4) text += "#include \"h" + text_of(n - 1) + ".h\"\n";
  for (int i = 0; i < 20; ++i) {
    std::string id = text_of(n) + "_" + text_of(i);
    text += "struct S" + id + " { int a[" + text_of(i + 1) + "]; long b; };\n";
    text += "static inline int f" + id + "(const struct S" + id + "* s) { return s->a[0] + (int)s->b; }\n";
  }
  return text;
}

}  // namespace

void write_file(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string read_file(const std::string& path) {
  std::stringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

void settle() {
  timespec wait{0, 100'000'000};
  nanosleep(&wait, nullptr);
}

std::vector<Unit> write_single_units(const std::string& root) {
  std::string text = "#include <stdarg.h>\n#include <stdbool.h>\n#include <stddef.h>\n";
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
    std::string id = name;
    write_file(root + "/" + id + ".h", "#pragma once\nint " + id + "(int);\n");
    text += "#include \"" + id + ".h\"\nint " + id + "(int x) { return x + 1; }\n";
  }
  write_file(root + "/small.c", text);
  write_file(root + "/iostream.cc", "#include <iostream>\nint main() { std::cout << \"hello\\n\"; }\n");
  write_file(root + "/stdcxx.cc",
             "#include <bits/stdc++.h>\nint main(int argc, char** argv) {\n"
             "  std::map<std::string, std::vector<int>> m;\n"
             "  for (int i = 0; i < argc; ++i) m[argv[i]].push_back(i);\n  std::cout << m.size() << '\\n';\n}\n");
  return {{"small.c", "small.o", false}, {"iostream.cc", "iostream.o", true}, {"stdcxx.cc", "stdcxx.o", true}};
}

std::vector<Unit> write_project(const std::string& root, int count, bool with_cxx) {
  for (int i = 0; i < kSharedHeaders; ++i) write_file(root + "/include/h" + text_of(i) + ".h", shared_header(i));
  std::vector<Unit> units;
  for (int n = 0; n < count; ++n) {
    bool cxx = with_cxx && n % 2 == 1;
    std::string text = cxx ? "#include <string>\n" : "#include <stdio.h>\n";
    int sum = n % kSharedHeaders;
    std::string body;
    for (int k = 0; k < kHeadersPerUnit; ++k) {
      int h = (sum + k * (1 + n % 7)) % kSharedHeaders;
      text += "#include \"h" + text_of(h) + ".h\"\n";
      body += "  { static struct S" + text_of(h) + "_3 s; r += f" + text_of(h) + "_3(&s); }\n";
    }
    text += "int unit" + text_of(n) + "(void) {\n  int r = " + text_of(n) + ";\n" + body + "  return r;\n}\n";
    Unit unit{"src/u" + text_of(n) + (cxx ? ".cc" : ".c"), "u" + text_of(n) + ".o", cxx};
    write_file(root + "/" + unit.source, text);
    units.push_back(unit);
  }
  return units;
}

std::vector<Unit> write_cxx_files(const std::string& root, int count) {
  std::vector<Unit> units;
  for (int n = 0; n < count; ++n) {
    Unit unit{"cxx" + text_of(n) + ".cc", "cxx" + text_of(n) + ".o", true};
    write_file(root + "/" + unit.source,
               "#include <algorithm>\n#include <iostream>\n#include <map>\n#include <string>\n"
               "#include <vector>\n"
               "int unit" + text_of(n) + "(const std::vector<std::string>& in) {\n  std::map<std::string, int> seen;\n"
               "  for (const auto& word : in) seen[word] += " + text_of(n) + ";\n"
               "  std::vector<std::string> sorted(in);\n  std::sort(sorted.begin(), sorted.end());\n"
               "  for (const auto& word : sorted) std::cout << word << seen[word];\n  return 0;\n}\n");
    units.push_back(unit);
  }
  return units;
}

std::vector<Unit> write_tiny_files(const std::string& root, int count) {
  std::vector<Unit> units;
  for (int n = 0; n < count; ++n) {
    Unit unit{"tiny" + text_of(n) + ".c", "tiny" + text_of(n) + ".o", false};
    std::string id = text_of(n);
    write_file(root + "/" + unit.source,
               "#include <stdio.h>\nint tiny" + id + "(int x) { return printf(\"%d\", x + " + id + "); }\n");
    units.push_back(unit);
  }
  return units;
}

}  // namespace hpcc::bench
