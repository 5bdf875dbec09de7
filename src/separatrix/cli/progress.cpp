#include "separatrix/cli/progress.h"

#include <cstdio>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace separatrix {
namespace {

using Clock = std::chrono::steady_clock;

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 79;
  return std::size_t(size.ws_col) - 1;
}

}  // namespace

Progress::Progress(bool quiet)
    : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1), last_(Clock::now()) {}

Progress::~Progress() { clear(); }

void Progress::status(const std::string& line) {
  const auto wait = terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(5);
  if (quiet_ || Clock::now() - last_ < wait) return;
  last_ = Clock::now();
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}", line.substr(0, terminal_width()));
    std::fflush(stderr);
    drawn_ = true;
  } else {
    fmt::print(stderr, "{}\n", line);
  }
}

void Progress::note(const std::string& line) {
  if (quiet_) return;
  clear();
  fmt::print(stderr, "{}\n", line);
}

void Progress::clear() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
  drawn_ = false;
}

std::string spell_seconds(double seconds) {
  const auto whole = static_cast<long>(seconds);
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

}  // namespace separatrix
