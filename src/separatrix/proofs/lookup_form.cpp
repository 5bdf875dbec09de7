#include "separatrix/proofs/lookup_form.h"

#include <algorithm>
#include <cmath>

#include <gmpxx.h>

namespace separatrix {
namespace {

constexpr double kExhaustive = 0x1p16;
constexpr int kPaths = 8;           ///< random instances per query
constexpr double kMostRead = 2e11;  ///< tokens that all questions together may read: minutes

/// Asks the task about one instance at a time.
class Prober {
 public:
  Prober(const Task& task, const LookupForm& form)
      : task_(task),
        tokens_(std::size_t(form.n) + 1),
        targets_(tokens_.size()),
        query_(tokens_[std::size_t(form.query_at())]),
        symbols_(std::span(tokens_).subspan(std::size_t(form.symbol_at(0)), std::size_t(form.n))) {}
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;
  std::span<Token> symbols() { return symbols_; }
  void set(std::span<const Token> tokens) {
    std::copy(tokens.begin(), tokens.end(), tokens_.begin());
  }
  /// The last target; kIgnore also when anything else is asked.
  Token ask(Token query) {
    query_ = query;
    task_.label(tokens_, targets_);
    // A count has no early exit, so that it is vectorised.
    const auto ignored = std::count(targets_.begin(), targets_.end() - 1, kIgnore);
    const bool only_last = ignored + 1 == std::ptrdiff_t(targets_.size());
    return only_last ? targets_.back() : kIgnore;
  }

