#include "separatrix/nn/blocks/matrix_state.h"

#include <algorithm>
#include <cmath>

#include "separatrix/kernels/delta_rule.h"
#include "separatrix/kernels/heads.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {

void check_heads(Index D, const HeadsConfig& c) {
  const auto require = [](bool holds, const char* field, const std::string& what,
                          const char* hint) {
    if (!holds) throw Error(ErrorKind::spec, what, field, hint);
  };
  require(c.n_heads >= 1, "n_heads", "n_heads must be at least 1", "use 1 for a single head");
  require(c.d_head >= 0, "d_head", "d_head must not be negative", "use 0 for d_model / n_heads");
  require(c.d_head > 0 || D % c.n_heads == 0, "n_heads",
          std::to_string(c.n_heads) + " heads do not divide the width " + std::to_string(D),
          "change n_heads or give d_head");
  require(c.value_expansion >= 1, "value_expansion", "value_expansion must be at least 1",
          "use 1 for values as wide as keys");
  require(c.norm_epsilon > 0 && std::isfinite(c.norm_epsilon), "norm_epsilon",
          "norm_epsilon must be positive and finite", "1e-5 is common");
}

void project(Index n, Index D, const float* x, const float* w, Index N, float* y) {
  gemm({n, N, D}, x, D, w, N, y, N);
}
void project_backward(Index n, Index D, const float* x, const float* w, Index N, const float* dy,
                      float* dw, float* dx) {
  gemm({.M = D, .N = N, .K = n, .a_transposed = true, .accumulate = true}, x, D, dy, N, dw, N);
  gemm({.M = n, .N = D, .K = N, .b_transposed = true, .accumulate = true}, dy, N, w, N, dx, D);
}

namespace {

constexpr Index kChunk = 32;  ///< positions; short enough that the products within stay cheap

Index chunks(Index steps) { return (steps + kChunk - 1) / kChunk; }

struct Scratch {
  float *S, *mask, *scores, *a, *b;  ///< a, b: [kChunk, max(dk, dv)]
  float *entry, *exit;               ///< [kChunk] decay since the chunk's start, until its end
  Index end = 0;
  Scratch(const MatrixStateSizes& z, float* base) {
    const auto take = [&](Index n) { return slice(base, end, n); };
    S = take(z.dk * z.dv);
    mask = take(kChunk * kChunk);
    scores = take(kChunk * kChunk);
    a = take(kChunk * std::max(z.dk, z.dv));
    b = take(kChunk * std::max(z.dk, z.dv));
    entry = take(kChunk);
    exit = take(kChunk);
  }
};

struct Cache {
  float *e, *states;  ///< [T, H dv]; [chunks, H, dk, dv] before each chunk
  Index end = 0;
  Cache(const MatrixStateSizes& z, Index steps, float* base) {
    e = slice(base, end, z.delta ? steps * z.vv() : 0);
    states = slice(base, end, chunks(steps) * z.state());
  }
};

/// y[i, :] = factor[i] x[i, :], rows of width n.
void scale_rows(Index rows, Index n, const float* factor, const float* x, Index ldx, float* y) {
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < n; ++j) y[i * n + j] = factor[i] * x[i * ldx + j];
}

/// One head of one sequence, chunk by chunk. In a chunk that begins at position a, with D(i, j) =
/// g_(j+1) ... g_i: mask[i, j] = D(a + i, a + j), entry[i] = D(a + i, a - 1), exit[j] = D(end, a +
/// j), total = D(end, a - 1).
class Head {
 public:
  Head(const MatrixStateSizes& z, const MatrixStateInput& in, Index h, const Scratch& scratch,
       const float* e, const float* states)
      : z_(z),
        in_(in),
        h_(h),
        k_(in.k + h * z.dk),
        v_(in.v + h * z.dv),
        e_(z.delta ? e + h * z.dv : v_),
        states_(states + h * z.dk * z.dv),
        s_(scratch) {
    if (in.decay_step == 0) set_constant_decay(std::min(kChunk, in.rows.steps));
  }

  void forward(float* o, float* e, float* states) {
    const Index size = z_.dk * z_.dv, steps = in_.rows.steps;
    std::fill_n(s_.S, size, 0.0F);
    Index live = 0;
    for (Index a = 0; a < steps; a += kChunk) {
      enter(a, live);
      std::copy_n(s_.S, size, states + a / kChunk * z_.state() + h_ * size);
      if (z_.delta) delta_rule(rule(), v_ + a * z_.vv(), s_.S, e + a * z_.vv() + h_ * z_.dv);
      if (n_ > 0) read(o);
      if (!z_.delta && a + len_ < steps) {  // S <- total S + sum_j exit_j k_j e_j^T
        const float* k = scaled_keys();
        scale(size, total_, s_.S);
        gemm({.M = z_.dk, .N = z_.dv, .K = len_, .a_transposed = true, .accumulate = true}, k,
             z_.dk, e_ + a * z_.vv(), z_.vv(), s_.S, z_.dv);
      }
      live += n_;
    }
  }

