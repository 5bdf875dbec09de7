#include "separatrix/cli/board.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "separatrix/cli/progress.h"

namespace separatrix {
namespace {

constexpr auto kDrawEvery = std::chrono::milliseconds(100);
constexpr auto kSayEvery = std::chrono::seconds(5);  ///< into a pipe
constexpr std::size_t kUnlimited = 10'000;

double seconds_between(Board::Clock::time_point from, Board::Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

struct Screen {
  std::size_t rows = 24, columns = 79;
};

/// Asked at each drawing, since windows are resized.
Screen screen() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20 || size.ws_row < 3)
    return {};
  // A line as wide as the window would wrap on some terminals, and a last row would scroll.
  return {std::size_t(size.ws_row) - 1, std::size_t(size.ws_col) - 1};
}

/// The time left when `fraction` was done within `seconds`; empty before that says anything.
std::string time_left(double seconds, double fraction, double rest) {
  if (fraction <= 0 || seconds < 1) return {};
  return spell_seconds(seconds * rest / fraction) + " left";
}

void append(std::string& line, const std::string& part) {
  if (!part.empty()) line += ", " + part;
}

}  // namespace

std::string describe_trial(const TrialSpec& spec) {
  return fmt::format("{}, width {}, length {}, lr {:g}, seed {}",
                     spec.model.layers.empty() ? spec.task : spec.model.layers.front().block,
                     spec.model.d_model, spec.length, spec.train.lr, spec.seed);
}

Board::Board(bool quiet)
    : quiet_(quiet),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      drawn_at_(start_) {}

Board::~Board() { clear(); }

void Board::on_progress(const RunProgress& event) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  take(event, now);
  if (event.finished && event.status != TrialStatus::done) {
    clear();
    fmt::print(stderr, "trial {} {}{}{}: {}\n", event.trial_id.substr(0, 12),
               to_string(event.status), event.error.empty() ? "" : ": ", event.error,
               describe_trial(*event.spec));
  }
  if (now - drawn_at_ >= (terminal_ ? Clock::duration(kDrawEvery) : Clock::duration(kSayEvery)))
    draw(now);
}

void Board::note(const std::string& line) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  clear();
  fmt::print(stderr, "{}\n", line);
}

void Board::take(const RunProgress& event, Clock::time_point now) {
  totals_ = event.queue;
  Row& row = rows_[event.worker];
  if (event.finished) {
    rows_.erase(event.worker);
  } else {
    if (row.trial_id != event.trial_id)
      row = {.trial_id = event.trial_id,
             .label = describe_trial(*event.spec),
             .steps = event.spec->train.steps,
             .first_step = event.point.step,
             .since = now};
    row.step = std::max(row.step, event.point.step);
    row.loss = event.point.train_loss;
    // Measured at curve points only.
    if (event.point.token_accuracy > 0) row.accuracy = event.point.token_accuracy;
  }
  if (first_fraction_ < 0) {
    first_fraction_ = fraction();
    start_ = now;
  }
}

double Board::Row::rate(Clock::time_point now) const {
  const double seconds = seconds_between(since, now);
  return seconds < 0.5 ? 0 : double(step - first_step) / seconds;
}

/// Of the whole; by cost where it is known, else by number. Running trials count in part, as if all
/// were of the mean cost of those that have not ended.
double Board::fraction() const {
  double part = 0;
  for (const auto& [worker, row] : rows_)
    if (row.steps > 0) part += std::min(1.0, double(row.step) / double(row.steps));
  const auto left = double(totals_.trials - totals_.ended);
  if (left > 0) part /= left;
  const bool by_cost = totals_.cost > 0;
  const double all = by_cost ? totals_.cost : double(totals_.trials);
  const double ended = by_cost ? totals_.cost_ended : double(totals_.ended);
  return all <= 0 ? 0 : std::min(1.0, (ended + std::min(1.0, part) * (all - ended)) / all);
}

std::string Board::row_line(const Row& row, std::size_t columns, Clock::time_point now) const {
  const double rate = row.rate(now);
  std::string figures = fmt::format("step {}/{}, loss {:.3f}", row.step, row.steps, row.loss);
  if (row.accuracy >= 0) append(figures, fmt::format("accuracy {:.3f}", row.accuracy));
  if (rate > 0) {
    append(figures, fmt::format("{:.0f} steps/s", rate));
    append(figures, spell_seconds(double(row.steps - row.step) / rate) + " left");
  }
  // A narrow terminal loses the end of the label first, then the end of the figures.
  const std::size_t space = columns > figures.size() + 2 ? columns - figures.size() - 2 : 0;
  if (space < 8) return figures.substr(0, columns);
  return row.label.substr(0, space) + ": " + figures;
}

std::string Board::total_text(Clock::time_point now) const {
  const double done = fraction();
  std::string text =
      fmt::format("{:.0f} %, {} of {} trials", 100 * done, totals_.ended, totals_.trials);
  if (totals_.failed > 0) append(text, fmt::format("{} failed", totals_.failed));
  append(text,
         time_left(seconds_between(start_, now), done - std::max(0.0, first_fraction_), 1 - done));
  return text;
}

std::string Board::total_line(std::size_t columns, Clock::time_point now) const {
  const std::string text = total_text(now);
  if (columns < text.size() + 14) return text.substr(0, columns);
  const std::size_t width = std::min<std::size_t>(40, columns - text.size() - 4);
  const auto full = std::size_t(fraction() * double(width));
  return "[" + std::string(full, '#') + std::string(width - full, '.') + "] " + text;
}

std::vector<std::string> Board::lines(std::size_t rows, std::size_t columns,
                                      Clock::time_point now) const {
  std::vector<std::string> lines;
  // The bar always, a line that says how many trials are not shown where some are not.
  const std::size_t space = rows > 1 ? rows - 1 : 0;
  const bool all = rows_.size() <= space;
  const std::size_t shown = all ? rows_.size() : space > 0 ? space - 1 : 0;
  for (const auto& [worker, row] : rows_) {
    if (lines.size() == shown) break;
    lines.push_back(row_line(row, columns, now));
  }
  if (!all && space > 0)
    lines.push_back(
        fmt::format("... and {} more trials at work", rows_.size() - shown).substr(0, columns));
  lines.push_back(total_line(columns, now));
  return lines;
}

void Board::draw(Clock::time_point now) {
  drawn_at_ = now;
  if (!terminal_) {
    std::string line = total_text(now);
    for (const auto& [worker, row] : rows_) line += "; " + row_line(row, kUnlimited, now);
    fmt::print(stderr, "{}\n", line);
    return;
  }
  const Screen size = screen();
  const std::vector<std::string> text = lines(size.rows, size.columns, now);
  std::string out;
  // Wrapped by a resize, an old line may take two rows; then what is above is left to scroll away.
  if (drawn_ > 0) out += fmt::format("\r\x1b[{}A", std::min(drawn_, size.rows));
  for (const std::string& line : text) out += "\x1b[2K" + line + "\n";
  out += "\x1b[J";
  drawn_ = text.size();
  std::fwrite(out.data(), 1, out.size(), stderr);
  std::fflush(stderr);
}

void Board::clear() {
  if (drawn_ > 0) fmt::print(stderr, "\r\x1b[{}A\x1b[J", drawn_);
  drawn_ = 0;
}

}  // namespace separatrix
