# The compiler's settings, and the two shapes of target: a room of the house and a unit test.
set(MUSTER_WARNINGS -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
    -Wswitch-enum -Wconversion)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  list(APPEND MUSTER_WARNINGS -Wjump-misses-init)
endif()
if(MUSTER_WERROR)
  list(APPEND MUSTER_WARNINGS -Werror)
endif()

add_library(muster_options INTERFACE)
target_compile_options(muster_options INTERFACE ${MUSTER_WARNINGS} -fno-omit-frame-pointer)
target_compile_definitions(muster_options INTERFACE _GNU_SOURCE MUSTER_VERSION="${PROJECT_VERSION}")
target_include_directories(muster_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/lib)
if(MUSTER_FAILPOINTS)
  target_compile_definitions(muster_options INTERFACE MUSTER_FAILPOINTS=1)
endif()
if(MUSTER_SANITIZE)
  target_compile_options(muster_options INTERFACE -fsanitize=${MUSTER_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(muster_options INTERFACE -fsanitize=${MUSTER_SANITIZE})
  # Compiled as fast as without either, half as large, and twice as fast. What else the optimiser warns of is for the release build
  # to say: checks in between mislead it.
  set(CMAKE_C_FLAGS_DEBUG "-O1 -g1")
  target_compile_options(muster_options INTERFACE $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation -Wno-maybe-uninitialized>)
endif()
# libFuzzer sees which branches an input takes; -O1 keeps thousands of inputs a second under the sanitizers.
if(MUSTER_FUZZ)
  target_compile_options(muster_options INTERFACE -fsanitize=fuzzer-no-link)
  set(CMAKE_C_FLAGS_FUZZ "-O1 -g1")
endif()
# Assertions stay on in every build.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
# Lines for backtraces and profiles; a debugger wants the dev build.
string(REGEX REPLACE "-g( |$)" "-g1\\1" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

# muster_room(NAME [other targets]): a static library of all C files of this folder.
function(muster_room name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC muster_options ${ARGN})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE muster_options ${ARGN})
  endif()
endfunction()

# muster_unit_tests(FOLDER targets...): one program for each *_test.c of tests/unit/FOLDER.
function(muster_unit_tests folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.c)
  string(REPLACE "/" "_" prefix ${folder})
  foreach(source IN LISTS sources)
    get_filename_component(stem ${source} NAME_WE)
    set(target unit_${prefix}_${stem})
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE muster_options ${ARGN} dep_cmocka)
    add_test(NAME unit/${folder}/${stem} COMMAND ${target})
    # Where memory comes from lib/base, tests/torture can let it run out.
    if(NOT folder MATCHES "client|cli|cores|shell")
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:torture_every_allocation>)
      target_link_options(${target} PRIVATE -Wl,--wrap=_cmocka_run_group_tests,--wrap=mem_fail_at)
      target_link_libraries(${target} PRIVATE muster_base)
    endif()
    # Where threads are. libzmq is not instrumented: ThreadSanitizer reports its insides in every run.
    set(labels unit)
    if(folder MATCHES "^(base|sys|work|client)$")
      list(APPEND labels sanitize-threads)
      if(NOT TARGET sanitize-threads)
        add_custom_target(sanitize-threads) # what `scripts/test tsan sanitize-threads` builds
      endif()
      add_dependencies(sanitize-threads ${target})
    endif()
    set_tests_properties(unit/${folder}/${stem} PROPERTIES TIMEOUT 300 LABELS "${labels}"
                         ENVIRONMENT "MUSTER_TEST_BUILD=${PROJECT_BINARY_DIR};MUSTER_TEST_SOURCE=${PROJECT_SOURCE_DIR}")
  endforeach()
endfunction()
