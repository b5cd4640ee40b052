#include "wengert/compile/lower.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "wengert/compile/claims.hpp"
#include "wengert/program/primitive.hpp"

namespace wengert::compile {
namespace {

/// Several values written by one kernel.
struct Group {
  std::vector<uint32_t> slots;
  Shape domain;
};

class Lowerer {
 public:
  Lowerer(ProgramPtr program, std::span<const Layout* const> inputs, const LowerOptions& options)
      : p_(*program), inputs_(inputs), options_(options), needs_memory_(p_.variable_count(), !options.fuse) {
    result_.program = std::move(program);
    definition_.assign(p_.variable_count(), -1);
    for (size_t i = 0; i < p_.equations().size(); ++i) {
      const Equation& e = p_.equations()[i];
      for (uint32_t r = 0; r < e.result_count; ++r) definition_[e.results + r] = static_cast<int>(i);
    }
    find_fixed_memory();
  }

  Lowered run() {
    // A reduction found in the wrong place gets memory, and the grouping starts again: programs are short.
    while (!try_lower()) {}
    for (size_t i = 0; i < inputs_.size() && i < 64; ++i) {
      if (options_.donated >> i & 1) reuse_input(static_cast<uint32_t>(i));
    }
    return std::move(result_);
  }

 private:
  const Equation& definition(uint32_t variable) const {
    return p_.equations()[static_cast<size_t>(definition_[variable])];
  }
  uint32_t slot(Atom a) const { return a.is_constant() ? p_.variable_count() + a.id() : a.id(); }
  Atom atom(uint32_t slot) const {
    return slot < p_.variable_count() ? Atom::variable(slot) : Atom::constant(slot - p_.variable_count());
  }
  bool claimed(const Equation& e) const { return options_.claims && options_.claims->wants(p_, e); }
  bool stands_alone(const Equation& e) const {
    return e.primitive->update || e.primitive->piece || e.primitive->is(Trait::opaque) ||
        e.primitive->is(Trait::contraction) || claimed(e);
  }

  /// Outputs, and the operands and results of equations that are computed alone. Pieces may be computed where they go.
  void find_fixed_memory() {
    for (Atom a : p_.outputs()) require(a);
    for (const Equation& e : p_.equations()) {
      if (!stands_alone(e)) continue;
      for (Atom a : p_.operands(e)) {
        if (!e.primitive->piece) require(a);
      }
      for (uint32_t r = 0; r < e.result_count; ++r) needs_memory_[e.results + r] = true;
    }
  }
  void require(Atom a) {
    if (!a.is_constant() && definition_[a.id()] >= 0) needs_memory_[a.id()] = true;
  }

  bool try_lower() {
    result_.steps.clear();
    groups_.clear();
    result_.values.assign(p_.variable_count() + p_.constants().size(), Value{});
    copies_.clear();
    for (size_t i = 0; i < inputs_.size(); ++i) set_given(static_cast<uint32_t>(i), inputs_[i]);
    for (size_t i = 0; i < p_.constants().size(); ++i) {
      set_given(p_.variable_count() + static_cast<uint32_t>(i), &p_.constant(static_cast<uint32_t>(i)).layout());
    }
    for (const Equation& e : p_.equations()) {
      if (!lower_equation(e)) return false;
    }
    return flush_groups();
  }

  void set_given(uint32_t slot, const Layout* layout) {
    result_.values[slot].kind = Value::given;
    result_.values[slot].layout = layout;
  }

  bool lower_equation(const Equation& e) {
    if (has_no_elements(e)) return true;
    if (claimed(e)) return flush_groups() && lower_claimed(e);
    if (e.primitive->view) {
      const uint32_t operand = slot(p_.operands(e)[0]);
      if (try_alias(e, operand)) return true;
      if (wants_copy(e, operand)) {
        if (!flush_groups()) return false;
        if (try_alias(e, in_layout(operand, Layout::contiguous_of(p_.type(p_.operands(e)[0]))))) return true;
      }
    }
    if (e.primitive->update) return flush_groups() && lower_update(e);
    if (e.primitive->piece) return flush_groups() && lower_pieces(e);
    for (uint32_t r = 0; r < e.result_count; ++r) {
      if (needs_memory_[e.results + r] && !add_to_group(e.results + r)) return false;
    }
    return true;
  }

