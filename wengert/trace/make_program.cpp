#include "wengert/trace/make_program.hpp"

#include "wengert/trace/bind.hpp"
#include "wengert/trace/recorder.hpp"

namespace wengert {
namespace detail {

ProgramPtr record_leaves(std::span<const Array> leaves, const LeafFunction& f, Label label) {
  std::vector<const Type*> types;
  for (const Array& x : leaves) {
    if (x.defined()) types.push_back(&x.type());
  }
  return record(
      types,
      [&](std::span<const Array> inputs) {
        std::vector<Array> all(leaves.begin(), leaves.end());
        size_t next = 0;
        for (Array& x : all) {
          if (x.defined()) x = inputs[next++];
        }
        std::vector<Array> outputs = f(all);
        std::erase_if(outputs, [](const Array& y) { return !y.defined(); });
        return outputs;
      },
      std::move(label));
}

}  // namespace detail

std::vector<Array> run(const Program& program, const std::vector<Array>& inputs, std::source_location where) try {
  if (thread().depth == 0) thread().where = where;  // for the errors of its equations too
  return evaluate(program, inputs);
} catch (const std::bad_alloc&) { throw_no_memory("run", where); }

}  // namespace wengert
