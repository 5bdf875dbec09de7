#include <algorithm>
#include <cmath>

#include "separatrix/proofs/intervals.h"
#include "separatrix/proofs/lookup_question.h"

// Follows the trees of the certificate: by construction the boxes at their ends cover all inputs,
// as a split makes one box for each symbol. Each is evaluated anew. The evaluation of a block on
// intervals is shared with the search (Block::reference); inputs drawn from each box go through the
// doubles' reference besides.

namespace separatrix {
namespace {

class Follow {
 public:
  Follow(const Certificate& c, const Subject& subject)
      : c_(c), subject_(subject), model_(subject.weights, subject.blocks) {}

  /// Empty, or what is wrong with the tree of this box.
  std::string tree(InputBox box, Token y, const Json& json) {
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
  std::string descend(InputBox& box, Token y, std::size_t depth) {
    if (at_ == tree_.size()) return "a tree is too short";
    if (tree_[at_++] == '1') return leaf(box, y);
    if (depth == order_.size() || order_[depth] < 0 || order_[depth] >= Index(box.size()))
      return "a tree splits at no position";
    auto& set = box[std::size_t(order_[depth])];
    const std::vector<Token> all = set;
    std::string wrong;
    for (std::size_t i = 0; i < all.size() && wrong.empty(); ++i) {
      set = {all[i]};
      wrong = descend(box, y, depth + 1);
    }
    set = all;
    return wrong;
  }
  std::string leaf(const InputBox& box, Token y) {
    const double margin = model_.margin(box, y).lower;
    if (!(margin > 0) || margin < c_.margin) return "a box does not keep the margin";
    if (++leaves_ % 16 == 1) {
      std::vector<Token> tokens;
      for (const auto& set : box) tokens.push_back(set[std::size_t(rng_.below(Index(set.size())))]);
      const auto logits = reference_logits<double>(subject_.weights, subject_.blocks, tokens,
                                                   Index(tokens.size()) - 1);
      for (std::size_t k = 0; k < logits.size(); ++k)
        if (Token(k) != y && logits[std::size_t(y)] - logits[k] <
                                 c_.margin - 1e-9 * (1 + std::fabs(logits[std::size_t(y)])))
          return "an input of a box does not keep the margin";
    }
    return {};
  }

  const Certificate& c_;
  const Subject& subject_;
  BoxModel model_;
  Rng rng_{2, RngUse::search};
  std::vector<Index> order_;
  std::string tree_;
  std::size_t at_ = 0;
  Index leaves_ = 0;
};

}  // namespace

std::string recheck_intervals(const Certificate& certificate, const Subject& subject) {
  LookupQuestion q;
  if (auto wrong = read_question(certificate, subject.task, q); !wrong.empty()) return wrong;
  if (!(certificate.margin > 0) || certificate.margin < certificate.claim.margin)
    return "the margin is less than claimed";
  const auto trees = certificate.evidence.find("trees");
  if (trees == certificate.evidence.end() || trees->size() != q.queries.size() * q.symbols.size())
    return "the evidence has not a tree for each query and symbol";
  Follow follow(certificate, subject);
  auto tree = trees->begin();
  for (std::size_t p = 0; p < q.queries.size(); ++p)
    for (std::size_t s = 0; s < q.symbols.size(); ++s, ++tree) {
      InputBox box;
      for (Index t = 0; t < q.T; ++t) box.push_back(q.tokens(t));
      box[std::size_t(q.query_at())] = {q.queries[p]};
      box[std::size_t(q.looks_at[p])] = {q.symbols[s]};
      if (auto wrong = follow.tree(std::move(box), q.answers[p][s], *tree); !wrong.empty())
        return wrong;
    }
  return {};
}

}  // namespace separatrix
