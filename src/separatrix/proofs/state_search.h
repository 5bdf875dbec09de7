#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "separatrix/base/parallel.h"
#include "separatrix/proofs/elman.h"
#include "separatrix/proofs/run.h"

// The search of `state-graph`, proving side.

namespace separatrix {

inline constexpr Index kMaxPairs = 2'000'000;
inline constexpr Index kMaxWords = Index{1} << 26;  ///< of model states held at a time
inline constexpr Index kMaxSteps = 400'000'000;     ///< recurrent steps in all
inline constexpr Index kBatch = Index{1} << 18;     ///< steps computed before they are sorted in

/// What the task's machine says at one moment. States are numbered.
class Machine {
 public:
  virtual ~Machine() = default;
  virtual const std::vector<Token>& legal(Index pair, std::int32_t state) = 0;
  virtual std::int32_t step(std::int32_t state, Token token) = 0;
  virtual Token output(std::int32_t state) const = 0;
};

/// All pairs met, each with the token and the pair it was first reached by; the model states of the
/// present layer.
class Pairs {
 public:
  explicit Pairs(std::size_t width) : width_(width), known_(16, Hash{this}, Equal{this}) {}

  struct Origin {
    Index from = -1;
    Token token = 0;
    std::int32_t machine = 0;
  };
  Index size() const { return Index(origins_.size()); }
  Index first() const { return first_; }
  const Origin& origin(Index pair) const { return origins_[std::size_t(pair)]; }
  const std::uint64_t* words(Index pair) const {
    return words_.data() + std::size_t(pair - first_) * width_;
  }
  bool is_full() const { return size() > kMaxPairs || Index(words_.size()) > kMaxWords; }
  std::size_t width() const { return width_; }

  /// The pair before the first token. Nothing is asked there, so it is not known: a token that
  /// leads back to it makes a pair that is looked at.
  void start(const std::uint64_t* words, std::int32_t machine) {
    words_.assign(words, words + width_);
    origins_.push_back({.from = -1, .token = 0, .machine = machine});
  }
  /// Number of the pair, and whether it is new to this layer.
  std::pair<Index, bool> add(const std::uint64_t* words, const Origin& origin) {
    const Index pair = size();
    words_.insert(words_.end(), words, words + width_);
    origins_.push_back(origin);
    const auto [it, is_new] = known_.insert(pair);
    if (is_new) return {pair, true};
    words_.resize(words_.size() - width_);
    origins_.pop_back();
    return {*it, false};
  }
  /// The pairs so far are another layer from now on: forgets the model states before `first`.
  void begin_layer(Index first) {
    known_.clear();
    words_.erase(words_.begin(),
                 words_.begin() + std::ptrdiff_t(std::size_t(first - first_) * width_));
    first_ = first;
  }
  std::vector<Token> word(Index pair) const {
    std::vector<Token> out;
    for (; origin(pair).from >= 0; pair = origin(pair).from) out.push_back(origin(pair).token);
    std::reverse(out.begin(), out.end());
    return out;
  }

 private:
  struct Hash {
    const Pairs* pairs;
    std::size_t operator()(Index pair) const {
      std::uint64_t h = std::uint64_t(pairs->origin(pair).machine) * 0x9e3779b97f4a7c15U;
      for (std::size_t i = 0; i < pairs->width_; ++i) {
        h = (h ^ pairs->words(pair)[i]) * 0x9e3779b97f4a7c15U;
        h ^= h >> 29;
      }
      return std::size_t(h);
    }
  };
  struct Equal {
    const Pairs* pairs;
    bool operator()(Index a, Index b) const {
      return pairs->origin(a).machine == pairs->origin(b).machine &&
             std::equal(pairs->words(a), pairs->words(a) + pairs->width_, pairs->words(b));
    }
  };

  std::size_t width_;
  Index first_ = 0;
  std::vector<std::uint64_t> words_;
  std::vector<Origin> origins_;
  std::unordered_set<Index, Hash, Equal> known_;
};

/// The search: breadth first, steps of the model on several threads.
class Search {
 public:
  Search(const Elman& model, const Claim& claim, int threads)
      : model_(model), claim_(claim), threads_(threads), pairs_(model.words()) {}

