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

int CoverBuilder::kind(const std::vector<View>& choices) {
  Kind kind;
  std::vector<std::size_t> digit(choices.size(), 0);
  for (bool more = true; more;) {
    View view;
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

std::size_t CoverBuilder::asker(View view) {
  cover_.askers.push_back(std::move(view));
  return cover_.askers.size() - 1;
}

Cover CoverBuilder::finish(const mpz_class& inputs) {
  cover_.inputs = inputs.get_str();
  if (cover_.weights.empty())
    for (const Kind& kind : cover_.kinds) cover_.weights.emplace_back(kind.views.size(), 0);
  return std::move(cover_);
}

View each_of(Index first, Index n) {
  View out;
  for (Index i = 0; i < n; ++i) out.push_back(only(first + i));
  return out;
}
Tokens any_of(Index first, Index n) { return {Token(first), Token(first + n - 1)}; }
Tokens only(Index token) { return {Token(token), Token(token)}; }

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

std::vector<Cover> covers_of(const Claim& claim, std::string& why) {
  using Make = std::vector<Cover> (*)(const Claim&, std::string&);
  const std::map<std::string, Make> known = {{"string-equality", cover_pairs},
                                             {"set-disjointness", cover_pairs},
                                             {"mqar", cover_mqar},
                                             {"nearest-neighbor", cover_nearest_neighbor},
                                             {"induction", cover_induction},
                                             {"index-lookup", cover_index_lookup},
                                             {"sparse-features", cover_features}};
  for (const auto& [name, make] : known)
    if (same_name(name, claim.task)) return make(claim, why);
  why = "it knows no cases of the task " + claim.task;
  return {};
}

namespace {

bool fits(const View& view, const std::vector<Token>& window) {
  for (std::size_t i = 0; i < view.size(); ++i)
    if (!view[i].contains(window[i])) return false;
  return true;
}

/// The cases that an input belongs to, by what stands in the windows.
class Membership {
 public:
  explicit Membership(const Cover& cover) : cover_(cover) {
    for (const Kind& kind : cover.kinds) {
      auto& numbers = view_.emplace_back();
      auto& ranges = ranges_.emplace_back(kind.views.front().size());
      for (std::size_t v = 0; v < kind.views.size(); ++v) {
        numbers[kind.views[v]] = v;
        for (std::size_t i = 0; i < ranges.size(); ++i)
          ranges[i].emplace(kind.views[v][i].first, kind.views[v][i]);
      }
    }
  }

  /// False when some window holds what no view has.
  bool read(std::span<const Token> tokens) {
    at_.clear();
    window_.clear();
    count_ = 0;
    for (std::size_t t = 0; t < cover_.kind.size(); ++t) {
      auto& window = window_.emplace_back();
      for (const Index p : cover_.window[t]) window.push_back(tokens[std::size_t(p)]);
      const auto kind = std::size_t(cover_.kind[t]);
      View view;
      for (std::size_t i = 0; i < window.size(); ++i) {
        const auto after = ranges_[kind][i].upper_bound(window[i]);
        if (after == ranges_[kind][i].begin()) return false;
        view.push_back(std::prev(after)->second);
      }
      const auto found = view_[kind].find(view);
      if (!fits(view, window) || found == view_[kind].end()) return false;
      at_.push_back(found->second);
      count_ += cover_.weights[kind][found->second];
    }
    return true;
  }

  /// Whether the input belongs to the case at an asked position; `answers` tells what it says.
  bool in(const Case& c, Index asked, Token answer, bool& answers) const {
    const std::vector<Index>& positions = cover_.asked[c.asked];
    if (!std::binary_search(positions.begin(), positions.end(), asked) ||
        !fits(cover_.askers[c.asker], window_[std::size_t(asked)]))
      return false;
    answers = c.answer == answer;
    switch (c.shape) {
      case Case::Shape::counted:
        return count_ == c.count;
      case Case::Shape::none:
        return all(c.before, 0, asked + 1);
      case Case::Shape::target:
        for (Index i = 0; i <= asked; ++i)
          if ((!c.at || *c.at == i) && allowed(c.target, i) && all(c.before, 0, i) &&
              all(c.after, i + 1, asked + 1)) {
            if (c.answer == Case::kThere) answers = reads_out(i, answer);
            return true;
          }
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
  bool reads_out(Index t, Token answer) const {
    return std::any_of(cover_.read_outs.begin(), cover_.read_outs.end(), [&](const ReadOut& r) {
      return r.answer == answer && r.kind == cover_.kind[std::size_t(t)] &&
             fits(r.view, window_[std::size_t(t)]);
    });
  }

  const Cover& cover_;
  std::vector<std::map<View, std::size_t>> view_;
  std::vector<std::vector<std::map<Token, Tokens>>> ranges_;  ///< [kind][place], by their first
  std::vector<std::vector<Token>> window_;
  std::vector<std::size_t> at_;
  Index count_ = 0;
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
        bool answers = false;
        if (!membership.in(c, t, targets[std::size_t(t)], answers)) continue;
        covered = true;
        if (!answers) wrong = "a case answers an input wrongly";
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
