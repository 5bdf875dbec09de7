#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "separatrix/base/error.h"
#include "separatrix/base/parallel.h"
#include "separatrix/base/rng.h"
#include "separatrix/bounds/recurrent/prefixes_and_suffixes.h"
#include "separatrix/bounds/recurrent/rows.h"
#include "separatrix/tasks/instances.h"

// Checks what folding, layered merge and DFA minimisation claim, without their code: the pairs of
// the witness through Task::label and Task::legal_next, and where the inputs are few the whole
// count once more (rows.cpp).

namespace separatrix {
namespace {

using Tokens = std::vector<Token>;

constexpr Index kLegalTokens = Index{1} << 26;     ///< gone through with legal_next in all, at most
constexpr Index kLabelledTokens = Index{1} << 32;  ///< and with label; above that, drawn pairs
constexpr Index kMostTokens = Index{1} << 26;      ///< suffixes times tokens of an input
constexpr Index kDrawnPairs = 1000;

/// Reads lists of tokens; nullopt when they are anything else.
std::optional<std::vector<Tokens>> read_tokens(const Json& witness, const char* key, Index vocab) {
  if (!witness.contains(key) || !witness.at(key).is_array()) return std::nullopt;
  std::vector<Tokens> out;
  for (const Json& list : witness.at(key)) {
    if (!list.is_array()) return std::nullopt;
    Tokens tokens;
    for (const Json& token : list) {
      if (!token.is_number_integer()) return std::nullopt;
      const auto value = token.get<std::int64_t>();
      if (value < 0 || value >= vocab) return std::nullopt;
      tokens.push_back(Token(value));
    }
    out.push_back(std::move(tokens));
  }
  return out;
}

/// The matrix (prefix, suffix) -> target at the end of both.
class Matrix {
 public:
  Matrix(const BoundRequest& request, bool every_length, std::vector<Tokens> before,
         std::vector<Tokens> after)
      : prefixes(std::move(before)),
        suffixes(std::move(after)),
        request_(request),
        every_length_(every_length),
        n_tokens_(request.task.info(request.length).n_tokens) {
    if (!every_length) return;
    std::size_t first = 0, second = 0;
    for (const Tokens& prefix : prefixes) first = std::max(first, prefix.size());
    for (const Tokens& suffix : suffixes) second = std::max(second, suffix.size());
    n_tokens_ = Index(first + second);
  }

  const std::vector<Tokens> prefixes, suffixes;

  /// Of one input, at most.
  Index n_tokens() const { return n_tokens_; }

  bool is_legal(const Tokens& tokens, std::size_t from = 0) const {
    return begins_instance(request_.task, length_of(tokens), tokens, from);
  }
  /// prefix + suffix as one input, if it is legal: completed in any way, which is sound, as a
  /// machine in one state gives one answer whatever comes later. Empty otherwise.
  Tokens legal_input(std::size_t prefix, std::size_t suffix) const {
    Tokens tokens = joined(prefixes[prefix], suffixes[suffix]);
    const std::size_t known = every_length_ ? 0 : prefixes[prefix].size();  // checked before
    if (tokens.empty() || !has_instances(tokens) || !is_legal(tokens, known)) return {};
    while (!every_length_ && Index(tokens.size()) < n_tokens_)
      tokens.push_back(request_.task.legal_next(tokens, request_.length).front());
    return tokens;
  }
  /// The target at the last token of the suffix, with `after` for what follows the prefix: the
  /// suffix and a completion.
  Token target(std::size_t prefix, std::size_t suffix, const Tokens& after) const {
    const Tokens input = joined(prefixes[prefix], after);
    return has_instances(input) ? label(input, end(prefix, suffix)) : kIgnore;
  }
  Token legal_target(std::size_t prefix, std::size_t suffix) const {
    return label(legal_input(prefix, suffix), end(prefix, suffix));
  }
  void check_stop() const {
    if (request_.stop && *request_.stop) throw Error(ErrorKind::io, "stopped", request_.task_name);
  }

 private:
  static Tokens joined(const Tokens& a, const Tokens& b) {
    Tokens out;
    out.reserve(a.size() + b.size());
    out.insert(out.end(), a.begin(), a.end());
    out.insert(out.end(), b.begin(), b.end());
    return out;
  }
  std::size_t end(std::size_t prefix, std::size_t suffix) const {
    return prefixes[prefix].size() + suffixes[suffix].size();
  }
  /// Whether some instance may begin with so many tokens. Throws Error(spec) where the task has no
  /// instances of that length.
  bool has_instances(const Tokens& tokens) const {
    if (!every_length_) return Index(tokens.size()) <= n_tokens_;
    if (tokens.empty()) return false;
    request_.task.check_length(length_of(tokens));
    return request_.task.info(length_of(tokens)).n_tokens == Index(tokens.size());
  }
  Index length_of(const Tokens& tokens) const {
    return every_length_ ? Index(tokens.size()) : request_.length;
  }
  Token label(const Tokens& tokens, std::size_t end) const {
    if (tokens.empty() || end == 0) return kIgnore;
    Tokens targets(tokens.size());
    request_.task.label(tokens, targets);
    return targets[end - 1];
  }

