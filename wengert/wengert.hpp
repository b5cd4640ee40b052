// Everything a user needs.
#pragma once

#include "wengert/array/array.hpp"
#include "wengert/diff/grad.hpp"
#include "wengert/ops/conv.hpp"
#include "wengert/ops/create.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/pool.hpp"
#include "wengert/ops/product.hpp"
#include "wengert/ops/random.hpp"
#include "wengert/ops/reduce.hpp"
#include "wengert/ops/shape.hpp"
#include "wengert/tree/tree.hpp"
