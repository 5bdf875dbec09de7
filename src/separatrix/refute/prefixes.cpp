#include "separatrix/refute/prefixes.h"

#include <bit>
#include <set>

#include "separatrix/base/hash.h"

namespace separatrix {
namespace {

/// Samples on which the places to cut are compared.
constexpr std::uint64_t kProbes = 256;

std::uint64_t class_of_state(const StreamingReference::State& state) { return hash_tokens(state); }

}  // namespace

Prefixes::Prefixes(const Target& target, std::uint64_t seed, Index cut)
    : target_(target), seed_(seed), cut_(cut), reference_(target.task.streaming(target.length)) {}

Tokens Prefixes::instance(std::uint64_t index) const {
  Rng rng(seed_, RngUse::search, index);
  Tokens tokens(std::size_t(target_.task.info(target_.length).n_tokens));
  target_.task.sample(rng, tokens);
  return tokens;
}

std::uint64_t Prefixes::class_of(std::span<const Token> prefix) const {
  if (reference_ == nullptr) return hash_tokens(prefix);
  auto state = reference_->start();
  for (std::size_t t = 0; t < prefix.size(); ++t)
    state = reference_->step(state, prefix[t], Index(t));
  return class_of_state(state);
}

std::vector<Edit> Prefixes::edits(const Tokens& tokens, Index end, std::size_t most,
                                  Rng& rng) const {
  std::vector<Edit> all;
  for (Index t = 0; t < end; ++t)
    for (const Token token :
         target_.task.legal_next(std::span(tokens).first(std::size_t(t)), target_.length))
      if (token != tokens[std::size_t(t)]) all.push_back({t, token});
  std::vector<Edit> chosen;
  // A random order (Fisher-Yates), as far as it is needed.
  for (std::size_t i = 0; i < all.size() && chosen.size() < most; ++i) {
    std::swap(all[i], all[i + std::size_t(rng.below(Index(all.size() - i)))]);
    Tokens edited(tokens.begin(), tokens.begin() + end);
    edited[std::size_t(all[i].position)] = all[i].token;
    if (begins_instance(target_.task, target_.length, edited, std::size_t(all[i].position)))
      chosen.push_back(all[i]);
  }
  return chosen;
}

std::vector<Index> choose_cuts(const Target& target, std::uint64_t seed) {
  const Index n = target.task.info(target.length).n_tokens;
  const auto reference = target.task.streaming(target.length);
  if (n < 2) return {};
  if (reference == nullptr)
    return n == 2 ? std::vector<Index>{1} : std::vector<Index>{n / 2, n - 1};
  const Prefixes prefixes(target, seed, n);
  std::vector<std::set<std::uint64_t>> classes(static_cast<std::size_t>(n));
  for (std::uint64_t probe = 0; probe < kProbes; ++probe) {
    const Tokens tokens = prefixes.instance(probe);
    auto state = reference->start();
    for (Index t = 0; t + 1 < n; ++t) {
      state = reference->step(state, tokens[std::size_t(t)], t);
      classes[std::size_t(t + 1)].insert(class_of_state(state));
    }
  }
  Index best = 1;
  for (Index t = 1; t < n; ++t)
    if (classes[std::size_t(t)].size() >= classes[std::size_t(best)].size()) best = t;
  return {best};
}

std::uint64_t hash_state(std::span<const float> state) {
  std::vector<std::int32_t> bits;
  bits.reserve(state.size());
  for (const float value : state) bits.push_back(std::bit_cast<std::int32_t>(value + 0.0F));
  return hash_tokens(bits);
}

}  // namespace separatrix