  void backward(const float* dout, const MatrixStateGradients& out) {
    std::fill_n(s_.S, z_.dk * z_.dv, 0.0F);  // the gradient of the state after the chunk
    Index live = in_.rows.n_live;
    double later = 0;
    for (Index a = (chunks(in_.rows.steps) - 1) * kChunk; a >= 0; a -= kChunk) {
      Index first = live;
      while (first > 0 && in_.rows.time(first - 1) >= a) --first;
      enter(a, first);
      live = first;
      write_backward(dout, out);
      read_backward(dout, out);
      if (z_.delta) recall_backward(out, later);
    }
  }

 private:
  bool is_last() const { return a_ + len_ == in_.rows.steps; }
  const float* queries() const { return in_.q + live_ * z_.qk() + h_ * z_.dk; }
  const float* keys() const { return k_ + a_ * z_.qk(); }
  const float* written() const { return e_ + a_ * z_.vv(); }
  const float* before() const { return states_ + a_ / kChunk * z_.state(); }
  Index offset(Index i) const { return in_.rows.time(live_ + i) - a_; }

  /// The chunk from a on, whose live rows are the n_ from the live-th on.
  void enter(Index a, Index live) {
    a_ = a;
    len_ = std::min(kChunk, in_.rows.steps - a);
    live_ = live;
    n_ = 0;
    while (live + n_ < in_.rows.n_live && in_.rows.time(live + n_) < a + len_) ++n_;
    if (in_.decay_step != 0) set_decays(a, len_);
    std::copy_n(s_.mask + (len_ - 1) * kChunk, len_, s_.exit);
    total_ = s_.entry[len_ - 1];
  }

  /// D(i, j) = g^(i-j): one row of powers, shifted.
  void set_constant_decay(Index len) {
    const double log_decay = in_.log_decay == nullptr ? 0 : double(in_.log_decay[h_]);
    float powers[kChunk + 1];
    for (Index i = 0; i <= len; ++i) powers[i] = float(double(i) * log_decay);
    if (log_decay == 0)
      std::fill_n(powers, len + 1, 1.0F);
    else
      exponentials(len + 1, powers);
    for (Index i = 0; i < len; ++i) {
      float* row = s_.mask + i * kChunk;
      std::reverse_copy(powers, powers + i + 1, row);
      std::fill(row + i + 1, row + kChunk, 0.0F);
      s_.entry[i] = powers[i + 1];
    }
  }

  void set_decays(Index a, Index len) {
    double sums[kChunk], sum = 0;  // of the logarithms; double, because they are subtracted
    for (Index i = 0; i < len; ++i) {
      sum += double(in_.log_decay[(a + i) * in_.decay_step + h_]);
      sums[i] = sum;
      s_.entry[i] = float(sum);
    }
    for (Index i = 0; i < len; ++i) {
      float* row = s_.mask + i * kChunk;
      for (Index j = 0; j <= i; ++j) row[j] = float(sums[i] - sums[j]);
      exponentials(i + 1, row);
      std::fill(row + i + 1, row + kChunk, 0.0F);
    }
    exponentials(len, s_.entry);
  }

  DeltaRule rule() const {
    return {.steps = len_,
            .dk = z_.dk,
            .dv = z_.dv,
            .k = keys(),
            .beta = in_.beta + a_ * z_.H + h_,
            .decay = in_.decay == nullptr ? nullptr : in_.decay + a_ * z_.H + h_,
            .ldk = z_.qk(),
            .ldv = z_.vv(),
            .gate_step = z_.H};
  }

  const float* scaled_keys() const {
    scale_rows(len_, z_.dk, s_.exit, keys(), z_.qk(), s_.a);
    return s_.a;
  }
  /// entry_i x_i at the chunk's live rows, of x's width n.
  const float* entered(const float* x, Index n, Index ldx, float* y) const {
    float factor[kChunk];
    for (Index i = 0; i < n_; ++i) factor[i] = s_.entry[offset(i)];
    scale_rows(n_, n, factor, x, ldx, y);
    return y;
  }
  /// scores[i, j] = D(i, j) <x_i, y_j>, x at the live rows.
  void masked_scores(Index width, const float* x, Index ldx, const float* y, Index ldy) const {
    gemm({.M = n_, .N = len_, .K = width, .b_transposed = true}, x, ldx, y, ldy, s_.scores, kChunk);
    for (Index i = 0; i < n_; ++i)
      multiply(len_, s_.mask + offset(i) * kChunk, s_.scores + i * kChunk);
  }