  /// Nothing is computed for results without elements.
  bool has_no_elements(const Equation& e) {
    for (uint32_t r = 0; r < e.result_count; ++r) {
      if (p_.type(e.results + r)->size != 0) return false;
    }
    for (uint32_t r = 0; r < e.result_count; ++r) {
      result_.values[e.results + r].kind = Value::stored;
      result_.values[e.results + r].layout = Layout::contiguous_of(p_.type(e.results + r));
    }
    return true;
  }

  /// A view that the layout of its operand does not allow, such as a reshape of a transpose: a row-major copy allows
  /// it, and costs less than dividing indices for every element.
  bool wants_copy(const Equation& e, uint32_t operand) const {
    return options_.fuse && needs_memory_[e.results] && result_.values[operand].kind != Value::absent &&
        !result_.values[operand].layout->contiguous;
  }

  /// A view of something in memory is a new layout, no kernel.
  bool try_alias(const Equation& e, uint32_t base) {
    const Value source = result_.values[base];
    if (source.kind == Value::absent) return false;
    std::vector<const Type*> types;
    for (Atom a : p_.operands(e)) types.push_back(p_.type(a));
    std::vector<int64_t> strides(e.runtime_count);
    int64_t offset = 0;
    const Layout* layout = e.primitive->view({*e.primitive, types, p_.params(e), p_.runtimes(e)}, *source.layout,
                                             *p_.type(e.results), strides, offset);
    if (!layout) return false;
    Value& value = result_.values[e.results];
    value = source;
    value.kind = Value::alias;
    value.base = source.kind == Value::alias ? source.base : base;
    value.layout = layout;
    value.offset += offset;
    for (size_t i = 0; i < strides.size(); ++i) {
      const RuntimeParam& r = p_.runtimes(e)[i];
      if (r.symbolic()) value.runtime_offset.emplace_back(r.slot, strides[i]);
      else value.offset += r.value * strides[i];
    }
    return true;
  }

  // Groups -----------------------------------------------------------------------------------------------

  /// Puts the value into the newest group that can compute it, or begins one.
  bool add_to_group(uint32_t slot) {
    const bool alone = stands_alone(definition(slot)) || !options_.fuse;
    const Shape& shape = p_.type(slot)->shape;
    Value& value = result_.values[slot];
    value.kind = Value::stored;
    value.layout = choose_layout(slot);
    if (!groups_.empty() && !alone) {
      Group joint = groups_.back();
      Shape domain;
      const bool open = !stands_alone(definition(joint.slots[0])) && joint.domain.rank() == shape.rank() &&
          broadcast_shapes(joint.domain, shape, domain) && (domain == joint.domain || domain == shape);
      if (open) {
        joint.slots.push_back(slot);
        joint.domain = domain;
        Nest nest;
        Schedule schedule;
        std::vector<uint32_t> slots;
        int32_t misplaced = -1;
        if (build(joint, nest, slots, schedule, misplaced)) {
          groups_.back() = joint;
          return true;
        }
      }
    }
    groups_.push_back({{slot}, shape});
    Nest nest;
    Schedule schedule;
    std::vector<uint32_t> slots;
    int32_t misplaced = -1;
    if (build(groups_.back(), nest, slots, schedule, misplaced)) return true;
    return give_memory_to(misplaced);
  }

  /// Marks the variable that a misplaced reduction computes; false so that lowering starts again.
  bool give_memory_to(int32_t reduction) {
    const auto owner = reduction_owner_.find(reduction);
    if (owner == reduction_owner_.end() || needs_memory_[owner->second]) {
      throw Error(ErrorKind::internal, "lowering-reduction", "lowering: a reduction has no place of its own");
    }
    needs_memory_[owner->second] = true;
    return false;
  }

