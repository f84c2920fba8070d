// Result<T>: a value or an Error; the only way a function in src/ reports failure.
//
// Error is hpcc's own trouble (closed code, message that names the path or peer, errno). A compiler's exit code is an
// ordinary int and never becomes an Error. The code decides policy; the message is for people.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace hpcc {

enum class Code {
  kNotFound,     // the thing asked for is not there
  kInvalid,      // malformed input: bytes from a file, a peer or a user
  kCorrupt,      // stored bytes do not match their digest or format
  kLimit,        // a limit of base/limits.h was reached
  kPermission,   // refused: ownership, mode, credentials
  kUnsupported,  // this kernel, file system or version cannot do it
  kTimeout,      // a deadline passed
  kIo,           // any other failing system call
};

std::string_view code_name(Code code);

struct Error {
  Code code = Code::kIo;
  std::string message;
  int sys_errno = 0;

  // "<code>: <message>: <strerror>" for logs and people.
  std::string to_string() const;
};

// Builds an Error from errno as it is now; kNotFound, kPermission and kUnsupported are told apart from kIo.
Error errno_error(std::string message);
Error errno_error(std::string message, int sys_errno);

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return *get_or_die(); }
  const T& value() const& { return *const_cast<Result*>(this)->get_or_die(); }
  T&& value() && { return std::move(*get_or_die()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return get_or_die(); }
  const T* operator->() const { return const_cast<Result*>(this)->get_or_die(); }

  const Error& error() const& {
    if (ok()) std::abort();
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    if (ok()) std::abort();
    return std::move(*std::get_if<1>(&state_));
  }

  T value_or(T other) && { return ok() ? std::move(*std::get_if<0>(&state_)) : std::move(other); }

 private:
  T* get_or_die() {
    if (!ok()) std::abort();
    return std::get_if<0>(&state_);
  }
  std::variant<T, Error> state_;
};

struct Unit {};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : failed_(true), error_(std::move(error)) {}
  bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& {
    if (ok()) std::abort();
    return error_;
  }
  Error&& error() && {
    if (ok()) std::abort();
    return std::move(error_);
  }

 private:
  bool failed_ = false;
  Error error_;
};

using Status = Result<void>;

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace hpcc

#define HPCC_CONCAT_(a, b) a##b
#define HPCC_CONCAT(a, b) HPCC_CONCAT_(a, b)

// TRY(expr): returns the Error of a failing Status or Result.
#define TRY(...)                                          \
  do {                                                    \
    auto hpcc_try = (__VA_ARGS__);                        \
    if (!hpcc_try.ok()) return std::move(hpcc_try).error(); \
  } while (0)

// TRY_ASSIGN(auto x, expr): returns the Error, or declares x from the value.
#define TRY_ASSIGN(decl, ...) HPCC_TRY_ASSIGN_(HPCC_CONCAT(hpcc_try_, __LINE__), decl, __VA_ARGS__)
#define HPCC_TRY_ASSIGN_(tmp, decl, ...)       \
  auto tmp = (__VA_ARGS__);                    \
  if (!tmp.ok()) return std::move(tmp).error(); \
  decl = std::move(tmp).value()

// CHECK(condition): stays on in release builds; for bugs in hpcc, never for input.
#define CHECK(condition) \
  ((condition) ? (void)0 : ::hpcc::check_failed(#condition, __FILE__, __LINE__))
