#include "separatrix/bounds/one_layer/matrix_check.h"

#include <algorithm>
#include <map>
#include <set>

#include "separatrix/bounds/one_layer/witness.h"

// Reads the parts of inputs that a witness lists, puts them together and asks Task::label; nothing
// here is used to find them.

namespace separatrix::one_layer {
namespace {

using Tokens = std::vector<Token>;
using Cells = std::vector<std::uint32_t>;
constexpr Index kMaxAnswers = Index{1} << 25;    ///< inputs labelled for one witness
constexpr double kMaxTokens = 0x1p31;            ///< in all of them
constexpr double kMaxComparisons = 0x1p34;       ///< of answers of two rows
constexpr Index kMaxRecounted = Index{1} << 24;  ///< inputs enumerated for an exact count
constexpr std::uint64_t kPrime = 2147483629;     ///< 2^31 - 19; the finder uses another

/// Why a witness is not one; caught in this file.
struct Wrong {
  std::string why;
};

/// Asks for the answer to parts of inputs.
class Questions {
 public:
  Questions(const BoundRequest& request, const Bound& bound, Index asked, Token last)
      : task_(request.task),
        length_(request.length),
        asked_(asked),
        tokens_(std::size_t(request.task.info(request.length).n_tokens), last),
        targets_(tokens_.size()) {
    const Json& alice = bound.witness.at("alice");
    const Index n = Index(tokens_.size());
    if (alice.is_object()) {
      const Index first = alice.at("first"), step = alice.at("step"), count = alice.at("count");
      if (first < 0 || first > n || step < 1 || step > n || count < 0 || count > n)
        throw Wrong{"Alice's positions are out of range"};
      for (Index i = 0; i < count; ++i) alice_.push_back(first + i * step);
    } else {
      alice.get_to(alice_);
    }
    for (std::size_t i = 0; i < alice_.size(); ++i)
      if (alice_[i] < 0 || alice_[i] >= n || alice_[i] == asked ||
          (i > 0 && alice_[i] <= alice_[i - 1]))
        throw Wrong{"Alice's positions are out of range or out of order"};
    if (bound.split != Index(alice_.size()))
      throw Wrong{"the split is not the number of Alice's tokens"};
    for (Index t = 0; t < n; ++t)
      if (t != asked && !std::binary_search(alice_.begin(), alice_.end(), t)) bob_.push_back(t);
    if (bound.witness.contains("pad")) bound.witness.at("pad").get_to(pad_);
  }

  /// Announces how many answers will be asked for.
  void expect(double answers) const {
    if (answers > double(kMaxAnswers) || answers * double(tokens_.size()) > kMaxTokens)
      throw Wrong{"the witness is too large to check"};
  }
  /// kIgnore: no instance, or not asked.
  Token answer(const Tokens& alice, const Tokens& bob) {
    put(alice_, alice, {});
    put(bob_, bob, pad_);
    for (std::size_t t = 0; t < tokens_.size(); ++t) {
      const Tokens next = task_.legal_next(std::span(tokens_).first(t), length_);
      if (!std::binary_search(next.begin(), next.end(), tokens_[t])) return kIgnore;
    }
    task_.label(tokens_, targets_);
    return targets_[std::size_t(asked_)];
  }
  const std::vector<Index>& alice() const { return alice_; }

 private:
  void put(const std::vector<Index>& positions, const Tokens& part, const Tokens& pad) {
    if (part.size() > positions.size() || (part.size() < positions.size() && pad.empty()))
      throw Wrong{"a part has another number of tokens than positions"};
    for (std::size_t i = 0; i < positions.size(); ++i)
      tokens_[std::size_t(positions[i])] =
          i < part.size() ? part[i] : pad[(i - part.size()) % pad.size()];
  }