  // Donation ---------------------------------------------------------------------------------------------

  /// Lets a kernel write its result over an input that nobody needs afterwards: the input is read by that kernel
  /// alone, and only at the index that is written.
  void reuse_input(uint32_t input) {
    int reader = -1;
    for (size_t i = 0; i < result_.steps.size(); ++i) {
      const LoweredStep& step = result_.steps[i];
      if (std::any_of(step.slots.begin(), step.slots.end(), [&](uint32_t s) { return base_of(s) == input; })) {
        if (reader >= 0) return;
        reader = static_cast<int>(i);
      }
    }
    for (Atom a : p_.outputs()) {
      if (!a.is_constant() && base_of(a.id()) == input) return;
    }
    if (reader < 0 || result_.steps[static_cast<size_t>(reader)].kind != LoweredStep::kernel) return;
    LoweredStep& step = result_.steps[static_cast<size_t>(reader)];
    const auto place = std::find(step.slots.begin(), step.slots.end(), input);
    const auto views =
        std::count_if(step.slots.begin(), step.slots.end(), [&](uint32_t s) { return base_of(s) == input; });
    if (place == step.slots.end() || views != 1) return;
    const int from = static_cast<int>(place - step.slots.begin());
    for (const Store& store : step.nest->stores) {
      const uint32_t target = step.slots[static_cast<size_t>(store.buffer)];
      const Value& written = result_.values[target];
      if (written.kind != Value::stored || written.layout != inputs_[input] ||
          !reads_only_at_store(*step.nest, from, store))
        continue;
      if (is_repeated(*step.nest, store)) continue;
      result_.values[target].kind = Value::alias;
      result_.values[target].base = input;
      for (Value& view : result_.values) {
        if (view.kind == Value::alias && view.base == target) view.base = input;
      }
      step.nest->graph.redirect_loads(from, store.buffer);
      return;
    }
  }
  uint32_t base_of(uint32_t slot) const {
    return result_.values[slot].kind == Value::alias ? result_.values[slot].base : slot;
  }
  /// Whether loops that run for other stores may run this one more than once: harmless, but not over what it reads.
  static bool is_repeated(const Nest& nest, const Store& store) {
    for (const Store& other : nest.stores) {
      for (int axis : other.axes) {
        if (axis >= 0 && std::find(store.axes.begin(), store.axes.end(), axis) == store.axes.end()) return true;
      }
    }
    return false;
  }
  static bool reads_only_at_store(const Nest& nest, int buffer, const Store& store) {
    const std::vector<bool> reachable = reachable_nodes(nest);
    const Accesses accesses = find_accesses(nest, reachable);
    const Affine& target = accesses.stores[static_cast<size_t>(&store - nest.stores.data())];
    for (int32_t id = 0; id < nest.graph.size(); ++id) {
      const loops::Node& n = nest.graph.node(id);
      if (!reachable[static_cast<size_t>(id)] || n.op != loops::Op::load || n.integer != buffer) continue;
      const auto& load = accesses.loads[static_cast<size_t>(id)];
      if (!load || load->stride != target.stride || load->constant != 0 || !load->arguments.empty()) return false;
    }
    return true;
  }

  bool flush_groups() {
    for (const Group& group : groups_) {
      LoweredStep step;
      step.nest = std::make_unique<Nest>();
      int32_t misplaced = -1;
      if (!build(group, *step.nest, step.slots, step.schedule, misplaced)) return give_memory_to(misplaced);
      result_.steps.push_back(std::move(step));
    }
    groups_.clear();
    return true;
  }

