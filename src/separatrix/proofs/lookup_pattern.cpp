#include "separatrix/proofs/lookup_pattern.h"

#include <algorithm>
#include <cmath>

#include <gmpxx.h>

namespace separatrix {
namespace {

constexpr Index kDrawn = 24;  ///< queries that are asked about

/// Queries at the ends, next to powers of two, and drawn ones.
std::vector<Index> queries_to_ask(Index n, Rng& rng) {
  std::vector<Index> out;
  for (Index p = 0; p < std::min<Index>(n, 3); ++p) out.push_back(p);
  out.push_back(n - 1);
  for (Index power = 4; power < n && Index(out.size()) < kDrawn / 2; power *= 4) {
    out.push_back(power);
    out.push_back(power - 1);
  }
  while (Index(out.size()) < kDrawn) out.push_back(rng.below(n));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

class Questions {
 public:
  Questions(const Task& task, LookupPattern& pattern)
      : task_(task), f_(pattern), tokens_(std::size_t(f_.n) + 1), targets_(tokens_.size()) {}

  bool looks_at_its_own_number(const std::vector<Index>& asked) {
    const auto other = std::find_if(f_.answer.begin(), f_.answer.end(),
                                    [&](Token a) { return a != f_.answer.front(); });
    if (other == f_.answer.end()) return true;  // looks nowhere
    const Token b = f_.symbols[std::size_t(other - f_.answer.begin())];
    for (Index bit = 1; bit < f_.n; bit *= 2) {
      for (Index j = 0; j < f_.n; ++j)
        tokens_[std::size_t(j)] = (j & bit) != 0 ? b : f_.symbols.front();
      for (const Index p : asked)
        if (ask(p) != ((p & bit) != 0 ? *other : f_.answer.front())) return false;
    }
    return true;
  }
  /// The answers of the first query, each symbol before its own background.
  bool read_answers() {
    for (const Token symbol : f_.symbols) {
      std::fill(tokens_.begin(), tokens_.end() - 1, symbol);
      f_.answer.push_back(ask(0));
      if (f_.answer.back() == kIgnore) return false;
    }
    return true;
  }
  bool answers_are_common(const std::vector<Index>& asked, Rng& rng) {
    const auto draw = [&] { return std::size_t(rng.below(Index(f_.symbols.size()))); };
    for (int path = 0; path < 4; ++path) {
      for (Index j = 0; j < f_.n; ++j) tokens_[std::size_t(j)] = f_.symbols[draw()];
      for (const Index p : asked) {
        const std::size_t s = draw();
        tokens_[std::size_t(p)] = f_.symbols[s];
        if (ask(p) != f_.answer[s]) return false;
      }
    }
    return true;
  }

 private:
  /// The last target; kIgnore also when anything else is asked.
  Token ask(Index p) {
    tokens_.back() = f_.queries[std::size_t(p)];
    task_.label(tokens_, targets_);
    const auto ignored = std::count(targets_.begin(), targets_.end() - 1, kIgnore);
    return ignored + 1 == std::ptrdiff_t(targets_.size()) ? targets_.back() : kIgnore;
  }

  const Task& task_;
  LookupPattern& f_;
  std::vector<Token> tokens_, targets_;
};

}  // namespace

std::string LookupPattern::inputs() const {
  constexpr double kMostDigits = 1000;
  if (double(n) * std::log10(double(symbols.size())) > kMostDigits)
    return std::to_string(symbols.size()) + "^" + std::to_string(n) + " * " + std::to_string(n);
  mpz_class count;
  mpz_ui_pow_ui(count.get_mpz_t(), symbols.size(), std::uint64_t(n));
  count *= n;
  return count.get_str();
}

std::string LookupPattern::trust() const {
  return "that query number p asks for the symbol at position p: checked through Task::label on " +
         std::to_string(std::min(n, kDrawn)) + " queries, not on all";
}

std::optional<LookupPattern> find_lookup_pattern(const Task& task, Index length, std::string& why) {
  LookupPattern f;
  f.n = task.info(length).n_tokens - 1;
  why = "the legal tokens depend on the prefix or on the position";
  if (f.n < 1) return std::nullopt;
  Rng rng(0, RngUse::search);
  std::vector<Token> prefix;
  f.symbols = task.legal_next(prefix, length);
  for (Index t = 0; t < f.n; ++t) {
    const auto next = task.legal_next(prefix, length);
    if (next.empty() || next != f.symbols) return std::nullopt;
    prefix.push_back(next[std::size_t(rng.below(Index(next.size())))]);
  }
  f.queries = task.legal_next(prefix, length);
  why = "the query is not the number of one of the positions";
  if (Index(f.queries.size()) != f.n) return std::nullopt;
  Questions questions(task, f);
  const auto asked = queries_to_ask(f.n, rng);
  if (!questions.read_answers() || !questions.looks_at_its_own_number(asked) ||
      !questions.answers_are_common(asked, rng))
    return std::nullopt;
  why.clear();
  return f;
}

}  // namespace separatrix
