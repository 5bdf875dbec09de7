#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "separatrix/proofs/layered/recheck_machine.h"

namespace separatrix::relayer {

/// Sums of e^(score part of the position) before and after every position, by group.
struct Sweep {
  bool flat = false;            ///< all positions alike: counts are enough
  std::vector<Range> position;  ///< [visible]
  /// log sum over j < i, j > i of group g of e^(upper_j - lower_i): [g][i]
  std::vector<std::vector<double>> before, after;
  /// The largest over the places i of a group c: [g][c]
  std::vector<std::vector<double>> most_before, most_after;
};

/// What follows the last attention.
class Logits {
 public:
  Logits(const Machine& machine, const Rounding& rounding);
  /// The row that the head reads; none if it is not finite.
  std::vector<Quantity> row(const std::vector<Quantity>& asked,
                            const std::vector<Quantity>& context) const;
  /// |computed - exact| of each, at most.
  std::vector<Real> losses(const std::vector<Quantity>& row) const;
  /// Whether the answer's is ahead by the margin.
  bool keep(const std::vector<Quantity>& row, const std::vector<Real>& losses, Token answer,
            Real margin) const;

 private:
  const Machine& m_;
  const Rounding& rounding_;
  std::vector<Index> used_;     ///< the entries that some logit reads
  std::vector<double> weight_;  ///< [C, used]
};

/// What every asker has in common: keys and values of all rows.
class Memory {
 public:
  /// `wrong` is empty unless the weights cannot be followed.
  Memory(const Machine& machine, const Picture& picture, const Stream& stream,
         const Rounding& rounding, std::string& wrong);

  const Machine& m;
  const Picture& p;
  const Stream& s;
  const Rounding& rounding;
  /// [different][heads dk] without the still entries, and [group][option] which of them: most
  /// options have the same.
  std::vector<std::vector<Range>> key;
  std::vector<std::vector<std::size_t>> key_of;
  std::vector<std::vector<std::vector<Range>>> value;  ///< [group][option][heads dv]
  std::vector<Range> any_value;                        ///< [heads dv]
  std::map<Token, std::vector<Range>> kept;            ///< values where an answer is kept
  const Logits logits;
  std::vector<Real> key_terms, value_terms;  ///< largest sums of absolute terms
  std::vector<Range> still_key;              ///< [T, heads dk]: of the still entries
  std::vector<bool> has_still;               ///< [heads dk]
  std::vector<Span> seen;                    ///< [D]: of the stream, at all positions
  std::vector<Span> key_span;                ///< [heads dk]: of stored keys
  std::vector<std::vector<Index>> places;    ///< [group]: its positions, ascending

  /// Sweeps that were made before, by what they depend on.
  std::shared_ptr<const Sweep> known(const std::vector<Real>& name) const;
  void keep(const std::vector<Real>& name, std::shared_ptr<const Sweep> sweep) const;

 private:
  std::string still_keys();
  std::vector<Range> values_of(const std::vector<Quantity>& x, std::string& wrong);
  mutable std::mutex mutex_;
  mutable std::map<std::vector<Real>, std::shared_ptr<const Sweep>> sweeps_;
};

/// What is known of many questions at once whose answers are kept where they are found.
struct Pool {
  std::vector<Range> row = {};             ///< of those who ask; empty: nobody
  std::vector<Real> lost = {}, loss = {};  ///< [heads] of attention, [heads dv] by rounding
  void join(const Pool& other);
  /// Whether every answer has the margin.
  bool keeps(const Memory& memory, Real margin, int threads) const;
};

/// One way to ask, at one position.
class Asker {
 public:
  Asker(const Memory& memory, Index position, std::size_t asker);
  const std::string& wrong() const { return wrong_; }

  /// What the question's looks may be: [role][option], bits 1 before, 2 there, 4 after.
  using Flags = std::vector<std::vector<unsigned char>>;
  /// True if every input of the question is answered with the margin, by bounds that are refined
  /// until that is seen. Of a kept answer: where it is `answer`.
  bool keeps(const Question& question, const Flags& flags, Real margin) const;
  /// For all answers that are kept. `fully`: place by place, which takes longer.
  Pool pool(const Question& question, const Flags& flags, bool fully) const;

 private:
  struct Head {
    std::vector<std::vector<Range>> score;  ///< [group][option], without the position's part
    std::shared_ptr<const Sweep> sweep;
    Real error = 0;
    bool exact = false;  ///< the scores are what float32 computes
  };
  /// The average of values base + step weight at n positions, where the arithmetic forms it
  /// exactly.
  struct ExactCount {
    Real base = 0, step = 0, n = 0;
    int low = 0;  ///< every sum of values is a multiple of 2^low
    bool average(Index count, Real& out) const;
  };
  struct Worst {  ///< log weights: [group]
    std::vector<double> before, after, there;
  };

  Head head_of(Index h);
  Range score_of(const std::vector<Range>& q, std::span<const Range> key) const;
  Real score_error(Index h, const std::vector<Range>& q, const std::vector<Real>& terms,
                   Real& size) const;
  std::shared_ptr<const Sweep> sweep(Index h, const std::vector<Range>& q) const;
  void fill(Sweep& sweep) const;
  bool possible(const Question& question, const Flags& flags) const;
  bool visible(std::size_t g) const { return m_.places[g].front() < n_; }
  /// Range of the values of looks with these bits.
  Range values(const Flags& flags, unsigned bits, std::size_t at) const;
  Real leak(const Question& question, const Head& head, const Worst& worst, bool fully) const;
  Worst worst(const Flags& flags, const Head& head, std::size_t at, int side, Real theta) const;
  Range average(const Question& question, const Flags& flags, Index h, std::size_t at,
                int effort) const;
  Real refined(const Question& question, const Flags& flags, const Head& head, std::size_t at,
               int side, bool fully) const;
  Range counted(const Question& question, const Head& head, std::size_t at) const;
  std::optional<ExactCount> exact_count(const Head& head, std::size_t at) const;
  Range found(const Question& question, const Flags& flags, std::size_t at) const;
  Real loss(Index h, std::size_t at) const;

  const Memory& m_;
  Index position_, n_ = 0;  ///< n_: visible positions
  std::vector<Quantity> row_;
  std::vector<Head> heads_;
  std::vector<std::optional<ExactCount>> exact_;  ///< [heads dv]; empty unless looks have weights
  std::string wrong_;
};

}  // namespace separatrix::relayer
