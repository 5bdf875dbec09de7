#include <set>

#include <gtest/gtest.h>

#include "separatrix/codes/finite_field.h"

namespace separatrix {
namespace {

using Element = FiniteField::Element;

/// A finite set with a commutative group (+, 0), a commutative group (*, 1) without 0, and the
/// distributive law is a field; all fields of q elements are the same.
TEST(FiniteField, IsAField) {
  for (const Index q : {2, 3, 4, 5, 7, 8, 9, 11, 16, 25, 27, 32, 49}) {
    SCOPED_TRACE(q);
    const PrimePower power = prime_power(q);
    const FiniteField field(power.prime, power.exponent);
    ASSERT_EQ(field.size(), q);
    const auto elements = Element(q);
    for (Element a = 0; a < elements; ++a) {
      ASSERT_EQ(field.add(a, 0), a);
      ASSERT_EQ(field.multiply(a, 1), a);
      ASSERT_EQ(field.multiply(a, 0), 0U);
      std::set<Element> sums, products;
      for (Element b = 0; b < elements; ++b) {
        sums.insert(field.add(a, b));
        products.insert(field.multiply(a, b));
        ASSERT_EQ(field.add(a, b), field.add(b, a));
        ASSERT_EQ(field.multiply(a, b), field.multiply(b, a));
        for (Element c = 0; c < elements; ++c) {
          ASSERT_EQ(field.add(field.add(a, b), c), field.add(a, field.add(b, c)));
          ASSERT_EQ(field.multiply(field.multiply(a, b), c),
                    field.multiply(a, field.multiply(b, c)));
          ASSERT_EQ(field.multiply(a, field.add(b, c)),
                    field.add(field.multiply(a, b), field.multiply(a, c)));
        }
      }
      ASSERT_EQ(sums.size(), std::size_t(q));
      ASSERT_EQ(products.size(), a == 0 ? 1U : std::size_t(q));
    }
  }
}

TEST(FiniteField, TraceIsTheSumOfConjugates) {
  for (const Index q : {2, 8, 9, 27, 64, 1024, 4096}) {
    const PrimePower power = prime_power(q);
    const FiniteField field(power.prime, power.exponent);
    std::set<Element> traces;
    for (Element a = 0; a < Element(q); ++a) {
      Element sum = 0, conjugate = a;
      for (Index i = 0; i < power.exponent; ++i) {
        sum = field.add(sum, conjugate);
        Element next = 1;
        for (Index k = 0; k < power.prime; ++k) next = field.multiply(next, conjugate);
        conjugate = next;
      }
      EXPECT_EQ(conjugate, a);  // a^q = a
      ASSERT_EQ(field.trace(a), sum);
      traces.insert(sum);
    }
    EXPECT_EQ(traces.size(), std::size_t(power.prime));
  }
}

TEST(FiniteField, PrimePowers) {
  for (const Index q : {6, 10, 12, 36, 1000, 4095}) EXPECT_EQ(prime_power(q).prime, 0) << q;
  EXPECT_EQ(prime_power(2).exponent, 1);
  EXPECT_EQ(prime_power(4096).exponent, 12);
  EXPECT_EQ(prime_power(2187).prime, 3);
  EXPECT_EQ(prime_power(2187).exponent, 7);
}

}  // namespace
}  // namespace separatrix
