// SPDX-License-Identifier: MIT
// The one place that names the test framework: Catch2 2.13 of Debian 12.
#pragma once

#include <catch2/catch.hpp>
