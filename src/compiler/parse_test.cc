#include "compiler/parse.h"

#include <gtest/gtest.h>

#include <sstream>

namespace hpcc {
namespace {

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

ParseResult parse(const std::string& line) {
  std::vector<std::string> argv = words_of(line);
  Family family = argv[0].find("clang") != std::string::npos ? Family::kClang : Family::kGcc;
  return parse_command(family, argv, [](const std::string& path) -> Result<std::string> {
    return Error{Code::kNotFound, path, 0};
  });
}

Invocation parsed(const std::string& line) {
  ParseResult result = parse(line);
  const BypassReason* reason = std::get_if<BypassReason>(&result);
  EXPECT_EQ(reason, nullptr) << line << ": " << bypass_name(reason->reason) << " " << reason->detail;
  return reason ? Invocation{} : std::get<Invocation>(result);
}

Bypass bypass_of(const std::string& line) {
  ParseResult result = parse(line);
  const BypassReason* reason = std::get_if<BypassReason>(&result);
  return reason ? reason->reason : Bypass::kNone;
}

// "option=value (path)" words, without those every command has.
std::vector<std::string> keys(const std::string& line) {
  std::vector<std::string> out;
  for (const KeyArg& arg : parsed(line).key_args) {
    if (arg.option == "driver" || arg.option == "source" || arg.option == "language" || arg.option == "-c") continue;
    std::string text = arg.option;
    if (arg.has_value) text += "|" + arg.value;
    if (arg.role == KeyRole::kPath) text += "|path";
    if (arg.role == KeyRole::kPrefixMap) text += "|map";
    out.push_back(text);
  }
  return out;
}

bool same_key(const std::string& a, const std::string& b) { return parsed(a).key_args == parsed(b).key_args; }

std::vector<std::string> outputs(const std::string& line) {
  std::vector<std::string> out;
  for (const OutputFile& output : parsed(line).outputs) out.push_back(output.path);
  return out;
}

using Words = std::vector<std::string>;

TEST(Parse, AnOrdinaryCompile) {
  Invocation inv = parsed("g++-12 -O2 -Wall -Iinc -DX -MD -MF d/f.d -c src/a.cc -o out/a.o");
  EXPECT_EQ(inv.source, "src/a.cc");
  EXPECT_EQ(inv.language, Language::kCxx);
  EXPECT_EQ(inv.object, "out/a.o");
  ASSERT_EQ(inv.outputs.size(), 2u);
  EXPECT_EQ(inv.outputs[0].kind, OutputKind::kDepFile);
  EXPECT_EQ(inv.outputs[0].path, "d/f.d");
  EXPECT_EQ(inv.outputs[1].kind, OutputKind::kObject);
  EXPECT_TRUE(inv.dep.wanted);
  EXPECT_FALSE(inv.dep.user_headers_only);
  EXPECT_EQ(inv.dep.targets, Words{"out/a.o"});
  EXPECT_FALSE(inv.leaks_output_name || inv.leaks_cwd || inv.opaque_outputs || inv.native_cpu || inv.has_prefix_map);
}

TEST(Parse, TheKeyHoldsDriverSourceAndLanguage) {
  std::vector<KeyArg> args = parsed("/usr/bin/g++-12 -c /p/a.c").key_args;
  EXPECT_EQ(args[0], (KeyArg{"driver", "g++-12", KeyRole::kText, true}));
  EXPECT_EQ(args[2], (KeyArg{"source", "/p/a.c", KeyRole::kPath, true}));
  EXPECT_EQ(args[3], (KeyArg{"language", "c++", KeyRole::kText, true}));
}

TEST(Parse, OutputDependencyAndColourNamesAreNotKeyed) {
  EXPECT_TRUE(same_key("gcc -MD -c a.c -o x.o", "gcc -MD -c a.c -o y.o -MF z.d -MT t -MQ u"));
  EXPECT_TRUE(same_key("gcc -c a.c", "gcc -c a.c -fdiagnostics-color=always"));
  EXPECT_TRUE(same_key("clang -c a.c", "clang -c a.c -fcolor-diagnostics"));
}

TEST(Parse, WhatChangesAnObjectIsKeyed) {
  EXPECT_FALSE(same_key("gcc -c a.c", "gcc -c a.c -g"));
  EXPECT_FALSE(same_key("gcc -c a.c", "gcc -c a.c -O"));
  EXPECT_FALSE(same_key("gcc -c a.c -DX", "gcc -c a.c -DX="));
  EXPECT_FALSE(same_key("gcc -c a.c -DX -UX", "gcc -c a.c -UX -DX"));
  EXPECT_FALSE(same_key("gcc -c a.c -Ia -Ib", "gcc -c a.c -Ib -Ia"));
  EXPECT_FALSE(same_key("gcc -c a.c -MD", "gcc -c a.c -MMD"));
  EXPECT_FALSE(same_key("gcc -c a.c -MD", "gcc -c a.c -MD -MP"));
  EXPECT_FALSE(same_key("gcc -c a.c", "gcc -S a.c"));
  EXPECT_FALSE(same_key("gcc -c a.c", "g++ -c a.c"));
  EXPECT_FALSE(same_key("gcc -c a.c -I a", "gcc -c a.c -isystem a"));
  EXPECT_FALSE(same_key("gcc -c a.c -fno-common", "gcc -c a.c -fcommon"));
}

TEST(Parse, JoinedAndSeparateSpellingsAreOne) {
  EXPECT_TRUE(same_key("gcc -I inc -D X=1 -include h.h -c a.c", "gcc -Iinc -DX=1 -includeh.h -c a.c"));
  EXPECT_EQ(keys("gcc -I inc -isystem /s -c a.c"), (Words{"-I|inc|path", "-isystem|/s|path"}));
}

TEST(Parse, ALeakingCommandLineKeepsItsSpelling) {
  const std::string clang = "clang -frecord-command-line -c a.c ";
  EXPECT_FALSE(same_key(clang + "-o x.o", clang + "-o y.o"));
  EXPECT_FALSE(same_key(clang + "-I x", clang + "-Ix"));
  EXPECT_FALSE(same_key(clang, clang + "-fcolor-diagnostics"));
  EXPECT_TRUE(parsed(clang).leaks_output_name);
  EXPECT_FALSE(same_key("gcc --coverage -c a.c -o x.o", "gcc --coverage -c a.c -o y.o"));
  EXPECT_FALSE(same_key("gcc -g -gsplit-dwarf -c a.c -o x.o", "gcc -g -gsplit-dwarf -c a.c -o y.o"));
}

TEST(Parse, EffectsOfOptions) {
  EXPECT_TRUE(parsed("gcc -march=native -c a.c").native_cpu);
  EXPECT_TRUE(parsed("clang -mcpu=native -c a.c").native_cpu);
  EXPECT_FALSE(parsed("gcc -march=x86-64 -c a.c").native_cpu);
  EXPECT_TRUE(parsed("gcc -flto -c a.c").opaque_outputs);
  EXPECT_FALSE(parsed("gcc -fno-lto -c a.c").opaque_outputs);
  EXPECT_TRUE(parsed("gcc -g -gz -c a.c").opaque_outputs);
  EXPECT_TRUE(parsed("gcc -g -Wa,--compress-debug-sections -c a.c").opaque_outputs);
  EXPECT_TRUE(parsed("gcc --coverage -c a.c").leaks_cwd);
  EXPECT_TRUE(parsed("clang -fcoverage-mapping -fprofile-instr-generate -c a.c").opaque_outputs);
  EXPECT_TRUE(parsed("gcc -ffile-prefix-map=/a=/b -c a.c").has_prefix_map);
  EXPECT_EQ(keys("gcc -ffile-prefix-map=/a=/b -c a.c"), Words{"-ffile-prefix-map=|/a=/b|map"});
  EXPECT_EQ(parsed("gcc -include x.h -fplugin=p.so -c a.c").read_files, (Words{"x.h", "p.so"}));
  // Without a path the profile is looked for under the object's name.
  EXPECT_TRUE(parsed("gcc -fprofile-use -c a.c").leaks_output_name);
}

TEST(Parse, Colour) {
  using Colour = Invocation::Colour;
  EXPECT_EQ(parsed("gcc -c a.c").colour, Colour::kAuto);
  EXPECT_EQ(parsed("gcc -fdiagnostics-color -c a.c").colour, Colour::kAlways);
  EXPECT_EQ(parsed("gcc -fdiagnostics-color=always -fdiagnostics-color=auto -c a.c").colour, Colour::kAuto);
  EXPECT_EQ(parsed("clang -fno-color-diagnostics -c a.c").colour, Colour::kNever);
  EXPECT_EQ(parsed("gcc -fdiagnostics-plain-output -c a.c").colour, Colour::kNever);
  EXPECT_FALSE(same_key("gcc -fdiagnostics-plain-output -c a.c", "gcc -c a.c")) << "it enters DW_AT_producer";
  EXPECT_EQ(bypass_of("gcc -fdiagnostics-color=blue -c a.c"), Bypass::kUnsupportedOption);
}

TEST(Parse, ObjectsWithoutAName) {
  EXPECT_EQ(parsed("gcc -c sub/a.x.c").object, "a.x.o");
  EXPECT_EQ(parsed("gcc -S sub/a.c").object, "a.s");
  EXPECT_EQ(parsed("gcc -c -S sub/a.c").object, "a.s");
  EXPECT_EQ(parsed("gcc -fsyntax-only a.c").object, "");
  EXPECT_EQ(outputs("gcc -fsyntax-only -MD a.c"), Words{"a.d"});
}

TEST(Parse, SideFilesAreNamedAfterTheObject) {
  const std::string all = " -MD -g -gsplit-dwarf --coverage -fstack-usage ";
  EXPECT_EQ(outputs("gcc -c sub/b.x.c" + all), (Words{"b.x.d", "b.x.dwo", "b.x.gcno", "b.x.su", "b.x.o"}));
  EXPECT_EQ(outputs("clang -c b.c -o o.d/b.c.o" + all),
            (Words{"o.d/b.c.d", "o.d/b.c.dwo", "o.d/b.c.gcno", "o.d/b.c.su", "o.d/b.c.o"}));
  EXPECT_EQ(outputs("gcc -c b.c -o o.d/q" + all), (Words{"o.d/q.d", "o.d/q.dwo", "o.d/q.gcno", "o.d/q.su", "o.d/q"}));
  EXPECT_EQ(outputs("gcc -S b.c -o q.s" + all), (Words{"q.d", "q.gcno", "q.su", "q.s"}));
  EXPECT_EQ(outputs("gcc -c as.s" + all), (Words{"as.dwo", "as.o"}));
  EXPECT_EQ(bypass_of("clang -S -gsplit-dwarf b.c"), Bypass::kUnsupportedOption);
  EXPECT_EQ(bypass_of("gcc -fsyntax-only -fstack-usage b.c"), Bypass::kUnsupportedOption);
}

TEST(Parse, SideFilesThatAreNamedByTheirOption) {
  EXPECT_EQ(outputs("gcc -fcallgraph-info=su -c b.c"), (Words{"b.ci", "b.o"}));
  EXPECT_EQ(outputs("gcc -fsave-optimization-record -c b.cc -o x/q.o"), (Words{"x/q.cc.opt-record.json.gz", "x/q.o"}));
  EXPECT_EQ(outputs("clang -fsave-optimization-record -c b.c -o x/q.o"), (Words{"x/q.opt.yaml", "x/q.o"}));
  EXPECT_EQ(outputs("clang -foptimization-record-file=r -c b.c"), (Words{"r", "b.o"}));
  EXPECT_EQ(bypass_of("clang -fsave-optimization-record -c b.x.c"), Bypass::kUnsupportedOption);
  EXPECT_EQ(bypass_of("clang -fsave-optimization-record=bitstream -c b.c"), Bypass::kUnsupportedOption);
  EXPECT_EQ(outputs("gcc -fopt-info-vec=i -c b.c"), (Words{"i", "b.o"}));
  EXPECT_EQ(outputs("gcc -fopt-info -c b.c"), Words{"b.o"});
  EXPECT_EQ(bypass_of("gcc -fopt-info-vec=a -fopt-info-loop=b -c b.c"), Bypass::kUnsupportedOption);
  EXPECT_EQ(outputs("gcc -aux-info p -c b.c"), (Words{"p", "b.o"}));
  EXPECT_EQ(outputs("clang --serialize-diagnostics x.dia -c b.c"), (Words{"x.dia", "b.o"}));
  EXPECT_EQ(outputs("gcc -Wa,-alh=lst,-L -c b.c"), (Words{"lst", "b.o"}));
  EXPECT_EQ(bypass_of("gcc -Wa,-a -c b.c"), Bypass::kUnsupportedOption);
  EXPECT_EQ(bypass_of("gcc -Wa,-ag=x -c b.c"), Bypass::kUnsupportedOption);
}

TEST(Parse, DependencyTargetsAsEachFamilyWritesThem) {
  EXPECT_EQ(parsed("gcc -MD -c a.c -o ./x/a.o").dep.targets, Words{"x/a.o"});
  EXPECT_EQ(parsed("clang -MD -c a.c -o ./x/a.o").dep.targets, Words{"./x/a.o"});
  EXPECT_EQ(parsed("gcc -S -MD a.c").dep.targets, Words{"a.o"});
  EXPECT_EQ(parsed("gcc -S -MD a.c -o a.s").dep.targets, Words{"a.s"});
  EXPECT_EQ(parsed("gcc -MD -MQ b$c -MT foo -MT ./bar -c a.c").dep.targets, (Words{"foo", "bar", "b$$c"}));
  EXPECT_EQ(parsed("clang -MD -MQ b$c -MT foo -MT ./bar -c a.c").dep.targets, (Words{"b$$c", "foo", "./bar"}));
  EXPECT_EQ(parsed("gcc -MD -MQ x -MQ y -MT z -c a.c").dep.targets, (Words{"z", "x", "y"}));
  EXPECT_EQ(bypass_of("gcc -MD -MTx: -c a.c"), Bypass::kUnsupportedOption);
}

TEST(Parse, DependencyOptionsHandedToThePreprocessor) {
  Invocation gcc = parsed("gcc -Wp,-MMD,d/.a.o.d -c src/a.c -o out/b.o");
  EXPECT_EQ(gcc.dep.path, "d/.a.o.d");
  EXPECT_EQ(gcc.dep.targets, Words{"a.o"}) << "cc1 is not told of -o";
  EXPECT_TRUE(gcc.dep.user_headers_only);
  EXPECT_EQ(parsed("clang -Wp,-MD,x.d -c src/a.c -o out/b.o").dep.targets, Words{"out/b.o"});
  EXPECT_TRUE(same_key("gcc -Wp,-MD,x.d -c a.c", "gcc -Wp,-MD,y.d -c a.c"));
  EXPECT_FALSE(same_key("gcc -Wp,-MD,x.d -c a.c", "gcc -Wp,-MMD,x.d -c a.c"));
  for (const char* line :
       {"gcc -Wp,-MD,x.d -MD -c a.c", "clang -Wp,-MD,x.d -MF y.d -c a.c", "gcc -Wp,-MD,x.d,-MT,t -c a.c",
        "gcc -Wp,-MD -c a.c", "gcc -MF x.d -c a.c", "clang -MT x -c a.c"}) {
    EXPECT_NE(bypass_of(line), Bypass::kNone) << line;
  }
}

TEST(Parse, SourcesThatAreNotPreprocessedGetNoDependencyFile) {
  EXPECT_FALSE(parsed("gcc -MD -MF x.d -c a.s").dep.wanted);
  EXPECT_FALSE(parsed("gcc -MD -c a.i").dep.wanted);
  EXPECT_TRUE(parsed("gcc -MD -c a.S").dep.wanted);
  // clang names the unused options in a warning.
  EXPECT_FALSE(same_key("clang -MD -MF x.d -c a.s", "clang -MD -MF y.d -c a.s"));
  EXPECT_FALSE(same_key("clang -I x -c a.s", "clang -Ix -c a.s"));
}

TEST(Parse, Languages) {
  EXPECT_EQ(parsed("gcc -c a.C").language, Language::kCxx);
  EXPECT_EQ(parsed("g++ -c a.c").language, Language::kCxx);
  EXPECT_EQ(parsed("g++ -c a.i").language, Language::kPreprocessedCxx);
  EXPECT_EQ(parsed("gcc -c a.S").language, Language::kAssemblerWithCpp);
  EXPECT_EQ(parsed("gcc -x c -c a.txt").language, Language::kC);
  EXPECT_EQ(parsed("gcc -xc++ -c a").language, Language::kCxx);
  EXPECT_EQ(parsed("gcc -x c++ -x none -c a.c").language, Language::kC);
  EXPECT_EQ(parsed("gcc -c a.c -x c++").language, Language::kC) << "-x counts for what follows";
  for (const char* line : {"gcc -c a.f90", "gcc -c a.m", "gcc -c h.h", "gcc -x c++-header h.h -c", "gcc -x go -c a.go",
                           "gcc -c a", "gcc -c .c", "gcc -c a.o"}) {
    EXPECT_EQ(bypass_of(line), Bypass::kUnsupportedLanguage) << line;
  }
}

TEST(Parse, WhatIsNoCompileOfOneSource) {
  EXPECT_EQ(bypass_of("gcc --version"), Bypass::kNoSource);
  EXPECT_EQ(bypass_of("gcc -v"), Bypass::kNoSource);
  EXPECT_EQ(bypass_of("gcc -c"), Bypass::kNoSource);
  EXPECT_EQ(bypass_of("gcc -print-file-name=x"), Bypass::kNoSource);
  EXPECT_EQ(bypass_of("gcc -E a.c"), Bypass::kPreprocess);
  EXPECT_EQ(bypass_of("gcc -M -c a.c"), Bypass::kPreprocess);
  EXPECT_EQ(bypass_of("gcc -c a.c b.c"), Bypass::kSeveralSources);
  EXPECT_EQ(bypass_of("gcc -c a.c b.o"), Bypass::kSeveralSources);
  EXPECT_EQ(bypass_of("gcc -x c -c -"), Bypass::kStdin);
  EXPECT_EQ(bypass_of("gcc -c a.c -o"), Bypass::kBadCommand);
  EXPECT_EQ(bypass_of("gcc -c a.c -o -"), Bypass::kOutputStdout);
  EXPECT_EQ(bypass_of("gcc -c a.c -MD -MF -"), Bypass::kOutputStdout);
  EXPECT_EQ(bypass_of("gcc -c a.c -o /dev/null"), Bypass::kOutputSpecial);
  EXPECT_EQ(bypass_of("gcc -c a.c -o x -MD -MF x"), Bypass::kUnsupportedOption);
  EXPECT_EQ(bypass_of("gcc -c a.c -o x.o -o y.o"), Bypass::kUnsupportedOption);
  EXPECT_EQ(bypass_of("clang -c -- a.c"), Bypass::kNone);
}

TEST(Parse, ALinkListsItsInputs) {
  ParseResult result = parse("gcc -O2 a.o -Llib -lm -l z sub/b.c -Wl,-x -fwhatever -o prog");
  const BypassReason& link = std::get<BypassReason>(result);
  EXPECT_EQ(link.reason, Bypass::kLink);
  EXPECT_EQ(link.link_inputs, (Words{"a.o", "-lm", "-lz", "sub/b.c"}));
  EXPECT_EQ(link.link_output, "prog");
  EXPECT_EQ(link.detail, "sub/b.c") << "it compiles, too";
  EXPECT_EQ(std::get<BypassReason>(parse("gcc a.o")).link_output, "a.out");
  EXPECT_EQ(std::get<BypassReason>(parse("gcc a.o -lm")).detail, "");
}

TEST(Parse, UnknownAndUnsupportedOptions) {
  for (const char* option : {"-fwhatever", "-mwhatever", "--whatever", "-Wa,--whatever", "-Wp,-whatever", "-Zx",
                             "-Xassembler -whatever", "-Xpreprocessor -MD"}) {
    EXPECT_EQ(bypass_of("gcc -c a.c " + std::string(option)), Bypass::kUnknownOption) << option;
  }
  for (const char* option : {"-save-temps", "-save-temps=obj", "-fdump-tree-all", "-wrapper x", "-time", "-v", "-H",
                             "-fmodules-ts", "-fdiagnostics-format=sarif-file", "-dumpbase x", "-fcompare-debug",
                             "-Wa,-g", "-finput-charset=UTF-16", "-fdeps-file=x"}) {
    EXPECT_EQ(bypass_of("gcc -c a.c " + std::string(option)), Bypass::kUnsupportedOption) << option;
  }
  for (const char* option : {"-ftime-trace", "-MJ x", "--analyze", "-fmodules", "-emit-llvm", "--config x", "-gmodules",
                             "-Xclang -include-pch -Xclang x", "-ivfsoverlay x", "-working-directory x", "-arch x"}) {
    EXPECT_EQ(bypass_of("clang -c a.c " + std::string(option)), Bypass::kUnsupportedOption) << option;
  }
  EXPECT_EQ(bypass_of("clang -c a.c -Xclang -ast-dump"), Bypass::kUnknownOption);
  EXPECT_EQ(bypass_of("clang -c a.c -mllvm -stats"), Bypass::kUnknownOption);
}

TEST(Parse, OptionsPassedOn) {
  EXPECT_EQ(keys("gcc -c a.c -Wa,--noexecstack,-I,inc -Xassembler --fatal-warnings"),
            (Words{"-Wa,|--noexecstack,-I,inc", "-Xassembler|--fatal-warnings"}));
  EXPECT_EQ(keys("gcc -c a.c -Wp,-D_FORTIFY_SOURCE=2,-UX"), Words{"-Wp,|-D_FORTIFY_SOURCE=2,-UX"});
  EXPECT_EQ(bypass_of("gcc -c a.c -Wa,--defsym"), Bypass::kUnsupportedOption);
  EXPECT_EQ(bypass_of("gcc -c a.c -Wa,-o,x"), Bypass::kUnknownOption);
  EXPECT_EQ(bypass_of("gcc -c a.c -Wa,--MD,x"), Bypass::kUnknownOption);
  EXPECT_EQ(keys("clang -c a.c -Xclang -include -Xclang x.h -mllvm -asan-stack=0"),
            (Words{"-Xclang|-include", "-Xclang|x.h|path", "-mllvm|-asan-stack=0"}));
  EXPECT_EQ(bypass_of("gcc -c a.S -Wa,-gdwarf-2"), Bypass::kNone);
}

// Command lines as build systems write them.
TEST(Parse, RealCommandLinesAreCacheable) {
  for (const char* line : {
           "/usr/bin/c++ -DFOO=1 -Dbar_EXPORTS -I/p/include -isystem /p/ext -O3 -DNDEBUG -std=gnu++17 -fPIC "
           "-fvisibility=hidden -fvisibility-inlines-hidden -MD -MT CMakeFiles/x.dir/a.cc.o -MF "
           "CMakeFiles/x.dir/a.cc.o.d "
           "-o CMakeFiles/x.dir/a.cc.o -c /p/a.cc",
           "gcc -DHAVE_CONFIG_H -I. -I.. -Wdate-time -D_FORTIFY_SOURCE=2 -g -O2 -ffile-prefix-map=/b=. "
           "-fstack-protector-strong -Wformat -Werror=format-security -fcf-protection -MT lib/a.lo -MD -MP -MF "
           "lib/.deps/a.Tpo -c lib/a.c -fPIC -DPIC -o lib/.libs/a.o",
           "gcc -Wp,-MMD,kernel/.fork.o.d -nostdinc -I./arch/x86/include -include ./include/linux/compiler-version.h "
           "-D__KERNEL__ -fmacro-prefix-map=./= -std=gnu11 -fshort-wchar -funsigned-char -fno-common -fno-PIE "
           "-fno-strict-aliasing -mno-sse -mno-mmx -mno-sse2 -mno-3dnow -mno-avx -fcf-protection=branch "
           "-fno-jump-tables -m64 -falign-jumps=1 -falign-loops=1 -mno-80387 -mno-fp-ret-in-387 "
           "-mpreferred-stack-boundary=3 -mskip-rax-setup -mtune=generic -mno-red-zone -mcmodel=kernel "
           "-Wno-sign-compare "
           "-fno-asynchronous-unwind-tables -mindirect-branch=thunk-extern -mindirect-branch-register "
           "-mindirect-branch-cs-prefix -mfunction-return=thunk-extern -fno-delete-null-pointer-checks -O2 "
           "-fno-allow-store-data-races -fstack-protector-strong -fno-stack-clash-protection -pg -mrecord-mcount "
           "-mfentry "
           "-DCC_USING_FENTRY -fno-inline-functions-called-once -fmin-function-alignment=16 -fstrict-flex-arrays=3 "
           "-fno-strict-overflow -fno-stack-check -fconserve-stack -Wframe-larger-than=2048 -mharden-sls=all "
           "-ftrivial-auto-var-init=zero -mstack-protector-guard-reg=gs -mstack-protector-guard-symbol=x "
           "--param=allow-store-data-races=0 -c -o kernel/fork.o kernel/fork.c",
           "gcc -Wp,-MMD,arch/x86/.e.o.d -nostdinc -D__ASSEMBLY__ -fno-PIE -m64 -Wa,-gdwarf-2 -c -o e.o e.S",
           "cc -Isub -I../sub -fdiagnostics-color=always -D_FILE_OFFSET_BITS=64 -Wall -Winvalid-pch -std=c99 -O0 -g "
           "-pthread -MD -MQ sub/a.c.o -MF sub/a.c.o.d -o sub/a.c.o -c ../sub/a.c",
           "clang++ -DX -fPIC -fno-semantic-interposition -fvisibility-inlines-hidden -Werror=date-time "
           "-Werror=unguarded-availability-new -Wall -Wno-unused -fdiagnostics-color -ffunction-sections "
           "-fdata-sections "
           "-O2 -fno-exceptions -funwind-tables -fno-rtti -std=c++17 -MD -MT a.o -MF a.o.d -o a.o -c a.cpp",
           "g++ -pipe -O2 -std=gnu++1z -fno-exceptions -mno-direct-extern-access -fPIC -DQT_X -I/q/mkspecs/linux-g++ "
           "-c -o main.o main.cpp",
           "gcc -std=c11 -pedantic -DREDIS_STATIC= -Wno-missing-field-initializers -O3 -flto=auto -g -ggdb "
           "-fno-omit-frame-pointer -MMD -o server.o -c server.c",
           "clang --target=x86_64-linux-gnu -fintegrated-as -Qunused-arguments -mretpoline-external-thunk "
           "-mstack-alignment=8 -fsanitize=kcfi -fzero-call-used-regs=used-gpr -Wa,--noexecstack -c x.c -o x.o",
       }) {
    EXPECT_EQ(bypass_of(line), Bypass::kNone) << line << std::get<BypassReason>(parse(line)).detail;
  }
}

TEST(CompilerNames, DriversWithPrefixesAndVersions) {
  for (const char* name : {"gcc", "g++", "cc", "c++", "clang", "clang++", "gcc-12", "g++-12.2.0", "clang-14",
                           "clang++15", "x86_64-linux-gnu-g++-12", "arm-none-eabi-gcc", "c89-gcc", "musl-gcc"}) {
    EXPECT_TRUE(is_compiler_name(name)) << name;
  }
  for (const char* name : {"", "-", "12", "gcc-ar", "gcc-ar-12", "clang-format", "clang-cl", "clang-cpp-14", "ld", "as",
                           "distcc", "ccache", "nvcc", "mycc", "gfortran", "cpp", "rustc", "-12"}) {
    EXPECT_FALSE(is_compiler_name(name)) << name;
  }
}

}  // namespace
}  // namespace hpcc
