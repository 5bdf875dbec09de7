#pragma once

#include <chrono>
#include <string>

namespace separatrix {

/// What goes on, to stderr: one line redrawn on a terminal, a line every few seconds into a pipe,
/// nothing with --quiet.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// The state of things now; may be dropped.
  void status(const std::string& line);
  /// Something that happened; never dropped.
  void note(const std::string& line);

 private:
  void clear();
  bool quiet_, terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

/// "2.1 s", "3 min 20 s", "1 h 05 min".
std::string spell_seconds(double seconds);

}  // namespace separatrix
