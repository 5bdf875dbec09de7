#include <algorithm>

#include <gmpxx.h>

#include "separatrix/proofs/intervals.h"
#include "separatrix/proofs/intervals_recheck_network.h"
#include "separatrix/proofs/lookup_question.h"

// Follows the trees of the certificate: by construction the boxes at their ends cover all inputs,
// as a split makes one box for each token. Each is evaluated by a network of its own, from the
// weights as the file has them: in long doubles, and with forms that remember which token a number
// depends on. Shares nothing with the search, Block::reference or model/interval.h.

namespace separatrix {
namespace {

using intervals_recheck::Network;
using intervals_recheck::Tokens;

/// Boxes to look at below the leaves that this evaluation does not clear as they stand.
constexpr Index kMoreBoxes = 20000;

class Follow {
 public:
  Follow(const Certificate& c, const Network& network) : c_(c), network_(network) {}

  /// Empty, or what is wrong with the tree of this box.
  std::string tree(Tokens box, Token y, const Json& json) {
    try {
      json.at("order").get_to(order_);
      json.at("tree").get_to(tree_);
    } catch (const Json::exception&) {
      return "a tree is missing";
    }
    at_ = 0;
    if (auto wrong = descend(box, y, 0); !wrong.empty()) return wrong;
    return at_ == tree_.size() ? "" : "a tree is too long";
  }

 private:
  std::string descend(Tokens& box, Token y, std::size_t depth) {
    if (at_ == tree_.size()) return "a tree is too short";
    const char sign = tree_[at_++];
    if (sign == '1') return leaf(box, y);
    if (sign != '0') return "a tree has a sign that is neither 0 nor 1";
    if (depth == order_.size() || order_[depth] < 0 || order_[depth] >= Index(box.size()))
      return "a tree splits at no position";
    return for_each_part(box, order_[depth], [&] { return descend(box, y, depth + 1); });
  }

  std::string leaf(Tokens& box, Token y) {
    const auto margin = network_.margin(box, y);
    if (margin.lower > 0 && margin.lower >= c_.margin) return {};
    if (margin.split < 0) return "an input does not keep the margin";
    if (margin.upper < c_.margin) return "no input of a box keeps the margin";
    if (more_-- <= 0) return "a box does not keep the margin";
    return for_each_part(box, margin.split, [&] { return leaf(box, y); });
  }

  /// Calls visit with one token after the other at the position, until it finds something wrong.
  template <class Visit>
  static std::string for_each_part(Tokens& box, Index position, const Visit& visit) {
    auto& set = box[std::size_t(position)];
    const std::vector<Token> all = set;
    std::string wrong;
    for (std::size_t i = 0; i < all.size() && wrong.empty(); ++i) {
      set = {all[i]};
      wrong = visit();
    }
    set = all;
    return wrong;
  }

  const Certificate& c_;
  const Network& network_;
  std::vector<Index> order_;
  std::string tree_;
  std::size_t at_ = 0;
  Index more_ = kMoreBoxes;
};

}  // namespace

std::string recheck_intervals(const Certificate& certificate, const Subject& subject) {
  if (certificate.claim.arithmetic != Arithmetic::real) return "it speaks of real numbers only";
  if (!(certificate.margin > 0) || certificate.margin < certificate.claim.margin)
    return "the margin is less than claimed";
  LookupQuestion q;
  if (auto wrong = read_question(certificate, subject.task, q); !wrong.empty()) return wrong;
  mpz_class inputs;
  mpz_ui_pow_ui(inputs.get_mpz_t(), q.symbols.size(), std::uint64_t(q.T - 1));
  inputs *= q.queries.size();
  if (certificate.inputs != inputs.get_str()) return "the number of inputs is another";
  const auto trees = certificate.evidence.find("trees");
  if (trees == certificate.evidence.end() || !trees->is_array() ||
      trees->size() != q.queries.size() * q.symbols.size())
    return "the evidence has not a tree for each query and symbol";
  const Network network(subject.weights);
  if (!network.unknown_block().empty())
    return "the recheck does not know the block '" + network.unknown_block() + "'";
  Follow follow(certificate, network);
  auto tree = trees->begin();
  for (std::size_t p = 0; p < q.queries.size(); ++p)
    for (std::size_t s = 0; s < q.symbols.size(); ++s, ++tree) {
      Tokens box;
      for (Index t = 0; t < q.T; ++t) box.push_back(q.tokens(t));
      box[std::size_t(q.query_at())] = {q.queries[p]};
      box[std::size_t(q.looks_at[p])] = {q.symbols[s]};
      if (auto wrong = follow.tree(std::move(box), q.answers[p][s], *tree); !wrong.empty())
        return wrong;
    }
  return {};
}

}  // namespace separatrix
