#include "separatrix/refute/suffixes.h"

#include <algorithm>
#include <limits>

#include "separatrix/base/parallel.h"

namespace separatrix {
namespace {

/// Suffixes run per pair and round; labels asked for when looking for them.
constexpr std::size_t kSuffixes = 24, kTries = 4096;
/// Rounds of editing the suffix of least margin.
constexpr int kRounds = 4;

Tokens join(const Tokens& u, const Tokens& w) {
  Tokens joined = u;
  joined.insert(joined.end(), w.begin(), w.end());
  return joined;
}

bool contains(const std::vector<Tokens>& list, const Tokens& w) {
  return std::find(list.begin(), list.end(), w) != list.end();
}

}  // namespace

Suffixes::Suffixes(const Target& target, Index cut, std::optional<Token> last)
    : target_(target),
      cut_(std::size_t(cut)),
      n_tokens_(std::size_t(target.task.info(target.length).n_tokens)),
      last_(last) {}

bool Suffixes::distinguish(const PrefixPair& pair, const Tokens& w) const {
  if (w.size() + cut_ != n_tokens_ || (last_ && w.back() != *last_)) return false;
  const Tokens a = join(pair.u, w), b = join(pair.v, w);
  Tokens label_a(n_tokens_), label_b(n_tokens_);
  target_.task.label(a, label_a);
  target_.task.label(b, label_b);
  // A position that only one of the two is asked at shows nothing about the answers.
  bool differ = false;
  for (std::size_t t = cut_; t < n_tokens_; ++t)
    differ |= label_a[t] != label_b[t] && label_a[t] != kIgnore && label_b[t] != kIgnore;
  return differ && is_instance(target_.task, target_.length, a, cut_) &&
         is_instance(target_.task, target_.length, b, cut_);
}

std::vector<Tokens> Suffixes::find(const PrefixPair& pair, std::size_t most) const {
  std::vector<Tokens> found;
  for (const Tokens& w : pair.hints)
    if (found.size() < most && !contains(found, w) && distinguish(pair, w)) found.push_back(w);
  for (const Tokens& w : pair.hints) add_edits(pair, w, most, found);
  return found;
}

void Suffixes::add_edits(const PrefixPair& pair, const Tokens& w, std::size_t most,
                         std::vector<Tokens>& found) const {
  Tokens whole = join(pair.u, w);
  std::size_t tries = 0;
  // From the end: where one token is left to read, these are all suffixes that there are.
  for (std::size_t t = n_tokens_; t-- > cut_;)
    for (const Token token : target_.task.legal_next(std::span(whole).first(t), target_.length)) {
      if (found.size() >= most || ++tries > kTries) return;
      Tokens edited = w;
      edited[t - cut_] = token;
      if (token != w[t - cut_] && !contains(found, edited) && distinguish(pair, edited))
        found.push_back(std::move(edited));
    }
}

std::optional<Refutation> judge_pairs(const std::string& method, const Suffixes& suffixes,
                                      const std::vector<PrefixPair>& pairs, Judge& judge,
                                      const AttackOptions& options, Effort& effort) {
  std::vector<std::vector<Tokens>> ways(pairs.size());
  parallel_for(options.threads, Index(pairs.size()), [&](std::size_t, Index i) {
    if (effort.spent()) return;
    ways[std::size_t(i)] = suffixes.find(pairs[std::size_t(i)], kSuffixes);
  });
  std::vector<double> least(pairs.size(), std::numeric_limits<double>::infinity());
  for (int round = 0; round < kRounds && !effort.spent(); ++round) {
    std::vector<Tokens> inputs;
    std::vector<std::size_t> owner;
    for (std::size_t i = 0; i < pairs.size(); ++i)
      for (const Tokens& w : ways[i])
        for (const Tokens* prefix : {&pairs[i].u, &pairs[i].v}) {
          inputs.push_back(join(*prefix, w));
          owner.push_back(i);
        }
    if (inputs.empty()) return std::nullopt;
    const std::vector<Verdict> verdicts = judge.judge(inputs);
    if (const Index wrong = Judge::first_wrong(verdicts); wrong >= 0) {
      const auto at = std::size_t(wrong);
      Refutation found = refutation(method, inputs[at], verdicts[at]);
      found.prefix_pair = {pairs[owner[at]].u, pairs[owner[at]].v};
      found.state_distance = pairs[owner[at]].distance;
      return found;
    }
    std::vector<Tokens> doubtful(pairs.size());
    for (std::size_t k = 0; k < inputs.size(); ++k)
      if (verdicts[k].margin < least[owner[k]]) {
        least[owner[k]] = verdicts[k].margin;
        doubtful[owner[k]].assign(inputs[k].begin() + Index(pairs[owner[k]].u.size()),
                                  inputs[k].end());
      }
    parallel_for(options.threads, Index(pairs.size()), [&](std::size_t, Index i) {
      const auto at = std::size_t(i);
      ways[at].clear();
      if (!doubtful[at].empty()) suffixes.add_edits(pairs[at], doubtful[at], kSuffixes, ways[at]);
    });
  }
  return std::nullopt;
}

}  // namespace separatrix