  const BoundRequest& request_;
  bool every_length_;
  Index n_tokens_;
};

/// Which pairs of prefixes some suffix tells apart.
class Pairs {
 public:
  explicit Pairs(std::size_t n) : n_(n), words_((n + 63) / 64), apart_(n * words_, 0) {}

  /// After one more suffix the prefixes have these targets.
  void add(const Tokens& targets) {
    std::vector<std::pair<Token, std::vector<std::uint64_t>>> with;  // prefixes with a target
    std::vector<std::uint64_t> asked(words_, 0);
    std::vector<std::size_t> which(n_, 0);
    for (std::size_t i = 0; i < n_; ++i) {
      if (targets[i] == kIgnore) continue;
      while (which[i] < with.size() && with[which[i]].first != targets[i]) ++which[i];
      if (which[i] == with.size())
        with.emplace_back(targets[i], std::vector<std::uint64_t>(words_));
      const std::uint64_t bit = std::uint64_t{1} << (i % 64);
      asked[i / 64] |= bit;
      with[which[i]].second[i / 64] |= bit;
    }
    if (with.size() < 2) return;
    for (std::size_t i = 0; i < n_; ++i)
      if (targets[i] != kIgnore)
        for (std::size_t w = 0; w < words_; ++w)
          apart_[i * words_ + w] |= asked[w] & ~with[which[i]].second[w];
  }
  void add(const Pairs& other) {
    for (std::size_t w = 0; w < apart_.size(); ++w) apart_[w] |= other.apart_[w];
  }
  bool all() const {
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t j = 0; j < i; ++j)
        if ((apart_[i * words_ + j / 64] >> (j % 64) & 1) == 0) return false;
    return true;
  }

