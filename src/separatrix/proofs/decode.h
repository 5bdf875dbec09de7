#pragma once

#include <span>

#include "separatrix/proofs/construction.h"

namespace separatrix {

/// What a slot holds at one position, in a construction's own terms.
struct Decoded {
  enum class Kind {
    empty,    ///< nothing: all zero; of code bits that is the number 0 instead
    whole,    ///< a code word, or nearly: `value`, `off` away from it
    unclear,  ///< no code word is near
    numbers,  ///< of code number, or too wide for a whole number: the entries speak for themselves
  };
  Kind kind = Kind::empty;
  Index value = 0;
  double off = 0;  ///< largest distance of an entry from the code word's
};

/// signs, bits, one-hot: the nearest code word if every entry is less than 1/2 from it, for signs,
/// which lie twice as far apart, less than 3/4. All entries below 1/20 count as zero.
Decoded decode(const Slot& slot, std::span<const double> entries);

/// For people: "13", "~13 (0.12 off)" when an entry is more than 1/20 off, "-" for no code word, ""
/// for nothing; numbers with three significant digits, many of them "01101" if each is 0 or 1.
std::string to_text(const Decoded& decoded, std::span<const double> entries);

/// {"kind", "value" (null unless whole), "off"}, and "entries" where they speak for themselves.
Json to_json(const Decoded& decoded, std::span<const double> entries);

/// Throws Error(spec) when the slots do not lie inside the width, one beside the other.
void check_slots(const std::vector<Slot>& slots, Index width, const std::string& where);

}  // namespace separatrix
