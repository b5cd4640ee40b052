// Everything for training loops.
#pragma once

#include "wengert/train/interrupt.hpp"
#include "wengert/train/log.hpp"
#include "wengert/train/machine.hpp"
#include "wengert/train/options.hpp"
#include "wengert/train/progress.hpp"
#include "wengert/train/report.hpp"
#include "wengert/train/saver.hpp"
