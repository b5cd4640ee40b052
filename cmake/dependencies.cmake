# Everything from outside; tools/setup.sh installs the Debian package of each.

find_package(Threads REQUIRED)
if(POLICY CMP0167)
  cmake_policy(SET CMP0167 OLD)  # headers that come without a package file do as well
endif()
find_package(Boost 1.75 REQUIRED)          # PFR, headers only
find_package(fmt 9 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(ZLIB REQUIRED)

# oneDNN is loaded when first used; only its declarations are needed here.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h REQUIRED)

# clang and LLVM in shared form, for the plug-in that compiles kernels in process. LLVM's own CMake packages would ask
# for every static library and program of theirs as well.
find_path(LLVM_INCLUDE_DIR llvm/IR/Module.h PATHS /usr/lib/llvm-19/include NO_DEFAULT_PATH)
find_path(CLANG_INCLUDE_DIR clang/Frontend/CompilerInstance.h PATHS /usr/lib/llvm-19/include NO_DEFAULT_PATH)
find_library(LLVM_LIBRARY LLVM-19 PATHS /usr/lib/llvm-19/lib NO_DEFAULT_PATH)
find_library(CLANG_LIBRARY clang-cpp PATHS /usr/lib/llvm-19/lib NO_DEFAULT_PATH)

if(WENGERT_TESTS)
  find_package(GTest REQUIRED)
endif()
if(PROJECT_IS_TOP_LEVEL)
  find_package(benchmark)
endif()

# The Python that runs the tests' scripts; the presets name the one of the repository's virtual environment.
if(NOT DEFINED CACHE{WENGERT_PYTHON})
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
endif()
set(WENGERT_PYTHON ${Python3_EXECUTABLE} CACHE FILEPATH "Python of the tests' scripts")
