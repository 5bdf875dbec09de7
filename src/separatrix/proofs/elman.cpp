#include "separatrix/proofs/elman.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "separatrix/proofs/exact_sum.h"

namespace separatrix {
namespace {

/// Sum of absolute values of each column.
std::vector<double> column_sizes(std::span<const float> matrix, Index columns) {
  std::vector<double> sizes(std::size_t(columns), 0.0);
  for (std::size_t i = 0; i < matrix.size(); ++i)
    sizes[i % sizes.size()] += double(std::abs(matrix[i]));
  return sizes;
}

std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }

}  // namespace

std::optional<Elman> Elman::view(const Weights& weights, Arithmetic arithmetic, std::string& why) {
  const ModelSpec& spec = weights.spec;
  why = "the model is not one recurrent ReLU layer without norm, residual and positions";
  const auto format = [&] {
    return spec.layers.front().config.value("state_format", std::string("float32"));
  };
  if (spec.layers.size() != 1 || spec.layers.front().block != "rnn" || spec.norm != "none" ||
      spec.positions != "none" || spec.layers.front().residual ||
      spec.layers.front().config.value("activation", std::string()) != "relu" ||
      (format() != "bit" && format() != "float32"))
    return std::nullopt;
  Elman out;
  out.D_ = spec.d_model;
  out.C_ = spec.n_classes;
  out.bits_ = format() == "bit";
  out.arithmetic_ = arithmetic;
  if (is_emulated(arithmetic)) {  // the weights are tensors that are rounded, too
    Weights rounded = weights;
    for (float& w : rounded.values) w = float(round_to(arithmetic, double(w)));
    out.read(rounded);
  } else {
    out.read(weights);
  }
  why = "its sums may be rounded";
  if (!out.is_exact(1, 1)) return std::nullopt;
  why.clear();
  return out;
}

void Elman::read(const Weights& weights) {
  const auto embedding = weights["embedding"], w_x = weights["layers.0.rnn.w_x"],
             bias = weights["layers.0.rnn.bias"];
  w_h_ = copy(weights["layers.0.rnn.w_h"]);
  head_ = copy(weights["head"]);
  bias_.assign(bias.begin(), bias.end());
  head_bias_.assign(weights["head_bias"].begin(), weights["head_bias"].end());
  const std::size_t D = std::size_t(D_);

  std::vector<std::vector<Drive>> rows(D);  // of w_x
  for (std::size_t i = 0; i < D; ++i)
    for (std::size_t u = 0; u < D; ++u)
      if (const float w = w_x[i * D + u]; w != 0) rows[i].push_back({Index(u), double(w)});
  std::vector<double> largest(D, 0.0), sums(D), sizes(D);
  for (std::size_t token = 0; token < embedding.size() / D; ++token) {
    std::fill(sums.begin(), sums.end(), 0.0);
    std::fill(sizes.begin(), sizes.end(), 0.0);
    for (std::size_t i = 0; i < D; ++i)
      if (const double x = double(embedding[token * D + i]); x != 0)
        for (const auto& [u, w] : rows[i]) {
          sums[std::size_t(u)] += x * w;
          sizes[std::size_t(u)] += std::abs(x * w);
        }
    drives_.emplace_back();
    for (std::size_t u = 0; u < D; ++u) {
      largest[u] = std::max(largest[u], sizes[u]);
      if (sums[u] != 0) drives_.back().push_back({Index(u), sums[u]});
    }
  }
  input_size_ = largest;
  for (std::size_t u = 0; u < D; ++u) input_size_[u] += std::abs(bias_[u]);
  input_grid_ = std::min(grid_of(embedding) * grid_of(w_x), grid_of(bias));
  w_h_grid_ = grid_of<float>(w_h_);
  head_grid_ = grid_of<float>(head_);
  head_bias_grid_ = grid_of<double>(head_bias_);
  w_h_size_ = column_sizes(w_h_, D_);
  head_size_ = column_sizes(head_, C_);
}

/// No sum is rounded after states whose entries are multiples of `state_grid` and at most
/// `largest`.
bool Elman::is_exact(double state_grid, double largest) const {
  for (const double grid : {input_grid_, w_h_grid_, head_grid_, head_bias_grid_})
    if (!(grid > 0)) return false;  // a weight is infinite or NaN
  const double grid = std::min(input_grid_, w_h_grid_ * state_grid);
  for (std::size_t u = 0; u < std::size_t(D_); ++u)
    if (!sums_exactly(grid, input_size_[u] + largest * w_h_size_[u])) return false;
  const double head_grid = std::min(head_bias_grid_, head_grid_ * state_grid);
  for (std::size_t c = 0; c < std::size_t(C_); ++c)
    if (!sums_exactly(head_grid, std::abs(head_bias_[c]) + largest * head_size_[c])) return false;
  return true;
}

/// What a unit holds after its sum; of a state of bits, 1 from 1/2 up.
float Elman::after(double sum) const {
  if (bits_) return sum >= 0.5 ? 1.0F : 0.0F;  // rounding first changes nothing: it is monotone
  return sum > 0 ? float(round_to(arithmetic_, sum)) : 0.0F;
}

float Elman::unit(const std::uint64_t* state, Index u) const {
  if (!bits_) return std::bit_cast<float>(std::uint32_t(state[u]));
  return float(state[u / 64] >> (u % 64) & 1);
}

void Elman::put(std::uint64_t* state, Index u, float value) const {
  if (!bits_) {
    state[u] = std::bit_cast<std::uint32_t>(value);
    return;
  }
  const std::uint64_t bit = std::uint64_t{1} << (u % 64);
  state[u / 64] = value != 0 ? state[u / 64] | bit : state[u / 64] & ~bit;
}

bool Elman::prepare(const std::uint64_t* state, Before& before) const {
  before.sums = bias_;
  std::vector<double> held;
  for (Index i = 0; i < D_; ++i) {
    const double h = double(unit(state, i));
    if (h == 0) continue;
    if (!bits_) held.push_back(h);
    const float* row = w_h_.data() + i * D_;
    for (std::size_t u = 0; u < std::size_t(D_); ++u) before.sums[u] += h * double(row[u]);
  }
  if (!held.empty() &&
      !is_exact(grid_of<double>(held), *std::max_element(held.begin(), held.end())))
    return false;
  before.silent.assign(words(), 0);
  for (Index u = 0; u < D_; ++u) put(before.silent.data(), u, after(before.sums[std::size_t(u)]));
  return true;
}

void Elman::step(const Before& before, Token token, std::uint64_t* next) const {
  std::copy(before.silent.begin(), before.silent.end(), next);
  for (const auto& [u, value] : drives_[std::size_t(token)])
    put(next, u, after(before.sums[std::size_t(u)] + value));
}

double Elman::margin(const std::uint64_t* state, Token target) const {
  std::vector<double> logits = head_bias_, held;
  for (Index i = 0; i < D_; ++i) {
    const double h = double(unit(state, i));
    if (h == 0) continue;
    if (!bits_) held.push_back(h);
    const float* row = head_.data() + i * C_;
    for (std::size_t c = 0; c < std::size_t(C_); ++c) logits[c] += h * double(row[c]);
  }
  if (!held.empty() &&
      !is_exact(grid_of<double>(held), *std::max_element(held.begin(), held.end())))
    return std::numeric_limits<double>::quiet_NaN();
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < std::size_t(C_); ++c)
    if (Token(c) != target)
      least = std::min(least, round_to(arithmetic_, logits[std::size_t(target)]) -
                                  round_to(arithmetic_, logits[c]));
  return least;
}

}  // namespace separatrix
