# `cmake --install build --prefix P` gives what find_package(wengert) needs: headers, library, plug-in, tools.

include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/wengert)

install(TARGETS wengert EXPORT wengert)
if(TARGET wengert_clang)
  install(TARGETS wengert_clang LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(DIRECTORY wengert DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN *.hpp PATTERN abi.h)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(EXPORT wengert NAMESPACE wengert:: FILE wengert-targets.cmake DESTINATION ${package_folder})

file(WRITE ${PROJECT_BINARY_DIR}/wengert-config.cmake [[
include(CMakeFindDependencyMacro)
if(POLICY CMP0167)  # headers that come without a package file do as well
  cmake_policy(SET CMP0167 OLD)
endif()
find_dependency(Boost 1.75)  # PFR, in the public headers
include(${CMAKE_CURRENT_LIST_DIR}/wengert-targets.cmake)
]])
write_basic_package_version_file(${PROJECT_BINARY_DIR}/wengert-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/wengert-config.cmake ${PROJECT_BINARY_DIR}/wengert-config-version.cmake
  DESTINATION ${package_folder})
