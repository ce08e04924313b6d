/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal_log.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_log.h>

enum { PREFIX_BYTES = 4, LINE_BYTES_MAX = 1024 };

/* A line may come in pieces. The stream's lock keeps threads apart. */
static bool inside_a_line;

/* $JOURNAL_STREAM names the file that standard error was; another one may have been put in its place since. */
static bool to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat file;

	return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &file) == 0 && file.st_dev == device && file.st_ino == inode;
}

/* One piece of text, at most to the end of a line. */
static void put_piece(int priority, const char *text, size_t len)
{
	char line[PREFIX_BYTES + LINE_BYTES_MAX];
	int prefix = 0;

	if (!inside_a_line && to_journal())
		prefix = snprintf(line, sizeof(line), "<%d>", priority);

	memcpy(line + prefix, text, len);
	inside_a_line = text[len - 1] != '\n';
	/* If standard error is gone, there is no other place to say so. */
	if (write(STDERR_FILENO, line, (size_t)prefix + len) < 0)
		return;
}

static ssize_t eal_log_put(void *cookie, const char *text, size_t len)
{
	/* RTE_LOG_EMERG is 1, LOG_EMERG 0, and so on down to debug. */
	int priority = rte_log_cur_msg_loglevel() - 1;
	size_t done = 0;

	(void)cookie;
	while (done < len) {
		const char *end = memchr(text + done, '\n', len - done);
		size_t piece = end != NULL ? (size_t)(end - text) + 1 - done : len - done;

		if (piece > LINE_BYTES_MAX)
			piece = LINE_BYTES_MAX;
		put_piece(priority < 0 ? 0 : priority > 7 ? 7 : priority, text + done, piece);
		done += piece;
	}
	return (ssize_t)len;
}

void eal_log_start(void)
{
	FILE *stream;

	stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = eal_log_put});
	/* Without it they come as they always did. */
	if (stream != NULL && rte_openlog_stream(stream) != 0)
		fclose(stream);
}
