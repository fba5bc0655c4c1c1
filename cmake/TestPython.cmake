# SB_TEST_PYTHON: the interpreter that tests start as a worker. An engine that is built with a
# sanitizer needs the sanitizer's run time loaded first: then it is a script that does so.
find_program(SB_SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
set(SB_TEST_PYTHON ${SB_SYSTEM_PYTHON})
foreach(kind IN ITEMS address:asan thread:tsan)
  string(REPLACE ":" ";" kind ${kind})
  list(GET kind 0 flag)
  list(GET kind 1 library)
  if(CMAKE_C_FLAGS MATCHES "-fsanitize=[^ ]*${flag}")
    execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=lib${library}.so
                    OUTPUT_VARIABLE runtime OUTPUT_STRIP_TRAILING_WHITESPACE)
    # CPython's own memory at exit, and the many words that a worker holds for life, are no findings.
    set(options "ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 TSAN_OPTIONS=detect_deadlocks=0")
    set(SB_TEST_PYTHON ${CMAKE_BINARY_DIR}/python-${library})
    file(WRITE ${SB_TEST_PYTHON}
         "#!/bin/sh\nLD_PRELOAD=${runtime} ${options} exec ${SB_SYSTEM_PYTHON} \"$@\"\n")
    file(CHMOD ${SB_TEST_PYTHON} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endif()
endforeach()

# The interpreter of the environment that the tests of the C interface make, which has NumPy: by transport. In-process it is
# not run, only named.
set(SB_TEST_NUMPY_inprocess ${CMAKE_BINARY_DIR}/test/api/project/.venv/bin/python)
set(SB_TEST_NUMPY_worker ${SB_TEST_NUMPY_inprocess})
if(NOT SB_TEST_PYTHON STREQUAL SB_SYSTEM_PYTHON)
  file(READ ${SB_TEST_PYTHON} script)
  string(REPLACE "exec ${SB_SYSTEM_PYTHON}" "exec ${SB_TEST_NUMPY_inprocess}" script "${script}")
  set(SB_TEST_NUMPY_worker ${CMAKE_BINARY_DIR}/python-numpy)
  file(WRITE ${SB_TEST_NUMPY_worker} "${script}")
  file(CHMOD ${SB_TEST_NUMPY_worker} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
endif()
