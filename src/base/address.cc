// SPDX-License-Identifier: MIT
#include "base/address.h"
