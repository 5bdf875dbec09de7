#include "separatrix/codes/address_code.h"

#include <cmath>

namespace separatrix {

double AddressCode::leak(const CodeNumbers& numbers, double temperature) const {
  return double(numbers.positions - 1) * std::exp(-temperature * numbers.gap);
}

double AddressCode::temperature(const CodeNumbers& numbers, double leak) const {
  if (!(leak > 0 && leak < 1))
    throw Error(ErrorKind::spec, "a leak must be above 0 and below 1", "leak",
                "the weight of the other positions relative to the right one: 0.01, say");
  if (numbers.positions == 1) return 0;
  double low = 0x1p-200, high = 0x1p200;  // the leak is decreasing: bisection to the last bit
  for (double middle = 1; low < middle && middle<high; middle = high / low> 4
                              ? std::sqrt(low * high)
                              : low + (high - low) / 2)
    (this->leak(numbers, middle) <= leak ? high : low) = middle;
  return high;
}

double AddressCode::power_of_two_temperature(const CodeNumbers& numbers, double leak) const {
  const double least = temperature(numbers, leak);
  return numbers.positions == 1 ? 1 : std::exp2(std::ceil(std::log2(least)));
}

void check_positions(Index positions) {
  if (positions < 1 || positions > kMostPositions)
    throw Error(ErrorKind::spec, "positions must be from 1 to 2^40", "positions",
                "give the number of positions that attention is to tell apart");
}

void check_fits(const CodeNumbers& numbers, const std::string& code) {
  check_positions(numbers.positions);
  if (!numbers.fits())
    throw Error(ErrorKind::spec,
                code + " does not tell " + std::to_string(numbers.positions) +
                    " positions apart in " + to_string(numbers.format),
                code,
                "its limit is " + std::to_string(numbers.largest) +
                    (numbers.caveat.empty() ? "" : ": " + numbers.caveat));
}

Index digits_of(Index count, Index base) {
  Index digits = 0;
  for (Index reach = 1; reach < count; ++digits)
    reach = reach > kMostPositions / base ? count : reach * base;
  return digits;
}

}  // namespace separatrix
