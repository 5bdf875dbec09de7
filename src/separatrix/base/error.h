#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace separatrix {

/// What went wrong, in the terms the CLI's exit code needs: usage and spec exit 2, io and
/// numeric 3.
enum class ErrorKind { usage, spec, io, numeric };

/// Every failure a user can cause or fix. A broken invariant is a bug: assert(), not Error.
class Error : public std::runtime_error {
 public:
  /// `where` is a file plus JSON pointer or a path; `hint` is one imperative sentence.
  Error(ErrorKind kind, const std::string& what, std::string where = {}, std::string hint = {})
      : std::runtime_error(what), kind_(kind), where_(std::move(where)), hint_(std::move(hint)) {}
  ErrorKind kind() const noexcept { return kind_; }
  const std::string& where() const noexcept { return where_; }
  const std::string& hint() const noexcept { return hint_; }

 private:
  ErrorKind kind_;
  std::string where_, hint_;
};

}  // namespace separatrix
