#include "compiler/environment.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

using Env = std::vector<std::string>;

// "NAME=VALUE" of every keyed variable, or "bypass NAME".
Env keyed(const Env& env, Family family = Family::kGcc, bool script = false) {
  auto result = key_environment(family, env, script);
  if (const BypassReason* reason = std::get_if<BypassReason>(&result)) {
    EXPECT_EQ(reason->reason, Bypass::kUnsupportedEnv);
    return {"bypass " + reason->detail};
  }
  Env out;
  for (const EnvKey::Variable& variable : std::get<EnvKey>(result).variables) {
    out.push_back(variable.name + "=" + variable.value);
  }
  return out;
}

TEST(Environment, VariablesOfTheCompilerAreKeyedSorted) {
  EXPECT_EQ(keyed({"PATH=/bin", "EDITOR=vi", "LANG=C", "CPATH=", "LD_PRELOAD=x", "TERM=xterm", "TMPDIR=/t"}),
            (Env{"CPATH=", "LANG=C", "LD_PRELOAD=x", "PATH=/bin"}));
}

TEST(Environment, EmptyAndUnsetDiffer) { EXPECT_NE(keyed({"CPATH="}), keyed({})); }

TEST(Environment, PathListsAreMarked) {
  auto result = key_environment(Family::kGcc, {"C_INCLUDE_PATH=/a:/b", "LANG=C"}, false);
  const EnvKey& key = std::get<EnvKey>(result);
  EXPECT_EQ(key.variables[0].role, KeyRole::kPath);
  EXPECT_EQ(key.variables[1].role, KeyRole::kText);
}

TEST(Environment, VariablesThatWriteElsewhereAreNotCached) {
  for (const char* name : {"DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES", "CC_PRINT_OPTIONS", "CC_PRINT_HEADERS_FILE",
                           "CCC_OVERRIDE_OPTIONS", "AS_SECURE_LOG_FILE", "GCC_COMPARE_DEBUG", "CC_LOG_DIAGNOSTICS"}) {
    EXPECT_EQ(keyed({std::string(name) + "=x"}), Env{std::string("bypass ") + name});
    EXPECT_EQ(keyed({std::string(name) + "="}), Env{std::string("bypass ") + name});
  }
}

TEST(Environment, AScriptSeesEverythingButNoise) {
  EXPECT_EQ(keyed({"FOO=1", "_=/bin/x", "PWD=/p", "HPCC_DIR=/c", "SHLVL=1", "BAD", "=x"}, Family::kGcc, true),
            (Env{"FOO=1", "SHLVL=1"}));
}

TEST(Environment, HomeMattersToClang) {
  EXPECT_EQ(keyed({"HOME=/h"}), Env{});
  EXPECT_EQ(keyed({"HOME=/h"}, Family::kClang), Env{"HOME=/h"});
}

TEST(Environment, FindEnvReturnsTheFirst) {
  Env env = {"AB=0", "A=1", "A=2", "C="};
  EXPECT_EQ(find_env(env, "A"), "1");
  EXPECT_EQ(find_env(env, "C"), "");
  EXPECT_EQ(find_env(env, "B"), std::nullopt);
}

}  // namespace
}  // namespace hpcc
