
#include "separatrix/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/rows.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

/// to[i(r)] (=|+=) from[j(r)] for each row r of the list.
template <bool kAdd>
HWY_INLINE void copy_row(Index D, const float* from, float* to) {
  for_vectors(D, [=](Index i, Index c) HWY_ATTR {
    const Vec v = load(from + i, c);
    store(kAdd ? hn::Add(load(to + i, c), v) : v, to + i, c);
  });
}

void gather_rows_target(Rows rows, Index D, const float* x, float* y) {
  for (Index i = 0; i < rows.count; ++i) copy_row<false>(D, x + rows[i] * D, y + i * D);
}
void scatter_rows_target(Rows rows, Index D, const float* x, float* y) {
  for (Index i = 0; i < rows.count; ++i) copy_row<false>(D, x + i * D, y + rows[i] * D);
}
void scatter_add_rows_target(Rows rows, Index D, const float* x, float* y) {
  for (Index i = 0; i < rows.count; ++i) copy_row<true>(D, x + i * D, y + rows[i] * D);
}
void add_rows_target(Rows rows, Index D, const float* x, float* y) {
  for (Index i = 0; i < rows.count; ++i) copy_row<true>(D, x + rows[i] * D, y + rows[i] * D);
}

void embed_target(const Embedding& e, Rows rows, const float* table, const float* positions,
                  float* y) {
  const Index D = e.D;
  for (Index i = 0; i < rows.count; ++i) {
    const Index r = rows[i];
    const float* word = table + Index(e.tokens[r]) * D;
    const float* place = positions + (positions == nullptr ? 0 : r % e.T * D);
    float* out = y + r * D;
    if (positions == nullptr)
      copy_row<false>(D, word, out);
    else
      for_vectors(D, [=](Index k, Index c) HWY_ATTR {
        store(hn::Add(load(word + k, c), load(place + k, c)), out + k, c);
      });
  }
}

void embed_backward_target(const Embedding& e, Rows rows, const float* dy, float* dtable,
                           float* dpositions) {
  const Index D = e.D;
  for (Index i = 0; i < rows.count; ++i) {
    const Index r = rows[i];
    if (dtable != nullptr) copy_row<true>(D, dy + r * D, dtable + Index(e.tokens[r]) * D);
    if (dpositions != nullptr) copy_row<true>(D, dy + r * D, dpositions + r % e.T * D);
  }
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(gather_rows_target);
HWY_EXPORT(scatter_rows_target);
HWY_EXPORT(scatter_add_rows_target);
HWY_EXPORT(add_rows_target);
HWY_EXPORT(embed_target);
HWY_EXPORT(embed_backward_target);

void gather_rows(Rows rows, Index D, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(gather_rows_target)(rows, D, x, y);
}
void scatter_rows(Rows rows, Index D, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(scatter_rows_target)(rows, D, x, y);
}
void scatter_add_rows(Rows rows, Index D, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(scatter_add_rows_target)(rows, D, x, y);
}
void add_rows(Rows rows, Index D, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(add_rows_target)(rows, D, x, y);
}
void embed(const Embedding& e, Rows rows, const float* table, const float* positions, float* y) {
  HWY_DYNAMIC_DISPATCH(embed_target)(e, rows, table, positions, y);
}
void embed_backward(const Embedding& e, Rows rows, const float* dy, float* dtable,
                    float* dpositions) {
  HWY_DYNAMIC_DISPATCH(embed_backward_target)(e, rows, dy, dtable, dpositions);
}

}  // namespace separatrix
#endif
