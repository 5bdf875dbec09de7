#include "separatrix/bounds/recurrent/fold.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "separatrix/base/parallel.h"
#include "separatrix/base/rng.h"
#include "separatrix/bounds/recurrent/pulse.h"

namespace separatrix {
namespace {

constexpr Index kMaxInstances = Index{1} << 28;
constexpr double kMaxTokensInAll = 0x1p33;
constexpr Index kMaxBytes = Index{3} << 29;
constexpr Index kSubtrees = 256;  ///< into which the tree is cut, at least, where it can be
constexpr Index kMostSubtrees = 1 << 14;

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

[[noreturn]] void refuse(const BoundRequest& request, double instances) {
  throw Error(ErrorKind::spec,
              "folding needs about 2^" + std::to_string(std::llround(std::log2(instances))) +
                  " instances of length " + std::to_string(request.length) + " (" +
                  std::to_string(request.task.info(request.length).n_tokens) +
                  " tokens); its limit is 2^28 instances, or 2^33 tokens of them",
              "folding", "take a shorter length or a smaller alphabet");
}

[[noreturn]] void refuse_memory(double share) {
  const double mib = double(kMaxBytes) / 0x1p20;
  throw Error(ErrorKind::spec,
              "folding needs up to " + std::to_string(std::llround(mib / std::max(share, 1e-9))) +
                  " MiB for the classes; its limit is " + std::to_string(std::llround(mib)) +
                  " MiB",
              "folding", "take a shorter length or a smaller alphabet");
}

/// What the threads share.
struct Shared {
  // Looked at for every instance: kept off the line that is written.
  alignas(64) std::atomic<Index> instances{0};
  std::atomic<Index> bytes{0};
  alignas(64) std::atomic<bool> causal{true};
  std::atomic<bool> failed{false};
  double expected = 1;  ///< instances, about
  const BoundRequest& request;
};

/// Folds subtrees of instances into classes of its own.
class alignas(128) Folder {
 public:
  Folder(Shared& shared, Pulse* pulse)
      : shared_(shared),
        pulse_(pulse),
        task_(shared.request.task),
        length_(shared.request.length),
        n_tokens_(task_.info(length_).n_tokens),
        targets_(std::size_t(n_tokens_)),
        path_(std::size_t(n_tokens_)),
        frames_(std::size_t(n_tokens_)) {
    levels.resize(std::size_t(n_tokens_ + 1));
  }

  /// The class of `prefix`, from all instances below it; said() are then the targets at its tokens.
  std::int32_t instances_below(const std::vector<Token>& prefix) {
    return below(prefix, n_tokens_, [this] {
      task_.label(prefix_, targets_);
      count_instance();
      return levels.back().intern(targets_.back(), levels.back().menu_of({}), {});
    });
  }
  /// The class of the empty prefix, from those of all prefixes of `depth` tokens in order: each
  /// with the targets at its tokens.
  std::int32_t prefixes_below(Index depth, const std::vector<std::int32_t>& classes,
                              const std::vector<std::vector<Token>>& said) {
    std::size_t next = 0;
    return below({}, depth, [&] {
      std::copy(said[next].begin(), said[next].end(), targets_.begin());
      return classes[next++];
    });
  }
  std::vector<Token> said(std::size_t n) const { return {path_.begin(), path_.begin() + n}; }

  std::vector<ResidualLevel> levels;

 private:
  struct Frame {
    std::int32_t menu = 0;
    std::vector<std::int32_t> children;  ///< of the tokens of the menu gone through so far
  };

  /// Goes through the tree from `prefix` down to prefixes of `end` tokens, whose targets and class
  /// leaf() gives. Returns -1 when it had to give up (not causal, or another thread failed).
  template <class Leaf>
  std::int32_t below(const std::vector<Token>& prefix, Index end, const Leaf& leaf) {
    const auto begin = Index(prefix.size());
    prefix_ = prefix;
    // path_[i], i < known: the target at token i of the current path, as the first leaf below it
    // said; every later leaf must say the same.
    Index known = 0;
    std::int32_t done = -1;  // class of the subtree just finished
    for (bool down = true;;) {
      const auto t = Index(prefix_.size());
      if (down && t == end) {
        done = leaf();
        const auto from = targets_.begin(), to = from + end;
        if (!std::equal(from, from + known, path_.begin())) shared_.causal = false;
        if (!shared_.causal || shared_.failed) return -1;
        std::copy(from + known, to, path_.begin() + known);
        known = end;
        down = false;
        if (t == begin) return done;
        leave(done);
        continue;
      }
      ResidualLevel& level = levels[std::size_t(t)];
      Frame& frame = frames_[std::size_t(t)];
      if (down) {
        frame.menu = level.menu_of(task_.legal_next(prefix_, length_));
        frame.children.clear();
      }
      const std::vector<Token>& menu = level.menu_tokens(frame.menu);
      assert(!menu.empty());
      down = frame.children.size() < menu.size();
      if (down) {
        prefix_.push_back(menu[frame.children.size()]);
        known = std::min(known, t);
        continue;
      }
      done = level.intern(t > 0 ? path_[std::size_t(t - 1)] : kIgnore, frame.menu, frame.children);
      if (t == begin) return done;
      leave(done);
    }
  }
  void leave(std::int32_t child) {
    prefix_.pop_back();
    frames_[prefix_.size()].children.push_back(child);
  }

