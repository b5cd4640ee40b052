# Read by ctest when it starts: makes every suite of a GoogleTest executable a test of its own, named
# <prefix>.<suite>. A process per suite, not per case: loading oneDNN or clang again for each of thousands of cases
# would take longer than the cases do. A process per executable would let one crash hide the rest.
# Given: executable, prefix, timeout in seconds, and environment, the variables that tests run with. The tests' names are
# added to all_suites.

if(NOT EXISTS ${executable})
  add_test(${prefix} ${executable})  # not built: ctest says so
  return()
endif()
execute_process(COMMAND ${executable} --gtest_list_tests OUTPUT_VARIABLE listing RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  add_test(${prefix} ${executable})  # it does not even start: running it shows why
  return()
endif()
string(REGEX MATCHALL "(^|\n)[^ \n#]+\\." suites "${listing}")
foreach(suite ${suites})
  string(STRIP "${suite}" suite)
  string(REGEX REPLACE "\\.$" "" name "${suite}")
  add_test("${prefix}.${name}" ${executable} "--gtest_filter=${suite}*" --gtest_brief=1)
  set_tests_properties("${prefix}.${name}" PROPERTIES TIMEOUT ${timeout} ENVIRONMENT "${environment}")
  list(APPEND all_suites "${prefix}.${name}")
endforeach()
