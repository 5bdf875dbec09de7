#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <sys/types.h>

namespace separatrix {

/// A program that runs beside this one and answers each line on its standard input with one line on
/// its standard output. Started without a shell, in a process group of its own; the destructor
/// kills the group and reaps the program.
///
/// Every failure is Error(io) at the program's path; after one the object can only be destroyed.
class LineProcess {
 public:
  /// `command`: the file to run, a path with a '/', and its arguments. Throws Error(io) when it
  /// cannot be started.
  explicit LineProcess(const std::vector<std::string>& command);
  ~LineProcess();
  LineProcess(const LineProcess&) = delete;
  LineProcess& operator=(const LineProcess&) = delete;

  /// Writes the line and returns the next one that comes back, both without their line ends.
  /// Throws Error(io) when none has come after `limit`, when the program ends instead (with its
  /// exit code or signal, and the last line of its standard error as hint), when the line is
  /// longer than `longest` bytes, or more than one came for an earlier line.
  std::string ask(const std::string& line, std::chrono::duration<double> limit,
                  std::size_t longest);

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& asked,
                         const std::string& hint) const;
  [[noreturn]] void fail_at_end(const std::string& asked);
  bool send_some(const std::string& line, std::size_t& sent);
  bool receive_some();
  void drain_errors();
  std::string last_words() const;

  std::string path_;
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;  ///< our ends; not blocking
  std::string received_;               ///< what came after the last line that was returned
  std::string errors_;                 ///< the end of its standard error
};

/// The text on one line of a message: control characters become '?', the rest is cut at 80 bytes.
std::string shown_line(const std::string& text);

}  // namespace separatrix
