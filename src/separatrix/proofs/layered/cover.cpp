#include "separatrix/proofs/layered/cover.h"

#include <algorithm>
#include <functional>
#include <map>

#include "separatrix/base/names.h"
#include "separatrix/proofs/layered/covers.h"

namespace separatrix::layered {

CoverBuilder::CoverBuilder(Index n_tokens) {
  cover_.kind.assign(std::size_t(n_tokens), 0);
  cover_.window.assign(std::size_t(n_tokens), {});
}

int CoverBuilder::kind(const std::vector<std::vector<Token>>& choices) {
  Kind kind;
  std::vector<std::size_t> digit(choices.size(), 0);
  for (bool more = true; more;) {
    std::vector<Token> view;
    for (std::size_t i = 0; i < choices.size(); ++i) view.push_back(choices[i][digit[i]]);
    kind.views.push_back(std::move(view));
    more = false;
    for (std::size_t i = 0; i < choices.size() && !more; ++i) {
      more = ++digit[i] < choices[i].size();
      if (!more) digit[i] = 0;
    }
  }
  cover_.kinds.push_back(std::move(kind));
  return int(cover_.kinds.size()) - 1;
}

void CoverBuilder::place(Index position, int kind, std::vector<Index> window) {
  cover_.kind[std::size_t(position)] = kind;
  cover_.window[std::size_t(position)] = std::move(window);
}

std::size_t CoverBuilder::asked(std::vector<Index> positions) {
  cover_.asked.push_back(std::move(positions));
  return cover_.asked.size() - 1;
}

Cover CoverBuilder::finish(const mpz_class& inputs) {
  cover_.inputs = inputs.get_str();
  if (cover_.weights.empty())
    for (const Kind& kind : cover_.kinds) cover_.weights.emplace_back(kind.views.size(), 0);
  return std::move(cover_);
}

std::vector<Token> token_range(Index first, Index n) {
  std::vector<Token> tokens;
  for (Index i = 0; i < n; ++i) tokens.push_back(Token(first + i));
  return tokens;
}

mpz_class power(Index base, Index exponent) {
  mpz_class out;
  mpz_ui_pow_ui(out.get_mpz_t(), std::uint64_t(base), std::uint64_t(exponent));
  return out;
}

mpz_class falling(Index n, Index k) {
  mpz_class out = 1;
  for (Index i = 0; i < k; ++i) out *= mpz_class(long(n - i));
  return out;
}

std::vector<Cover> covers_of(const Claim& claim, const Task& /*task*/, std::string& why) {
  using One = std::optional<Cover> (*)(const Claim&, std::string&);
  const std::map<std::string, One> known = {{"string-equality", cover_pairs},
                                            {"set-disjointness", cover_pairs},
                                            {"nearest-neighbor", cover_nearest_neighbor},
                                            {"mqar", cover_mqar},
                                            {"induction", cover_induction},
                                            {"index-lookup", cover_index_lookup}};
  if (same_name(claim.task, "sparse-features")) return cover_features(claim, why);
  for (const auto& [name, make] : known)
    if (same_name(name, claim.task)) {
      auto cover = make(claim, why);
      std::vector<Cover> out;
      if (cover) out.push_back(std::move(*cover));
      return out;
    }
  why = "it knows no cases of the task " + claim.task;
  return {};
}

namespace {

/// The cases that an input belongs to, by what stands in the windows.
class Membership {
 public:
  explicit Membership(const Cover& cover) : cover_(cover) {
    for (const Kind& kind : cover.kinds) {
      auto& numbers = view_.emplace_back();
      for (std::size_t v = 0; v < kind.views.size(); ++v) numbers[kind.views[v]] = v;
    }
  }

  /// False when some window holds what no view has.
  bool read(std::span<const Token> tokens) {
    at_.clear();
    for (std::size_t t = 0; t < cover_.kind.size(); ++t) {
      std::vector<Token> seen;
      for (const Index p : cover_.window[t]) seen.push_back(tokens[std::size_t(p)]);
      const auto& numbers = view_[std::size_t(cover_.kind[t])];
      const auto found = numbers.find(seen);
      if (found == numbers.end()) return false;
      at_.push_back(found->second);
    }
    return true;
  }

  bool in(const Case& c, Index asked) const {
    const std::vector<Index>& positions = cover_.asked[c.asked];
    if (!std::binary_search(positions.begin(), positions.end(), asked) ||
        c.asked_views[at_[std::size_t(asked)]] == 0)
      return false;
    const Index n = Index(at_.size());
    Index count = 0;
    switch (c.shape) {
      case Case::Shape::counted:
        for (Index t = 0; t < n; ++t)
          count += cover_.weights[std::size_t(cover_.kind[std::size_t(t)])][at_[std::size_t(t)]];
        return count == c.count;
      case Case::Shape::none:
        return all(c.before, 0, asked + 1);
      case Case::Shape::target:
        for (Index i = 0; i <= asked; ++i)
          if ((!c.at || *c.at == i) && allowed(c.target, i) && all(c.before, 0, i) &&
              all(c.after, i + 1, asked + 1))
            return true;
        return false;
    }
    return false;
  }

 private:
  bool allowed(std::size_t mask, Index t) const {
    return cover_.masks[mask][std::size_t(cover_.kind[std::size_t(t)])][at_[std::size_t(t)]] != 0;
  }
  bool all(std::size_t mask, Index begin, Index end) const {
    for (Index t = begin; t < end; ++t)
      if (!allowed(mask, t)) return false;
    return true;
  }

  const Cover& cover_;
  std::vector<std::map<std::vector<Token>, std::size_t>> view_;
  std::vector<std::size_t> at_;
};

}  // namespace

bool compares_all(const Cover& cover) {
  constexpr Index kAll = 1 << 12;
  return mpz_class(cover.inputs) <= kAll;
}

std::string disagreement(const Cover& cover, const Task& task, Index length) {
  constexpr Index kSamples = 64;
  Membership membership(cover);
  std::vector<Token> targets(std::size_t(cover.n_tokens()));
  std::string wrong;
  const auto look = [&](std::span<const Token> tokens) {
    task.label(tokens, targets);
    if (!membership.read(tokens)) {
      wrong = "an input does not look like the cases of the task";
      return false;
    }
    for (Index t = 0; t < cover.n_tokens(); ++t) {
      if (targets[std::size_t(t)] == kIgnore) continue;
      bool covered = false;
      for (const Case& c : cover.cases) {
        if (!membership.in(c, t)) continue;
        covered = true;
        if (c.answer != targets[std::size_t(t)]) wrong = "a case answers an input wrongly";
      }
      if (!covered) wrong = "an input belongs to no case";
      if (!wrong.empty()) return false;
    }
    return true;
  };
  if (compares_all(cover)) {
    Index count = 0;
    for_each_instance(task, length, [&](std::span<const Token> tokens) {
      ++count;
      return look(tokens);
    });
    if (wrong.empty() && mpz_class(long(count)) != mpz_class(cover.inputs))
      wrong = "the cases count " + cover.inputs + " inputs, the task has " + std::to_string(count);
    return wrong;
  }
  Rng rng(0, RngUse::search);
  std::vector<Token> tokens(std::size_t(cover.n_tokens()));
  for (Index i = 0; i < kSamples && wrong.empty(); ++i) {
    task.sample(rng, tokens);
    look(tokens);
  }
  return wrong;
}

}  // namespace separatrix::layered
