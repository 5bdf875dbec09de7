#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/model/weights.h"
#include "separatrix/proofs/layered/recheck_picture.h"
#include "separatrix/proofs/layered/recheck_quantity.h"

namespace separatrix::relayer {

/// Weights as the arithmetic holds them, zeros left out; a list per output.
struct Attention {
  Index heads = 1, dk = 0, dv = 0;
  bool causal = true;
  Range scale = {1, 1};
  std::vector<Terms> q = {}, k = {}, v = {}, o = {};
};
struct Mlp {
  std::vector<Terms> in = {}, out = {};
  std::vector<double> in_bias = {}, out_bias = {};
};
struct Machine {
  Index V = 0, D = 0, T = 0;
  std::vector<double> tokens = {}, positions = {};  ///< [V, D], [T, D]
  std::optional<Attention> first = {};
  std::vector<Mlp> middle = {};
  Attention last = {};
  std::vector<Mlp> top = {};
  std::vector<Terms> head = {};
  std::vector<double> head_bias = {};

  double token(Token v, Index d) const { return tokens[std::size_t(v * D + d)]; }
  double position(Index t, Index d) const { return positions[std::size_t(t * D + d)]; }
};
/// Empty, or why the model is not of the form.
std::string read_machine(const Weights& weights, Index n_tokens, Arithmetic arithmetic,
                         Machine& machine);
/// x += mlp(x), a row.
void pass(const Mlp& mlp, const Rounding& rounding, std::vector<Quantity>& x);

/// The residual stream before the last attention: per group of positions and way they look.
struct Stream {
  std::vector<bool> still;  ///< [D]: entries that only the position decides, and only scores read
  std::vector<Index> group_of;  ///< [T]
  std::vector<Index> member;    ///< [group]: one of its positions
  std::vector<int> role;        ///< [group]
  /// [group][option][D]; still entries are 0.
  std::vector<std::vector<std::vector<Quantity>>> row;
  /// [group][asker][D], [group][kept][D]; empty where none of the group is asked, or has the role.
  std::vector<std::vector<std::vector<Quantity>>> asker, kept;
  Real leak = 0;  ///< largest part of the first attention's weight outside what is looked at
};
std::string make_stream(const Machine& machine, const Picture& picture, const Rounding& rounding,
                        Stream& stream);

/// Relative error of n computed attention weights, and of averages with them whose values are
/// sums of up to `width` terms. score: error of each score; size: of the largest.
Real average_error(const Rounding& rounding, Real n, Real width, Real score, Real size);

}  // namespace separatrix::relayer