  Pairs& pairs() { return pairs_; }
  Index steps() const { return steps_; }
  double margin() const { return margin_; }
  Index broken() const { return broken_; }  ///< the first pair that breaks the claim, or -1
  const std::string& why() const { return why_; }

  void start(std::int32_t machine) {
    const Elman::Words zero(model_.words(), 0);
    pairs_.start(zero.data(), machine);
  }

  /// The successors of the pairs [begin, end); false when the claim broke or it became too much.
  /// `met(from, to)` hears of every step.
  template <class Met>
  bool expand(Index begin, Index end, Machine& machine, const Met& met) {
    for (Index at = begin; at < end;) {
      Index planned = 0, stop = at;
      std::vector<Index> offsets;  // of the successors of each pair
      for (; stop < end && (stop == at || planned < kBatch); ++stop) {
        offsets.push_back(planned);
        planned += Index(machine.legal(stop, pairs_.origin(stop).machine).size());
      }
      offsets.push_back(planned);
      if ((steps_ += planned) > kMaxSteps) return give_up("too many steps of the model to run");
      if (!run(at, offsets, machine)) return give_up("its sums may be rounded");
      if (!sort_in(at, offsets, machine, met)) return false;
      at = stop;
    }
    return true;
  }

 private:
  bool give_up(const std::string& why) {
    why_ = why;
    return false;
  }
  /// Fills next_ with the model states after every legal token.
  bool run(Index at, const std::vector<Index>& offsets, Machine& machine) {
    const std::size_t width = pairs_.width();
    next_.resize(std::size_t(offsets.back()) * width);
    std::vector<const std::vector<Token>*> legal;
    for (Index i = 0; i + 1 < Index(offsets.size()); ++i)
      legal.push_back(&machine.legal(at + i, pairs_.origin(at + i).machine));
    std::vector<char> exact(legal.size(), 1);
    constexpr Index kPiece = 64;
    const Index pieces = (Index(legal.size()) + kPiece - 1) / kPiece;
    parallel_for(threads_, pieces, [&](std::size_t, Index piece) {
      Elman::Before before;
      for (Index i = piece * kPiece; i < std::min((piece + 1) * kPiece, Index(legal.size())); ++i) {
        exact[std::size_t(i)] = model_.prepare(pairs_.words(at + i), before);
        std::uint64_t* next = next_.data() + std::size_t(offsets[std::size_t(i)]) * width;
        for (const Token token : *legal[std::size_t(i)]) {
          model_.step(before, token, next);
          next += width;
        }
      }
    });
    return std::find(exact.begin(), exact.end(), 0) == exact.end();
  }
  template <class Met>
  bool sort_in(Index at, const std::vector<Index>& offsets, Machine& machine, const Met& met) {
    for (Index i = 0; i + 1 < Index(offsets.size()); ++i) {
      const std::int32_t state = pairs_.origin(at + i).machine;
      const std::uint64_t* next =
          next_.data() + std::size_t(offsets[std::size_t(i)]) * pairs_.width();
      for (const Token token : machine.legal(at + i, state)) {
        const std::int32_t after = machine.step(state, token);
        const auto [pair, is_new] =
            pairs_.add(next, {.from = at + i, .token = token, .machine = after});
        next += pairs_.width();
        met(at + i, pair);
        if (!is_new) continue;
        if (pairs_.is_full()) return give_up("too many pairs of states");
        if (!holds(pair, machine.output(after))) return false;
      }
    }
    return true;
  }
  bool holds(Index pair, Token target) {
    if (target == kIgnore) return true;
    const double margin = model_.margin(pairs_.words(pair), target);
    if (!(margin == margin)) return give_up("its sums may be rounded");
    margin_ = std::min(margin_, margin);
    if (keeps(claim_, margin)) return true;
    broken_ = pair;
    return give_up("a state answers wrongly");
  }

  const Elman& model_;
  const Claim& claim_;
  int threads_;
  Pairs pairs_;
  std::vector<std::uint64_t> next_;
  Index steps_ = 0, broken_ = -1;
  double margin_ = std::numeric_limits<double>::infinity();
  std::string why_;
};

}  // namespace separatrix
