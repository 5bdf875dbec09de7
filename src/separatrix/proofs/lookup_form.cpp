#include "separatrix/proofs/lookup_form.h"

#include <algorithm>
#include <cmath>

#include <gmpxx.h>

namespace separatrix {
namespace {

constexpr double kExhaustive = 0x1p16;
constexpr int kPaths = 8;  ///< random instances per query

/// Asks the task about one instance at a time.
class Prober {
 public:
  explicit Prober(const Task& task, Index n_tokens)
      : task_(task), tokens_(std::size_t(n_tokens)), targets_(std::size_t(n_tokens)) {}
  std::vector<Token>& tokens() { return tokens_; }
  /// The last target; kIgnore also when anything else is asked.
  Token ask(Token query) {
    tokens_.back() = query;
    task_.label(tokens_, targets_);
    // A count has no early exit, so that it is vectorised.
    const auto ignored = std::count(targets_.begin(), targets_.end() - 1, kIgnore);
    const bool only_last = ignored + 1 == std::ptrdiff_t(targets_.size());
    return only_last ? targets_.back() : kIgnore;
  }

 private:
  const Task& task_;
  std::vector<Token> tokens_, targets_;
};

/// The legal tokens are the same after every prefix: seen on random instances.
bool read_sets(const Task& task, Index length, LookupForm& form) {
  Rng rng(0, RngUse::search);
  form.symbols = task.legal_next({}, length);
  for (int path = 0; path < kPaths; ++path) {
    std::vector<Token> prefix;
    for (Index t = 0; t < form.n; ++t) {
      if (task.legal_next(prefix, length) != form.symbols) return false;
      prefix.push_back(form.symbols[std::size_t(rng.below(Index(form.symbols.size())))]);
    }
    const std::vector<Token> queries = task.legal_next(prefix, length);
    if (path > 0 && queries != form.queries) return false;
    form.queries = queries;
  }
  return !form.symbols.empty() && !form.queries.empty();
}

/// answer[query][symbol] = target when every position holds that symbol.
bool read_answers(Prober& prober, LookupForm& form) {
  form.answer.assign(form.queries.size(), {});
  for (const Token symbol : form.symbols) {
    std::fill(prober.tokens().begin(), prober.tokens().end(), symbol);
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
          prober.tokens()[std::size_t(j)] = form.symbols[(j & bit) != 0 ? filled : 0];
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
  const Token symbol = prober.tokens()[std::size_t(form.position[p])];
  const auto s =
      std::lower_bound(form.symbols.begin(), form.symbols.end(), symbol) - form.symbols.begin();
  return prober.ask(form.queries[p]) == form.answer[p][std::size_t(s)];
}

bool check_all(const Task& task, Index length, Prober& prober, const LookupForm& form) {
  double count = 0;
  const bool good = for_each_instance(task, length, [&](std::span<const Token> tokens) {
    ++count;
    std::copy(tokens.begin(), tokens.end(), prober.tokens().begin());
    const auto p = std::lower_bound(form.queries.begin(), form.queries.end(), tokens.back());
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
    for (Token& token : prober.tokens()) token = draw();
    for (std::size_t p = 0; p < form.queries.size(); ++p)
      if (!holds_on(prober, form, p)) return false;
  }
  for (int path = 0; path < kPaths; ++path) {
    const Token rest = draw();
    std::fill(prober.tokens().begin(), prober.tokens().end(), rest);
    for (std::size_t p = 0; p < form.queries.size(); ++p) {
      Token& looked_at = prober.tokens()[std::size_t(form.position[p])];
      looked_at = draw();
      const bool good = holds_on(prober, form, p);
      prober.tokens()[std::size_t(form.position[p])] = rest;
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

std::optional<LookupForm> find_lookup_form(const Task& task, Index length, std::string& why) {
  LookupForm form;
  form.n = task.info(length).n_tokens - 1;
  why = "the legal tokens depend on the prefix or on the position";
  if (form.n < 1 || !read_sets(task, length, form)) return std::nullopt;
  why = "the answer is not a function of the last token and one symbol";
  Prober prober(task, form.n + 1);
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
