// Properties of every kernel: same bits wherever the arrays lie, nothing written beyond them, the
// same again on a second call. A new kernel is one line in kKernels.

#include "separatrix/kernels/kernels.h"

#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "separatrix/kernels/aaren.h"
#include "separatrix/kernels/gru.h"
#include "separatrix/kernels/rwkv.h"
#include "separatrix/kernels/wkv.h"
#include "tests/support/kernel_memory.h"

namespace separatrix::test {
namespace {

/// Arrays of one call: each holds 16 n + 80 floats, filled with normals.
using Arrays = std::vector<std::unique_ptr<Floats>>;
struct Kernel {
  const char* name;
  std::function<void(Index n, Arrays& a)> call;
};

const std::vector<std::int32_t> kTokens = {2, 0, 1, 2, 0};
const std::vector<Index> kRows = {0, 2, 3};
constexpr Rows kList{3, nullptr};

std::vector<Kernel> kernels() {
  const auto rows = [] { return Rows{3, kRows.data()}; };
  return {
      {"gemm",
       [](Index n, Arrays& a) {
         gemm({5, n, 9}, *a[0], 9, *a[1], n, *a[2], n);
       }},
      {"gemm_nt",
       [](Index n, Arrays& a) {
         gemm({.M = 5, .N = n, .K = 7, .b_transposed = true}, *a[0], 7, *a[1], 7, *a[2], n);
       }},
      {"gemm_tn",
       [](Index n, Arrays& a) {
         gemm({.M = 5, .N = 7, .K = n, .a_transposed = true, .accumulate = true}, *a[0], 5, *a[1],
              7, *a[2], 7);
       }},
      {"transpose", [](Index n, Arrays& a) { transpose(n, 6, *a[0], 6, *a[1], n); }},
      {"add", [](Index n, Arrays& a) { add(n, *a[0], *a[1]); }},
      {"multiply", [](Index n, Arrays& a) { multiply(n, *a[0], *a[1]); }},
      {"axpy", [](Index n, Arrays& a) { axpy(n, 0.3F, *a[0], *a[1]); }},
      {"scale", [](Index n, Arrays& a) { scale(n, 0.3F, *a[0]); }},
      {"dot", [](Index n, Arrays& a) { (*a[2])[0] = dot(n, *a[0], *a[1]); }},
      {"squared_norm", [](Index n, Arrays& a) { (*a[2])[0] = float(squared_norm(n, *a[0])); }},
      {"add_bias", [](Index n, Arrays& a) { add_bias(3, n, *a[0], *a[1]); }},
      {"column_sums", [](Index n, Arrays& a) { column_sums(3, n, *a[0], *a[1]); }},
      {"gather_rows", [=](Index n, Arrays& a) { gather_rows(rows(), n, *a[0], *a[1]); }},
      {"scatter_rows", [=](Index n, Arrays& a) { scatter_rows(rows(), n, *a[0], *a[1]); }},
      {"scatter_add_rows", [=](Index n, Arrays& a) { scatter_add_rows(rows(), n, *a[0], *a[1]); }},
      {"add_rows", [=](Index n, Arrays& a) { add_rows(rows(), n, *a[0], *a[1]); }},
      {"embed",
       [=](Index n, Arrays& a) {
         embed({2, n, kTokens.data()}, rows(), *a[0], *a[1], *a[2]);
       }},
      {"embed_backward",
       [=](Index n, Arrays& a) {
         embed_backward({2, n, kTokens.data()}, rows(), *a[0], *a[1], *a[2]);
       }},
      {"norm",
       [](Index n, Arrays& a) {
         norm({NormKind::layer, n, *a[0], *a[1]}, kList, *a[2], *a[3], *a[4]);
       }},
      {"norm_backward",
       [](Index n, Arrays& a) {
         norm_backward({NormKind::layer, n, *a[0], *a[1]}, kList, *a[2], *a[3], *a[4],
                       {*a[5], *a[6], *a[7]});
       }},
      {"activation", [](Index n, Arrays& a) { activation(Activation::gelu, n, *a[0], *a[1]); }},
      {"activation_backward",
       [](Index n, Arrays& a) { activation_backward(Activation::tanh, n, *a[0], *a[1], *a[2]); }},
      {"bias_activation",
       [](Index n, Arrays& a) { bias_activation(Activation::gelu, 3, n, *a[0], *a[1], *a[2]); }},
      {"swiglu", [](Index n, Arrays& a) { swiglu(n, *a[0], *a[1], *a[2]); }},
      {"swiglu_backward",
       [](Index n, Arrays& a) { swiglu_backward(n, *a[0], *a[1], *a[2], *a[3], *a[4]); }},
      {"softmax_rows", [](Index n, Arrays& a) { softmax_rows(3, n, *a[0], *a[1], n); }},
      {"masked_softmax",
       [](Index n, Arrays& a) {
         masked_softmax({3, n, n, nullptr, 0.5F}, *a[0]);
       }},
      {"masked_softmax_backward",
       [](Index n, Arrays& a) {
         masked_softmax_backward({3, n, n, nullptr, 0.5F}, *a[0], *a[1]);
       }},
      {"masked_softmax_of_a_window",
       [](Index n, Arrays& a) {
         const std::vector<Index> from = {0, n / 2, n - 1}, at = {n - 1, 0, 3};
         masked_softmax({3, n, n, nullptr, 0.5F, from.data(), 0.1F, at.data()}, *a[0]);
       }},
      {"attend_with_a_bias",
       [](Index n, Arrays& a) {
         attend({n, 9, 9, 0.5F, 0.1F, n / 2}, *a[0], *a[1], *a[2], *a[3]);
       }},
      {"rotate",
       [](Index n, Arrays& a) {
         const Index width = (n + 1) / 2 * 2;
         rotate({2, 2, width, *a[0], false}, *a[1]);
       }},
      {"attend",
       [](Index n, Arrays& a) {
         attend({n, 9, 9, 0.5F}, *a[0], *a[1], *a[2], *a[3]);
       }},
      {"attend_backward",
       [](Index n, Arrays& a) {
         attend_backward({n, 9, 9, 0.5F}, {*a[0], *a[1], *a[2], *a[3]}, *a[4], *a[5], *a[6]);
       }},
      {"cross_entropy",
       [](Index n, Arrays& a) {
         const std::vector<std::int32_t> targets = {0, -1, std::int32_t(n) - 1};
         (*a[2])[0] = float(cross_entropy(3, n, *a[0], targets.data(), 1, *a[1]));
       }},
      {"lstm_gates",
       [](Index n, Arrays& a) { lstm_gates(2, n, *a[0], *a[1], *a[2], *a[3], *a[4]); }},
      {"lstm_gates_backward",
       [](Index n, Arrays& a) {
         lstm_gates_backward({2, n, *a[0], *a[1], *a[2], *a[3]}, *a[4], *a[5]);
       }},
      {"gru_gates", [](Index n, Arrays& a) { gru_gates(2, n, *a[0], *a[1], *a[2], *a[3]); }},
      {"gru_gates_backward",
       [](Index n, Arrays& a) {
         gru_gates_backward({2, n, *a[0], *a[1]}, *a[2], *a[3]);
       }},
      {"wkv_scan", [](Index n, Arrays& a) { wkv_scan(3, n, *a[0], *a[1], *a[2], *a[3]); }},
      {"wkv_read",
       [](Index n, Arrays& a) {
         wkv_read({3, n, *a[0], *a[1], *a[2]}, *a[3], *a[4], *a[5]);
       }},
      {"wkv_read_backward",
       [](Index n, Arrays& a) {
         float *second = *a[5] + 4 * n, *fourth = *a[6] + 4 * n;
         wkv_read_backward({3, n, *a[0], *a[1], *a[2]}, *a[3], *a[3], *a[4],
                           {*a[5], second, *a[6], fourth, *a[7]});
       }},
      {"wkv_scan_backward",
       [](Index n, Arrays& a) {
         wkv_scan_backward({3, n, *a[0], *a[1], *a[2]}, *a[3],
                           {{2, kRows.data()}, 0, *a[4], *a[5], *a[6], *a[7]});
       }},
      {"token_shift", [](Index n, Arrays& a) { token_shift(3, n, *a[0], *a[1], *a[2], *a[3]); }},
      {"token_shift_backward",
       [](Index n, Arrays& a) {
         token_shift_backward({3, n, *a[0], *a[1], *a[2], *a[3]}, {*a[4] + n, *a[4], *a[5]});
       }},
      {"squared_relu", [](Index n, Arrays& a) { squared_relu(n, *a[0], *a[1]); }},
      {"squared_relu_backward", [](Index n, Arrays& a) { squared_relu_backward(n, *a[0], *a[1]); }},
      {"sigmoid_gate", [](Index n, Arrays& a) { sigmoid_gate(n, *a[0], *a[1], *a[2]); }},
      {"sigmoid_gate_backward",
       [](Index n, Arrays& a) { sigmoid_gate_backward(n, *a[0], *a[1], *a[2], *a[3], *a[4]); }},
      {"aaren_scan",
       [](Index n, Arrays& a) {
         aaren_scan({3, 2, n, *a[0], *a[1], {2, kRows.data()}, 0}, *a[2], *a[3], *a[4]);
       }},
      {"aaren_scan_backward",
       [](Index n, Arrays& a) {
         aaren_scan_backward({3, 2, n, *a[0], *a[1], {2, kRows.data()}, 0}, {*a[2], *a[3], *a[4]},
                             *a[5], *a[6], *a[7]);
       }},
      {"adamw",
       [](Index n, Arrays& a) {
         for (Index i = 0; i < n; ++i) (*a[3])[i] = std::fabs((*a[3])[i]);
         adamw({.lr = 0.1F}, n, *a[0], *a[1], *a[2], *a[3]);
       }},
  };
}

/// What array i holds at the start.
const std::vector<float>& filling(Index i) {
  static const auto all = [] {
    std::vector<std::vector<float>> values(8, std::vector<float>(16 * 64 + 80));
    Rng rng(9);
    for (auto& array : values)
      for (float& v : array) v = float(rng.normal());
    return values;
  }();
  return all[std::size_t(i)];
}

/// All arrays after one call on arrays that lie `shift` floats behind a cache line.
std::vector<std::vector<float>> outcome(const Kernel& kernel, Index n, Index shift) {
  Arrays arrays;
  for (Index i = 0; i < 8; ++i) {
    arrays.push_back(std::make_unique<Floats>(16 * n + 80, shift * (i + 1)));
    std::copy_n(filling(i).data(), 16 * n + 80, arrays.back()->data());
  }
  kernel.call(n, arrays);
  std::vector<std::vector<float>> out;
  for (const auto& array : arrays) out.push_back(array->copy());
  return out;
}

TEST(Kernels, SameBitsWhereverTheArraysLie) {
  for_each_target([] {
    for (const Kernel& kernel : kernels())
      for (const Index n : {1, 3, 4, 7, 8, 15, 16, 17, 33, 64}) {
        SCOPED_TRACE(testing::Message() << kernel.name << " " << n);
        const auto expected = outcome(kernel, n, 0);
        bool changed = false;
        for (Index i = 0; i < 8; ++i)
          changed |= !std::equal(expected[std::size_t(i)].begin(), expected[std::size_t(i)].end(),
                                 filling(i).begin());
        EXPECT_TRUE(changed) << "does nothing";
        for (const Index shift : {1, 3, 8}) ASSERT_EQ(outcome(kernel, n, shift), expected);
      }
  });
}

}  // namespace
}  // namespace separatrix::test
