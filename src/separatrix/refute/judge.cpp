#include "separatrix/refute/judge.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <limits>

#include "separatrix/base/parallel.h"

namespace separatrix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Inputs that one worker takes at a time: the largest tile of a model.
constexpr Index kChunk = 64;

/// logit(label) - best other logit.
double margin_of(std::span<const float> logits, Token label) {
  double margin = kInfinity;
  for (std::size_t c = 0; c < logits.size(); ++c) {
    if (Token(c) == label) continue;
    const double difference = double(logits[std::size_t(label)]) - double(logits[c]);
    if (std::isnan(difference)) return -kInfinity;
    margin = std::min(margin, difference);
  }
  return margin;
}

void take_answer(Verdict& verdict, Index position, Token label, std::span<const float> logits) {
  const auto given = Token(std::max_element(logits.begin(), logits.end()) - logits.begin());
  const double margin = margin_of(logits, label);
  const bool first_wrong = given != label && !verdict.wrong;
  if (first_wrong || (!verdict.wrong && margin < verdict.margin)) {
    verdict.position = position;
    verdict.expected = label;
    verdict.given = given;
  }
  verdict.wrong |= given != label;
  verdict.margin = std::min(verdict.margin, margin);
}

}  // namespace

Judge::Judge(const Target& target, const AttackOptions& options, Effort& effort)
    : target_(target), options_(options), effort_(effort) {
  for (int i = 0; i < std::max(options.threads, 1); ++i)
    workers_.push_back({Model(target.weights.spec, target.blocks), {}, {}});
}

std::vector<Verdict> Judge::judge(std::span<const Tokens> inputs) {
  std::vector<Verdict> verdicts(inputs.size(), Verdict{.margin = kInfinity});
  const Index n = Index(inputs.size()), chunks = (n + kChunk - 1) / kChunk;
  std::atomic<Index> run{0};
  parallel_for(options_.threads, chunks, [&](std::size_t worker, Index chunk) {
    if (effort_.spent()) return;
    const auto begin = std::size_t(chunk * kChunk);
    const auto size = std::min(std::size_t(kChunk), inputs.size() - begin);
    judge_batch(workers_[worker], inputs.subspan(begin, size), verdicts.data() + begin);
    run += Index(size);
  });
  effort_.count("inputs", run);
  return verdicts;
}

void Judge::judge_batch(Worker& worker, std::span<const Tokens> inputs, Verdict* verdicts) const {
  Batch& batch = worker.batch;
  batch.resize(Index(inputs.size()), Index(inputs.front().size()));
  for (Index b = 0; b < batch.B; ++b) {
    const Tokens& tokens = inputs[std::size_t(b)];
    assert(Index(tokens.size()) == batch.T);
    std::copy(tokens.begin(), tokens.end(), batch.row(b).begin());
    target_.task.label(tokens, batch.target_row(b));
  }
  worker.model.logits(target_.weights.values, batch, worker.logits);
  const auto C = std::size_t(target_.weights.spec.n_classes);
  std::span<const float> logits = worker.logits;
  for (Index b = 0; b < batch.B; ++b)
    for (Index t = 0; t < batch.T; ++t) {
      const Token label = batch.target_row(b)[std::size_t(t)];
      if (label == kIgnore) continue;
      take_answer(verdicts[b], t, label, logits.first(C));
      logits = logits.subspan(C);
    }
}

Index Judge::first_wrong(const std::vector<Verdict>& verdicts) {
  const auto wrong =
      std::find_if(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.wrong; });
  return wrong == verdicts.end() ? -1 : wrong - verdicts.begin();
}

Refutation refutation(const std::string& method, const Tokens& tokens, const Verdict& verdict) {
  assert(verdict.wrong);
  Refutation found;
  found.method = method;
  found.tokens = tokens;
  found.position = verdict.position;
  found.expected = verdict.expected;
  found.given = verdict.given;
  return found;
}

}  // namespace separatrix
