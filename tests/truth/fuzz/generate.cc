// The project that a walk begins with.
#include "walk.h"

namespace hpcc::fuzz {
namespace {

constexpr size_t kSnippetsOfHeader = 4, kSnippetsOfSource = 6;

std::string make_file(Source& source, Compiler compiler, size_t snippets, bool header) {
  std::string text;
  if (header && source.rng.chance(40)) text = "#pragma once\n\n";
  for (size_t i = 0; i < snippets; ++i) text += make_snippet(source, compiler, header) + "\n";
  return text;
}

std::string assembler_text(Source& source) {
  const std::string n = std::to_string(source.rng.between(10, 99));
  return "#include \"av.h\"\n\n.data\nstart:\n.long " + n +
         "\n\n.include \"k0.inc\"\n\n.incbin \"blob0.bin\"\n\n#ifdef AV\n.long AV\n#endif\n";
}

void put_data(Source& source, Tree* tree) {
  for (int i = 0; i < 3; ++i) {
    const std::string k = std::to_string(i), n = std::to_string(source.rng.between(10, 99));
    tree->put("data/blob" + k + ".bin", source.inode(), "bytes " + n + " of " + k, source.tick());
    tree->put("data/k" + k + ".inc", source.inode(), ".long " + n + "\n", source.tick());
  }
  tree->put("src/av.h", source.inode(), "#define AV 42\n", source.tick());
  tree->put("tools/as", source.inode(), "#!/bin/sh\nexec /usr/bin/as --defsym wrapped=11 \"$@\"\n", source.tick(),
            0755);
  tree->put_directory("out");
  // Two headers that are one to gcc when their seconds are equal, to clang when their inodes are.
  const std::string twin =
      "#pragma once\n#define GLUE(a, b) a##b\n#define MAKE(n) GLUE(int tw, n);\nMAKE(__COUNTER__)\n";
  tree->put("src/tw1.h", source.inode(), twin, source.tick());
  tree->put("src/tw2.h", source.inode(), twin, source.rng.chance(50) ? source.now_s : source.tick());
}

}  // namespace

State generate_project(Source& source) {
  State state;
  Tree& tree = state.tree;
  Command& command = state.command;
  // clang takes three times as long.
  static constexpr Compiler kCompilers[] = {Compiler::kGcc, Compiler::kGxx, Compiler::kClang, Compiler::kClangxx};
  command.compiler = kCompilers[source.rng.weighted({5, 4, 2, 2})];
  const bool cxx = is_cxx(command.compiler);
  for (const char* name : {"h0.h", "h1.h", "h2.h", "h3.h", "h4.h"}) {
    tree.put(include_directory(source) + "/" + name, source.inode(),
             make_file(source, command.compiler, source.rng.between(2, kSnippetsOfHeader), true), source.tick());
  }
  put_data(source, &tree);
  const std::string extension = cxx ? ".cc" : ".c";
  for (const char* name : {"src/a", "src/b"}) {
    tree.put(name + extension, source.inode(),
             make_file(source, command.compiler, source.rng.between(3, kSnippetsOfSource), false), source.tick());
  }
  tree.put("src/s.S", source.inode(), assembler_text(source), source.tick());
  if (source.rng.chance(50)) tree.put_directory(".git");
  if (source.rng.chance(15)) tree.put(".hpcc", source.inode(), "", source.tick());
  command.source = "src/a" + extension;
  command.output = "out/a.o";
  command.flags = first_flags(source, command.compiler);
  state.what = "a new project";
  return state;
}

}  // namespace hpcc::fuzz