 private:
  std::size_t n_, words_;
  std::vector<std::uint64_t> apart_;  ///< [n, words] bits
};

/// Calls cell(prefix, suffix) for the whole matrix, a suffix at a time on every thread.
template <class Cell>
bool all_apart(const Matrix& matrix, int threads, const Cell& cell) {
  const std::size_t n = matrix.prefixes.size();
  std::vector<Pairs> found(std::size_t(std::max(threads, 1)), Pairs(n));  // one per thread
  parallel_for(threads, Index(matrix.suffixes.size()), [&](std::size_t worker, Index s) {
    matrix.check_stop();
    Tokens targets(n);
    for (std::size_t i = 0; i < n; ++i) targets[i] = cell(i, std::size_t(s));
    found[worker].add(targets);
  });
  for (std::size_t i = 1; i < found.size(); ++i) found.front().add(found[i]);
  return found.front().all();
}

/// For every suffix what follows a drawn prefix when it is read: the suffix and a completion. Empty
/// when one is not legal there, or a drawn suffix not after some prefix.
std::vector<Tokens> continuations(const Matrix& matrix) {
  Rng rng(0, RngUse::search);
  const auto n = Index(matrix.prefixes.size()), n_suffixes = Index(matrix.suffixes.size());
  std::vector<Tokens> out;
  for (Index s = 0; s < n_suffixes; ++s) {
    const auto i = std::size_t(rng.below(n));
    const Tokens input = matrix.legal_input(i, std::size_t(s));
    if (input.empty() && !matrix.prefixes[i].empty()) return {};
    const auto cut = std::ptrdiff_t(std::min(input.size(), matrix.prefixes[i].size()));
    out.emplace_back(input.begin() + cut, input.end());
  }
  for (std::size_t i = 0; i < matrix.prefixes.size() && n_suffixes > 0; ++i)
    if (matrix.legal_input(i, std::size_t(rng.below(n_suffixes))).empty()) return {};
  return out;
}

bool drawn_pair_apart(const Matrix& matrix, std::size_t i, std::size_t j) {
  matrix.check_stop();
  for (std::size_t s = 0; s < matrix.suffixes.size(); ++s) {
    const Token a = matrix.legal_target(i, s);
    if (a == kIgnore) continue;
    const Token b = matrix.legal_target(j, s);
    if (b != kIgnore && a != b) return true;
  }
  return false;
}

/// Whether the pairs are told apart, all or drawn ones, as the size allows.
WitnessCheck check_pairs(const Matrix& matrix, int threads) {
  const auto n = Index(matrix.prefixes.size());
  const Index all = n * (n - 1) / 2, n_suffixes = Index(matrix.suffixes.size());
  WitnessCheck failed = {false, "two prefixes are not told apart"};
  const std::string all_pairs = "all " + std::to_string(all) + " pairs";
  const double tokens = double(n) * double(n_suffixes) * double(matrix.n_tokens());
  if (tokens <= double(kLegalTokens)) {
    const auto cell = [&](std::size_t i, std::size_t s) { return matrix.legal_target(i, s); };
    return all_apart(matrix, threads, cell) ? WitnessCheck{true, all_pairs} : failed;
  }
  if (tokens <= double(kLabelledTokens))
    if (const auto after = continuations(matrix); !after.empty()) {
      const auto cell = [&](std::size_t i, std::size_t s) { return matrix.target(i, s, after[s]); };
      if (!all_apart(matrix, threads, cell)) return failed;
      return {true, all_pairs + " (each suffix found legal after a drawn prefix, seed 0)"};
    }
  Rng rng(0, RngUse::search);
  const Index drawn = std::min(
      all, std::clamp<Index>(kLabelledTokens / std::max<Index>(n_suffixes * matrix.n_tokens(), 1),
                             4, kDrawnPairs));
  for (Index d = 0; d < drawn; ++d) {
    const Index i = rng.below(n), j = (i + 1 + rng.below(n - 1)) % n;
    if (!drawn_pair_apart(matrix, std::size_t(i), std::size_t(j))) return failed;
  }
  return {true, std::to_string(drawn) + " random pairs of " + std::to_string(all) + ", seed 0"};
}

WitnessCheck check_claim(const BoundRequest& request, const Bound& bound) {
  if (bound.length != request.length) return {false, "the bound is about another length"};
  if (bound.resource != Resource::recurrent_state_bits || !bound.witness.is_object())
    return {false, "not a witness of this method"};
  const bool every_length = bound.scope == kEveryLength;
  const TaskInfo info = request.task.info(request.length);
  if (bound.witness.value("kind", Json()) != (every_length ? kWordsKind : kPrefixesKind) ||
      (!every_length && !bound.scope.empty()))
    return {false, "not a witness of this method"};
  auto prefixes = read_tokens(bound.witness, "prefixes", info.vocab_size);
  auto suffixes = read_tokens(bound.witness, "suffixes", info.vocab_size);
  if (!prefixes || !suffixes) return {false, "the witness is not readable"};
  if (bound.count < 1 || bound.count > std::int32_t(~0U >> 1))
    return {false, "the count is more than this method finds"};
  const Index n = Index(prefixes->size()), count = bound.count.get_si();
  const WitnessSize size = every_length ? words_size() : prefixes_size(info.n_tokens);
  if (n < 1 || n > count || n > size.complete ||
      (n < count && (count <= size.complete || n > size.selected)))
    return {false, "the number of prefixes does not fit the count"};
  if (bound.split < 0 || bound.split > info.n_tokens || (every_length && bound.split != 0))
    return {false, "there is no such cut"};

  const Matrix matrix(request, every_length, std::move(*prefixes), std::move(*suffixes));
  if (double(matrix.suffixes.size()) * double(matrix.n_tokens()) > double(kMostTokens))
    return {false, "the witness is too large to check"};
  for (const Tokens& prefix : matrix.prefixes)
    if (!every_length && (Index(prefix.size()) != bound.split || !matrix.is_legal(prefix)))
      return {false, "a prefix is not one of an instance at the cut"};
  WitnessCheck check = check_pairs(matrix, std::max(1, request.threads));
  if (!check.valid) return check;

  if (n < count)
    check.how += " among " + std::to_string(n) + " of " + bound.count.get_str() + " classes";
  if (n == count && !bound.exact) return check;
  const auto rows = every_length ? std::nullopt : count_rows(request, bound.split);
  if (!rows) {
    check.how += n < count ? "; the count itself was not recounted" : "; minimality not rechecked";
    check.covers = n == count;
    return check;
  }
  if (bound.exact ? count != rows->different || !rows->total : count > rows->different)
    return {false, "another count of the rows gives " + std::to_string(rows->different) +
                       (rows->total ? "" : ", and not all may be followed by the same")};
  check.how += ", and a recount of all rows";
  return check;
}

}  // namespace

WitnessCheck check_prefixes_and_suffixes(const BoundRequest& request, const Bound& bound) {
  try {
    return check_claim(request, bound);
  } catch (const Error& e) {  // a task that asks a user's program
    if (request.stop && *request.stop) throw;
    return {false, std::string("the task could not be asked: ") + e.what()};
  }
}

}  // namespace separatrix