  /// o_i = sum_(j <= i) D(i, j) <q_i, k_j> e_j + entry_i S^T q_i, S before the chunk.
  void read(float* o) const {
    float* at = o + live_ * z_.vv() + h_ * z_.dv;
    masked_scores(z_.dk, queries(), z_.qk(), keys(), z_.qk());
    gemm({n_, z_.dv, len_}, s_.scores, kChunk, written(), z_.vv(), at, z_.vv());
    if (a_ == 0) return;
    const float* q = entered(queries(), z_.dk, z_.qk(), s_.a);
    gemm({.M = n_, .N = z_.dv, .K = z_.dk, .accumulate = true}, q, z_.dk, before(), z_.dv, at,
         z_.vv());
  }

  /// Through S <- total S + sum_j exit_j k_j e_j^T: dk_j = exit_j dS e_j, and de_j = exit_j dS^T
  /// k_j, which the delta rule finds on its own, step by step, with the whole of dS.
  void write_backward(const float* dout, const MatrixStateGradients& out) const {
    float* dk = out.dk + a_ * z_.qk() + h_ * z_.dk;
    float* dv = out.dv + a_ * z_.vv() + h_ * z_.dv;
    if (is_last()) {
      for (Index j = 0; j < len_; ++j) std::fill_n(dk + j * z_.qk(), z_.dk, 0.0F);
      for (Index j = 0; j < len_ && !z_.delta; ++j) std::fill_n(dv + j * z_.vv(), z_.dv, 0.0F);
    } else {
      scale_rows(len_, z_.dv, s_.exit, written(), z_.vv(), s_.b);
      gemm({.M = len_, .N = z_.dk, .K = z_.dv, .b_transposed = true}, s_.b, z_.dv, s_.S, z_.dv, dk,
           z_.qk());
      if (!z_.delta) gemm({len_, z_.dv, z_.dk}, scaled_keys(), z_.dk, s_.S, z_.dv, dv, z_.vv());
    }
    if (!z_.delta) {
      scale(z_.dk * z_.dv, total_, s_.S);
      return;
    }
    float* de_e = out.de_e + a_ * z_.H + h_;
    for (Index j = 0; j < len_; ++j) de_e[j * z_.H] = 0;
    const StateReads reads{.n = n_,
                           .step = in_.rows.live == nullptr ? nullptr : in_.rows.live + live_,
                           .offset = in_.rows.origin + a_,
                           .q = queries(),
                           .dout = dout + live_ * z_.vv() + h_ * z_.dv};
    delta_rule_backward(rule(), reads, written(), {s_.S, dv, de_e});
  }

  /// Through read: with A[i, j] = D(i, j) <do_i, e_j>, dq_i = sum_j A k_j + entry_i S do_i and dk_j
  /// += sum_i A q_i; without the delta rule also de_j += sum_i D <q_i, k_j> do_i and dS.
  void read_backward(const float* douts, const MatrixStateGradients& out) const {
    if (n_ == 0) return;
    const float* dout = douts + live_ * z_.vv() + h_ * z_.dv;
    float* dq = out.dq + live_ * z_.qk() + h_ * z_.dk;
    float* dk = out.dk + a_ * z_.qk() + h_ * z_.dk;
    if (!z_.delta) {
      masked_scores(z_.dk, queries(), z_.qk(), keys(), z_.qk());
      gemm({.M = len_, .N = z_.dv, .K = n_, .a_transposed = true, .accumulate = true}, s_.scores,
           kChunk, dout, z_.vv(), out.dv + a_ * z_.vv() + h_ * z_.dv, z_.vv());
    }
    masked_scores(z_.dv, dout, z_.vv(), written(), z_.vv());
    gemm({n_, z_.dk, len_}, s_.scores, kChunk, keys(), z_.qk(), dq, z_.qk());
    gemm({.M = len_, .N = z_.dk, .K = n_, .a_transposed = true, .accumulate = true}, s_.scores,
         kChunk, queries(), z_.qk(), dk, z_.qk());
    if (a_ == 0) return;
    const float* entered_dout = entered(dout, z_.dv, z_.vv(), s_.b);
    gemm({.M = n_, .N = z_.dk, .K = z_.dv, .b_transposed = true, .accumulate = true}, entered_dout,
         z_.dv, before(), z_.dv, dq, z_.qk());
    if (z_.delta) return;
    gemm({.M = z_.dk, .N = z_.dv, .K = n_, .a_transposed = true, .accumulate = true}, queries(),
         z_.qk(), entered_dout, z_.dv, s_.S, z_.dv);
  }

