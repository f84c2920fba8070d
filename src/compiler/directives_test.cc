#include "compiler/directives.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

using Form = Reference::Form;

std::vector<std::string> names(std::string_view text) {
  std::vector<std::string> out;
  for (const Reference& reference : scan_directives(text).references) out.push_back(reference.name);
  return out;
}

using Names = std::vector<std::string>;

TEST(Directives, IncludesAreFoundInEveryForm) {
  Directives found = scan_directives("#include \"a.h\"\n  # include <b.h>\n%:include_next <c.h>\n#import \"d.h\"\n");
  ASSERT_EQ(found.references.size(), 4u);
  EXPECT_EQ(found.references[0], (Reference{Form::kQuote, false, "a.h"}));
  EXPECT_EQ(found.references[1], (Reference{Form::kAngle, false, "b.h"}));
  EXPECT_EQ(found.references[2], (Reference{Form::kAngle, true, "c.h"}));
  EXPECT_EQ(found.references[3], (Reference{Form::kQuote, false, "d.h"}));
  EXPECT_TRUE(found.once);
  EXPECT_FALSE(found.computed);
}

TEST(Directives, TheWordOnceIsSeenHoweverThePragmaIsWritten) {
  EXPECT_TRUE(scan_directives("#pragma once\n").once);
  EXPECT_TRUE(scan_directives("#define P(x) _Pragma(#x)\nP(once)\n").once);
  EXPECT_FALSE(scan_directives("#pragma GCC system_header\n").once);
}

TEST(Directives, CommentsAndStringsHideNothingAndShowNothing) {
  EXPECT_EQ(names("/* #include \"no.h\"\n#include \"no.h\"\n*/\n#include \"yes.h\"\n"), Names{"yes.h"});
  EXPECT_EQ(names("// don't \\\n#include \"no.h\"\n#include \"yes.h\"\n"), Names{"yes.h"});
  EXPECT_EQ(names("const char* s = \"/*\";\n#include \"yes.h\"\n"), Names{"yes.h"});
  EXPECT_EQ(names("int n = 1'000;\n#include \"yes.h\"\n"), Names{"yes.h"});
  EXPECT_EQ(names("auto s = R\"x(\n#include \"no.h\"\n\")x\";\n#include \"yes.h\"\n"), Names{"yes.h"});
  EXPECT_EQ(names("#error don't\n#include \"yes.h\"\n"), Names{"yes.h"});
}

TEST(Directives, SplicesAndCommentsInsideADirectiveAreNone) {
  EXPECT_EQ(names("#inc\\\nlude \"a.h\"\n"), Names{"a.h"});
  EXPECT_EQ(names("/* x */ # /* y */ include /* z */ \"a.h\" // w\n"), Names{"a.h"});
  EXPECT_EQ(names("#include <http//x.h>\n"), Names{"http//x.h"});
}

TEST(Directives, BranchesNotTakenCountToo) {
  EXPECT_EQ(names("#if 0\n#include \"a.h\"\n#else\n#include \"b.h\"\n#endif"), (Names{"a.h", "b.h"}));
}

TEST(Directives, HasIncludeNamesFiles) {
  EXPECT_EQ(names("#if defined(X) && __has_include(<a.h>) || __has_include_next( \"b.h\" )\n"), (Names{"a.h", "b.h"}));
  EXPECT_EQ(names("#define HAVE __has_include(\"c.h\")\n"), Names{"c.h"});
}

TEST(Directives, ComputedIncludesCollectWhatLooksLikeAHeader) {
  Directives found = scan_directives(
      "#define H <dir/x.h>\n#define N 1.5\n#define S \"plain\"\n#define V dir/y.inc\n#define ONE 1\n#include H\n");
  EXPECT_TRUE(found.computed);
  EXPECT_TRUE(found.references.empty());
  EXPECT_EQ(found.header_words, (Names{"dir/x.h", "plain", "dir/y.inc"}));
  EXPECT_EQ(scan_directives("#include STR(sub/z.h)\n").header_words, Names{"sub/z.h"});
}

TEST(Directives, OptionsDefineHeaderNames) {
  Directives out;
  scan_definition("CONFIG_H=\"my/config.h\"", &out);
  scan_definition("PLAIN", &out);
  EXPECT_EQ(out.header_words, Names{"my/config.h"});
}

TEST(Directives, AssemblyNamesFiles) {
  Directives found = scan_directives("asm(\".incbin \\\"data.bin\\\"\\n\");\n.include \"m.inc\"\n.incbin NAME\n");
  ASSERT_EQ(found.references.size(), 2u);
  EXPECT_EQ(found.references[0], (Reference{Form::kData, false, "data.bin"}));
  EXPECT_EQ(found.references[1], (Reference{Form::kAssembly, false, "m.inc"}));
}

TEST(Directives, BrokenTextEndsTheScanAndNothingElse) {
  for (std::string_view text :
       {"#", "#include", "#include \"", "#include <a", "/*", "\"", "R\"(", "#define", "\\", "#\\", "#include \"a\\",
        "'", "%:", ".incbin \"", "#if __has_include(", "//\\", "R\"x"}) {
    Directives found = scan_directives(text);
    EXPECT_TRUE(found.references.empty()) << text;
  }
}

}  // namespace
}  // namespace hpcc
