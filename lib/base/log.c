/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <errno.h>
#include <pthread.h>
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

enum { LINE_MAX_BYTES = 4096, LIMIT_LINES = 10 };
static const uint64_t LIMIT_WINDOW_NS = 10 * NS_PER_S;

struct role_tag control_thread = {ROLE_CONTROL}, lcore_thread = {ROLE_LCORE}, device_thread = {ROLE_DEVICE};
_Thread_local enum role role_of_thread;

static _Atomic int max_level = LOG_INFO;

/* Every thread looks for its subject; without any, nobody takes the lock. */
static struct {
	char name[LOG_TOPIC_BYTES];
	enum log_level level;
} topics[LOG_TOPICS_MAX];
static _Atomic unsigned int topics_n;
static pthread_mutex_t topics_lock = PTHREAD_MUTEX_INITIALIZER; /* held for a few comparisons */

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(&max_level, memory_order_relaxed);
}

/* With the lock. */
static int find_topic(const char *topic)
{
	for (unsigned int i = 0; i < topics_n; i++)
		if (strcmp(topics[i].name, topic) == 0)
			return (int)i;
	return -1;
}

int log_set_topic(const char *topic, enum log_level level)
{
	int at, error = 0;

	if (strlen(topic) >= LOG_TOPIC_BYTES)
		return -ENAMETOOLONG;
	pthread_mutex_lock(&topics_lock);
	at = find_topic(topic);
	if (at < 0 && topics_n == LOG_TOPICS_MAX)
		error = -ENOSPC;
	else if (at < 0)
		at = (int)topics_n++;
	if (error == 0) {
		strcpy(topics[at].name, topic);
		topics[at].level = level;
	}
	pthread_mutex_unlock(&topics_lock);
	return error;
}

void log_forget_topic(const char *topic)
{
	int at;

	if (topics_n == 0)
		return;
	pthread_mutex_lock(&topics_lock);
	at = find_topic(topic);
	if (at >= 0)
		topics[at] = topics[--topics_n];
	pthread_mutex_unlock(&topics_lock);
}

unsigned int log_topics_n(void)
{
	return topics_n;
}

enum log_level log_get_topic(const char *topic)
{
	enum log_level level = log_get_level();
	int at;

	if (topic == NULL || topics_n == 0)
		return level;
	pthread_mutex_lock(&topics_lock);
	at = find_topic(topic);
	if (at >= 0)
		level = topics[at].level;
	pthread_mutex_unlock(&topics_lock);
	return level;
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
		mark_cut(line, sizeof(line) - 1, (size_t)n);
		n = sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	/* If standard error is gone, there is no other place to say so. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

static void print_va(enum log_level level, const char *subject, const char *fmt, va_list args)
{
	char text[LINE_MAX_BYTES];

	mark_cut(text, sizeof(text), (size_t)vsnprintf(text, sizeof(text), fmt, args));
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
