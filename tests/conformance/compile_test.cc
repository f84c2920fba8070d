// What every driver must do for a well-meaning compile: right bytes, right answers, only deltas, an end when asked.
#include <poll.h>
#include <sys/wait.h>

#include <thread>

#include "fixture.h"

namespace hpcc::test {
namespace {

constexpr char kC[] =
    "#include \"a.h\"\n#include <stdio.h>\nint f(int x) { printf(\"%s %d\\n\", __FILE__, x); return A; }\n";
constexpr char kCxx[] =
    "#include <iostream>\n#include <map>\n#include <string>\n"
    "int g(std::map<std::string, int>& m) { for (auto& [k, v] : m) std::cout << k << v; return m.size(); }\n";

// The same command without hpcc: the project at /hpcc/w, the same root. The host is the image here.
std::string plain_object(const std::map<std::string, std::string>& files, const std::string& command) {
  char place[] = "/tmp/hpcc-conformance-XXXXXX";
  EXPECT_NE(mkdtemp(place), nullptr);
  for (const auto& [name, text] : files) {
    const std::string path = std::string(place) + "/" + name;
    EXPECT_TRUE(make_directories(std::string(directory_of(path)), 0755).ok());
    Fd fd(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    EXPECT_TRUE(write_fd(fd.get(), text, path).ok());
  }
  const std::string run = std::string("bwrap --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib ") +
                          "--symlink usr/lib64 /lib64 --ro-bind /etc /etc --proc /proc --dev /dev --tmpfs /tmp " +
                          "--bind " + place + " /hpcc/w --chdir /hpcc/w --clearenv --setenv PATH /usr/bin:/bin " +
                          "--setenv LC_ALL C " + command;
  EXPECT_EQ(system(run.c_str()), 0) << run;
  std::string object = read_file(std::string(place) + "/a.o", 1u << 26).value_or("none");
  EXPECT_EQ(system((std::string("rm -rf ") + place).c_str()), 0);
  return object;
}

TEST_P(Conformance, ACObjectIsTheOneOfTheSameCommandWithoutHpcc) {
  GuestCompile what = command({"gcc", "-g", "-O2", "-Iinc", "-c", "src/a.c", "-o", "a.o"}, {"a.o"});
  what.inputs = {blobs_.add("src/a.c", kC), blobs_.add("inc/a.h", "#define A 3\n")};
  Result<GuestResult> result = run(what);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  ASSERT_EQ(result->exit_code, 0) << result->stderr_bytes;
  const std::string plain =
      plain_object({{"src/a.c", kC}, {"inc/a.h", "#define A 3\n"}}, "gcc -g -O2 -Iinc -c src/a.c -o a.o");
  ASSERT_EQ(result->outputs.size(), 1u);
  EXPECT_EQ(BlobDigest::of(plain).hex(), result->outputs[0].digest.hex());
  EXPECT_EQ(output_text(*result, "a.o"), plain);
  EXPECT_TRUE(result->observed);
  EXPECT_GT(result->peak_rss_kib, 0u);
}

// Of the project's directories only the inputs are there: what was made of a listing may be wrong for the project.
TEST_P(Conformance, ACompileThatListsTheProjectsDirectoriesIsNotObserved) {
  for (const char* script : {"ls", "ls tc", "ls /hpcc/w/tc/../tc", "cd tc && ls ."}) {
    GuestCompile what = shell(script, {});
    what.inputs = {blobs_.add("tc/lib/x", "")};
    Result<GuestResult> result = run(what);
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    EXPECT_EQ(result->exit_code, 0) << script << result->stderr_bytes;
    EXPECT_FALSE(result->observed) << script;
  }
  Result<GuestResult> result = run(shell("ls /usr/lib /tmp; ls nowhere; cat tc/lib/x", {}));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_TRUE(result->observed) << "the image's are its own, and an absent one is a probe";
}

TEST_P(Conformance, ACxxObjectIsTheOneOfTheSameCommandWithoutHpcc) {
  GuestCompile what =
      command({"g++", "-std=c++17", "-O1", "-c", "a.cc", "-o", "a.o", "-MD", "-MF", "a.d"}, {"a.o", "a.d"});
  what.inputs = {blobs_.add("a.cc", kCxx)};
  Result<GuestResult> result = run(what);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  ASSERT_EQ(result->exit_code, 0) << result->stderr_bytes;
  EXPECT_EQ(output_text(*result, "a.o"),
            plain_object({{"a.cc", kCxx}}, "g++ -std=c++17 -O1 -c a.cc -o a.o -MD -MF a.d"));
  EXPECT_NE(output_text(*result, "a.d").find("a.cc"), std::string::npos);
}

TEST_P(Conformance, ACompilersErrorIsItsExitCodeAndItsWords) {
  GuestCompile what = command({"gcc", "-c", "a.c", "-o", "a.o"}, {"a.o"});
  what.inputs = {blobs_.add("a.c", "int f( { }\n")};
  Result<GuestResult> result = run(what);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->end, GuestEnd::kExited);
  EXPECT_EQ(result->exit_code, 1);
  EXPECT_NE(result->stderr_bytes.find("a.c:1:"), std::string::npos) << result->stderr_bytes;
  EXPECT_TRUE(result->outputs.empty());
}

TEST_P(Conformance, OnlyWhatTheGuestDoesNotHoldIsSent) {
  GuestCompile what = command({"gcc", "-c", "a.c", "-o", "a.o"}, {"a.o"});
  what.inputs = {blobs_.add("a.c", "#include \"a.h\"\nint x = A;\n"), blobs_.add("a.h", "#define A 1\n")};
  ASSERT_TRUE(run(what).ok());
  EXPECT_EQ(blobs_.opened, 2);
  ASSERT_TRUE(run(what).ok());
  EXPECT_EQ(blobs_.opened, 2);
  what.inputs[1] = blobs_.add("a.h", "#define A 2\n");
  Result<GuestResult> result = run(what);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->exit_code, 0);
  EXPECT_EQ(blobs_.opened, 3);
}

TEST_P(Conformance, ProbesNameWhatWasLookedForInVain) {
  GuestCompile what = command({"gcc", "-Ione", "-Itwo", "-c", "src/a.c", "-o", "a.o"}, {"a.o"});
  what.inputs = {blobs_.add("src/a.c", "#if __has_include(\"opt.h\")\n#error\n#endif\n#include <missing.h>\n"),
                 blobs_.add("two/x.h", "")};
  what.directories = {"one"};
  Result<GuestResult> result = run(what);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->exit_code, 1);
  std::set<std::string> paths;
  for (const ProbeGroup& group : result->probes.groups) {
    for (uint32_t directory : group.directories) {
      for (const std::string& name : group.names) paths.insert(result->probes.directories[directory] + "/" + name);
    }
  }
  for (const char* path : {"src/opt.h", "one/opt.h", "two/opt.h", "one/missing.h", "two/missing.h"}) {
    EXPECT_TRUE(paths.contains(std::string("/hpcc/w/") + path)) << path;
  }
  EXPECT_FALSE(paths.contains("/hpcc/w/a.o"));
  for (const std::string& path : paths) EXPECT_EQ(path.find("/usr"), std::string::npos) << path;
}