  bool build(const Group& group, Nest& nest, std::vector<uint32_t>& slots, Schedule& schedule, int32_t& misplaced) {
    begin_nest(nest, slots);
    group_ = &group;
    for (Dim d : group.domain) nest.graph.shared_axes.push_back(nest.graph.add_axis(d));
    std::vector<Store> stores;
    for (uint32_t s : group.slots) {
      Store store;
      Coordinates at;
      const Shape& shape = p_.type(s)->shape;
      for (int d = 0; d < shape.rank(); ++d) {
        const bool runs = shape[d].value() != 1;
        store.axes.push_back(runs ? nest.graph.shared_axes[static_cast<size_t>(d)] : -1);
        at.push_back(runs ? nest.graph.axis(store.axes.back()) : nest.graph.integer(0));
      }
      store.value = pull(s, at);
      stores.push_back(std::move(store));
    }
    for (size_t i = 0; i < stores.size(); ++i) {
      stores[i].buffer = buffer_of(group.slots[i]);
      nest.buffers[static_cast<size_t>(stores[i].buffer)].written = true;
    }
    nest.stores = std::move(stores);
    group_ = nullptr;
    return make_schedule(nest, schedule, misplaced, own_reductions_of(group));
  }

  /// The reductions of an equation that is a group by itself: its memory is the best place that they can get.
  std::vector<int32_t> own_reductions_of(const Group& group) const {
    std::vector<int32_t> own;
    for (const auto& [reduction, variable] : reduction_owner_) {
      if (group.slots.size() == 1 && variable == group.slots[0]) own.push_back(reduction);
    }
    return own;
  }

  // Expressions ------------------------------------------------------------------------------------------

  void begin_nest(Nest& nest, std::vector<uint32_t>& slots) {
    nest_ = &nest;
    slots_ = &slots;
    memo_.clear();
    reduction_owner_.clear();
    buffers_.clear();
  }

  int buffer_of(uint32_t slot) {
    const auto [it, added] = buffers_.emplace(slot, static_cast<int>(slots_->size()));
    if (added) {
      slots_->push_back(slot);
      nest_->buffers.push_back({result_.values[slot].layout, false});
    }
    return it->second;
  }

  /// The element of a value at those coordinates: a load, or its own lowering inlined. What the kernel itself writes,
  /// and views of that, are not in memory yet.
  Expr pull(uint32_t slot, const Coordinates& at) {
    const bool own =
        group_ && std::find(group_->slots.begin(), group_->slots.end(), base_of(slot)) != group_->slots.end();
    if (slot >= p_.variable_count()) {
      const Array& constant = p_.constant(slot - p_.variable_count());
      if (constant.size() == 1 && constant.node()->tag == 0) return literal(constant);
    }
    const Value& value = result_.values[slot];
    if (value.kind != Value::absent && !own) return load(slot, at);
    std::vector<int32_t> key{static_cast<int32_t>(slot)};
    for (const Expr& e : at) key.push_back(e.id());
    if (const auto it = memo_.find(key); it != memo_.end()) return it->second;
    const Equation& e = definition(slot);
    const std::vector<Expr> results = lower_at(e, at);
    for (uint32_t r = 0; r < e.result_count; ++r) {
      key[0] = static_cast<int32_t>(e.results + r);
      memo_.emplace(key, results[r]);
    }
    return results[slot - e.results];
  }

  std::vector<Expr> lower_at(const Equation& e, const Coordinates& at) {
    uint64_t used = 0;
    for (const Expr& x : at) used |= nest_->graph.node(x).free;
    std::vector<const Type*> operands, results;
    for (Atom a : p_.operands(e)) operands.push_back(p_.type(a));
    for (uint32_t r = 0; r < e.result_count; ++r) results.push_back(p_.type(e.results + r));
    const std::span<const Atom> atoms = p_.operands(e);
    Lowering lowering(
        nest_->graph, operands, results, p_.params(e), p_.runtimes(e), used,
        [this, atoms](int i, const Coordinates& c) { return pull(slot(atoms[static_cast<size_t>(i)]), c); });
    const std::vector<Expr> values = e.primitive->lower(lowering, at);
    for (uint32_t r = 0; r < e.result_count; ++r) own_reductions(values[r], e.results + r);
    return values;
  }

