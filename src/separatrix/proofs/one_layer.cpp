#include "separatrix/proofs/one_layer.h"

#include <algorithm>
#include <cmath>

#include "separatrix/nn/plain_attention.h"
#include "separatrix/proofs/exact_sum.h"

namespace separatrix {
namespace {

double grid_of(const Matrix& m) { return separatrix::grid_of(std::span<const double>(m.data)); }

/// [1, D]: largest absolute entry of each column, over the given rows.
Matrix column_maxima(const Matrix& m, Index first, Index last) {
  Matrix out(1, m.cols);
  for (Index i = first; i < last; ++i)
    for (Index j = 0; j < m.cols; ++j) out(0, j) = std::max(out(0, j), std::abs(m(i, j)));
  return out;
}

/// Bounds |x| for every token at every position.
Matrix input_bound(const OneLayer& m) {
  Matrix x = column_maxima(m.embedding, 0, m.V);
  const Matrix positions = column_maxima(m.positions, 0, m.positions.rows);
  for (Index d = 0; d < m.D; ++d) x(0, d) += positions(0, d);
  return x;
}

/// Every sum that either path of the attention forms on the way to a score: x, q = x Wq, k = x Wk,
/// u = q Wk^T, and <q, k> = <u, x>, then score - maximum.
bool scores_are_exact(const OneLayer& m, const Matrix& x, const Matrix& q, const Matrix& u,
                      double magnitude) {
  const double gx = std::min(grid_of(m.embedding), grid_of(m.positions));
  const double gq = grid_of(m.q), gk = grid_of(m.k);
  int exponent = 0;
  const bool power_of_two = std::frexp(m.scale, &exponent) == 0.5;
  return power_of_two && sums_exactly(gx, largest(x)) && sums_exactly(gx * gq, largest(q)) &&
         sums_exactly(gx * gk, largest(product(x, absolute(m.k)))) &&
         sums_exactly(gx * gq * gk, largest(u)) &&
         sums_exactly(gx * gx * gq * gk * m.scale, 2 * magnitude);
}

}  // namespace

double largest(const Matrix& m) {
  double out = 0;
  for (const double x : m.data) out = std::max(out, std::abs(x));
  return out;
}

Matrix to_matrix(std::span<const float> values, Index rows) {
  Matrix m(rows, Index(values.size()) / rows);
  std::copy(values.begin(), values.end(), m.data.begin());
  return m;
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.cols);
  for (Index i = 0; i < a.rows; ++i)
    for (Index k = 0; k < a.cols; ++k)
      if (const double x = a(i, k); x != 0)
        for (Index j = 0; j < b.cols; ++j) c(i, j) += x * b(k, j);
  return c;
}

Matrix transposed(const Matrix& a) {
  Matrix b(a.cols, a.rows);
  for (Index i = 0; i < a.rows; ++i)
    for (Index j = 0; j < a.cols; ++j) b(j, i) = a(i, j);
  return b;
}

Matrix absolute(const Matrix& a) {
  Matrix b(a);
  for (double& x : b.data) x = std::abs(x);
  return b;
}

double attention_scale(const Json& config, Index dk) {
  return config.value("scale", std::string("sqrt")) == "none" ? 1.0
                                                              : double(1 / std::sqrt(float(dk)));
}

std::optional<OneLayer> view_one_layer(const Weights& weights, const TaskInfo& info,
                                       std::string& why) {
  const ModelSpec& spec = weights.spec;
  why = "the model is not one attention layer of one head without norm and MLP";
  if (spec.layers.size() != 1 || spec.layers.front().block != "attention" || spec.norm != "none")
    return std::nullopt;
  const Json& config = spec.layers.front().config;
  if (config.value("n_heads", Index{1}) != 1) return std::nullopt;
  if (why = beyond_plain_attention(config); !why.empty()) return std::nullopt;
  why = "a weight is not finite";
  for (const float w : weights.values)
    if (!std::isfinite(w)) return std::nullopt;

  OneLayer m;
  m.V = spec.vocab_size;
  m.C = spec.n_classes;
  m.D = spec.d_model;
  const auto part = [&](const char* name) {
    return weights["layers.0.attention." + std::string(name)];
  };
  const Index dk = Index(part("q").size()) / m.D, dv = Index(part("v").size()) / m.D;
  m.scale = attention_scale(config, dk);
  m.causal = config.value("causal", true);
  m.residual = spec.layers.front().residual;
  m.embedding = to_matrix(weights["embedding"], m.V);
  m.positions =
      spec.positions == "learned"
          ? to_matrix(weights["positions"].first(std::size_t(info.n_tokens * m.D)), info.n_tokens)
          : Matrix(info.n_tokens, m.D);
  m.q = to_matrix(part("q"), m.D);
  m.k = to_matrix(part("k"), m.D);
  m.v = to_matrix(part("v"), m.D);
  m.o = to_matrix(part("o"), dv);
  m.head = to_matrix(weights["head"], m.D);
  m.head_bias = to_matrix(weights["head_bias"], 1);
  why.clear();
  return m;
}

