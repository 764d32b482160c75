// Precompiled for the tests of code that knows no sockets.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../src/pch_core.hpp"