  /// Remembers which variable the reductions of a lowering belong to, so that it can be given memory.
  void own_reductions(Expr value, uint32_t variable) {
    const auto walk = [&](auto& self, int32_t id) -> void {
      const loops::Node& n = nest_->graph.node(id);
      if (n.op == loops::Op::load || reduction_owner_.count(id)) return;
      if (n.op == loops::Op::reduce) reduction_owner_.emplace(id, variable);
      for (int32_t c : nest_->graph.children(n)) {
        if (nest_->graph.node(c).op != loops::Op::constant) self(self, c);
      }
    };
    if (definition(variable).primitive->is(Trait::reduction) ||
        definition(variable).primitive->is(Trait::contraction)) {
      walk(walk, value.id());
    }
  }

  Expr load(uint32_t slot, const Coordinates& at) {
    const Layout& layout = *result_.values[slot].layout;
    Coordinates coordinates = at;
    for (size_t d = 0; d < coordinates.size(); ++d) {
      if (layout.strides[d] == 0) coordinates[d] = nest_->graph.integer(0);
    }
    const int buffer = buffer_of(slot);
    return nest_->graph.load(buffer, layout.type->dtype, coordinates);
  }

  Expr literal(const Array& constant) {
    const Dtype dtype = constant.dtype();
    switch (dtype) {
      case Dtype::float32: return nest_->graph.number(constant.item<float>(), dtype);
      case Dtype::float64: return nest_->graph.number(constant.item<double>(), dtype);
      case Dtype::bool_: return nest_->graph.integer(constant.item<bool>(), dtype);
      case Dtype::uint8: return nest_->graph.integer(constant.item<uint8_t>(), dtype);
      case Dtype::int32: return nest_->graph.integer(constant.item<int32_t>(), dtype);
      default: return nest_->graph.integer(constant.item<int64_t>(), dtype);
    }
  }

  /// Dense. Axes in the order of an operand, so that what runs over both goes through memory in one direction. One that
  /// is not row-major comes first: somebody chose it, such as a convolution its channels-last images.
  const Layout* choose_layout(uint32_t variable) const {
    const Type* type = p_.type(variable);
    const Layout* found = nullptr;
    int budget = 64;
    find_layout_like(variable, type->shape, found, budget);
    return found ? Layout::dense_like(type, found) : Layout::contiguous_of(type);
  }
  void find_layout_like(uint32_t variable, const Shape& shape, const Layout*& found, int& budget) const {
    const Primitive& primitive = *definition(variable).primitive;
    for (Atom a : p_.operands(definition(variable))) {
      if (--budget < 0) return;
      if (a.is_constant()) continue;
      // Pooling and its like keep the axes and change their lengths.
      const bool like = primitive.is(Trait::elementwise) || primitive.is(Trait::view)
          ? p_.type(a)->shape == shape
          : p_.type(a)->rank() == shape.rank();
      if (!like) continue;
      const Value& value = result_.values[a.id()];
      if (value.kind == Value::absent) {
        if (definition(a.id()).primitive->is(Trait::elementwise)) find_layout_like(a.id(), shape, found, budget);
      } else if (value.layout->dense && (!found || found->contiguous)) {
        found = value.layout;
      }
    }
  }

  // Equations that stand alone ---------------------------------------------------------------------------

  bool lower_claimed(const Equation& e) {
    LoweredStep step;
    step.kind = LoweredStep::claimed;
    step.equation = static_cast<uint32_t>(&e - p_.equations().data());
    std::vector<const Layout*> operands;
    for (Atom a : p_.operands(e)) operands.push_back(result_.values[slot(a)].layout);
    operands = options_.claims->operand_layouts(p_, e, operands);
    for (size_t i = 0; i < operands.size(); ++i) step.slots.push_back(in_layout(slot(p_.operands(e)[i]), operands[i]));
    const std::vector<const Layout*> layouts = options_.claims->result_layouts(p_, e, operands);
    for (uint32_t r = 0; r < e.result_count; ++r) {
      result_.values[e.results + r].kind = Value::stored;
      result_.values[e.results + r].layout = layouts[r];
      step.slots.push_back(e.results + r);
    }
    result_.steps.push_back(std::move(step));
    return true;
  }

