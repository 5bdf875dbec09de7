#pragma once

#include <array>
#include <vector>

#include "separatrix/codes/address_code.h"

namespace separatrix {

/// The formats that weights are written in.
inline constexpr std::array kWeightFormats = {Arithmetic::float32, Arithmetic::bfloat16,
                                              Arithmetic::float16};

/// A code for N positions in one format, at the temperatures that a leak asks for.
struct CodeInFormat {
  CodeNumbers numbers;
  double least_temperature = 0;
  double temperature = 1;  ///< the least power of two
  double leak = 0;         ///< at that temperature
  double score_range = 0;  ///< the same
};

struct ComparedCode {
  std::string name, summary;
  std::array<CodeInFormat, kWeightFormats.size()> formats;  ///< in the order of kWeightFormats
  const CodeInFormat& in_float32() const { return formats[0]; }
};

/// One recommendation: an element of CodeComparison::codes and the rule by which it won.
struct CodeChoice {
  std::string purpose, code, reason;
};

struct CodeComparison {
  std::vector<ComparedCode> codes;  ///< in the registry's order
  std::vector<CodeChoice> choices;  ///< the first is the best in general
};

/// All registered codes for N positions. `coherence` is handed to the codes that have such a
/// parameter. Constant time. Throws Error(spec) for positions, leak or coherence out of range.
CodeComparison compare_codes(const Registry<AddressCode>& codes, Index positions, double leak,
                             double coherence);
Json to_json(const CodeComparison& comparison);

}  // namespace separatrix
