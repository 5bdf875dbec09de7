#pragma once

#include <cstdint>

#include "separatrix/base/index.h"

// Every hot loop of the engine as a plain function on raw float32 memory. What holds for all:
//
// - Matrices are row-major; "[M, N] ld" means row i starts at p + i * ld. Without "ld" rows follow
//   each other. Pointers need no alignment, but 64-byte aligned rows are fastest.
// - Arguments do not alias unless the comment says "in place" or "may alias".
// - "=" overwrites, "+=" accumulates. Nothing is allocated, no thread is started, nothing is kept.
// - Same machine and same input give the same bits, whatever the addresses: reductions have a fixed
//   order that depends on sizes and on the instruction set only.
// - Errors are stated against the same formula in double: `u` is 2^-24, "ulp" is of the result.
// - Sizes may be zero. Preconditions are asserted, never thrown.

namespace separatrix {

/// The rows 0 .. count-1 of a matrix, or those listed in index[count] (ascending, distinct).
struct Rows {
  Index count = 0;
  const Index* index = nullptr;  ///< null = all rows from 0
  Index operator[](Index i) const { return index == nullptr ? i : index[i]; }
};

// ---- gemm.cpp

struct Gemm {
  Index M = 0, N = 0, K = 0;
  bool a_transposed = false;  ///< A is stored [K, M] instead of [M, K]
  bool b_transposed = false;  ///< B is stored [N, K] instead of [K, N]
  bool accumulate = false;    ///< C += instead of C =
};
/// C[M, N] (=|+=) op(A)[M, K] op(B)[K, N], leading dimensions lda, ldb, ldc. Each element is one
/// chain of multiply-adds in order of k that starts from zero or, if accumulating, from C: so a row
/// of C does not depend on how many rows are computed with it. Error <= K u sum_k |a_ik b_kj|.
void gemm(const Gemm& g, const float* A, Index lda, const float* B, Index ldb, float* C, Index ldc);

/// y[N, M] ldy = x[M, N]^T ldx.
void transpose(Index M, Index N, const float* x, Index ldx, float* y, Index ldy);

// ---- vector.cpp

/// y += x, n numbers.
void add(Index n, const float* x, float* y);
/// y *= x.
void multiply(Index n, const float* x, float* y);
/// y += a x.
void axpy(Index n, float a, const float* x, float* y);
/// x *= a, in place.
void scale(Index n, float a, float* x);
/// sum_i x_i y_i, accumulated in float lanes. Error <= (n / lanes + 5) u sum |x_i y_i|.
float dot(Index n, const float* x, const float* y);
/// sum_i x_i^2 in double.
double squared_norm(Index n, const float* x);
/// x[i, :] += bias for the M rows of x [M, N].
void add_bias(Index M, Index N, const float* bias, float* x);
/// sums[j] += sum_i x[i, j], x [M, N], rows in order: the gradient of a bias.
void column_sums(Index M, Index N, const float* x, float* sums);

// ---- rows.cpp

/// y[i, :] = x[rows[i], :], width D.
void gather_rows(Rows rows, Index D, const float* x, float* y);
/// y[rows[i], :] = x[i, :].
void scatter_rows(Rows rows, Index D, const float* x, float* y);
/// y[rows[i], :] += x[i, :].
void scatter_add_rows(Rows rows, Index D, const float* x, float* y);
/// y[rows[i], :] += x[rows[i], :]: the residual connection.
void add_rows(Rows rows, Index D, const float* x, float* y);

struct Embedding {
  Index T = 0, D = 0;                    ///< row r of a batch is position r % T of its sequence
  const std::int32_t* tokens = nullptr;  ///< one per row of the batch, each in 0 .. V-1
};
/// y[r, :] = table[tokens[r], :] + positions[r % T, :] for r in rows. table [V, D]; positions
/// [>= T, D], or null for none.
void embed(const Embedding& e, Rows rows, const float* table, const float* positions, float* y);
/// dtable[tokens[r], :] += dy[r, :] and dpositions[r % T, :] += dy[r, :], r in order. Either may be
/// null.
void embed_backward(const Embedding& e, Rows rows, const float* dy, float* dtable,
                    float* dpositions);

// ---- norm.cpp

enum class NormKind { layer, rms };
struct Norm {
  NormKind kind = NormKind::layer;
  Index D = 0;
  const float* gain = nullptr;  ///< [D]
  const float* bias = nullptr;  ///< [D]; layer only (null for rms)
  float epsilon = 1e-5F;
};
/// layer: y = (x - mean) rstd gain + bias, rstd = 1/sqrt(mean((x - mean)^2) + epsilon);
/// rms:   y = x rstd gain,               rstd = 1/sqrt(mean(x^2) + epsilon), for the listed rows of
/// x, y [., D]; y may be x. stats [., 2] at the same row numbers receives (mean or 0, rstd).
/// Two passes, so a large mean does not cancel. Error <= (D / lanes + 16) u max|x - mean| rstd
/// |gain|.
void norm(const Norm& n, Rows rows, const float* x, float* y, float* stats);

struct NormGradients {
  float* dx = nullptr;     ///< [., D], += at the listed rows; may not alias dy
  float* dgain = nullptr;  ///< [D], +=
  float* dbias = nullptr;  ///< [D], +=; layer only
};
/// Gradient of norm(); x and stats as there, dy [., D] is read at the listed rows only.
void norm_backward(const Norm& n, Rows rows, const float* x, const float* stats, const float* dy,
                   const NormGradients& out);

// ---- activation.cpp

/// relu: max(x, 0), derivative 0 at 0. gelu: x Phi(x), exact (erf, as in PyTorch). tanh.
enum class Activation { relu, gelu, tanh };
/// y = f(x), n numbers; y may be x. Error <= 4 ulp, for gelu <= 4 u max(|y|, 1e-3 |x|) + 1e-38.
void activation(Activation f, Index n, const float* x, float* y);
/// dx = f'(x) dy; dx may be dy.
void activation_backward(Activation f, Index n, const float* x, const float* dy, float* dx);
/// y = f(x + bias) and, in place, x = f'(x + bias), both [M, N]: so that the way back is one
/// multiply(dy) by x. bias [N] may be null.
void bias_activation(Activation f, Index M, Index N, const float* bias, float* x, float* y);
/// y = silu(g) u with silu(g) = g / (1 + e^-g).
void swiglu(Index n, const float* g, const float* u, float* y);
/// dg = dy u silu'(g), du = dy silu(g); either may be dy.
void swiglu_backward(Index n, const float* g, const float* u, const float* dy, float* dg,
                     float* du);

// ---- softmax.cpp

/// p = softmax(s) along rows, [M, N] ld; p may be s. The maximum is subtracted first, so any finite
/// scores are safe; -inf entries get 0, and a row that is all -inf (or empty) becomes all 0.
/// Error <= (N / lanes + 8) ulp.
void softmax_rows(Index M, Index N, const float* s, float* p, Index ld);

/// Scores [M, N] ld of which row i sees the columns from[i] .. visible[i]-1; from null = from 0,
/// visible null = all N.
struct Scores {
  Index M = 0, N = 0, ld = 0;
  const Index* visible = nullptr;
  float scale = 1;  ///< multiplies the scores before the softmax
  const Index* from = nullptr;
  float slope = 0;            ///< slope |at[i] - j| is subtracted from them after that
  const Index* at = nullptr;  ///< [M], read if slope is not 0
};
/// In place: s[i, j] = softmax over the columns j that row i sees of scale s[i, j] - slope |at[i] -
/// j|; 0 in the others, up to column N and on to the next multiple of 16 if ld has room.
void masked_softmax(const Scores& shape, float* s);
/// In place: dp[i, j] becomes d loss / d s[i, j] = scale p (dp - sum_j p dp), 0 where not visible.
void masked_softmax_backward(const Scores& shape, const float* p, float* dp);

// ---- attention.cpp

/// One query against n rows x_j of width D, x [n, D] ld: scores s_j = scale <u, x_j>, weights
/// a = softmax(s), context c = sum_j a_j x_j.
/// slope |at - j| is subtracted from s_j.
struct Attend {
  Index n = 0, D = 0, ld = 0;
  float scale = 1;
  float slope = 0;
  Index at = 0;
};
/// a[n] =, c[D] = as above. Scores have an error <= (D / lanes + 6) u scale sum |u x_j|, which the
/// exponential turns into a relative one of the weights.
void attend(const Attend& s, const float* u, const float* x, float* a, float* c);

/// What attend read and left, and dc = d loss / d c.
struct Attended {
  const float *u = nullptr, *x = nullptr, *a = nullptr, *dc = nullptr;
};
/// du[D] =, dx[n, D] ld +=. `work` holds n floats.
void attend_backward(const Attend& s, const Attended& in, float* du, float* dx, float* work);

/// Angles of rotary positions: row t of table [T, 2 width] holds cos(t base^(-2j / width)), each
/// twice, for j < width / 2, and behind them the sines, each as (-sin, sin). Formed in double, from
/// row to row; error <= u + 1e-15 T.
void rotary_table(Index T, Index width, double base, float* table);
/// x [n, heads, width], in place: each pair (x_2j, x_2j+1) of row i turned by the angles of row i
/// of the table, or, if `back`, by their negatives: the gradient of turning. width is even.
struct Rotate {
  Index n = 0, heads = 0, width = 0;
  const float* table = nullptr;
  bool back = false;
};
void rotate(const Rotate& r, float* x);

// ---- loss.cpp

/// Sum over rows of -log softmax(logits[i, :])[targets[i]], logits [M, C]; the log-sum-exp of each
/// row in float, the sum over rows in double, in order. Rows with a target < 0 count nothing.
/// dlogits (null = not wanted; may be logits) = gradient_scale (softmax - onehot). Error per row
/// <= (C / lanes + 8) u max(1, max|logit - max|).
double cross_entropy(Index M, Index C, const float* logits, const std::int32_t* targets,
                     float gradient_scale, float* dlogits);

// ---- lstm.cpp

/// One LSTM step for B sequences of width H. gates [B, 4H] holds the pre-activations of i, f, g, o
/// and receives sigmoid(i), sigmoid(f), tanh(g), sigmoid(o), in place; bias [4H] (null = none) is
/// added first. c = f c_prev + i g, h = o tanh(c); c, c_prev, h are [B, H]; c may be c_prev.
void lstm_gates(Index B, Index H, const float* bias, float* gates, const float* c_prev, float* c,
                float* h);
/// The other way: what lstm_gates left and read, plus dh = d loss / d h of this step.
struct LstmStep {
  Index B = 0, H = 0;
  const float* gates = nullptr;   ///< [B, 4H], activated
  const float* c_prev = nullptr;  ///< [B, H]
  const float* c = nullptr;       ///< [B, H]
  const float* dh = nullptr;      ///< [B, H]
};
/// dc [B, H], in place: gradient of c that comes from later steps -> gradient of c_prev. dgates [B,
/// 4H] = gradient of the pre-activations; may be `gates`.
void lstm_gates_backward(const LstmStep& step, float* dc, float* dgates);

// ---- adam.cpp

/// One AdamW step [loshchilov2019], in one pass: g' = gradient_scale g; m = beta1 m + (1 - beta1)
/// g'; v = beta2 v + (1 - beta2) g'^2; w -= lr (weight_decay w + (m / correction1) / (sqrt(v /
/// correction2) + epsilon)), where correction_i = 1 - beta_i^step.
struct AdamW {
  float lr = 0, beta1 = 0.9F, beta2 = 0.999F, epsilon = 1e-8F, weight_decay = 0;
  float gradient_scale = 1;
  float correction1 = 1, correction2 = 1;
};
void adamw(const AdamW& a, Index n, const float* g, float* w, float* m, float* v);

// ---- simd_target.cpp

/// The instruction set that the kernels run on here: "AVX3", "AVX2", "SSE4", "NEON", ...
const char* simd_target();

}  // namespace separatrix
