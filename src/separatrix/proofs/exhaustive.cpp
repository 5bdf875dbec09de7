#include <algorithm>
#include <atomic>
#include <limits>

#include "separatrix/base/parallel.h"
#include "separatrix/proofs/recheck.h"
#include "separatrix/proofs/run.h"

namespace separatrix {
namespace {

struct ExhaustiveConfig {};
template <class V>
void visit(V&, ExhaustiveConfig&) {}

constexpr Index kBatchTokens = 1 << 16;

/// The tree that Task::legal_next spells, cut into subtrees, so that threads can walk it.
class Tree {
 public:
  Tree(const Task& task, Index length)
      : task_(task), length_(length), depth_(std::size_t(task.info(length).n_tokens)) {
    constexpr std::size_t kEnough = 256;
    roots_.emplace_back();
    while (roots_.size() < kEnough && !roots_.empty() && roots_.front().size() + 1 < depth_) {
      std::vector<std::vector<Token>> longer;
      for (const auto& root : roots_)
        for (const Token token : task_.legal_next(root, length_)) {
          longer.push_back(root);
          longer.back().push_back(token);
        }
      roots_ = std::move(longer);
    }
  }
  std::size_t depth() const { return depth_; }
  Index subtrees() const { return Index(roots_.size()); }

  /// Calls visit(prefix, last) for every prefix of all tokens but the last in a subtree, in
  /// lexicographic order, with the tokens that may end it; until visit returns false.
  template <class Visit>
  void walk(Index subtree, const Visit& visit) const {
    std::vector<Token> prefix = roots_[std::size_t(subtree)];
    const std::size_t root = prefix.size();
    struct Level {
      std::vector<Token> tokens;
      std::size_t next = 0;
    };
    std::vector<Level> levels;
    for (;;) {
      std::vector<Token> tokens = task_.legal_next(prefix, length_);
      if (prefix.size() + 1 == depth_) {
        if (!visit(prefix, tokens)) return;
      } else {
        levels.push_back({std::move(tokens), 0});
        prefix.push_back(0);
      }
      while (!levels.empty() && levels.back().next == levels.back().tokens.size()) {
        levels.pop_back();
        if (prefix.size() > root + levels.size()) prefix.resize(root + levels.size());
      }
      if (levels.empty()) return;
      prefix.resize(root + levels.size());
      prefix.back() = levels.back().tokens[levels.back().next++];
    }
  }

  /// Whether there are more inputs than that; else how many there are.
  bool more_than(Index limit, int threads, Index& count) const {
    std::atomic<Index> sum = 0;
    parallel_for(threads, subtrees(), [&](std::size_t, Index i) {
      walk(i, [&](const std::vector<Token>&, const std::vector<Token>& last) {
        sum += Index(last.size());
        return sum <= limit;
      });
    });
    count = sum;
    return sum > limit;
  }

 private:
  const Task& task_;
  Index length_;
  std::size_t depth_;
  std::vector<std::vector<Token>> roots_;
};

/// Runs all inputs of a subtree through the model, in batches.
class Runner {
 public:
  Runner(const Subject& subject, const Claim& claim)
      : subject_(subject), claim_(claim), model_(subject.weights.spec, subject.blocks) {}

  /// Least margin of a subtree. Stops at the first input that breaks the claim, which goes to
  /// `broken`, or when stop() says so.
  template <class Stop>
  double run(const Tree& tree, Index subtree, std::vector<Token>& broken, const Stop& stop) {
    const std::size_t full = std::size_t(kBatchTokens) / tree.depth() * tree.depth();
    double least = std::numeric_limits<double>::infinity();
    pending_.clear();
    tree.walk(subtree, [&](const std::vector<Token>& prefix, const std::vector<Token>& last) {
      for (const Token token : last) {
        pending_.insert(pending_.end(), prefix.begin(), prefix.end());
        pending_.push_back(token);
      }
      if (pending_.size() < full) return true;
      return flush(tree.depth(), least, broken) && !stop();
    });
    if (broken.empty()) flush(tree.depth(), least, broken);
    return least;
  }

 private:
  bool flush(std::size_t n_tokens, double& least, std::vector<Token>& broken) {
    batch_.resize(Index(pending_.size() / n_tokens), Index(n_tokens));
    std::copy(pending_.begin(), pending_.end(), batch_.tokens.begin());
    pending_.clear();
    const auto margins = computed_margins(subject_, model_, batch_, claim_.arithmetic);
    for (Index b = 0; b < batch_.B; ++b) {
      least = std::min(least, margins[std::size_t(b)]);
      if (keeps(claim_, margins[std::size_t(b)])) continue;
      broken.assign(batch_.row(b).begin(), batch_.row(b).end());
      return false;
    }
    return true;
  }

