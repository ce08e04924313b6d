/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_log.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <rte_log.h>

enum { WORDS_BYTES = 4096 };

/* Other threads may log as well, at any time: the stream stays open, and its end only moves under its lock. */
static FILE *stream;
static FILE *before; /* set before the stream is DPDK's, to what was; from then on the same */
static char words[WORDS_BYTES];
static size_t words_len;

static ssize_t ethdev_log_take(void *cookie, const char *text, size_t len)
{
	size_t room = sizeof(words) - 1 - words_len;
	size_t n = len < room ? len : room;

	(void)cookie;
	/* A driver may take its time, or for ever: what others have to say is not kept for as long. */
	if (role_of_thread != ROLE_DEVICE)
		return (ssize_t)fwrite(text, 1, len, before);
	memcpy(words + words_len, text, n);
	words_len += n;
	words[words_len] = '\0';
	return (ssize_t)len;
}

void ethdev_log_capture(void)
{
	if (stream == NULL)
		stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = ethdev_log_take});
	if (stream == NULL)
		return;
	setvbuf(stream, NULL, _IONBF, 0);
	flockfile(stream);
	words_len = 0;
	words[0] = '\0';
	funlockfile(stream);
	if (before == NULL)
		before = rte_log_get_stream();
	rte_openlog_stream(stream);
}

void ethdev_log_release(void)
{
	if (before != NULL)
		rte_openlog_stream(before);
}

void ethdev_log_print(void)
{
	if (words_len > 0) {
		fputs(words, rte_log_get_stream());
		fflush(rte_log_get_stream());
	}
}

static bool ethdev_log_is_noise(const char *line)
{
	return line[0] == '\0' || strstr(line, "Driver cannot attach the device") != NULL ||
	       strstr(line, "Failed to attach device on primary process") != NULL;
}

void ethdev_log_reason(char *text, size_t size)
{
	char copy[WORDS_BYTES], *rest = copy, *line;
	size_t at = 0;

	text[0] = '\0';
	memcpy(copy, words, sizeof(copy));
	while ((line = strsep(&rest, "\n")) != NULL && at < size) {
		char *function = strstr(line, "(): ");

		if (ethdev_log_is_noise(line))
			continue;
		if (function != NULL && strcspn(line, " ") > (size_t)(function - line))
			line = function + strlen("(): ");
		at += (size_t)snprintf(text + at, size - at, "%s%s", at > 0 ? "; " : "", line);
	}
	if (at >= size)
		ethdev_log_print();
}
