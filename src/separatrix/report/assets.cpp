#include "separatrix/report/assets.h"

// The assembler copies the files in: no generated source, and nothing for the compiler to chew on.
asm(".section .rodata.separatrix_assets,\"a\",@progbits\n"
    "separatrix_vega: .incbin \"" WEB_BUILT
    "/vega.min.js\"\n"
    "separatrix_vega_end:\n"
    "separatrix_vega_lite: .incbin \"" WEB_BUILT
    "/vega-lite.min.js\"\n"
    "separatrix_vega_lite_end:\n"
    "separatrix_script: .incbin \"" WEB_SOURCE
    "/data.js\"\n"
    ".incbin \"" WEB_SOURCE
    "/report.js\"\n"
    ".incbin \"" WEB_SOURCE
    "/table.js\"\n"
    "separatrix_script_end:\n"
    "separatrix_style: .incbin \"" WEB_SOURCE
    "/report.css\"\n"
    "separatrix_style_end:\n"
    ".globl separatrix_vega, separatrix_vega_end, separatrix_vega_lite, separatrix_vega_lite_end\n"
    ".globl separatrix_script, separatrix_script_end, separatrix_style, separatrix_style_end\n"
    ".previous\n");

extern "C" {
extern const char separatrix_vega[], separatrix_vega_end[];
extern const char separatrix_vega_lite[], separatrix_vega_lite_end[];
extern const char separatrix_script[], separatrix_script_end[];
extern const char separatrix_style[], separatrix_style_end[];
}

namespace separatrix::assets {
namespace {

std::string_view between(const char* begin, const char* end) {
  return {begin, size_t(end - begin)};
}

}  // namespace

std::string_view vega() { return between(separatrix_vega, separatrix_vega_end); }
std::string_view vega_lite() { return between(separatrix_vega_lite, separatrix_vega_lite_end); }
std::string_view script() { return between(separatrix_script, separatrix_script_end); }
std::string_view style() { return between(separatrix_style, separatrix_style_end); }

}  // namespace separatrix::assets