  const Subject& subject_;
  const Claim& claim_;
  Model model_;
  Batch batch_;
  std::vector<Token> pending_;
};

/// As many inputs as take minutes.
Index most_inputs(const Subject& subject, const Claim& claim) {
  Batch one;
  std::vector<Token> tokens;
  for (auto next = subject.task.legal_next(tokens, claim.length); !next.empty();
       next = subject.task.legal_next(tokens, claim.length))
    tokens.push_back(next.front());
  one.resize(1, Index(tokens.size()));
  std::copy(tokens.begin(), tokens.end(), one.tokens.begin());
  subject.task.label(one.tokens, one.targets);
  const double operations = training_flops(subject.weights.spec, subject.blocks, one) / 3;
  return is_emulated(claim.arithmetic) ? Index(std::clamp(2e10 / operations, 1e4, 1e6))
                                       : Index(std::clamp(1e13 / operations, 1e6, 1e8));
}

/// The branching along one path, as a guard before the tree is walked at all.
bool surely_more_than(double limit, const Task& task, Index length) {
  double estimate = 1;
  std::vector<Token> prefix;
  const Index n_tokens = task.info(length).n_tokens;
  while (Index(prefix.size()) < n_tokens && estimate <= 1e3 * limit) {
    const std::vector<Token> next = task.legal_next(prefix, length);
    estimate *= double(next.size());
    prefix.push_back(next.back());
  }
  return estimate > 1e3 * limit;
}

/// Runs the model on every input: the statement itself, when it is small enough.
class Exhaustive final : public CertificateMethod {
 public:
  using Config = ExhaustiveConfig;
  explicit Exhaustive(const Config&) {}

  Certificate certify(const Claim& claim, const Subject& subject) const override {
    Certificate c = begin_certificate("exhaustive", claim, subject.weights);
    if (claim.arithmetic == Arithmetic::real)
      return undecided(std::move(c), "it runs programs, and the claim is over the reals");
    c.trusted_base = std::string("the ") + to_string(claim.arithmetic) +
                     " program itself, Task::label and Task::legal_next";
    const Index limit = most_inputs(subject, claim);
    const std::string many = "more than " + std::to_string(limit) + " inputs";
    if (surely_more_than(double(limit), subject.task, claim.length))
      return sampled(std::move(c), subject, many);
    const Tree tree(subject.task, claim.length);
    Index count = 0;
    if (tree.more_than(limit, subject.threads, count)) return sampled(std::move(c), subject, many);

    std::vector<std::unique_ptr<Runner>> runners(std::size_t(std::max(subject.threads, 1)));
    std::vector<double> least(std::size_t(tree.subtrees()));
    std::vector<std::vector<Token>> broken(least.size());
    // The first broken input counts: what is left of the subtrees before it is still run.
    std::atomic<Index> first_broken = tree.subtrees();
    parallel_for(subject.threads, tree.subtrees(), [&](std::size_t worker, Index i) {
      if (i > first_broken) return;
      auto& runner = runners[worker];
      if (!runner) runner = std::make_unique<Runner>(subject, claim);
      const auto at = std::size_t(i);
      least[at] = runner->run(tree, i, broken[at], [&] { return i > first_broken; });
      for (Index seen = first_broken; !broken[at].empty() && i < seen;)
        if (first_broken.compare_exchange_weak(seen, i)) break;
    });
    if (first_broken < tree.subtrees()) {
      if (refute(c, subject, broken[std::size_t(first_broken)])) return c;
      return undecided(std::move(c), "an input failed in its batch but not alone");
    }
    double margin = std::numeric_limits<double>::infinity();
    for (const double one : least) margin = std::min(margin, one);
    return conclude(std::move(c), margin, std::to_string(count));
  }

  std::string recheck(const Certificate& c, const Subject& subject) const override {
    if (c.verdict == Verdict::refuted) return recheck_counterexample(c, subject);
    // Through the plain reference instead of the kernels, and the task's own enumeration.
    const Index every = std::max<Index>(1, Index(std::stod(c.inputs)) / kRecheckedInputs);
    Index count = 0;
    bool good = true;
    std::vector<Token> targets(std::size_t(subject.task.info(c.claim.length).n_tokens));
    const auto C = std::size_t(subject.weights.spec.n_classes);
    for_each_instance(subject.task, c.claim.length, [&](std::span<const Token> tokens) {
      if (count++ % every != 0) return true;
      subject.task.label(tokens, targets);
      const Arithmetic arithmetic = c.claim.arithmetic;
      const auto logits = is_emulated(arithmetic)
                              ? emulated_logits(subject.weights, subject.blocks, tokens, arithmetic)
                              : reference_logits<double>(subject.weights, subject.blocks, tokens);
      for (std::size_t t = 0; t < tokens.size(); ++t)
        for (std::size_t k = 0; k < C && targets[t] != kIgnore; ++k)
          good = good && (Token(k) == targets[t] ||
                          logits[t * C + std::size_t(targets[t])] - logits[t * C + k] >=
                              c.margin * (1 - 1e-3) - 1e-6);
      return good;
    });
    if (!good) return "an input is answered wrongly by the plain reference";
    if (std::to_string(count) != c.inputs)
      return "the number of inputs is " + std::to_string(count);
    return {};
  }

 private:
  static constexpr Index kRecheckedInputs = 20000;

  static Certificate sampled(Certificate c, const Subject& subject, const std::string& reason) {
    constexpr Index kSamples = 256;
    if (refute_by_sampling(c, subject, kSamples)) return c;
    return undecided(std::move(c), reason);
  }
};

}  // namespace

void register_exhaustive(Registry<CertificateMethod>& methods) {
  methods.add<Exhaustive>("exhaustive", "runs every input, up to 10^8");
}

}  // namespace separatrix
