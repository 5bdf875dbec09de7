#pragma once

#include <gmpxx.h>

#include "separatrix/proofs/layered/cover.h"

namespace separatrix::layered {

/// Collects a cover; used by the functions that know one task each.
class CoverBuilder {
 public:
  explicit CoverBuilder(Index n_tokens);

  /// All tuples of one range from each list.
  int kind(const std::vector<View>& choices);
  std::size_t asked(std::vector<Index> positions);
  std::size_t asker(View view);
  void place(Index position, int kind, std::vector<Index> window);
  std::size_t add_mask(Mask mask) {
    cover_.masks.push_back(std::move(mask));
    return cover_.masks.size() - 1;
  }
  void read_out(Token answer, int kind, View view) {
    cover_.read_outs.push_back({answer, kind, std::move(view)});
  }
  /// The views for which allowed(kind, view) holds.
  template <class Allowed>
  std::size_t mask(const Allowed& allowed) {
    Mask mask;
    for (std::size_t k = 0; k < cover_.kinds.size(); ++k) {
      std::vector<std::uint8_t> of_kind;
      for (const View& view : cover_.kinds[k].views)
        of_kind.push_back(allowed(int(k), view) ? 1 : 0);
      mask.push_back(std::move(of_kind));
    }
    return add_mask(std::move(mask));
  }
  void add(const Case& entry) { cover_.cases.push_back(entry); }
  void weigh(const std::vector<std::vector<Index>>& weights) { cover_.weights = weights; }
  const Cover& cover() const { return cover_; }
  Cover finish(const mpz_class& inputs);

 private:
  Cover cover_;
};

/// first, first + 1, .., first + n - 1: each, or any of them.
View each_of(Index first, Index n);
Tokens any_of(Index first, Index n);
/// Just this one.
Tokens only(Index token);
mpz_class power(Index base, Index exponent);
/// n (n - 1) .. (n - k + 1).
mpz_class falling(Index n, Index k);

// One function per task; none with `why` when it would take too many views or cases.
std::vector<Cover> cover_pairs(const Claim& claim, std::string& why);  // equality, disjointness
std::vector<Cover> cover_features(const Claim& claim, std::string& why);
std::vector<Cover> cover_nearest_neighbor(const Claim& claim, std::string& why);
std::vector<Cover> cover_mqar(const Claim& claim, std::string& why);
std::vector<Cover> cover_induction(const Claim& claim, std::string& why);
std::vector<Cover> cover_index_lookup(const Claim& claim, std::string& why);

}  // namespace separatrix::layered
