#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "separatrix/proofs/construction.h"

namespace separatrix {

/// The residual stream of a construction: named coordinates, given out one after the other.
class Stream {
 public:
  Slot add(std::string name, Index width = 1, Slot::Code code = Slot::Code::number);
  Index width() const { return width_; }
  const std::vector<Slot>& slots() const { return slots_; }

 private:
  std::vector<Slot> slots_;
  Index width_ = 0;
};

/// One attention head, written term by term.
class Head {
 public:
  /// Adds x_i[query] x_j[key] 2^log2_weight factor to the score, by one coordinate of the head. The
  /// power is divided between query and key, so that 2^30 still fits 16-bit formats.
  void score(Index query, Index key, int log2_weight, double factor = 1);
  /// Adds c <x_i[query], x_j[key]>.
  void match(const Slot& query, const Slot& key, double c);
  /// Averages x_j[from] and adds the result, times 2^log2_scale, to x_i[to].
  void copy(const Slot& from, const Slot& to, int log2_scale = 0);

 private:
  friend class Circuit;
  struct Wire {
    Index in = 0, out = 0;
    float first = 0, second = 0;  ///< weights: query and key, or value and output
  };
  std::vector<Wire> scores_, values_;
};

/// out += weight relu(sum in_i w_i + bias), one hidden unit.
struct Unit {
  struct Term {
    Index at = 0;
    double weight = 0;
  };
  std::vector<Term> in;
  double bias = 0;
  std::vector<Term> out;
};

/// Rows of a table of the model: of a token, of a position.
class Table {
 public:
  Table(Weights& weights, std::string_view name, Index columns)
      : values_(weights[name]), columns_(columns) {}
  float& operator()(Index row, Index column) const {
    return values_[std::size_t(row * columns_ + column)];
  }
  /// The binary digits of n in a slot of signs or bits.
  void write(Index row, const Slot& slot, Index n) const;

 private:
  std::span<float> values_;
  Index columns_;
};

/// Layers over a stream; no norms, residual throughout, relu.
class Circuit {
 public:
  struct Size {
    Index vocab_size = 0, n_classes = 0, n_tokens = 0;
  };
  explicit Circuit(Stream stream) : stream_(std::move(stream)) {}
  void attention(std::vector<Head> heads, bool causal = true);
  void mlp(std::vector<Unit> units);
  const Stream& stream() const { return stream_; }
  double n_parameters(const Size& size) const;
  /// All layers written, tables and head zero.
  Weights weights(const Size& size, const Registry<Block>& blocks) const;

 private:
  struct Layer {
    std::vector<Head> heads;  ///< attention, if any
    bool causal = true;
    std::vector<Unit> units;
    Index d_head() const;
    Index d_value() const;
  };
  LayerSpec spec_of(const Layer& layer) const;
  void write(const Layer& layer, const std::string& prefix, Weights& w) const;

  Stream stream_;
  std::vector<Layer> layers_;
};

/// Throws Error(spec) when so many float32 parameters are over 1 GiB.
void require_fits(const std::string& construction, double parameters);

}  // namespace separatrix