  void count_instance() {
    constexpr Index kStep = 64, kBytesStep = 1 << 14;
    if (++counted_ % kStep != 0) return;
    const Index n = shared_.instances += kStep;
    if (n > kMaxInstances || double(n) * double(n_tokens_) > kMaxTokensInAll)
      refuse(shared_.request, std::max(shared_.expected, double(n)));
    if (pulse_) (*pulse_)("folding the tree of all inputs", double(n) / shared_.expected);
    if (counted_ % kBytesStep != 0) return;
    Index bytes = 0;
    for (const ResidualLevel& level : levels) bytes += level.bytes();
    if ((shared_.bytes += bytes - bytes_) > kMaxBytes)
      refuse_memory(double(n) / std::max(shared_.expected, double(n)));
    bytes_ = bytes;
  }

  Shared& shared_;
  Pulse* pulse_;
  const Task& task_;
  Index length_, n_tokens_;
  std::vector<Token> prefix_, targets_, path_;
  std::vector<Frame> frames_;
  Index counted_ = 0, bytes_ = 0;
};

/// All prefixes of so many tokens that there are kSubtrees of them, in lexicographic order.
std::vector<std::vector<Token>> cut_off(const Task& task, Index length, int threads) {
  const Index n_tokens = task.info(length).n_tokens;
  std::vector<std::vector<Token>> prefixes = {{}};
  for (Index t = 0; t < n_tokens && threads > 1 && Index(prefixes.size()) < kSubtrees; ++t) {
    std::vector<std::vector<Token>> longer;
    for (const std::vector<Token>& prefix : prefixes)
      for (const Token token : task.legal_next(prefix, length)) {
        longer.push_back(prefix);
        longer.back().push_back(token);
        if (Index(longer.size()) > kMostSubtrees) return prefixes;
      }
    prefixes = std::move(longer);
  }
  return prefixes;
}

/// The subtrees below some prefixes, folded by several threads.
class Forest {
 public:
  Forest(Shared& shared, std::vector<std::vector<Token>> prefixes)
      : shared_(shared),
        prefixes_(std::move(prefixes)),
        owner_(prefixes_.size()),
        classes_(prefixes_.size()),
        said_(prefixes_.size()) {}

  void fold(std::vector<Folder>& folders) {
    parallel_for(int(folders.size()), Index(prefixes_.size()), [&](std::size_t worker, Index s) {
      fold(folders[worker], worker, std::size_t(s));
    });
  }
  /// Brings the classes of all folders together in the first.
  void merge(std::vector<Folder>& folders) {
    for (std::size_t i = 1; i < folders.size(); ++i) {
      std::vector<std::int32_t> below, roots;
      for (std::size_t t = folders[i].levels.size(); t-- > prefixes_[0].size();) {
        below = absorb(folders[0].levels[t], folders[i].levels[t], below);
        folders[i].levels[t] = {};
      }
      for (std::size_t s = 0; s < prefixes_.size(); ++s)
        if (owner_[s] == i) classes_[s] = below[std::size_t(classes_[s])];
    }
  }
  std::int32_t root(Folder& folder) {
    return folder.prefixes_below(Index(prefixes_[0].size()), classes_, said_);
  }

 private:
  void fold(Folder& folder, std::size_t who, std::size_t s) {
    if (!shared_.causal || shared_.failed) return;
    try {
      owner_[s] = who;
      classes_[s] = folder.instances_below(prefixes_[s]);
      said_[s] = folder.said(prefixes_[s].size());
    } catch (...) {
      shared_.failed = true;  // ends the other subtrees in their middle
      throw;
    }
  }

  Shared& shared_;
  std::vector<std::vector<Token>> prefixes_;
  std::vector<std::size_t> owner_;     ///< which folder's numbers classes_ are
  std::vector<std::int32_t> classes_;  ///< of the prefixes
  std::vector<std::vector<Token>> said_;
};

}  // namespace

std::optional<ResidualDiagram> fold(const BoundRequest& request) {
  request.task.check_length(request.length);
  const double n_tokens = double(request.task.info(request.length).n_tokens);
  // Far too many by every descent: say so at once instead of after the limit.
  const Estimate estimate = estimate_instances(request.task, request.length);
  if (estimate.least > 2 * double(kMaxInstances) || estimate.least * n_tokens > 2 * kMaxTokensInAll)
    refuse(request, estimate.mean);

  Shared shared{.expected = estimate.mean, .request = request};
  Pulse pulse(request);
  std::vector<Folder> folders;
  for (int i = 0; i < std::max(1, request.threads); ++i)
    folders.emplace_back(shared, i == 0 ? &pulse : nullptr);
  Forest forest(shared, cut_off(request.task, request.length, request.threads));
  forest.fold(folders);
  if (!shared.causal) return std::nullopt;
  forest.merge(folders);
  if (forest.root(folders[0]) < 0) return std::nullopt;
  return finish(std::move(folders[0].levels));
}

}  // namespace separatrix
