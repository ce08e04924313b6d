/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal_output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_errno.h>

enum {
	/* Of EAL's reasons in one line; more are printed as they are. */
	REASON_BYTES = 256,
	WORDS_BYTES_MAX = 1 << 20,
};

static const int fatal_signals[] = {SIGABRT, SIGSEGV};
enum { FATAL_SIGNALS = sizeof(fatal_signals) / sizeof(fatal_signals[0]) };

/* fd -1: nothing is kept back. */
static struct {
	int fd, out, err;
	struct sigaction before[FATAL_SIGNALS];
} kept = {.fd = -1};

/* --- keeping ---------------------------------------------------------------------------------------------------- */

static void eal_output_write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		/* There is no place left to say so. */
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* From a signal handler as well. */
static void give_out(void)
{
	char piece[4096];
	ssize_t n;

	if (kept.fd < 0)
		return;
	lseek(kept.fd, 0, SEEK_SET);
	while ((n = read(kept.fd, piece, sizeof(piece))) > 0)
		eal_output_write_all(kept.err, piece, (size_t)n);
}

/* EAL ends the process: what it said must not end with it. */
static void process_ends(void)
{
	if (kept.fd < 0)
		return;
	fflush(stdout);
	give_out();
}

static void process_dies(int signal_number)
{
	give_out();
	/* The handler is gone by now. */
	raise(signal_number);
}

void eal_output_capture(void)
{
	struct sigaction dies = {.sa_handler = process_dies, .sa_flags = (int)SA_RESETHAND};
	static bool registered;

	fflush(stdout);
	kept.out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	kept.err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	kept.fd = memfd_create("eal", MFD_CLOEXEC);
	if (kept.out < 0 || kept.err < 0 || kept.fd < 0 ||
	    (!registered && atexit(process_ends) != 0)) {
		close(kept.out);
		close(kept.err);
		close(kept.fd);
		kept.fd = -1;
		return;
	}
	registered = true;
	for (int i = 0; i < FATAL_SIGNALS; i++)
		sigaction(fatal_signals[i], &dies, &kept.before[i]);
	dup2(kept.fd, STDOUT_FILENO);
	dup2(kept.fd, STDERR_FILENO);
}

static char *read_kept(void)
{
	char *words = calloc(1, WORDS_BYTES_MAX + 1);
	size_t len = 0;
	ssize_t n;

	lseek(kept.fd, 0, SEEK_SET);
	while (words != NULL && len < WORDS_BYTES_MAX &&
	       (n = read(kept.fd, words + len, WORDS_BYTES_MAX - len)) > 0)
		len += (size_t)n;
	return words;
}

char *eal_output_release(void)
{
	char *words;

	if (kept.fd < 0)
		return NULL;
	fflush(stdout);
	dup2(kept.out, STDOUT_FILENO);
	dup2(kept.err, STDERR_FILENO);
	for (int i = 0; i < FATAL_SIGNALS; i++)
		sigaction(fatal_signals[i], &kept.before[i], NULL);
	words = read_kept();
	close(kept.out);
	close(kept.err);
	close(kept.fd);
	kept.fd = -1;
	return words;
}

/* What EAL says without being asked are warnings; eal_log.h could not tell the journal, which was not there. */
void eal_output_print(const char *words)
{
	bool journal = getenv("JOURNAL_STREAM") != NULL;

	while (*words != '\0') {
		size_t len = strcspn(words, "\n");

		len += words[len] == '\n';
		if (journal)
			eal_output_write_all(STDERR_FILENO, "<4>", 3);
		eal_output_write_all(STDERR_FILENO, words, len);
		words += len;
	}
}

/* --- explaining ------------------------------------------------------------------------------------------------- */

static bool eal_output_begins(const char *line, const char *with)
{
	return strncmp(line, with, strlen(with)) == 0;
}

/* What EAL says whatever the reason is, or once for each of many. */
static bool eal_output_is_noise(const char *line)
{
	return line[0] == '\0' || eal_output_begins(line, "EAL: Detected ") || strstr(line, "Invalid 'command line'") != NULL ||
	       (eal_output_begins(line, "EAL: lcore ") && strstr(line, " unavailable") != NULL);
}

/* Cuts the usage and the noise out of the words, in place. */
static void keep_reasons(char *words)
{
	char *rest = words, *line, *to = words;
	bool usage = false;

	while ((line = strsep(&rest, "\n")) != NULL) {
		size_t len = strlen(line);

		usage = usage || eal_output_begins(line, "Usage:");
		if ((usage && !eal_output_begins(line, "EAL: ")) || eal_output_is_noise(line))
			continue;
		/* Before or at where the line was: what is behind it is not read any more. */
		memmove(to, line, len);
		to[len] = '\n';
		to += len + 1;
	}
	*to = '\0';
}

/* "EAL: a\nEAL: b\nEAL: a\n" as "a; b". */
static void join(const char *words, char *text, size_t size)
{
	static const char *const prefixes[] = {"EAL: ", "vuswitch: ", "FATAL: "};
	size_t at = 0;

	text[0] = '\0';
	while (*words != '\0' && at < size) {
		char line[REASON_BYTES];
		size_t next = strcspn(words, "\n") + 1;
		const char *from = words;

		for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
			if (eal_output_begins(from, prefixes[i]))
				from += strlen(prefixes[i]);
		snprintf(line, sizeof(line), "%.*s", (int)(words + next - 1 - from), from);
		words += next;
		if (strstr(text, line) == NULL)
			at += (size_t)snprintf(text + at, size - at, "%s%s", at > 0 ? "; " : "", line);
	}
}

static const char *how_to_mend(const char *reason)
{
	if (strstr(reason, "unrecognized option") != NULL || strstr(reason, "invalid option") != NULL)
		return "options before `--` are EAL's (DPDK's manual lists them), vuswitch's own go behind it";
	if (strstr(reason, "core list") != NULL || strstr(reason, "lcore") != NULL ||
	    strstr(reason, "coremask") != NULL)
		return "give -l CPUs this machine has, as in -l 0-1; on a single one, --lcores '0@0,1@0'";
	return "--log-level=*:info shows all it says, and `vuswitch --no-huge --no-pci -- ...` needs least";
}

int eal_output_explain(const char *words, int error, struct fail *fail)
{
	char *reasons = strdup(words), reason[REASON_BYTES + 128];
	const char *last;

	if (reasons == NULL)
		return fail_set(fail, -ENOMEM, "EAL: no memory");
	keep_reasons(reasons);
	join(reasons, reason, sizeof(reason));
	last = reason;
	if (strlen(reason) > REASON_BYTES) {
		eal_output_print(reasons);
		last = "its own lines above say why";
	}
	fail_set(fail, -error, "EAL did not start: %s; %s",
		 last[0] != '\0' ? last : rte_strerror(error), how_to_mend(reason));
	free(reasons);
	return -error;
}
