/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
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

static _Atomic int max_level = LOG_INFO;

/* Control adds one at the end, and takes none away; every thread looks for its subject. */
static struct {
	char name[LOG_TOPIC_BYTES];
	_Atomic int level;
} topics[LOG_TOPICS_MAX];
static _Atomic unsigned int topics_n;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(&max_level, memory_order_relaxed);
}

static int find_topic(const char *topic)
{
	/* Pairs with log_set_topic(): the names of those that are counted are there. */
	unsigned int n = atomic_load_explicit(&topics_n, memory_order_acquire);

	for (unsigned int i = 0; i < n; i++)
		if (strcmp(topics[i].name, topic) == 0)
			return (int)i;
	return -1;
}

int log_set_topic(const char *topic, enum log_level level)
{
	int at = find_topic(topic);

	if (at < 0 && strlen(topic) >= LOG_TOPIC_BYTES)
		return -ENAMETOOLONG;
	if (at < 0 && topics_n == LOG_TOPICS_MAX)
		return -ENOSPC;
	if (at >= 0) {
		atomic_store_explicit(&topics[at].level, level, memory_order_relaxed);
		return 0;
	}
	strcpy(topics[topics_n].name, topic);
	topics[topics_n].level = level;
	/* Pairs with find_topic(). */
	atomic_store_explicit(&topics_n, topics_n + 1, memory_order_release);
	return 0;
}

enum log_level log_get_topic(const char *topic)
{
	int at = topic != NULL ? find_topic(topic) : -1;

	return at >= 0 ? (enum log_level)atomic_load_explicit(&topics[at].level, memory_order_relaxed) : log_get_level();
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

	if (level > log_get_topic(subject))
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

	if (level > log_get_topic(subject))
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
