#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "separatrix/lab/runner.h"

namespace separatrix {

/// What a run is at, on stderr. On a terminal: one line per running trial (what it is, step, loss,
/// accuracy, steps/s, time left) over a bar for the whole, redrawn in place. Into a pipe: one line
/// every few seconds and one per trial that did not end well. With --quiet: nothing.
class Board {
 public:
  explicit Board(bool quiet);
  ~Board();  ///< removes what was drawn
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  /// Fits RunOptions::on_progress.
  void on_progress(const RunProgress& event);
  /// Something that happened; never dropped but by --quiet.
  void note(const std::string& line);

  using Clock = std::chrono::steady_clock;
  /// The lines to draw, without escape sequences: at most `rows` of at most `columns` characters.
  std::vector<std::string> lines(std::size_t rows, std::size_t columns,
                                 Clock::time_point now) const;

 private:
  /// One worker's trial.
  struct Row {
    std::string trial_id = {}, label = {};
    Index step = 0, steps = 0, first_step = 0;
    double loss = 0, accuracy = -1;
    Clock::time_point since = {};
    double rate(Clock::time_point now) const;  ///< steps per second; 0 = not known yet
  };
  void take(const RunProgress& event, Clock::time_point now);
  std::string row_line(const Row& row, std::size_t columns, Clock::time_point now) const;
  std::string total_text(Clock::time_point now) const;
  std::string total_line(std::size_t columns, Clock::time_point now) const;
  double fraction() const;
  void draw(Clock::time_point now);
  void clear();

  bool quiet_, terminal_;
  std::mutex mutex_;
  std::map<int, Row> rows_;  ///< by worker
  QueueTotals totals_;
  double first_fraction_ = -1;
  Clock::time_point start_, drawn_at_;
  std::size_t drawn_ = 0;  ///< lines on the screen
};

/// "transformer, width 16, length 20, lr 0.003, seed 2".
std::string describe_trial(const TrialSpec& spec);

}  // namespace separatrix
