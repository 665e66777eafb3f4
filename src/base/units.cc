// SPDX-License-Identifier: MIT
#include "base/units.h"
