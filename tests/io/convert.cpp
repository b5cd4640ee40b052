// Reads arrays and writes them again: for the tests in Python.  convert IN OUT [IN OUT]...  (.npy or .npz)
#include <cstdio>
#include <string>

#include "wengert/io/npy.hpp"
#include "wengert/io/npz.hpp"

int main(int argc, char** argv) try {
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]).ends_with(".npz")) wengert::io::write_npz(argv[i + 1], wengert::io::read_npz(argv[i]));
    else wengert::io::write_npy(argv[i + 1], wengert::io::read_npy(argv[i]));
  }
} catch (const wengert::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
