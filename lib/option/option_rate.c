/* SPDX-License-Identifier: BSD-3-Clause */
#include "option_rate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Powers of 1000, as rates of lines are. */
static const char letters[] = "kMGT";

int option_rate_parse(const char *text, uint64_t *value)
{
	size_t digits = strspn(text, "0123456789");
	const char *letter = text[digits] != '\0' ? strchr(letters, text[digits]) : NULL;
	uint64_t number;

	if (strcmp(text, "off") == 0) {
		*value = 0;
		return 0;
	}
	if (digits == 0 || (text[digits] != '\0' && (letter == NULL || text[digits + 1] != '\0')))
		return -EINVAL;
	errno = 0;
	number = strtoull(text, NULL, 10);
	if (errno != 0)
		return -ERANGE;
	for (long n = letter != NULL ? letter - letters + 1 : 0; n > 0; n--)
		if (__builtin_mul_overflow(number, UINT64_C(1000), &number))
			return -ERANGE;
	*value = number;
	return 0;
}

void option_rate_text(uint64_t value, char *text, size_t size)
{
	size_t n = 0;

	if (value == 0) {
		snprintf(text, size, "off");
		return;
	}
	for (; n < sizeof(letters) - 1 && value % 1000 == 0; n++)
		value /= 1000;
	snprintf(text, size, "%" PRIu64 "%.*s", value, n > 0 ? 1 : 0, n > 0 ? &letters[n - 1] : "");
}
