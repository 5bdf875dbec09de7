#include <algorithm>
#include <limits>

#include "separatrix/proofs/recheck.h"
#include "separatrix/proofs/run.h"

namespace separatrix {
namespace {

struct ExhaustiveConfig {};
template <class V>
void visit(V&, ExhaustiveConfig&) {}

constexpr Index kMaxInputs = 10'000'000;
constexpr Index kBatchTokens = 1 << 16;

/// Every instance, by walking the tree of legal tokens with an explicit stack; batches of them are
/// given to visit(batch), which may stop the walk.
class Walk {
 public:
  Walk(const Task& task, Index length)
      : task_(task), length_(length), n_tokens_(task.info(length).n_tokens) {}

  template <class Visit>
  bool run(Index batch_size, const Visit& visit) {
    std::vector<Token> pending;
    std::vector<Token> prefix;
    std::vector<std::vector<Token>> choices{task_.legal_next(prefix, length_)};
    Batch batch;
    const auto flush = [&] {
      const Index B = Index(pending.size()) / n_tokens_;
      if (B == 0) return true;
      batch.resize(B, n_tokens_);
      batch.tokens = pending;
      pending.clear();
      return visit(batch);
    };
    while (!choices.empty()) {
      if (choices.back().empty() || Index(prefix.size()) == n_tokens_) {
        if (Index(prefix.size()) == n_tokens_) {
          pending.insert(pending.end(), prefix.begin(), prefix.end());
          if (Index(pending.size()) >= batch_size * n_tokens_ && !flush()) return false;
        }
        choices.pop_back();
        if (!prefix.empty()) prefix.pop_back();
        continue;
      }
      prefix.push_back(choices.back().back());
      choices.back().pop_back();
      choices.push_back(task_.legal_next(prefix, length_));
    }
    return flush();
  }

 private:
  const Task& task_;
  Index length_, n_tokens_;
};

bool too_many(const Task& task, Index length) {
  // The branching along one path, as a guard before the tree is walked at all.
  double estimate = 1;
  std::vector<Token> prefix;
  const Index n_tokens = task.info(length).n_tokens;
  while (Index(prefix.size()) < n_tokens && estimate <= 1e3 * double(kMaxInputs)) {
    const std::vector<Token> next = task.legal_next(prefix, length);
    estimate *= double(next.size());
    prefix.push_back(next.back());
  }
  return estimate > 1e3 * double(kMaxInputs);
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
    const std::string many = "more than " + std::to_string(kMaxInputs) + " inputs";
    if (too_many(subject.task, claim.length)) return sampled(std::move(c), subject, many);

    Model model(subject.weights.spec, subject.blocks);
    double least = std::numeric_limits<double>::infinity();
    Index count = 0;
    std::vector<Token> broken;
    const Index n_tokens = subject.task.info(claim.length).n_tokens;
    const bool finished = Walk(subject.task, claim.length)
                              .run(std::max<Index>(1, kBatchTokens / n_tokens), [&](Batch& batch) {
                                const auto margins =
                                    computed_margins(subject, model, batch, claim.arithmetic);
                                for (Index b = 0; b < batch.B; ++b, ++count) {
                                  const double margin = margins[std::size_t(b)];
                                  least = std::min(least, margin);
                                  if (keeps(claim, margin)) continue;
                                  broken.assign(batch.row(b).begin(), batch.row(b).end());
                                  return false;
                                }
                                return count <= kMaxInputs;
                              });
    if (!broken.empty()) {
      if (refute(c, subject, broken)) return c;
      return undecided(std::move(c), "an input failed in its batch but not alone");
    }
    if (!finished) return sampled(std::move(c), subject, many);
    return conclude(std::move(c), least, std::to_string(count));
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
  methods.add<Exhaustive>("exhaustive", "runs every input, up to 10^7");
}

}  // namespace separatrix
