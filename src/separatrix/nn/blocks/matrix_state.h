#pragma once

#include <string>

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/block.h"
#include "separatrix/nn/blocks/sequences.h"
#include "separatrix/nn/state_format.h"

namespace separatrix {

// What retention, linear attention and the delta rules share: H heads, each with a state S [dk, dv]
// that starts at zero, and for t = 0, 1, ...
//   S <- g_t S;  e_t = v_t, or with the delta rule beta_t (v_t - S^T k_t);  S <- S + k_t e_t^T;
//   o_t = S^T q_t.
// They work batch-major, one sequence after the other, with rows of all heads side by side. Two
// ways of computing it: by matrix products over chunks of positions (MatrixState), and as it stands
// here where the state is rounded after each step (RoundedMatrixState). Both:
// docs/derivations/retention.md and delta_net.md.

/// The live rows of x [., D], one behind the other; `storage` is used where they are not so yet.
inline const float* gather_live(const LiveSequence& rows, Index D, const float* x, float* storage) {
  if (rows.live == nullptr) return x + rows.origin * D;
  gather_rows({rows.n_live, rows.live}, D, x, storage);
  return storage;
}

/// The other way: compute(out [n_live, D]) fills y at the live rows, in place or by `storage`.
template <class F>
void write_live(const LiveSequence& rows, Index D, float* y, float* storage, const F& compute) {
  if (rows.live == nullptr) return compute(y + rows.origin * D);
  compute(storage);
  scatter_rows({rows.n_live, rows.live}, D, storage, y);
}

/// y [n, N] = x [n, D] w [D, N].
void project(Index n, Index D, const float* x, const float* w, Index N, float* y);
/// dw += x^T dy, dx += dy w^T.
void project_backward(Index n, Index D, const float* x, const float* w, Index N, const float* dy,
                      float* dw, float* dx);

/// Config fields that these blocks share: derive from this, and call visit_heads in visit.
struct HeadsConfig : StateFormatConfig {
  Index n_heads = 1, d_head = 0, value_expansion = 1;
  double norm_epsilon = 1e-5;
};
template <class V>
void visit_heads(V& v, HeadsConfig& c) {
  visit_state_format(v, c);
  v("n_heads", c.n_heads, "heads, each with a state of its own");
  v("d_head", c.d_head, "width of a head's queries and keys; 0 = d_model / n_heads");
  v("value_expansion", c.value_expansion, "values are this many times as wide as keys");
  v("norm_epsilon", c.norm_epsilon, "added to the mean square in the norm of a head's output");
}
/// Throws Error(spec) when the heads do not fit the width, or a number is out of range.
void check_heads(Index D, const HeadsConfig& c);

struct MatrixStateSizes {
  Index H = 1, dk = 0, dv = 0;
  bool delta = false;
  Index qk() const { return H * dk; }
  Index vv() const { return H * dv; }
  Index state() const { return H * dk * dv; }
};
inline MatrixStateSizes head_sizes(Index D, const HeadsConfig& c) {
  const Index dk = c.d_head == 0 ? D / c.n_heads : c.d_head;
  return {c.n_heads, dk, c.value_expansion * dk};
}

/// What goes into one sequence. Arrays of steps have rows for all heads, [steps, H dk], ...
struct MatrixStateInput {
  LiveSequence rows;
  const float *q = nullptr, *k = nullptr, *v = nullptr;  ///< q of the live rows only
  /// log g of step t and head h is log_decay[t * decay_step + h]; null: g = 1. Step 0: the same
  /// for all t.
  const float* log_decay = nullptr;
  Index decay_step = 0;
  const float* decay = nullptr;  ///< exp of it; for the delta rule
  const float* beta = nullptr;   ///< [steps, H]; for the delta rule
};

struct MatrixStateGradients {
  float *dq = nullptr, *dk = nullptr, *dv = nullptr;  ///< =, the shapes of q, k, v
  float* dlog_decay = nullptr;                        ///< [steps, H] =; null: not wanted
  float* de_e = nullptr;  ///< [steps, H] =: beta times its gradient; for the delta rule
};

/// By chunks; keeps e and the states between chunks.
class MatrixState {
 public:
  explicit MatrixState(MatrixStateSizes z) : z_(z) {}
  Index cache_size(Index T) const;  ///< for one sequence
  Index scratch_size() const;       ///< for one call
  /// o [n, H dv] at the live rows.
  void forward(const MatrixStateInput& in, float* o, float* cache, float* scratch) const;
  void backward(const MatrixStateInput& in, const float* dout, const MatrixStateGradients& out,
                float* cache, float* scratch) const;

 private:
  MatrixStateSizes z_;
};

/// Step by step, every number of the state rounded after each; keeps the state of every step.
/// cos, sin [dk], laid out as for rotate_pairs: before each step the pairs of rows of S are turned
/// back by these angles; null: not at all.
class RoundedMatrixState {
 public:
  RoundedMatrixState(MatrixStateSizes z, const StateFormat& format, const float* cos = nullptr,
                     const float* sin = nullptr)
      : z_(z), format_(&format), cos_(cos), sin_(sin) {}
  Index cache_size(Index T) const;
  Index scratch_size() const;
  void forward(const MatrixStateInput& in, float* o, float* cache, float* scratch) const;
  void backward(const MatrixStateInput& in, const float* dout, const MatrixStateGradients& out,
                float* cache, float* scratch) const;

 private:
  MatrixStateSizes z_;
  const StateFormat* format_;
  const float *cos_, *sin_;
};

}  // namespace separatrix
