#include "separatrix/codes/finite_field.h"

#include <array>
#include <cassert>

#include <NTL/GF2E.h>
#include <NTL/GF2XFactoring.h>
#include <NTL/lzz_pE.h>
#include <NTL/lzz_pXFactoring.h>

namespace separatrix {
namespace {

using Element = FiniteField::Element;

/// The prime numbers that divide n.
std::vector<Index> prime_factors(Index n) {
  std::vector<Index> primes;
  for (Index p = 2; p * p <= n; ++p)
    if (n % p == 0) {
      primes.push_back(p);
      while (n % p == 0) n /= p;
    }
  if (n > 1) primes.push_back(n);
  return primes;
}

/// Powers 0 .. size - 2 of the first primitive element, in the order of the numbers. Field: NTL's
/// element type with `from` and `to` between it and numbers.
template <class E, class From, class To>
std::vector<Element> primitive_powers(Index size, const From& from, const To& to) {
  const std::vector<Index> primes = prime_factors(size - 1);
  const auto primitive = [&](const E& g) {
    for (const Index p : primes)
      if (NTL::IsOne(NTL::power(g, long((size - 1) / p)))) return false;
    return true;
  };
  E generator;
  for (Element a = 1;; ++a) {
    assert(Index(a) < size);
    generator = from(a);
    if (primitive(generator)) break;
  }
  std::vector<Element> powers;
  powers.reserve(std::size_t(size - 1));
  E power;
  NTL::set(power);
  for (Index i = 0; i < size - 1; ++i, power *= generator) powers.push_back(to(power));
  return powers;
}

std::vector<Element> powers_of_two(Index degree) {
  NTL::GF2EPush push;  // NTL's modulus is a global: restored at the end of this scope
  NTL::GF2X modulus;
  if (degree == 1)
    NTL::SetX(modulus);
  else
    NTL::BuildSparseIrred(modulus, degree);
  NTL::GF2E::init(modulus);
  const auto from = [&](Element a) {
    NTL::GF2X x;
    for (Index i = 0; i < degree; ++i) NTL::SetCoeff(x, i, long(a >> i & 1));
    return NTL::conv<NTL::GF2E>(x);
  };
  const auto to = [&](const NTL::GF2E& e) {
    std::array<unsigned char, sizeof(Element)> bytes{};
    NTL::BytesFromGF2X(bytes.data(), NTL::rep(e), long(bytes.size()));
    Element a = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) a = a << 8 | bytes[i];
    return a;
  };
  return primitive_powers<NTL::GF2E>(Index(1) << degree, from, to);
}

std::vector<Element> powers_of_odd(Index p, Index degree, Index size) {
  NTL::zz_pPush push_prime(p);
  const auto polynomial = [&](Index number) {
    NTL::zz_pX x;
    for (Index i = 0; number > 0; ++i, number /= p) NTL::SetCoeff(x, i, long(number % p));
    return x;
  };
  Index number = size;  // x^degree, then upwards: the same polynomial on every machine
  while (NTL::DetIrredTest(polynomial(number)) == 0) ++number;
  NTL::zz_pEPush push_modulus(polynomial(number));
  const auto from = [&](Element a) { return NTL::conv<NTL::zz_pE>(polynomial(a)); };
  const auto to = [&](const NTL::zz_pE& e) {
    Index a = 0;
    for (Index i = degree; i-- > 0;) a = a * p + NTL::rep(NTL::coeff(NTL::rep(e), i));
    return Element(a);
  };
  return primitive_powers<NTL::zz_pE>(size, from, to);
}

}  // namespace

FiniteField::FiniteField(Index p, Index e) : characteristic_(p), degree_(e), size_(1) {
  for (Index i = 0; i < e; ++i) size_ *= p;
  assert(size_ <= Index(1) << 22);
  powers_ = p == 2 ? powers_of_two(e) : powers_of_odd(p, e, size_);
  logs_.resize(std::size_t(size_));
  for (std::size_t i = 0; i < powers_.size(); ++i) logs_[powers_[i]] = std::uint32_t(i);
  powers_.insert(powers_.end(), powers_.begin(), powers_.end());
  Element basis = 1;
  for (Index i = 0; i < e; ++i, basis *= Element(p)) {
    Element sum = 0, conjugate = basis;
    for (Index k = 0; k < e; ++k) {
      sum = add(sum, conjugate);
      Element power = 1;
      for (Index m = 0; m < p; ++m) power = multiply(power, conjugate);
      conjugate = power;
    }
    basis_trace_.push_back(sum);
  }
}

Element FiniteField::add(Element a, Element b) const {
  if (characteristic_ == 2) return a ^ b;
  const auto p = Element(characteristic_);
  Element sum = 0, place = 1;
  for (Index i = 0; i < degree_; ++i, place *= p, a /= p, b /= p)
    sum += (a % p + b % p) % p * place;
  return sum;
}

Element FiniteField::trace(Element a) const {
  const auto p = Element(characteristic_);
  std::uint64_t sum = 0;
  for (Index i = 0; i < degree_; ++i, a /= p)
    sum += std::uint64_t(a % p) * basis_trace_[std::size_t(i)];
  return Element(sum % p);
}

PrimePower prime_power(Index q) {
  const std::vector<Index> primes = prime_factors(q);
  if (primes.size() != 1) return {};
  PrimePower power{primes.front(), 0};
  for (; q > 1; q /= power.prime) ++power.exponent;
  return power;
}

}  // namespace separatrix
