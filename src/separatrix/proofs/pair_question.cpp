#include "separatrix/proofs/pair_question.h"

#include <algorithm>
#include <cmath>

#include <gmpxx.h>

namespace separatrix {
namespace {

constexpr double kExhaustive = 1 << 16;
constexpr double kMaxViews = 4e6;  ///< pairs of symbols
constexpr double kMostRead = 8e9;  ///< tokens that Task::label reads
constexpr int kDrawn = 64;

/// Asks Task::label what the target at the end is.
class Asker {
 public:
  Asker(const Task& task, Index n_tokens)
      : task_(task), targets_(static_cast<std::size_t>(n_tokens)) {}
  /// kIgnore also where anything else is asked.
  Token ask(std::span<const Token> tokens) {
    task_.label(tokens, targets_);
    const bool only_last = std::all_of(targets_.begin(), targets_.end() - 1,
                                       [](Token target) { return target == kIgnore; });
    return only_last ? targets_.back() : kIgnore;
  }

 private:
  const Task& task_;
  std::vector<Token> targets_;
};

/// The legal tokens are the same after every prefix, and one at the end: seen on drawn instances.
bool read_tokens(const Task& task, Index length, PairQuestion& q) {
  Rng rng(0, RngUse::search);
  std::vector<Token> prefix;
  for (Index t = 0; t < 2 * q.n; ++t) {
    if (task.legal_next(prefix, length) != q.symbols) return false;
    prefix.push_back(q.symbols[std::size_t(rng.below(Index(q.symbols.size())))]);
  }
  const auto last = task.legal_next(prefix, length);
  if (last.size() != 1) return false;
  q.end = last.front();
  return true;
}

std::size_t number_of(const PairQuestion& q, Token symbol) {
  return std::size_t(std::lower_bound(q.symbols.begin(), q.symbols.end(), symbol) -
                     q.symbols.begin());
}

Token expected(const PairQuestion& q, std::span<const Token> tokens) {
  for (std::size_t i = 0; i < std::size_t(q.n); ++i)
    if (q.clash[number_of(q, tokens[i]) * q.symbols.size() +
                number_of(q, tokens[std::size_t(q.n) + i])] != 0)
      return q.clashing;
  return q.quiet;
}

/// The answers when all symbols but the first pair's are the first of all. False when they are
/// more than two, or when a word of one symbol shows that pairs do not stand like this.
bool read_clashes(Asker& asker, PairQuestion& q) {
  const std::size_t S = q.symbols.size(), n = std::size_t(q.n);
  std::vector<Token> tokens(2 * n + 1, q.symbols.front());
  tokens.back() = q.end;
  q.quiet = q.clashing = asker.ask(tokens);
  if (q.quiet == kIgnore) return false;
  const auto read = [&](std::size_t x, std::size_t y) {
    tokens[0] = q.symbols[x];
    tokens[n] = q.symbols[y];
    const Token answer = asker.ask(tokens);
    q.clash[x * S + y] = answer != q.quiet;
    const bool known = answer == q.quiet || answer == q.clashing || q.clashing == q.quiet;
    if (answer != q.quiet) q.clashing = answer;
    return known && answer != kIgnore;
  };
  constexpr std::size_t kWords = 4;  // cheap, and enough to see an interleaved layout
  for (std::size_t s = 0; s < std::min(S, kWords); ++s) {
    if (!read(s, s)) return false;
    std::vector<Token> word(2 * n + 1, q.symbols[s]);
    word.back() = q.end;
    if (asker.ask(word) != expected(q, word)) return false;
    word[0] = q.symbols.front();  // now one pair differs from the others
    if (!read(0, s) || asker.ask(word) != expected(q, word)) return false;
  }
  for (std::size_t x = 0; x < S; ++x)
    for (std::size_t y = 0; y < S; ++y)
      if (!read(x, y)) return false;
  return true;
}

bool check_all(const Task& task, Index length, Asker& asker, const PairQuestion& q) {
  double count = 0;
  const bool good = for_each_instance(task, length, [&](std::span<const Token> tokens) {
    ++count;
    return asker.ask(tokens) == expected(q, tokens);
  });
  return good && count == std::pow(double(q.symbols.size()), 2 * double(q.n));
}

/// The task's own instances, and quiet ones in which a single pair is drawn anew: at every place
/// in turn, or at drawn ones where that would take long.
bool check_drawn(const Task& task, Asker& asker, const PairQuestion& q) {
  constexpr double kRead = 4e8;
  const std::size_t S = q.symbols.size(), n = std::size_t(q.n);
  Rng rng(1, RngUse::search);
  std::vector<Token> tokens(2 * n + 1, q.end);
  for (int i = 0; i < kDrawn; ++i) {
    task.sample(rng, tokens);
    if (asker.ask(tokens) != expected(q, tokens)) return false;
  }
  std::vector<std::size_t> quiet;
  for (std::size_t view = 0; view < q.clash.size(); ++view)
    if (q.clash[view] == 0) quiet.push_back(view);
  const auto put = [&](std::size_t i, std::size_t view) {
    tokens[i] = q.symbols[view / S];
    tokens[n + i] = q.symbols[view % S];
  };
  tokens.back() = q.end;
  for (std::size_t i = 0; i < n; ++i) put(i, quiet[std::size_t(rng.below(Index(quiet.size())))]);
  const auto rounds = std::size_t(std::min(double(n), kRead / double(n)));
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::size_t i = rounds == n ? round : std::size_t(rng.below(q.n));
    const Token x = tokens[i], y = tokens[n + i];
    put(i, std::size_t(rng.below(q.views())));
    if (asker.ask(tokens) != expected(q, tokens)) return false;
    tokens[i] = x;
    tokens[n + i] = y;
  }
  return true;
}

}  // namespace

std::string PairQuestion::inputs() const {
  mpz_class count;
  mpz_ui_pow_ui(count.get_mpz_t(), symbols.size(), std::uint64_t(2 * n));
  return count.get_str();
}

std::optional<PairQuestion> find_pair_question(const Task& task, Index length, std::string& why) {
  PairQuestion q;
  const Index n_tokens = task.info(length).n_tokens;
  q.n = (n_tokens - 1) / 2;
  q.symbols = task.legal_next({}, length);
  const double S = double(q.symbols.size());
  why = "every pair of symbols would have to be asked about, which takes too long at this length";
  if (S * S > kMaxViews || S * S * double(n_tokens) > kMostRead) return std::nullopt;
  why = "the inputs are not two halves of any symbols and an end";
  if (n_tokens != 2 * q.n + 1 || q.n < 1 || S < 1 || !read_tokens(task, length, q))
    return std::nullopt;
  q.clash.assign(q.symbols.size() * q.symbols.size(), 0);
  why = "the answer is not whether some pair of symbols clashes, one of each half";
  Asker asker(task, n_tokens);
  if (!read_clashes(asker, q)) return std::nullopt;
  q.exhaustive = std::pow(S, 2 * double(q.n)) <= kExhaustive;
  if (!(q.exhaustive ? check_all(task, length, asker, q) : check_drawn(task, asker, q)))
    return std::nullopt;
  why.clear();
  return q;
}

std::string trust_in(const PairQuestion& question) {
  return question.exhaustive
             ? "that the answer is whether some pair of symbols clashes: checked on every instance"
             : "that the answer is whether some pair of symbols clashes: checked through "
               "Task::label on drawn instances and on single changes of one, not on all";
}

}  // namespace separatrix
