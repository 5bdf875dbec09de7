#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "separatrix/base/registry.h"
#include "separatrix/base/view.h"
#include "separatrix/kernels/dropout.h"
#include "separatrix/model/arithmetic.h"
#include "separatrix/model/weights.h"

namespace separatrix {

class Interval;
template <Arithmetic A>
struct Rounded;
using BFloat16 = Rounded<Arithmetic::bfloat16>;
using Float16 = Rounded<Arithmetic::float16>;

struct Shape {
  Index B = 0, T = 0, D = 0;  ///< sequences, tokens, model width
  Index rows() const { return B * T; }
};

/// Rows b*T + t, ascending, whose outputs somebody reads; empty means all of them.
struct Live {
  std::span<const Index> rows;
  bool all() const { return rows.empty(); }
  Index count(Shape s) const { return all() ? s.rows() : Index(rows.size()); }
  Index row(Index i) const { return all() ? i : rows[std::size_t(i)]; }
};

/// The buffers one call may touch: slices of arenas that Model allocated once, 64-byte aligned.
struct Slots {
  const float* w = nullptr;  ///< parameters, laid out as params()
  float* dw = nullptr;       ///< their gradients (accumulated); null in forward
  float* cache = nullptr;    ///< cache_size(shape) floats kept from forward to one backward
  float* scratch = nullptr;  ///< scratch_size(shape) floats, free to use within one call
  /// A backward will follow this forward; else cache may hold forward_cache_size floats only, and
  /// nothing in it is needed again.
  bool kept = true;
  /// Of attention weights; number ((b H + h) T + i) T + j, b counted in the batch.
  Dropout attention_dropout = {};
  Index first_sequence = 0;  ///< of the tile, in the batch
};

/// How information moves between the positions of a sequence.
enum class Mixing {
  pointwise,  ///< not at all: row t of the output depends on row t of the input
  recurrent,  ///< through a state of fixed size carried from left to right (RecurrentBlock)
  attention,  ///< through all earlier (or all) positions, kept: no fixed-size state
};

/// One sequence-to-sequence layer with a hand-written gradient. Stateless: the object holds its
/// config only, so one Block serves many models and threads.
class Block {
 public:
  virtual ~Block() = default;
  virtual Mixing mixing() const = 0;
  /// Names are relative to the block ("q"); Model prefixes them with "layers.<i>.<block>.". Throws
  /// Error(spec) when the config does not fit the width (heads do not divide d_model, ...).
  virtual std::vector<ParamSpec> params(Index d_model) const = 0;
  virtual Index cache_size(Shape shape) const = 0;
  virtual Index scratch_size(Shape shape) const = 0;
  /// Floats of cache for a forward of these rows that no backward follows: at most
  /// cache_size(shape).
  virtual Index forward_cache_size(Shape shape, Live /*live*/) const { return cache_size(shape); }
  /// Sequences that profit from running together in one tile (recurrences: 16 to 64; else 1).
  virtual Index lockstep() const { return 1; }

  /// Which input rows the live output rows depend on. Default, by mixing(): the outputs themselves
  /// (pointwise), each sequence's rows up to its last output (recurrent), all rows (attention).
  /// Always contains `outputs`. May fill `storage`
  /// (capacity s.rows() reserved by the caller) and return a view of it.
  virtual Live needs(Shape s, Live outputs, std::vector<Index>& storage) const;

  /// y = f(x) at the live rows (other rows of y are left untouched); x is valid at needs(live).
  /// x, y are [B, T, D] and do not alias.
  virtual void forward(Shape s, Live live, const float* x, float* y, Slots slots) const = 0;
  /// dx += (df/dx)^T dy at needs(live), slots.dw += (df/dw)^T dy; only the live rows of dy are
  /// read. May use up the cache.
  virtual void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                        Slots slots) const = 0;

  /// Useful operations of forward for these outputs, a multiplication and an addition counting as
  /// two: what fractions of peak are measured in. Default: 2 x elements of the matrices x rows
  /// needed.
  virtual double flops(Shape s, Live outputs) const;

  /// The same function written plainly for one sequence [T, D], with no kernels: test oracle and
  /// finite-difference base (double), certificate evaluator (Interval), and the definition of the
  /// 16-bit arithmetics (BFloat16, Float16). Rows of y before `first` are not asked for.
  virtual void reference(std::span<const double> w, View<const double, 2> x, View<double, 2> y,
                         Index first) const = 0;
  virtual void reference(std::span<const double> w, View<const Interval, 2> x, View<Interval, 2> y,
                         Index first) const = 0;
  virtual void reference(std::span<const double> w, View<const BFloat16, 2> x, View<BFloat16, 2> y,
                         Index first) const = 0;
  virtual void reference(std::span<const double> w, View<const Float16, 2> x, View<Float16, 2> y,
                         Index first) const = 0;
};

/// A block that carries a fixed-size state between positions.
class RecurrentBlock : public Block {
 public:
  Mixing mixing() const override { return Mixing::recurrent; }
  /// Numbers carried from one position to the next, and the bits they are stored in.
  virtual Index state_size(Index d_model) const = 0;
  virtual Index state_bits(Index d_model) const = 0;
  /// One position: reads and replaces `state` [state_size]; x, y are [D] and do not alias. The same
  /// function as forward, position by position. All-zero state = start of a sequence.
  virtual void step(Index d_model, const float* w, float* state, const float* x,
                    float* y) const = 0;
};

void register_blocks(Registry<Block>& blocks);  // nn/blocks/all.cpp: one line per block

}  // namespace separatrix