TEST_P(Conformance, ACancelledCompileEndsAtOnceAndTheSessionGoesOn) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  Fd cancel(ends[0]), press(ends[1]);
  GuestCompile what = shell("sleep 86431", {});
  std::thread presser([&] {
    poll(nullptr, 0, 700 * driver().slowness / 2);
    press.reset();
  });
  const Deadline before = Deadline::after_ms(60'000);
  Result<GuestResult> result = session().compile(what, blobs_, Cancel{cancel.get()}, before);
  presser.join();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kPermission);
  EXPECT_FALSE(before.passed());
  result = run(shell("echo still here", {}));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->stdout_bytes, "still here\n");
  EXPECT_TRUE(goes_away("86431"));
}

TEST_P(Conformance, ACompileBeyondItsTimeIsEnded) {
  GuestCompile what = shell("echo begun; sleep 86432", {});
  what.limits.wall_ms = 400 * static_cast<uint32_t>(driver().slowness);
  Result<GuestResult> result = run(what);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->end, GuestEnd::kTimeLimit);
  EXPECT_EQ(result->stdout_bytes, "begun\n");
  EXPECT_TRUE(goes_away("86432"));
}

TEST_P(Conformance, ManyCompilesRunAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const std::string number = std::to_string(i);
      GuestCompile what = shell("cat n.txt; echo " + number + " > out", {"out"});
      what.inputs = {blobs_.add("n.txt", "in" + number)};
      Result<GuestResult> result = run(what);
      if (result.ok() && result->stdout_bytes == "in" + number && output_text(*result, "out") == number + "\n") ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 8);
}

TEST_P(Conformance, TwoSessionsDrawDifferentRandomNumbers) {
  const std::string draw = "od -An -N16 -tx1 /dev/urandom";
  Result<GuestResult> first = run(shell(draw, {}));
  restart();
  Result<GuestResult> second = run(shell(draw, {}));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->stdout_bytes.size(), second->stdout_bytes.size());
  EXPECT_NE(first->stdout_bytes, second->stdout_bytes);
}

TEST_P(Conformance, TheClockIsRightAndThePlaceIsAlwaysTheSame) {
  Result<GuestResult> result = run(shell(
      "hostname 2>/dev/null || cat /proc/sys/kernel/hostname; umask; date +%Z; pwd; echo $LC_ALL $HOME; date +%s", {}));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  std::istringstream lines(result->stdout_bytes);
  std::string host, mask, zone, place, rest;
  long now = 0;
  std::getline(lines, host);
  std::getline(lines, mask);
  std::getline(lines, zone);
  std::getline(lines, place);
  std::getline(lines, rest);
  lines >> now;
  EXPECT_EQ(host + " " + mask + " " + zone + " " + place + " " + rest, "hpcc 0022 UTC /hpcc/w C /tmp");
  EXPECT_NEAR(static_cast<double>(now), static_cast<double>(time(nullptr)), 5.0);
}

TEST_P(Conformance, EveryInputIsAnInodeOfItsOwn) {
  GuestCompile what = shell("stat -c '%i %Y' one two", {});
  what.inputs = {blobs_.add("one", "same"), blobs_.add("two", "same")};
  Result<GuestResult> result = run(what);
  ASSERT_TRUE(result.ok());
  std::istringstream lines(result->stdout_bytes);
  long one = 0, two = 0, time_one = 0, time_two = 0;
  lines >> one >> time_one >> two >> time_two;
  EXPECT_NE(one, two);
  EXPECT_EQ(time_one, 315532800);
  EXPECT_EQ(time_two, time_one);
}

TEST_P(Conformance, ABlobThatIsNotWhatItsNameSaysIsRefused) {
  GuestCompile what = shell("cat x", {});
  what.inputs = {blobs_.add("x", "right")};
  blobs_.replace(what.inputs[0].digest, "wrong");
  Result<GuestResult> result = run(what);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kCorrupt);
  blobs_.replace(what.inputs[0].digest, "right");
  result = run(what);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->stdout_bytes, "right");
}

INSTANTIATE_TEST_SUITE_P(Drivers, Conformance, testing::ValuesIn(drivers()),
                         [](const testing::TestParamInfo<Driver>& info) { return info.param.name; });

}  // namespace
}  // namespace hpcc::test
