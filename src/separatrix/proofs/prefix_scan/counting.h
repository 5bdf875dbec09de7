#pragma once

#include "separatrix/proofs/prefix_scan/form.h"

namespace separatrix::prefix_scan {

/// A set of prefixes that end with one token: its row is asked for.
struct Prefix {
  Index t = 0;  ///< position of the last token
  Token token = 0;
  /// The depth after it, or every string of brackets whatever its depths.
  std::optional<Index> depth;
};

/// The first attention, whose scores are all zero: the mean of what the tokens up to t have, which
/// is a function of how many of them open and close, so of t and the depth.
class Counting {
 public:
  /// nullopt with `why` when the scores may differ, or what is averaged depends on more than the
  /// kind of token.
  static std::optional<Counting> analyse(const DyckForm& form, const Network& net,
                                         const Numbers& numbers, std::string& why);
  /// What the row of the prefix has before the second attention.
  Box row(const Prefix& prefix) const;

 private:
  /// One averaged number: what each kind of token puts into it.
  struct Channel {
    FastInterval bos, open, close, eos;
    double largest = 0;                ///< of their magnitudes
    std::vector<double> partial = {};  ///< [T]: bounds |sum over a prefix of the first t+1 tokens|
  };
  Counting(const DyckForm& form, const Network& net, const Numbers& numbers)
      : form_(form), net_(net), numbers_(numbers) {}
  Channel channel_of(const std::vector<Box>& rows, std::size_t at) const;
  void bound_partial_sums(Channel& channel) const;
  FastInterval sum(const Channel& channel, const Prefix& prefix) const;
  FastInterval mean(const Channel& channel, const Prefix& prefix) const;

  const DyckForm& form_;
  const Network& net_;
  const Numbers& numbers_;
  std::vector<Channel> values_;  ///< [heads dv]: projected, then averaged
  std::vector<Channel> inputs_;  ///< [D]: averaged, then projected (float32 only)
  std::vector<bool> read_;       ///< [D]: coordinates that the projection reads
};

/// The row of a token at a position as the model first writes it.
Box embedded(const Network& net, const Numbers& numbers, Index t, Token token);

}  // namespace separatrix::prefix_scan
