# Writes FILE with the commit of SOURCE; leaves it alone if it says so already.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE code)
if(NOT code EQUAL 0 OR commit STREQUAL "")
  set(commit "unknown")
endif()
file(CONFIGURE OUTPUT ${FILE} CONTENT "#include \"sim/commit.h\"\n\nconst char sim_commit[] = \"@commit@\";\n" @ONLY)