 private:
  const Task& task_;
  std::vector<Token> tokens_, targets_;
  Token& query_;
  std::span<Token> symbols_;
};

/// The legal tokens are the same after every prefix: seen on random instances.
bool read_sets(const Task& task, Index length, LookupForm& form) {
  Rng rng(0, RngUse::search);
  for (int path = 0; path < kPaths; ++path) {
    std::vector<Token> prefix;
    for (Index t = 0; t <= form.n; ++t) {
      const std::vector<Token> next = task.legal_next(prefix, length);
      std::vector<Token>& expected = t == form.query_at() ? form.queries : form.symbols;
      if (expected.empty()) expected = next;
      if (next.empty() || next != expected) return false;
      prefix.push_back(next[std::size_t(rng.below(Index(next.size())))]);
    }
  }
  return true;
}

/// answer[query][symbol] = target when every position holds that symbol.
bool read_answers(Prober& prober, LookupForm& form) {
  form.answer.assign(form.queries.size(), {});
  for (const Token symbol : form.symbols) {
    std::fill(prober.symbols().begin(), prober.symbols().end(), symbol);
    for (std::size_t p = 0; p < form.queries.size(); ++p) {
      form.answer[p].push_back(prober.ask(form.queries[p]));
      if (form.answer[p].back() == kIgnore) return false;
    }
  }
  return true;
}

/// Two symbols with different answers, written at the positions by the binary digits of the
/// position: the answers spell where the query looks.
bool read_positions(Prober& prober, LookupForm& form) {
  form.position.assign(form.queries.size(), 0);
  std::vector<std::size_t> other(form.queries.size(), 0);
  for (std::size_t p = 0; p < form.queries.size(); ++p) {
    const auto& answer = form.answer[p];
    const auto it =
        std::find_if(answer.begin(), answer.end(), [&](Token a) { return a != answer.front(); });
    if (it != answer.end()) other[p] = std::size_t(it - answer.begin());
  }
  for (Index bit = 1; bit < form.n; bit *= 2)
    for (std::size_t p = 0, filled = 0; p < form.queries.size(); ++p) {
      if (other[p] == 0) continue;  // looks nowhere
      if (filled != other[p]) {
        filled = other[p];
        for (Index j = 0; j < form.n; ++j)
          prober.symbols()[std::size_t(j)] = form.symbols[(j & bit) != 0 ? filled : 0];
      }
      const Token answer = prober.ask(form.queries[p]);
      if (answer == form.answer[p][other[p]])
        form.position[p] += bit;
      else if (answer != form.answer[p].front())
        return false;
    }
  return std::all_of(form.position.begin(), form.position.end(),
                     [&](Index at) { return at < form.n; });
}

bool holds_on(Prober& prober, const LookupForm& form, std::size_t p) {
  const Token symbol = prober.symbols()[std::size_t(form.position[p])];
  const auto s =
      std::lower_bound(form.symbols.begin(), form.symbols.end(), symbol) - form.symbols.begin();
  return prober.ask(form.queries[p]) == form.answer[p][std::size_t(s)];
}

bool check_all(const Task& task, Index length, Prober& prober, const LookupForm& form) {
  double count = 0;
  const bool good = for_each_instance(task, length, [&](std::span<const Token> tokens) {
    ++count;
    prober.set(tokens);
    const auto p = std::lower_bound(form.queries.begin(), form.queries.end(),
                                    tokens[std::size_t(form.query_at())]);
    return p != form.queries.end() && holds_on(prober, form, std::size_t(p - form.queries.begin()));
  });
  return good && count == std::pow(double(form.symbols.size()), double(form.n)) *
                              double(form.queries.size());
}

/// Random instances; and for each query its position alone differing from the rest, both ways.
bool check_drawn(Prober& prober, const LookupForm& form) {
  Rng rng(1, RngUse::search);
  const auto draw = [&] {
    return form.symbols[std::size_t(rng.below(Index(form.symbols.size())))];
  };
  for (int path = 0; path < kPaths; ++path) {
    for (Token& token : prober.symbols()) token = draw();
    for (std::size_t p = 0; p < form.queries.size(); ++p)
      if (!holds_on(prober, form, p)) return false;
  }
  for (int path = 0; path < kPaths; ++path) {
    const Token rest = draw();
    std::fill(prober.symbols().begin(), prober.symbols().end(), rest);
    for (std::size_t p = 0; p < form.queries.size(); ++p) {
      Token& looked_at = prober.symbols()[std::size_t(form.position[p])];
      looked_at = draw();
      const bool good = holds_on(prober, form, p);
      prober.symbols()[std::size_t(form.position[p])] = rest;
      if (!good) return false;
    }
  }
  return true;
}

}  // namespace

std::string LookupForm::inputs() const {
  mpz_class count;
  mpz_ui_pow_ui(count.get_mpz_t(), symbols.size(), std::uint64_t(n));
  count *= queries.size();
  return count.get_str();
}

std::optional<LookupForm> find_lookup_form(const Task& task, Index length, std::string& why,
                                           bool query_first) {
  LookupForm form;
  form.query_first = query_first;
  form.n = task.info(length).n_tokens - 1;
  why = "the legal tokens depend on the prefix or on the position";
  if (form.n < 1 || !read_sets(task, length, form)) return std::nullopt;
  why = "every query would have to be asked about, which takes too long at this length";
  const double asked =
      double(form.queries.size()) * double(Index(form.symbols.size()) + 2 * kPaths);
  if (asked * double(form.n) > kMostRead) return std::nullopt;
  why = "the answer is not a function of the query and one symbol";
  Prober prober(task, form);
  if (!read_answers(prober, form) || !read_positions(prober, form)) return std::nullopt;
  const double instances =
      std::pow(double(form.symbols.size()), double(form.n)) * double(form.queries.size());
  form.exhaustive = instances <= kExhaustive;
  const bool good =
      form.exhaustive ? check_all(task, length, prober, form) : check_drawn(prober, form);
  if (!good) return std::nullopt;
  why.clear();
  return form;
}

std::string trust_in(const LookupForm& form) {
  return form.exhaustive
             ? "the task's form (one symbol decides each query) was checked on every instance"
             : "that one symbol decides each query: checked through Task::label on random and on "
               "single-change instances of every query, not on all";
}

}  // namespace separatrix
