# Writes OUTPUT with the commit of SOURCE, "+" behind it when tracked files differ from that commit;
# run at every build, and touches the file only when the text changes.
execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                RESULT_VARIABLE failed)
if(failed)
  set(commit unknown)
else()
  execute_process(COMMAND git -C ${SOURCE} diff --quiet HEAD RESULT_VARIABLE changed ERROR_QUIET)
  if(changed)
    string(APPEND commit "+")
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#pragma once

#define SEPARATRIX_VERSION \"${VERSION}\"
#define SEPARATRIX_COMPILER \"${COMPILER}\"
#define SEPARATRIX_COMMIT \"${commit}\"
")
