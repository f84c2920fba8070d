#include <array>

#include "compiler/options.h"

namespace hpcc {
namespace {

using enum Arity;
using enum Act;
using namespace opt;

constexpr OptionRow kRows[] = {
    {"-B", kJoinedOrSeparate, kPath},
    {"-D", kJoinedOrSeparate},
    {"-E", kFlag, kPreprocess},
    {"-I", kJoinedOrSeparate, kPath},
    {"-L", kJoinedOrSeparate, kPath},
    {"-M", kFlag, kPreprocess},
    {"-MD", kFlag, kDepAll},
    {"-MF", kJoinedOrSeparate, kDepFile},
    {"-MM", kFlag, kPreprocess},
    {"-MMD", kFlag, kDepUser},
    {"-MP", kFlag, kDepPhony},
    {"-MQ", kJoinedOrSeparate, kDepQuoted},
    {"-MT", kJoinedOrSeparate, kDepTarget},
    {"-O", kJoined},
    {"-S", kFlag, kAssemble},
    {"-U", kJoinedOrSeparate},
    {"-W", kJoined},
    {"-Wa,", kJoined, kWa},
    {"-Wp,", kJoined, kWp},
    {"-ansi", kFlag},
    {"-c", kFlag, kCompile},
    {"-fPIC", kFlag, kText, kNegatable},
    {"-fPIE", kFlag, kText, kNegatable},
    {"-fdiagnostics-color", kFlag, kColourOn},
    {"-fdiagnostics-color=", kJoined, kColourValue},
    {"-fno-diagnostics-color", kFlag, kColourOff},
    {"-g", kFlag},
    {"-g0", kFlag},
    {"-g1", kFlag},
    {"-g2", kFlag},
    {"-g3", kFlag},
    {"-idirafter", kJoinedOrSeparate, kPath},
    {"-imacros", kJoinedOrSeparate, kPath, kReads},
    {"-include", kJoinedOrSeparate, kPath, kReads},
    {"-iquote", kJoinedOrSeparate, kPath},
    {"-isystem", kJoinedOrSeparate, kPath},
    {"-l", kJoinedOrSeparate, kLinkInput},
    {"-m64", kFlag},
    {"-march=", kJoined, kMachine},
    {"-mtune=", kJoined, kMachine},
    {"-o", kJoinedOrSeparate, kOutput},
    {"-pipe", kFlag},
    {"-pthread", kFlag},
    {"-shared", kFlag},
    {"-std=", kJoined},
    {"-w", kFlag},
    {"-x", kJoinedOrSeparate, kLanguage},
};

}  // namespace

std::span<const OptionRow> gcc_options() { return kRows; }

}  // namespace hpcc
