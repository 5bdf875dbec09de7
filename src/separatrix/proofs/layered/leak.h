#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/proofs/layered/cover.h"
#include "separatrix/proofs/layered/network.h"

namespace separatrix::layered {

/// How one head of a position-only attention divides its weight, over all positions of a class.
struct HeadShares {
  std::vector<FastInterval> window;  ///< of each position of the window
  double rest = 0;                   ///< of all others together, at most
  double error = 0;                  ///< relative error of the computed weights
};
struct Shares {
  std::vector<HeadShares> heads;
};

/// For each class, hulls over its positions. The sum of all weights, U >= sum_j e^(s_j), is taken
/// over all positions where these are few; otherwise by the address code: keys that are different
/// points of a grid K_1 x .. x K_dk have
///     sum_j e^<u, k_j>  <=  prod_i sum_{v in K_i} e^(u_i v),
/// which costs O(T dk) for all queries together instead of O(T^2 dk).
std::optional<std::vector<Shares>> shares_of(const Network& net, const Cover& cover,
                                             const Numbers& numbers,
                                             const std::vector<Index>& class_of, Index n_classes,
                                             std::string& why);

}  // namespace separatrix::layered