std::optional<Scores> position_only_scores(const OneLayer& m, const LookupForm& form,
                                           std::string& why) {
  const Token first = form.symbols.front();
  for (const Token s : form.symbols)
    for (Index d = 0; d < m.D; ++d)
      for (Index i = 0; i < m.k.cols && m.embedding(s, d) != m.embedding(first, d); ++i)
        if (m.k(d, i) != 0) {
          why = "the scores depend on the symbols";
          return std::nullopt;
        }
  Scores out;
  const Matrix x = input_bound(m), q_bound = product(x, absolute(m.q));
  const Matrix u_bound = product(q_bound, absolute(transposed(m.k)));
  for (Index d = 0; d < m.D; ++d) out.magnitude += m.scale * u_bound(0, d) * x(0, d);
  out.exact = scores_are_exact(m, x, q_bound, u_bound, out.magnitude);

  Matrix asked(Index(form.queries.size()), m.D);
  for (Index p = 0; p < asked.rows; ++p)
    for (Index d = 0; d < m.D; ++d)
      asked(p, d) = m.embedding(form.queries[std::size_t(p)], d) + m.positions(form.n, d);
  out.queries = product(product(asked, m.q), transposed(m.k));
  for (double& value : out.queries.data) value *= m.scale;
  out.keys = Matrix(form.n, m.D);
  for (Index j = 0; j < form.n; ++j)
    for (Index d = 0; d < m.D; ++d) out.keys(j, d) = m.embedding(first, d) + m.positions(j, d);
  for (Index p = 0; p < asked.rows; ++p) {
    double self = 0;
    for (Index d = 0; d < m.D; ++d) self += out.queries(p, d) * asked(p, d);
    out.self.push_back(self);
  }
  return out;
}

std::optional<Readout> read_out(const OneLayer& m, const LookupForm& form, std::string& why) {
  for (Index j = 0; j <= form.n; ++j)
    for (Index d = 0; d < m.D; ++d)
      for (Index i = 0; i < m.v.cols && m.positions(j, d) != 0; ++i)
        if (m.v(d, i) != 0) {
          why = "the values depend on the positions";
          return std::nullopt;
        }
  const Matrix to_logits = product(product(m.v, m.o), m.head);
  const auto rows_of = [&](const std::vector<Token>& tokens) {
    Matrix out(Index(tokens.size()), m.D);
    for (std::size_t i = 0; i < tokens.size(); ++i)
      for (Index d = 0; d < m.D; ++d) out(Index(i), d) = m.embedding(tokens[i], d);
    return out;
  };
  Readout out;
  out.symbol = product(rows_of(form.symbols), to_logits);
  Matrix query = rows_of(form.queries);
  out.query = product(query, to_logits);
  for (Index p = 0; p < query.rows; ++p)
    for (Index d = 0; d < m.D; ++d) query(p, d) += m.positions(form.n, d);
  out.constant = m.residual ? product(query, m.head) : Matrix(query.rows, m.C);
  for (Index p = 0; p < query.rows; ++p)
    for (Index c = 0; c < m.C; ++c) out.constant(p, c) += m.head_bias(0, c);

  const Matrix x = input_bound(m), head = absolute(m.head);
  out.magnitude = largest(product(product(product(x, absolute(m.v)), absolute(m.o)), head));
  out.constant_magnitude = largest(product(x, head)) + largest(m.head_bias);
  return out;
}

}  // namespace separatrix
