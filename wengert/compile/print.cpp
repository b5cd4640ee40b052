// Nest + Schedule -> C text. Extents, strides and runtime numbers are arguments, so that one text serves every shape.
#include "wengert/compile/kernel_printer.hpp"

namespace wengert::compile {

KernelText print_kernel(const Nest& nest, const Schedule& schedule) {
  switch (schedule.kind) {
    case Schedule::rows: return print_rows(nest, schedule);
    case Schedule::columns: return print_columns(nest, schedule);
    case Schedule::update: return print_update(nest, schedule);
    case Schedule::product: break;
  }
  return print_product(nest, schedule);
}

}  // namespace wengert::compile
