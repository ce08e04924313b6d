/* SPDX-License-Identifier: BSD-3-Clause */
/* log.h: lines for the person who runs the switch, on standard error.
 *
 * Each line names its subject (a port, a bridge, a file) and is one sentence. A line that a peer can cause goes through a
 * log_limit, so that a guest cannot fill the disk (A4): ten lines in ten seconds, then one that says how many were left out.
 *
 * Under systemd (JOURNAL_STREAM set) lines carry the <N> priority prefix of sd-daemon(3) and no time of their own.
 *
 * Context: any thread but an lcore: an lcore counts, and the control thread reports what was counted.
 */
#ifndef VUS_LOG_H
#define VUS_LOG_H

#include <stdint.h>

enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_INFO = 6, LOG_DEBUG = 7 };

struct log_limit {
	uint64_t window_ns; /* when the current ten seconds began */
	uint32_t reported;
	uint32_t left_out;
};

enum { LOG_TOPICS_MAX = 64, LOG_TOPIC_BYTES = 64 };

/* Lines above this level are not printed; LOG_INFO unless set. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* Lines about this subject have a level of their own from now on. 0, -ENAMETOOLONG or -ENOSPC.
 * Context: control thread. */
int log_set_topic(const char *topic, enum log_level level);
/* They have none of their own any more. Context: control thread. */
void log_forget_topic(const char *topic);
/* How many subjects have a level of their own. */
unsigned int log_topics_n(void);
/* The level of lines about it; NULL: of those that have none of their own. */
enum log_level log_get_topic(const char *topic);

void log_line(enum log_level level, const char *subject, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void log_limited(struct log_limit *limit, enum log_level level, const char *subject,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#define log_error(subject, ...) log_line(LOG_ERROR, subject, __VA_ARGS__)
#define log_warn(subject, ...) log_line(LOG_WARN, subject, __VA_ARGS__)
#define log_info(subject, ...) log_line(LOG_INFO, subject, __VA_ARGS__)
#define log_debug(subject, ...) log_line(LOG_DEBUG, subject, __VA_ARGS__)

#endif