  /// The delta rule reads the state as well, S^T k_i before step i writes, and what it finds is
  /// subtracted: as read_backward, with -k and dv in the places of q and do, for j < i only.
  /// `later`: the sum of the gradients of log g over the steps after the chunk.
  void recall_backward(const MatrixStateGradients& out, double& later) const {
    const float* dv = out.dv + a_ * z_.vv() + h_ * z_.dv;
    float* dk = out.dk + a_ * z_.qk() + h_ * z_.dk;
    float* recalled = s_.a;  // minus the part of dk_i that comes from S^T k_i
    gemm({.M = len_, .N = len_, .K = z_.dv, .b_transposed = true}, dv, z_.vv(), written(), z_.vv(),
         s_.scores, kChunk);
    for (Index i = 0; i < len_; ++i) {
      multiply(i, s_.mask + i * kChunk, s_.scores + i * kChunk);
      std::fill(s_.scores + i * kChunk + i, s_.scores + i * kChunk + len_, 0.0F);
    }
    gemm({len_, z_.dk, len_}, s_.scores, kChunk, keys(), z_.qk(), recalled, z_.dk);
    if (a_ > 0) {
      scale_rows(len_, z_.dv, s_.entry, dv, z_.vv(), s_.b);
      gemm({.M = len_, .N = z_.dk, .K = z_.dv, .b_transposed = true, .accumulate = true}, s_.b,
           z_.dv, before(), z_.dv, recalled, z_.dk);
    }
    float* through = s_.b;  // sum_i A[i, j] k_i
    subtract_transposed(through, dk);
    if (out.dlog_decay != nullptr) decay_backward(recalled, out, later);
    for (Index j = 0; j < len_; ++j) axpy(z_.dk, -1, recalled + j * z_.dk, dk + j * z_.qk());
  }

  /// dk_j -= sum_i scores[i, j] k_i.
  void subtract_transposed(float* sums, float* dk) const {
    gemm({.M = len_, .N = z_.dk, .K = len_, .a_transposed = true}, s_.scores, kChunk, keys(),
         z_.qk(), sums, z_.dk);
    for (Index j = 0; j < len_; ++j) axpy(z_.dk, -1, sums + j * z_.dk, dk + j * z_.qk());
  }

  /// Each product of something read at i with something written at j carries g_(j+1) ... g_i: d log
  /// g_t is the sum over j < t <= i, i.e. of all that is read from t on minus all that is written
  /// from t on. dk holds what was written so far.
  void decay_backward(const float* recalled, const MatrixStateGradients& out, double& later) const {
    Index live = n_;
    for (Index t = len_ - 1; t >= 0; --t) {
      const float* k = keys() + t * z_.qk();
      double sum = -double(dot(z_.dk, k, recalled + t * z_.dk)) -
                   double(dot(z_.dk, k, out.dk + (a_ + t) * z_.qk() + h_ * z_.dk));
      if (live > 0 && offset(live - 1) == t) {
        --live;
        sum += double(
            dot(z_.dk, queries() + live * z_.qk(), out.dq + (live_ + live) * z_.qk() + h_ * z_.dk));
      }
      later += sum;
      out.dlog_decay[(a_ + t) * z_.H + h_] = float(later);
    }
  }

  const MatrixStateSizes& z_;
  const MatrixStateInput& in_;
  Index h_;
  const float *k_, *v_, *e_, *states_;
  const Scratch& s_;
  Index a_ = 0, len_ = 0, live_ = 0, n_ = 0;
  float total_ = 1;
};

}  // namespace

Index MatrixState::cache_size(Index T) const { return Cache(z_, T, nullptr).end; }
Index MatrixState::scratch_size() const { return Scratch(z_, nullptr).end; }

void MatrixState::forward(const MatrixStateInput& in, float* o, float* cache,
                          float* scratch) const {
  const Cache c(z_, in.rows.steps, cache);
  const Scratch s(z_, scratch);
  for (Index h = 0; h < z_.H; ++h) Head(z_, in, h, s, c.e, c.states).forward(o, c.e, c.states);
}

void MatrixState::backward(const MatrixStateInput& in, const float* dout,
                           const MatrixStateGradients& out, float* cache, float* scratch) const {
  const Cache c(z_, in.rows.steps, cache);
  const Scratch s(z_, scratch);
  for (Index h = 0; h < z_.H; ++h) Head(z_, in, h, s, c.e, c.states).backward(dout, out);
}

}  // namespace separatrix
