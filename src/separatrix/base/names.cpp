#include "separatrix/base/names.h"

#include <algorithm>

namespace separatrix {
namespace {

char unify(char c) { return c == '-' ? '_' : c; }

/// Levenshtein distance, '-' and '_' alike.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (unify(a[i - 1]) != unify(b[j - 1]));
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return unify(x) == unify(y); });
}

bool contains_name(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& n) { return same_name(n, name); });
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& known) {
  if (known.empty()) return {};
  const auto nearest =
      std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
        return edit_distance(name, a) < edit_distance(name, b);
      });
  if (edit_distance(name, *nearest) <= std::max<std::size_t>(2, name.size() / 3))
    return "did you mean '" + *nearest + "'?";
  std::string all = "one of: ";
  for (const std::string& n : known) all += (&n == &known.front() ? "" : ", ") + n;
  return all;
}

}  // namespace separatrix
