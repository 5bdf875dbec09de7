#include "separatrix/proofs/decode.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace separatrix {
namespace {

constexpr double kNear = 1.0 / 20;  ///< what a reader need not be told of
constexpr Index kMostDigits = 62;   ///< of a whole number
constexpr std::size_t kMostShown = 64;

std::string digits(double value, int count) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*g", count, value == 0 ? 0 : value);  // not "-0"
  return text.data();
}

bool is_digit(double entry) { return entry == 0 || entry == 1; }

/// Binary digits, `low` and 1, the lowest first.
Decoded decode_digits(double low, std::span<const double> entries) {
  Decoded found{.kind = Decoded::Kind::whole};
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool one = entries[i] > (low + 1) / 2;
    if (one) found.value += Index{1} << i;
    found.off = std::max(found.off, std::abs(entries[i] - (one ? 1 : low)));
  }
  return found;
}

Decoded decode_one_hot(std::span<const double> entries) {
  Decoded found{.kind = Decoded::Kind::whole};
  found.value = std::max_element(entries.begin(), entries.end()) - entries.begin();
  for (std::size_t i = 0; i < entries.size(); ++i)
    found.off = std::max(found.off, std::abs(entries[i] - (Index(i) == found.value ? 1 : 0)));
  return found;
}

std::string number_text(std::span<const double> entries) {
  const std::size_t shown = std::min(entries.size(), kMostShown);
  const bool binary = entries.size() > 1 && std::all_of(entries.begin(), entries.end(), is_digit);
  std::string text;
  for (std::size_t i = 0; i < shown; ++i)
    text += binary ? (entries[i] == 1 ? "1" : "0") : (i == 0 ? "" : " ") + digits(entries[i], 3);
  return shown < entries.size() ? text + "..." : text;
}

}  // namespace

Decoded decode(const Slot& slot, std::span<const double> entries) {
  const double size =
      std::abs(*std::max_element(entries.begin(), entries.end(),
                                 [](double a, double b) { return std::abs(a) < std::abs(b); }));
  if (slot.code == Slot::Code::number)
    return {.kind = size == 0 ? Decoded::Kind::empty : Decoded::Kind::numbers};
  if (size < kNear && slot.code != Slot::Code::bits) return {};
  if (slot.code != Slot::Code::one_hot && slot.width > kMostDigits)
    return {.kind = Decoded::Kind::numbers};
  Decoded found = slot.code == Slot::Code::one_hot
                      ? decode_one_hot(entries)
                      : decode_digits(slot.code == Slot::Code::signs ? -1 : 0, entries);
  if (!(found.off < (slot.code == Slot::Code::signs ? 0.75 : 0.5)))
    return {.kind = Decoded::Kind::unclear};
  return found;
}

std::string to_text(const Decoded& decoded, std::span<const double> entries) {
  switch (decoded.kind) {
    case Decoded::Kind::empty:
      return {};
    case Decoded::Kind::unclear:
      return "-";
    case Decoded::Kind::numbers:
      return number_text(entries);
    case Decoded::Kind::whole:
      break;
  }
  if (decoded.off <= kNear) return std::to_string(decoded.value);
  return "~" + std::to_string(decoded.value) + " (" + digits(decoded.off, 2) + " off)";
}

Json to_json(const Decoded& decoded, std::span<const double> entries) {
  constexpr std::array kKinds{"empty", "whole", "unclear", "numbers"};
  const bool whole = decoded.kind == Decoded::Kind::whole;
  Json json = {{"kind", kKinds[std::size_t(decoded.kind)]},
               {"value", whole ? Json(decoded.value) : Json(nullptr)},
               {"off", whole ? Json(decoded.off) : Json(nullptr)}};
  if (decoded.kind == Decoded::Kind::unclear || decoded.kind == Decoded::Kind::numbers)
    json["entries"] = std::vector<double>(entries.begin(), entries.end());
  return json;
}

void check_slots(const std::vector<Slot>& slots, Index width, const std::string& where) {
  std::vector<const Slot*> sorted;
  for (const Slot& slot : slots) {
    if (slot.begin < 0 || slot.width < 1 || slot.begin > width || slot.width > width - slot.begin)
      throw Error(ErrorKind::spec, "the slot '" + slot.name + "' is outside the model's width",
                  where, "write the file again with separatrix construct");
    sorted.push_back(&slot);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Slot* a, const Slot* b) { return a->begin < b->begin; });
  for (std::size_t i = 1; i < sorted.size(); ++i)
    if (sorted[i - 1]->begin + sorted[i - 1]->width > sorted[i]->begin)
      throw Error(ErrorKind::spec,
                  "the slots '" + sorted[i - 1]->name + "' and '" + sorted[i]->name + "' overlap",
                  where, "write the file again with separatrix construct");
}

}  // namespace separatrix
