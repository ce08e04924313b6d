/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "one_line.h"
#include "role.h"

enum { LINE_MAX_BYTES = 1024, LIMIT_LINES = 10 };
static const uint64_t LIMIT_WINDOW_NS = 10 * NS_PER_S;

struct role_tag control_thread = {ROLE_CONTROL}, lcore_thread = {ROLE_LCORE}, device_thread = {ROLE_DEVICE};
_Thread_local enum role role_of_thread;

static enum log_level max_level = LOG_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

static const char *level_word(enum log_level level)
{
	switch (level) {
	case LOG_ERROR:
		return "error: ";
	case LOG_WARN:
		return "warning: ";
	case LOG_INFO:
	case LOG_DEBUG:
		break;
	}
	return "";
}

/* One write(2) a line: lines of several threads do not mix. */
static void print_line(enum log_level level, const char *subject, const char *text)
{
	char line[LINE_MAX_BYTES];
	int n;

	if (getenv("JOURNAL_STREAM") != NULL) {
		n = snprintf(line, sizeof(line), "<%d>%s: %s%s\n", level, subject,
			     level_word(level), text);
	} else {
		struct timespec now;
		struct tm tm;
		char stamp[16];

		clock_gettime(CLOCK_REALTIME, &now);
		localtime_r(&now.tv_sec, &tm);
		strftime(stamp, sizeof(stamp), "%H:%M:%S", &tm);
		n = snprintf(line, sizeof(line), "%s.%03ld %s: %s%s\n", stamp,
			     now.tv_nsec / 1000000, subject, level_word(level), text);
	}
	if (n >= (int)sizeof(line)) {
		n = sizeof(line);
		line[n - 1] = '\n';
	}
	/* If standard error is gone, there is no other place to say so. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

static void print_va(enum log_level level, const char *subject, const char *fmt, va_list args)
{
	char text[LINE_MAX_BYTES];

	vsnprintf(text, sizeof(text), fmt, args);
	one_line(text, sizeof(text));
	print_line(level, subject, text);
}

void log_line(enum log_level level, const char *subject, const char *fmt, ...)
{
	va_list args;

	if (level > max_level)
		return;
	va_start(args, fmt);
	print_va(level, subject, fmt, args);
	va_end(args);
}

void log_limited(struct log_limit *limit, enum log_level level, const char *subject,
		 const char *fmt, ...)
{
	uint64_t now = clock_ns();
	va_list args;

	if (level > max_level)
		return;
	if (limit->window_ns == 0 || now - limit->window_ns > LIMIT_WINDOW_NS) {
		uint32_t left_out = limit->left_out;

		*limit = (struct log_limit){.window_ns = now};
		if (left_out > 0)
			log_line(level, subject, "%u more lines like the next were left out", left_out);
	}
	if (limit->reported >= LIMIT_LINES) {
		limit->left_out++;
		return;
	}
	limit->reported++;
	va_start(args, fmt);
	print_va(level, subject, fmt, args);
	va_end(args);
}
