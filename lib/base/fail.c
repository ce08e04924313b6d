/* SPDX-License-Identifier: BSD-3-Clause */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fail_set(struct fail *fail, int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(fail->text, sizeof(fail->text), fmt, args);
	va_end(args);
	return error;
}

int fail_prefix(struct fail *fail, int error, const char *fmt, ...)
{
	struct fail inner = *fail;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(fail->text, sizeof(fail->text), fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof(fail->text))
		snprintf(fail->text + n, sizeof(fail->text) - (size_t)n, ": %s", inner.text);
	return error;
}
