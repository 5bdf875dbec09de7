#pragma once

#include <map>
#include <memory>
#include <mutex>

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
  /// [group][option][heads dk] without the still entries, [group][option][heads dv].
  std::vector<std::vector<std::vector<Range>>> key, value;
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
  mutable std::mutex mutex_;
  mutable std::map<std::vector<Real>, std::shared_ptr<const Sweep>> sweeps_;
};

/// One way to ask: a row (several looks as one range), at one position.
class Asker {
 public:
  Asker(const Memory& memory, Index position, std::size_t asker);
  const std::string& wrong() const { return wrong_; }
  bool nobody() const { return row_.empty(); }

  /// What the question's looks may be: [role][option], bits 1 before, 2 there, 4 after.
  using Flags = std::vector<std::vector<unsigned char>>;
  /// True if every input of the question is answered with the margin, by bounds that are refined
  /// until that is seen.
  bool keeps(const Question& question, const Flags& flags, Real margin) const;

 private:
  struct Head {
    std::vector<std::vector<Range>> score;  ///< [group][option], without the position's part
    std::shared_ptr<const Sweep> sweep;
    Real error = 0;
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
  bool decides(const std::vector<Quantity>& context, Token answer, Real margin) const;

  const Memory& m_;
  Index position_, n_ = 0;  ///< n_: visible positions
  std::vector<Quantity> row_;
  std::vector<Head> heads_;
  std::string wrong_;
};

}  // namespace separatrix::relayer
