#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/proofs/layered/network.h"
#include "separatrix/proofs/run.h"

namespace separatrix::prefix_scan {

using layered::AttentionPart;
using layered::Box;
using layered::Column;
using layered::Entry;
using layered::MlpPart;
using layered::Numbers;

/// The task bounded-dyck at one length. Tokens: open 0 .. n-1, close n .. 2n-1, BOS, EOS.
struct DyckForm {
  Index types = 1, length = 2;
  Index limit = 1;   ///< deepest nesting from which length N can return: min(k, N/2)
  bool full = true;  ///< a stack of `limit` brackets is full: limit = k
  bool recognise = true;

  Token bos() const { return Token(2 * types); }
  Token eos() const { return Token(2 * types + 1); }
  bool opens(Token token) const { return token < types; }
  bool closes(Token token) const { return types <= token && token < 2 * types; }
  /// Deepest that a prefix of t brackets may be, by position: words must close again.
  Index deepest(Index t) const {
    const Index room = recognise ? limit : std::min(limit, length - t);
    return std::min(room, t);
  }
  /// Decimal: how many inputs there are.
  std::string inputs() const;
};
/// nullopt when the task is another one.
std::optional<DyckForm> read_form(const Claim& claim, const Task& task, std::string& why);

/// embedding + positions -> (attention -> MLPs) twice or three times -> head.
struct Network {
  Index D = 0, C = 0;
  Matrix tokens = {}, positions = {};  ///< [V, D], [T, D]
  std::vector<AttentionPart> attention = {};
  std::vector<std::vector<MlpPart>> mlps = {};  ///< after each attention
  std::vector<Column> head = {};
  std::vector<double> head_bias = {};
};
std::optional<Network> read_network(const Weights& weights, Index n_attentions,
                                    Arithmetic arithmetic, std::string& why);

/// x += W x', one product and one sum, each kept by a tensor.
void add_product(const std::vector<Column>& columns, const Box& from, const Numbers& numbers,
                 Box& x);
/// The columns' products with x, as a tensor keeps them.
Box products(const std::vector<Column>& columns, const Box& x, const Numbers& numbers);
void join(Box& into, const Box& x);  ///< hull, coordinate by coordinate; empty = nothing yet

}  // namespace separatrix::prefix_scan