  /// A slot with the values of `given` in that layout: itself, or a copy that is made once.
  uint32_t in_layout(uint32_t given, const Layout* layout) {
    if (result_.values[given].layout == layout) return given;
    const auto [it, added] = copies_.emplace(std::pair{given, layout}, static_cast<uint32_t>(result_.values.size()));
    if (added) {
      result_.values.emplace_back();
      result_.values.back().kind = Value::stored;
      result_.values.back().layout = layout;
      copy(given, it->second);
    }
    return it->second;
  }

  /// A kernel that copies one slot into another.
  void copy(uint32_t from, uint32_t to) {
    LoweredStep step;
    step.nest = std::make_unique<Nest>();
    begin_nest(*step.nest, step.slots);
    Store store;
    const Coordinates at = add_domain(result_.values[to].layout->type->shape, store);
    store.value = load(from, at);
    store.buffer = buffer_of(to);
    nest_->buffers[static_cast<size_t>(store.buffer)].written = true;
    nest_->stores.push_back(std::move(store));
    int32_t misplaced = -1;
    make_schedule(*step.nest, step.schedule, misplaced);
    result_.steps.push_back(std::move(step));
  }

  /// Loop axes for a store of that shape, and the coordinates that it runs over.
  Coordinates add_domain(const Shape& domain, Store& store) {
    Coordinates at;
    for (Dim d : domain) {
      const int axis = nest_->graph.add_axis(d);
      nest_->graph.shared_axes.push_back(axis);
      store.axes.push_back(d.value() == 1 ? -1 : axis);
      at.push_back(d.value() == 1 ? nest_->graph.integer(0) : nest_->graph.axis(axis));
    }
    return at;
  }

  /// The result of an update begins as a copy of operand 0, or in its memory when nobody else needs that.
  void copy_base(const Equation& e) {
    Value& value = result_.values[e.results];
    const uint32_t base = slot(p_.operands(e)[0]);
    const Value& source = result_.values[base];
    if (source.layout->dense && may_overwrite(base)) {
      value = source;
      value.kind = Value::alias;
      value.base = base_of(base);
      return;
    }
    value.kind = Value::stored;
    value.layout = source.layout->dense ? source.layout : Layout::contiguous_of(p_.type(e.results));
    copy(base, e.results);
  }
  bool may_overwrite(uint32_t slot) const {
    if (slot >= p_.variable_count() || uses(slot) != 1) return false;
    switch (result_.values[slot].kind) {
      case Value::given: return slot < 64 && (options_.donated >> slot & 1);
      case Value::stored: return true;
      default: return definition(slot).primitive->update != nullptr;  // overwrote memory that nobody else needs
    }
  }
  int uses(uint32_t variable) const {
    int count = 0;
    for (const Equation& e : p_.equations()) {
      for (Atom a : p_.operands(e)) count += a == Atom::variable(variable);
    }
    for (Atom a : p_.outputs()) count += a == Atom::variable(variable);
    return count;
  }

  bool lower_update(const Equation& e) {
    copy_base(e);
    return add_update(e, e.primitive->update);
  }

  bool lower_pieces(const Equation& e) {
    result_.values[e.results].kind = Value::stored;
    result_.values[e.results].layout = choose_layout(e.results);
    for (int i = 0; i < e.operand_count; ++i) {
      if (!add_update(e, [&](Lowering& k) { return e.primitive->piece(k, i); })) return false;
    }
    return true;
  }

