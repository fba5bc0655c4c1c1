# What is installed, and where: one tree below a prefix, in a wheel (site-packages/snakebridge/prefix) as with
# `cmake --install`. The command finds it from its own place: src/cli/parts.c.
#
#   include/snakebridge.h, snakebridge_gen.h
#   lib/libsnakebridge.so, .so.N, .a   lib/snakebridge/engine.abi3.so, worker.py
#   lib/cmake/snakebridge/   lib/pkgconfig/snakebridge.pc
#   lib/snakebridge/python/snakebridge/*.py   lib/snakebridge/parts   (not in a wheel)
#   bin/snakebridge                           (in a wheel: a script of the environment)

if(NOT TARGET snakebridge OR NOT TARGET snakebridge_static OR NOT TARGET sb_engine OR NOT TARGET sb_cli)
  return()
endif()

set(package ${CMAKE_BINARY_DIR}/package)
get_target_property(SB_SOVERSION snakebridge SOVERSION)
configure_file(cmake/snakebridgeConfig.cmake.in ${package}/snakebridgeConfig.cmake @ONLY)
configure_file(cmake/snakebridge.pc.in ${package}/snakebridge.pc @ONLY)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${package}/snakebridgeConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)

install(FILES include/snakebridge.h include/snakebridge_gen.h DESTINATION include)
install(TARGETS snakebridge LIBRARY DESTINATION lib)
install(TARGETS snakebridge_static ARCHIVE DESTINATION lib)
install(TARGETS sb_engine LIBRARY DESTINATION lib/snakebridge)
install(FILES python/snakebridge/worker.py DESTINATION lib/snakebridge)
install(FILES ${package}/snakebridgeConfig.cmake ${package}/snakebridgeConfigVersion.cmake
  DESTINATION lib/cmake/snakebridge)
install(FILES ${package}/snakebridge.pc DESTINATION lib/pkgconfig)

if(SKBUILD)
  set_target_properties(snakebridge PROPERTIES VERSION ${SB_SOVERSION}) # a wheel has no links: two copies, not three
  install(PROGRAMS $<TARGET_FILE:sb_cli> DESTINATION ${SKBUILD_SCRIPTS_DIR})
else()
  file(WRITE ${package}/parts "python=${SB_TOOL_PYTHON}\n")
  install(TARGETS sb_cli RUNTIME DESTINATION bin)
  install(FILES ${package}/parts DESTINATION lib/snakebridge)
  install(DIRECTORY python/snakebridge DESTINATION lib/snakebridge/python
    FILES_MATCHING PATTERN "*.py" PATTERN "__pycache__" EXCLUDE)
endif()

# The build folder is such a tree too, so that the command in it works without being installed.
set(tree ${CMAKE_BINARY_DIR})
set_target_properties(snakebridge snakebridge_static PROPERTIES
  LIBRARY_OUTPUT_DIRECTORY ${tree}/lib ARCHIVE_OUTPUT_DIRECTORY ${tree}/lib)
set_target_properties(sb_engine PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${tree}/lib/snakebridge)
set_target_properties(sb_cli PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${tree}/bin)
file(MAKE_DIRECTORY ${tree}/lib/cmake ${tree}/lib/snakebridge ${tree}/lib/pkgconfig)
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/include ${tree}/include SYMBOLIC)
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/python ${tree}/lib/snakebridge/python SYMBOLIC)
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/python/snakebridge/worker.py ${tree}/lib/snakebridge/worker.py SYMBOLIC)
file(CREATE_LINK ${package} ${tree}/lib/cmake/snakebridge SYMBOLIC)
file(CREATE_LINK ${package}/snakebridge.pc ${tree}/lib/pkgconfig/snakebridge.pc SYMBOLIC)
file(WRITE ${tree}/lib/snakebridge/parts "python=${SB_TOOL_PYTHON}\n")
