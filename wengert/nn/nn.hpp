// Everything for models.
#pragma once

#include "wengert/nn/layers.hpp"
#include "wengert/nn/loss.hpp"
