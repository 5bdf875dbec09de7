# Speed of the build: a compiler cache and a fast linker where present.
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

set(SEPARATRIX_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
    -Wdouble-promotion
    -Wno-restrict)  # g++ 12 sees overlaps in "text" + std::string at -O2 that are not there (GCC 105651)
if(SEPARATRIX_DEVELOPER)
  if(CMAKE_BUILD_TYPE STREQUAL "Debug")  # at -O3, g++ 12's flow warnings cry wolf
    list(APPEND SEPARATRIX_WARNINGS -Werror)
  endif()
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()
if(SEPARATRIX_SANITIZE)
  add_compile_options(-fsanitize=${SEPARATRIX_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SEPARATRIX_SANITIZE})
endif()
if(SEPARATRIX_ARCH AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  add_compile_options(-march=${SEPARATRIX_ARCH})
endif()
# Sums must not be contracted into fused multiply-adds behind our back: bits are part of the contract.
add_compile_options(-ffp-contract=off)

# separatrix_module(NAME SOURCES a.cpp ... DEPENDS lower modules and libraries ...)
function(separatrix_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(separatrix_${name} STATIC ${ARG_SOURCES})
  target_include_directories(separatrix_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(separatrix_${name} PRIVATE ${SEPARATRIX_WARNINGS})
  target_link_libraries(separatrix_${name} PUBLIC ${ARG_DEPENDS})
endfunction()
