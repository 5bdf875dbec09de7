#pragma once

#include <string>

namespace separatrix {

/// A certificate's number of inputs for people: up to 40 characters as it is, a longer decimal as
/// "2.65e+1003" (cut off, not rounded up), a power as it is.
std::string count_words(const std::string& inputs);

/// A certified margin with four digits; "infinite (one class)" for the largest double.
std::string margin_words(double margin);
/// The same with three decimals, never rounded up: still a lower bound.
std::string margin_below(double margin);

}  // namespace separatrix