  /// The kernel of an update. Where its targets are distinct and a linear function of the indices, as those of a slice
  /// are, it is a kernel like any other that writes a view of the result; else it goes through the indices in order.
  bool add_update(const Equation& e, const std::function<Update(Lowering&)>& rule) {
    LoweredStep step;
    step.kind = LoweredStep::update;
    step.equation = static_cast<uint32_t>(&e - p_.equations().data());
    step.nest = std::make_unique<Nest>();
    begin_nest(*step.nest, step.slots);
    std::vector<const Type*> operands, results{p_.type(e.results)};
    for (Atom a : p_.operands(e)) operands.push_back(p_.type(a));
    const std::span<const Atom> atoms = p_.operands(e);
    Lowering lowering(
        nest_->graph, operands, results, p_.params(e), p_.runtimes(e), 0,
        [this, atoms](int i, const Coordinates& c) { return pull(slot(atoms[static_cast<size_t>(i)]), c); });
    const Update update = rule(lowering);
    if (update.domain.size() == 0) return true;
    Store store;
    const Coordinates at = add_domain(update.domain, store);
    store.target = update.target(at);
    store.value = update.value(at);
    store.combine = update.combine;
    uint32_t target = e.results;
    std::optional<uint32_t> view;
    if (update.distinct) view = view_of_targets(e.results, update.domain, store);
    if (view) {
      target = *view;
      store.target.clear();
      store.value = combined(std::exchange(store.combine, loops::Combine::set), target, at, store.value);
    }
    store.buffer = buffer_of(target);
    nest_->buffers[static_cast<size_t>(store.buffer)].written = true;
    nest_->stores.push_back(std::move(store));
    int32_t misplaced = -1;
    if (!view) step.schedule = schedule_update(*step.nest);
    else if (!make_schedule(*step.nest, step.schedule, misplaced)) return give_memory_to(misplaced);
    result_.steps.push_back(std::move(step));
    return true;
  }

  /// A new slot for the elements of `whole` at the targets of `store`; nothing when no layout describes them.
  std::optional<uint32_t> view_of_targets(uint32_t whole, const Shape& domain, const Store& store) {
    const Value& source = result_.values[whole];
    std::vector<int32_t> target;
    for (const Expr& x : store.target) target.push_back(x.id());
    const std::optional<Affine> offset = affine_offset(nest_->graph, target, *source.layout);
    if (!offset) return std::nullopt;
    Value view = source;
    Strides strides{};
    for (size_t d = 0; d < store.axes.size(); ++d) {
      if (store.axes[d] >= 0) strides[d] = offset->stride[static_cast<size_t>(store.axes[d])];
    }
    view.kind = Value::alias;
    view.base = base_of(whole);
    view.layout = Layout::of(Type::of(source.layout->type->dtype, domain), strides);
    view.offset += offset->constant;
    for (const auto& [parameter, stride] : offset->arguments) {
      view.runtime_offset.emplace_back(static_cast<int>(parameter), stride);
    }
    result_.values.push_back(std::move(view));
    return static_cast<uint32_t>(result_.values.size() - 1);
  }

  /// The element of `slot` combined with a value.
  Expr combined(loops::Combine kind, uint32_t slot, const Coordinates& at, Expr value) {
    switch (kind) {
      case loops::Combine::sum: return load(slot, at) + value;
      case loops::Combine::prod: return load(slot, at) * value;
      case loops::Combine::max: return max(load(slot, at), value);
      case loops::Combine::min: return min(load(slot, at), value);
      case loops::Combine::any: return load(slot, at) || value;
      case loops::Combine::all: return load(slot, at) && value;
      case loops::Combine::set: return value;
    }
    return value;
  }

  const Program& p_;
  std::span<const Layout* const> inputs_;
  const LowerOptions& options_;
  std::vector<bool> needs_memory_;
  std::vector<int> definition_;
  Lowered result_;
  std::vector<Group> groups_;
  std::map<std::pair<uint32_t, const Layout*>, uint32_t> copies_;  // (slot, layout) -> slot of the copy

  // Of the nest under construction.
  Nest* nest_ = nullptr;
  std::vector<uint32_t>* slots_ = nullptr;
  const Group* group_ = nullptr;
  std::map<std::vector<int32_t>, Expr> memo_;
  std::map<int32_t, uint32_t> reduction_owner_;
  std::map<uint32_t, int> buffers_;
};

}  // namespace

Lowered lower(ProgramPtr program, std::span<const Layout* const> inputs, const LowerOptions& options) {
  return Lowerer(std::move(program), inputs, options).run();
}

}  // namespace wengert::compile
