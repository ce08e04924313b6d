/* SPDX-License-Identifier: BSD-3-Clause */
#include "units.h"

#include <stdio.h>

enum { TEXTS = 16, TEXT_BYTES = 24 };

static char *next_text(void)
{
	static char text[TEXTS][TEXT_BYTES];
	static unsigned int turn;

	return text[turn++ % TEXTS];
}

/* Three digits that count. */
static int digits_behind(double number)
{
	return number >= 99.95 ? 0 : (number >= 9.995 ? 1 : 2);
}

const char *human(double number)
{
	static const char *const units[] = {"", " k", " M", " G", " T", " P", " E"};
	char *text = next_text();
	unsigned int unit = 0;

	if (number >= 10000) {
		while (number >= 999.5 && unit < sizeof(units) / sizeof(units[0]) - 1) {
			number /= 1000;
			unit++;
		}
	}
	snprintf(text, TEXT_BYTES, "%.*f%s", unit == 0 ? 0 : digits_behind(number), number, units[unit]);
	return text;
}

const char *time_text(double seconds)
{
	char *text = next_text();

	if (seconds <= 0)
		snprintf(text, TEXT_BYTES, "0 s");
	else if (seconds < 999.5e-6)
		snprintf(text, TEXT_BYTES, "%.0f us", seconds * 1e6);
	else if (seconds < 999.5e-3)
		snprintf(text, TEXT_BYTES, "%.*f ms", digits_behind(seconds * 1e3), seconds * 1e3);
	else if (seconds < 600)
		snprintf(text, TEXT_BYTES, "%.*f s", seconds == (double)(long)seconds ? 0 : digits_behind(seconds), seconds);
	else if (seconds < 120 * 60)
		snprintf(text, TEXT_BYTES, "%.0f min", seconds / 60);
	else if (seconds < 48 * 3600)
		snprintf(text, TEXT_BYTES, "%.0f h", seconds / 3600);
	else
		snprintf(text, TEXT_BYTES, "%.0f d", seconds / 86400);
	return text;
}

const char *share_text(double percent)
{
	char *text = next_text();

	snprintf(text, TEXT_BYTES, "%.0f %%", percent);
	return text;
}
