#pragma once

#include <algorithm>
#include <cmath>

#include "separatrix/model/arithmetic.h"

namespace separatrix {

/// The scalar of an emulated 16-bit arithmetic for `template <class S>` code (Block::reference):
/// operations are float32, and `stored` rounds a finished element of a tensor to the format.
template <Arithmetic A>
struct Rounded {
  float value = 0;
  Rounded() = default;
  explicit Rounded(double x) : value(float(x)) {}
  explicit operator double() const { return double(value); }

  Rounded& operator+=(Rounded y) { return value += y.value, *this; }
  Rounded& operator-=(Rounded y) { return value -= y.value, *this; }
  Rounded& operator*=(Rounded y) { return value *= y.value, *this; }
  Rounded& operator/=(Rounded y) { return value /= y.value, *this; }
  Rounded& operator+=(double y) { return *this += Rounded(y); }
  Rounded& operator-=(double y) { return *this -= Rounded(y); }
  Rounded& operator*=(double y) { return *this *= Rounded(y); }
  Rounded& operator/=(double y) { return *this /= Rounded(y); }

  friend Rounded operator-(Rounded x) { return Rounded(-double(x.value)); }
  friend Rounded operator+(Rounded x, Rounded y) { return x += y; }
  friend Rounded operator-(Rounded x, Rounded y) { return x -= y; }
  friend Rounded operator*(Rounded x, Rounded y) { return x *= y; }
  friend Rounded operator/(Rounded x, Rounded y) { return x /= y; }
  friend Rounded operator+(Rounded x, double y) { return x += y; }
  friend Rounded operator-(Rounded x, double y) { return x -= y; }
  friend Rounded operator*(Rounded x, double y) { return x *= y; }
  friend Rounded operator/(Rounded x, double y) { return x /= y; }
  friend Rounded operator+(double x, Rounded y) { return Rounded(x) += y; }
  friend Rounded operator-(double x, Rounded y) { return Rounded(x) -= y; }
  friend Rounded operator*(double x, Rounded y) { return Rounded(x) *= y; }
  friend Rounded operator/(double x, Rounded y) { return Rounded(x) /= y; }

  // The functions of scalar.h: the double result rounded to float32, within half a unit in the last
  // place and a little of the true one.
  friend Rounded exp(Rounded x) { return Rounded(std::exp(double(x))); }
  friend Rounded log(Rounded x) { return Rounded(std::log(double(x))); }
  friend Rounded log1p(Rounded x) { return Rounded(std::log1p(double(x))); }
  friend Rounded sqrt(Rounded x) { return Rounded(std::sqrt(double(x))); }
  friend Rounded tanh(Rounded x) { return Rounded(std::tanh(double(x))); }
  friend Rounded erf(Rounded x) { return Rounded(std::erf(double(x))); }
  friend Rounded sigmoid(Rounded x) { return Rounded(1 / (1 + std::exp(-double(x)))); }
  friend Rounded sin(Rounded x) { return Rounded(std::sin(double(x))); }
  friend Rounded cos(Rounded x) { return Rounded(std::cos(double(x))); }
  friend Rounded softplus(Rounded x) {
    return Rounded(std::max(double(x), 0.0) + std::log1p(std::exp(-std::abs(double(x)))));
  }
  friend Rounded square(Rounded x) { return x * x; }
  friend Rounded abs(Rounded x) { return Rounded(std::abs(double(x))); }
  friend Rounded relu(Rounded x) { return x.value > 0 ? x : Rounded(); }
  friend Rounded max(Rounded x, Rounded y) { return x.value < y.value ? y : x; }
  friend Rounded min(Rounded x, Rounded y) { return y.value < x.value ? y : x; }
};
using BFloat16 = Rounded<Arithmetic::bfloat16>;
using Float16 = Rounded<Arithmetic::float16>;

/// What a tensor keeps of a finished element.
template <Arithmetic A>
Rounded<A> stored(Rounded<A> x) {
  return Rounded<A>(round_to(A, double(x)));
}
inline double stored(double x) { return x; }

}  // namespace separatrix
