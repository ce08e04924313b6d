/* SPDX-License-Identifier: BSD-3-Clause */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>

#include "one_line.h"

int fail_set(struct fail *fail, int error, const char *fmt, ...)
{
	va_list args;
	int wanted;

	va_start(args, fmt);
	wanted = vsnprintf(fail->text, sizeof(fail->text), fmt, args);
	va_end(args);
	mark_cut(fail->text, sizeof(fail->text), (size_t)wanted);
	one_line(fail->text, sizeof(fail->text));
	return error;
}

int fail_prefix(struct fail *fail, int error, const char *fmt, ...)
{
	char prefix[128];
	struct fail inner = *fail;
	va_list args;
	int wanted;

	va_start(args, fmt);
	wanted = vsnprintf(prefix, sizeof(prefix), fmt, args);
	va_end(args);
	mark_cut(prefix, sizeof(prefix), (size_t)wanted);
	/* What does not fit is the end of what was said further down. */
	return fail_set(fail, error, "%s: %s", prefix, inner.text);
}
