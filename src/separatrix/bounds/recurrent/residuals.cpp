#include "separatrix/bounds/recurrent/residuals.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "separatrix/base/rng.h"

namespace separatrix {
namespace {

constexpr Token kDiffersHere = -2, kNever = -3;

struct KeyHash {
  std::size_t operator()(const std::vector<Index>& key) const {
    std::uint64_t h = 0x9e3779b97f4a7c15;
    for (const Index word : key) {
      h ^= std::uint64_t(word);
      h *= 0xff51afd7ed558ccd;
      h ^= h >> 32;
    }
    return std::size_t(h);
  }
};
using Interned = std::unordered_map<std::vector<Index>, Index, KeyHash>;

/// Knuth's estimate of the number of leaves (1975): mean over random descents of the product of
/// the branching. Exact when the branching depends on the level only.
struct Estimate {
  double mean = 0, least = std::numeric_limits<double>::infinity();
};
Estimate estimate_instances(const Task& task, Index length) {
  constexpr int kDescents = 16;
  constexpr double kEnough = 0x1p200;
  const Index n_tokens = task.info(length).n_tokens;
  Rng rng(0, RngUse::search);
  Estimate estimate;
  for (int d = 0; d < kDescents; ++d) {
    std::vector<Token> prefix;
    double product = 1;
    while (Index(prefix.size()) < n_tokens && product < kEnough) {
      const std::vector<Token> next = task.legal_next(prefix, length);
      product *= double(next.size());
      prefix.push_back(next[std::size_t(rng.below(Index(next.size())))]);
    }
    estimate.mean += product / kDescents;
    estimate.least = std::min(estimate.least, product);
  }
  return estimate;
}

[[noreturn]] void refuse(const Task& task, Index length, double instances, Index limit) {
  throw Error(ErrorKind::spec,
              "enumeration needs about 2^" + std::to_string(std::llround(std::log2(instances))) +
                  " instances of length " + std::to_string(length) + " (" +
                  std::to_string(task.info(length).n_tokens) + " tokens); its limit is " +
                  std::to_string(limit),
              "myhill-nerode", "take a shorter length or a smaller alphabet");
}

class Folder {
 public:
  Folder(const Task& task, Index length, Index limit)
      : task_(task),
        length_(length),
        limit_(limit),
        n_tokens_(std::size_t(task.info(length).n_tokens)),
        targets_(n_tokens_),
        path_(n_tokens_ + 1, kUnset),
        classes_(n_tokens_ + 1),
        shapes_(n_tokens_ + 1) {
    out_.levels.resize(n_tokens_ + 1);
    out_.total.assign(n_tokens_ + 1, true);
  }

  Residuals run() {
    fold();
    for (std::size_t t = 0; t <= n_tokens_; ++t) out_.total[t] = shapes_[t].size() == 1;
    return std::move(out_);
  }

 private:
  static constexpr Token kUnset = -9;
  struct Node {
    Index id = 0, shape = 0;
  };

  /// Folds the subtree below prefix_. path_[t] is the target at token t-1 of the current path, as
  /// the first leaf below it said; every later leaf must say the same.
  Node fold() {
    const std::size_t t = prefix_.size();
    path_[t] = kUnset;
    std::vector<Index> key, shape;
    std::vector<std::pair<Token, Index>> children;
    if (t == n_tokens_) {
      leaf();
    } else {
      for (const Token token : task_.legal_next(prefix_, length_)) {
        prefix_.push_back(token);
        const Node child = fold();
        prefix_.pop_back();
        if (!out_.causal) return {};
        children.emplace_back(token, child.id);
        key.insert(key.end(), {Index(token), child.id});
        shape.insert(shape.end(), {Index(token), child.shape});
      }
    }
    key.push_back(path_[t]);
    shape.push_back(path_[t] != kIgnore);
    const auto [at, fresh] = classes_[t].try_emplace(std::move(key), Index(classes_[t].size()));
    if (fresh) out_.levels[t].push_back({path_[t], std::move(children), prefix_});
    const auto shape_at = shapes_[t].try_emplace(std::move(shape), Index(shapes_[t].size())).first;
    return {at->second, shape_at->second};
  }

  void leaf() {
    if (++out_.n_instances > limit_)
      refuse(task_, length_, estimate_instances(task_, length_).mean, limit_);
    task_.label(prefix_, targets_);
    path_[0] = kIgnore;
    for (std::size_t t = 1; t <= n_tokens_; ++t) {
      if (path_[t] == kUnset) path_[t] = targets_[t - 1];
      if (path_[t] != targets_[t - 1]) out_.causal = false;
    }
  }

  const Task& task_;
  Index length_, limit_;
  std::size_t n_tokens_;
  std::vector<Token> prefix_, targets_, path_;
  std::vector<Interned> classes_, shapes_;
  Residuals out_;
};

}  // namespace

Residuals fold_residuals(const Task& task, Index length, Index limit) {
  task.check_length(length);
  // Far too many by every descent: say so at once instead of after `limit` leaves.
  const Estimate estimate = estimate_instances(task, length);
  if (estimate.least > 2 * double(limit)) refuse(task, length, estimate.mean, limit);
  return Folder(task, length, limit).run();
}

Token Distinguisher::first_step(Index level, Index a, Index b) {
  if (a == b) return kNever;
  if (a > b) std::swap(a, b);
  const auto& classes = residuals_.levels[std::size_t(level)];
  const ResidualClass& x = classes[std::size_t(a)];
  const ResidualClass& y = classes[std::size_t(b)];
  if (x.target != kIgnore && y.target != kIgnore && x.target != y.target) return kDiffersHere;
  const std::uint64_t pair = (std::uint64_t(a) << 32) | std::uint64_t(b);
  auto& known = known_[std::size_t(level)];
  if (const auto it = known.find(pair); it != known.end()) return it->second;
  Token found = kNever;
  auto j = y.children.begin();
  for (auto i = x.children.begin(); i != x.children.end() && found == kNever; ++i) {
    while (j != y.children.end() && j->first < i->first) ++j;
    if (j == y.children.end()) break;
    if (j->first == i->first && first_step(level + 1, i->second, j->second) != kNever)
      found = i->first;
  }
  known.emplace(pair, found);
  return found;
}

std::optional<std::vector<Token>> Distinguisher::suffix(Index level, Index a, Index b) {
  std::vector<Token> out;
  for (;; ++level) {
    const Token step = first_step(level, a, b);
    if (step == kNever) return std::nullopt;
    if (step == kDiffersHere) return out;
    out.push_back(step);
    const auto child = [&](Index c) {
      const auto& children = residuals_.levels[std::size_t(level)][std::size_t(c)].children;
      return std::lower_bound(children.begin(), children.end(), std::pair(step, Index{0}))->second;
    };
    a = child(a);
    b = child(b);
  }
}

std::vector<Index> distinguishable_classes(const Residuals& residuals, Index level) {
  const Index n = Index(residuals.levels[std::size_t(level)].size());
  std::vector<Index> chosen;
  Distinguisher distinguisher(residuals);
  for (Index c = 0; c < n; ++c) {
    const bool apart = residuals.total[std::size_t(level)] ||
                       std::all_of(chosen.begin(), chosen.end(), [&](Index d) {
                         return distinguisher.suffix(level, d, c).has_value();
                       });
    if (apart) chosen.push_back(c);
  }
  return chosen;
}

}  // namespace separatrix
