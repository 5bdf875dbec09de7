#pragma once

#include <string_view>

namespace separatrix::assets {

// Files embedded when the program was built (web/ and npm).
std::string_view vega();       ///< vega.min.js
std::string_view vega_lite();  ///< vega-lite.min.js
std::string_view script();     ///< web/data.js, report.js, table.js
std::string_view style();      ///< web/report.css

}  // namespace separatrix::assets
