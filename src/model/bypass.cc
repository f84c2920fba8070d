#include "model/invocation.h"

namespace hpcc {

std::string_view bypass_name(Bypass reason) {
  switch (reason) {
    case Bypass::kNone: return "none";
    case Bypass::kNoSource: return "no_source";
    case Bypass::kLink: return "link";
    case Bypass::kPreprocess: return "preprocess";
    case Bypass::kSeveralSources: return "several_sources";
    case Bypass::kStdin: return "stdin";
    case Bypass::kUnknownOption: return "unknown_option";
    case Bypass::kUnsupportedOption: return "unsupported_option";
    case Bypass::kUnsupportedLanguage: return "unsupported_language";
    case Bypass::kUnsupportedEnv: return "unsupported_environment";
    case Bypass::kBadCommand: return "bad_command";
    case Bypass::kOutputSpecial: return "output_special";
    case Bypass::kOutputStdout: return "output_stdout";
    case Bypass::kUnknownCompiler: return "unknown_compiler";
    case Bypass::kDisabled: return "disabled";
    case Bypass::kUntraced: return "untraced";
    case Bypass::kVolatileInput: return "volatile_input";
    case Bypass::kInputChanged: return "input_changed";
    case Bypass::kTimeMacro: return "time_macro";
    case Bypass::kOutputMissing: return "output_missing";
    case Bypass::kOutputTooLarge: return "output_too_large";
    case Bypass::kStoreError: return "store_error";
    case Bypass::kQuarantined: return "quarantined";
    case Bypass::kBadProjectFile: return "bad_project_file";
    case Bypass::kNoWorker: return "no_worker";
    case Bypass::kNoImage: return "no_image";
    case Bypass::kRemoteFailed: return "remote_failed";
    case Bypass::kReceiptRefused: return "receipt_refused";
    case Bypass::kScanIncomplete: return "scan_incomplete";
    case Bypass::kOutsideRoot: return "outside_root";
    case Bypass::kIdenticalInputs: return "identical_inputs";
    case Bypass::kPrecompiledHeader: return "precompiled_header";
    case Bypass::kOddPath: return "odd_path";
    case Bypass::kUnreadable: return "unreadable";
    case Bypass::kNativeCpu: return "native_cpu";
    case Bypass::kInputTooLarge: return "input_too_large";
    case Bypass::kNoDaemon: return "no_daemon";
    case Bypass::kNotUtf8: return "not_utf8";
    case Bypass::kAbsoluteInclude: return "absolute_include";
    case Bypass::kCount: break;
  }
  return "invalid";
}

}  // namespace hpcc
