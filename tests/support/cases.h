/* SPDX-License-Identifier: BSD-3-Clause */
/* cases.h: cmocka, behind the headers that it wants first; for every program of test cases. */
#ifndef CASES_H
#define CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Every test case is handed a state that few look at. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* A list of test cases and how many they are: two arguments. */
#define CASES(list) list, sizeof(list) / sizeof((list)[0])

#define OK(call) assert_int_equal(call, 0)

#endif