  const Task& task_;
  Index length_, asked_;
  std::vector<Index> alice_, bob_;
  Tokens pad_, tokens_, targets_;
};

/// The rows of the whole matrix, counted from all inputs: 128-bit hashes of rows, so a collision
/// could only make the number smaller. Wrong unless every pair of parts is an input that is asked.
Index recount(const BoundRequest& request, const std::vector<Index>& alice, Index asked,
              Token last) {
  struct Row {
    std::uint64_t a = 1, b = 2, columns = 3;
    Index entries = 0;
  };
  std::map<Tokens, Row> rows;
  Tokens targets(std::size_t(request.task.info(request.length).n_tokens)), key(alice.size());
  Index n = 0;
  for_each_instance(request.task, request.length, [&](std::span<const Token> tokens) {
    if (++n > kMaxRecounted) throw Wrong{"too many inputs to count the rows again"};
    if (tokens[std::size_t(asked)] != last) return true;
    request.task.label(tokens, targets);
    const Token answer = targets[std::size_t(asked)];
    if (answer == kIgnore) throw Wrong{"not every pair of parts is asked, so no count is exact"};
    std::uint64_t column = 5;
    std::size_t next = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      if (next < alice.size() && std::size_t(alice[next]) == t)
        key[next++] = tokens[t];
      else
        column = (column ^ std::uint64_t(tokens[t] + 1)) * 0x9fb21c651e98df25 + 1;
    }
    Row& row = rows[key];
    row.a = (row.a ^ std::uint64_t(answer + 7)) * 0x100000001b3 + (row.a >> 29);
    row.b = (row.b + std::uint64_t(answer + 11)) * 0x9e3779b97f4a7c15 + (row.b >> 31);
    row.columns = (row.columns ^ column) * 0xd6e8feb86659fd93 + 1;
    ++row.entries;
    return true;
  });
  std::set<std::pair<std::uint64_t, std::uint64_t>> distinct;
  for (const auto& [part, row] : rows) {
    if (row.columns != rows.begin()->second.columns || row.entries != rows.begin()->second.entries)
      throw Wrong{"not every pair of parts is an input, so no count is exact"};
    distinct.emplace(row.a, row.b);
  }
  return Index(distinct.size());
}

void require_count(const Bound& bound, std::size_t n) {
  if (n == 0 || bound.count != mpz_class(std::uint64_t(n)))
    throw Wrong{"the witness shows " + std::to_string(n) + ", not the count"};
}

bool differ(const Tokens& a, const Tokens& b) {
  for (std::size_t c = 0; c < a.size(); ++c)
    if (a[c] != b[c] && a[c] != kIgnore && b[c] != kIgnore) return true;
  return false;
}

WitnessCheck rows_verdict(const BoundRequest& request, const Bound& bound, Index asked,
                          Token last) {
  Questions questions(request, bound, asked, last);
  std::vector<Tokens> rows, columns;
  bound.witness.at("rows").get_to(rows);
  bound.witness.at("columns").get_to(columns);
  require_count(bound, rows.size());
  questions.expect(double(rows.size()) * double(columns.size()));
  const double n = double(rows.size());
  std::vector<Tokens> answers;
  bool total = true;
  for (const Tokens& row : rows) {
    Tokens line;
    for (const Tokens& column : columns) line.push_back(questions.answer(row, column));
    total = total && std::find(line.begin(), line.end(), kIgnore) == line.end();
    answers.push_back(std::move(line));
  }
  if (total) {  // equal or not: sorting shows it
    std::sort(answers.begin(), answers.end());
    if (std::adjacent_find(answers.begin(), answers.end()) != answers.end())
      return {false, "two rows are not told apart"};
  } else {
    if (n * n / 2 * double(columns.size()) > kMaxComparisons)
      return {false, "the witness is too large to check"};
    for (std::size_t i = 0; i < answers.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (!differ(answers[i], answers[j])) return {false, "two rows are not told apart"};
  }
  const std::string pairs =
      "all " + std::to_string(rows.size() * (rows.size() - 1) / 2) + " pairs of rows";
  if (!bound.exact) return {true, pairs};
  const Index again = recount(request, questions.alice(), asked, last);
  if (bound.count != long(again))
    return {false, "another count of the rows gives " + std::to_string(again)};
  return {true, pairs + ", and a recount of all rows"};
}

WitnessCheck fooling_verdict(const BoundRequest& request, const Bound& bound, Index asked,
                             Token last) {
  if (bound.exact) return {false, "a fooling set never shows that the leaves suffice"};
  Questions questions(request, bound, asked, last);
  const Token answer = bound.witness.at("answer");
  std::vector<std::pair<Tokens, Tokens>> pairs, others;
  bound.witness.at("pairs").get_to(pairs);
  bound.witness.at("others").get_to(others);
  require_count(bound, pairs.size() + others.size());
  questions.expect(double(pairs.size()) * double(pairs.size()));
  std::set<Token> met = {answer, kIgnore};
  for (const auto& [a, b] : others)
    if (!met.insert(questions.answer(a, b)).second)
      return {false, "an input that should have another answer has not"};
  const auto breaks = [&](std::size_t i, std::size_t j) {
    const Token crossing = questions.answer(pairs[i].first, pairs[j].second);
    return crossing != kIgnore && crossing != answer;
  };
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (questions.answer(pairs[i].first, pairs[i].second) != answer)
      return {false, "a pair has another answer"};
    for (std::size_t j = 0; j < i; ++j)
      if (!breaks(i, j) && !breaks(j, i)) return {false, "two pairs do not fool each other"};
  }
  return {true, "all " + std::to_string(pairs.size() * (pairs.size() - 1) / 2) +
                    " crossings of pairs, and " + std::to_string(others.size()) +
                    " inputs with other answers"};
}

// Residues below 2^31 modulo 2^31 - 19: 2^31 = 19. As many instruction sets as the compiler offers;
// the sanitizers cannot start programs that choose between them.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
__attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#endif
void subtract(std::uint32_t* row, const std::uint32_t* pivot, std::uint64_t times, Index n) {
  const std::uint64_t low = 0x7fffffff, factor = kPrime - times;
  for (Index j = 0; j < n; ++j) {
    std::uint64_t x = row[j] + factor * pivot[j];
    x = (x & low) + 19 * (x >> 31);
    x = (x & low) + 19 * (x >> 31);
    row[j] = std::uint32_t(x >= kPrime ? x - kPrime : x);
  }
}

std::uint64_t power_modulo(std::uint64_t base, std::uint64_t exponent) {
  std::uint64_t out = 1;
  for (; exponent > 0; exponent >>= 1, base = base * base % kPrime)
    if ((exponent & 1) != 0) out = out * base % kPrime;
  return out;
}

/// Plain elimination of a square matrix of residues.
bool is_singular(Cells& cells, Index n) {
  for (Index k = 0; k < n; ++k) {
    Index pivot = k;
    while (pivot < n && cells[std::size_t(pivot * n + k)] == 0) ++pivot;
    if (pivot == n) return true;
    std::swap_ranges(&cells[std::size_t(pivot * n)], &cells[std::size_t(pivot * n)] + n,
                     &cells[std::size_t(k * n)]);
    const std::uint32_t* const top = &cells[std::size_t(k * n + k)];
    const std::uint64_t scale = power_modulo(*top, kPrime - 2);
    for (Index r = k + 1; r < n; ++r) {
      std::uint32_t* const row = &cells[std::size_t(r * n + k)];
      if (*row != 0) subtract(row, top, *row * scale % kPrime, n - k);
    }
  }
  return false;
}

WitnessCheck rank_verdict(const BoundRequest& request, const Bound& bound, Index asked,
                          Token last) {
  if (bound.exact) return {false, "a rank never shows that the leaves suffice"};
  Questions questions(request, bound, asked, last);
  std::set<Token> met;
  std::size_t sum = 0;
  double answers = 0;
  std::string sizes;
  const Json& values = bound.witness.at("values");
  for (const Json& value : values) {
    std::vector<Tokens> rows, columns;
    value.at("rows").get_to(rows);
    value.at("columns").get_to(columns);
    const Token answer = value.at("answer");
    if (answer == kIgnore || !met.insert(answer).second) return {false, "an answer stands twice"};
    if (rows.size() != columns.size()) return {false, "a submatrix is not square"};
    answers += double(rows.size()) * double(columns.size());
    questions.expect(answers);
    Cells cells;
    for (const Tokens& row : rows)
      for (const Tokens& column : columns) {
        const Token found = questions.answer(row, column);
        if (found == kIgnore) return {false, "a pair of parts is no input that is asked"};
        cells.push_back(found == answer ? 1 : 0);
      }
    if (is_singular(cells, Index(rows.size())))
      return {false, "a submatrix is singular modulo 2^31 - 19"};
    sum += rows.size();
    sizes += (sizes.empty() ? "" : ", ") + std::to_string(rows.size());
  }
  require_count(bound, sum);
  return {true, "submatrices of sizes " + sizes + ", none singular modulo 2^31 - 19"};
}

template <class Verdict>
WitnessCheck guarded(const Verdict& verdict) {
  try {
    return verdict();
  } catch (const Wrong& wrong) {
    return {false, wrong.why};
  } catch (const Json::exception&) {
    return {false, "the witness is not readable"};
  }
}

}  // namespace

WitnessCheck check_rows(const BoundRequest& request, const Bound& bound, Index asked, Token last) {
  return guarded([&] { return rows_verdict(request, bound, asked, last); });
}
WitnessCheck check_fooling_set(const BoundRequest& request, const Bound& bound, Index asked,
                               Token last) {
  return guarded([&] { return fooling_verdict(request, bound, asked, last); });
}
WitnessCheck check_rank(const BoundRequest& request, const Bound& bound, Index asked, Token last) {
  return guarded([&] { return rank_verdict(request, bound, asked, last); });
}

}  // namespace separatrix::one_layer
