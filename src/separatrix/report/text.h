#pragma once

#include <string>
#include <string_view>

#include "separatrix/base/json.h"

namespace separatrix {

/// Text made safe between tags and inside a double-quoted attribute.
std::string escape_html(std::string_view text);

/// JSON made safe inside <script>: no '<' is left, so neither "</script>" nor "<!--" can end or
/// swallow it. Bytes that are no UTF-8 become U+FFFD.
std::string script_json(const Json& json);

/// One CSV field, quoted by RFC 4180 when it has to be.
std::string csv_field(std::string_view text);

std::string format_lr(double lr);             ///< 0.001 -> "1e-3", 0.00025 -> "2.5e-4"
std::string format_percent(double fraction);  ///< 0.9953 -> "99.5 %"; only 1 itself is "100 %"
std::string format_margin(double margin);     ///< three digits, rounded down: it is a lower bound
std::string format_seconds(double seconds);   ///< "0.42 s", "12 s", "3 min 20 s", "2 h 05 min"
std::string format_count(Index n);            ///< 8192 -> "8192", 20000 -> "20 000"

/// The spelling users type: "index_lookup" -> "index-lookup".
std::string dashed(std::string name);

}  // namespace separatrix
