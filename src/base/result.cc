#include "base/result.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace hpcc {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kNotFound: return "not_found";
    case Code::kInvalid: return "invalid";
    case Code::kCorrupt: return "corrupt";
    case Code::kLimit: return "limit";
    case Code::kPermission: return "permission";
    case Code::kUnsupported: return "unsupported";
    case Code::kTimeout: return "timeout";
    case Code::kIo: return "io";
  }
  return "io";
}

std::string Error::to_string() const {
  std::string text(code_name(code));
  text += ": ";
  text += message;
  if (sys_errno != 0) {
    text += ": ";
    text += strerror(sys_errno);
  }
  return text;
}

Error errno_error(std::string message) { return errno_error(std::move(message), errno); }

Error errno_error(std::string message, int sys_errno) {
  Code code = Code::kIo;
  if (sys_errno == ENOENT || sys_errno == ENOTDIR) code = Code::kNotFound;
  if (sys_errno == EACCES || sys_errno == EPERM || sys_errno == EROFS) code = Code::kPermission;
  if (sys_errno == ENOSYS || sys_errno == EOPNOTSUPP) code = Code::kUnsupported;
  return Error{code, std::move(message), sys_errno};
}

void check_failed(const char* condition, const char* file, int line) {
  fprintf(stderr, "hpcc: bug: CHECK(%s) failed at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace hpcc
