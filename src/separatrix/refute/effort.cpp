#include "separatrix/refute/effort.h"

#include <algorithm>
#include <cstdio>

namespace separatrix {

Effort::Effort(const AttackOptions& options)
    : options_(options), start_(std::chrono::steady_clock::now()) {}

bool Effort::spent() const {
  return (options_.stop != nullptr && *options_.stop) || seconds() >= options_.seconds;
}

double Effort::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Effort::count(const std::string& what, Index n) {
  const auto known = std::find_if(counts_.begin(), counts_.end(),
                                  [&](const auto& counted) { return counted.first == what; });
  if (known == counts_.end())
    counts_.emplace_back(what, n);
  else
    known->second += n;
  if (options_.progress) options_.progress(words());
}

std::string Effort::words() const {
  std::string text;
  for (const auto& [what, n] : counts_) text += spell_count(n) + " " + what + ", ";
  char time[32];
  std::snprintf(time, sizeof time, "%.1f s", seconds());
  return text + time;
}

std::string spell_count(Index n) {
  std::string digits = std::to_string(n);
  for (Index at = Index(digits.size()) - 3; at > 0; at -= 3) digits.insert(std::size_t(at), " ");
  return digits;
}

}  // namespace separatrix
