#include "separatrix/report/text.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace separatrix {

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string script_json(const Json& json) {
  const std::string plain = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string out;
  out.reserve(plain.size());
  for (const char c : plain) {
    if (c == '<')
      out += "\\u003c";  // only strings can hold one, and there the escape means the same
    else
      out += c;
  }
  return out;
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string format_lr(double lr) {
  if (lr == 0 || !std::isfinite(lr)) return fmt::format("{:g}", lr);
  int exponent = int(std::floor(std::log10(std::abs(lr))));
  std::string mantissa = fmt::format("{:.3g}", lr / std::pow(10.0, exponent));
  if (mantissa == "10") {
    mantissa = "1";
    ++exponent;
  }
  return fmt::format("{}e{}", mantissa, exponent);
}

std::string format_percent(double fraction) {
  // Never round up to a success that was not measured.
  const double percent = fraction >= 1 ? 100 : std::min(99.9, std::round(fraction * 1000) / 10);
  return fmt::format("{:.3g} %", percent);
}

std::string format_margin(double margin) {
  if (margin == 0 || !std::isfinite(margin)) return fmt::format("{:g}", margin);
  const double unit = std::pow(10.0, std::floor(std::log10(std::abs(margin))) - 2);
  return fmt::format("{:.3g}", std::floor(margin / unit * (1 + 1e-12)) * unit);
}

std::string format_seconds(double seconds) {
  if (seconds < 10) return fmt::format("{:.2g} s", seconds);
  const auto whole = Index(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string format_count(Index n) {
  std::string digits = std::to_string(n);
  if (n < 10000) return digits;
  for (auto at = Index(digits.size()) - 3; at > 0; at -= 3) digits.insert(size_t(at), " ");
  return digits;
}

std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

}  // namespace separatrix
