#include <iostream>

#include "wengert/array/error.hpp"

int main() {
  std::cout << wengert::name(wengert::ErrorKind::shape) << '\n';
}
