/* SPDX-License-Identifier: BSD-3-Clause */
/* capture.c: frames of ports: what the switch sends goes to a file of ours, or a pipe, as it is. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "options.h"
#include "views.h"

enum {
	PIECE = 256 * 1024,
	BLOCK_HEAD = 8, /* type and length */
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
	STATISTICS_OPTIONS_AT = 20,
	OPTION_COMMENT = 1,
	OPTION_LOST = 5,
	BLOCK_KEPT = 512, /* longest one that is read */
};

/* What goes by: how many frames, and what is said of them at the end. */
static struct {
	uint8_t block[BLOCK_KEPT]; /* its first bytes */
	uint32_t n, len;	   /* of the block, so far; the whole (0: not known yet) */
	uint64_t frames, lost, unknown;
} seen;

static int from; /* the switch */

/* --- what the switch says of it ---------------------------------------------------------------------------------- */

static uint32_t word_at(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static void read_statistics(const uint8_t *block, uint32_t len)
{
	uint32_t at = STATISTICS_OPTIONS_AT;

	while (at + 4 <= len) {
		uint32_t code = word_at(block + at) & 0xffff, n = word_at(block + at) >> 16;
		uint64_t value = 0;

		at += 4;
		if (n > len - at)
			return;
		if (code == OPTION_LOST && n == sizeof(value)) {
			memcpy(&value, block + at, sizeof(value));
			seen.lost += value;
		}
		/* "17 unknown: ..." */
		for (uint32_t i = 0; code == OPTION_COMMENT && i < n && block[at + i] >= '0' && block[at + i] <= '9'; i++)
			value = 10 * value + (uint64_t)(block[at + i] - '0');
		if (code == OPTION_COMMENT)
			seen.unknown += value;
		at += (n + 3) & ~3u;
	}
}

/* Goes over the blocks of a piece; those it begins or ends in the middle of are put together. */
static void look_at(const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		size_t part = (seen.len == 0 ? (uint32_t)BLOCK_HEAD : seen.len) - seen.n;

		if (part > n)
			part = n;
		if (seen.n < BLOCK_KEPT)
			memcpy(seen.block + seen.n, bytes, part < BLOCK_KEPT - seen.n ? part : BLOCK_KEPT - seen.n);
		seen.n += (uint32_t)part;
		bytes += part;
		n -= part;
		if (seen.len == 0 && seen.n == BLOCK_HEAD)
			seen.len = word_at(seen.block + 4);
		if (seen.len != 0 && seen.len < BLOCK_HEAD + 4)
			die("what the switch sends is no pcapng");
		if (seen.len == 0 || seen.n < seen.len)
			continue;
		seen.frames += word_at(seen.block) == BLOCK_PACKET;
		if (word_at(seen.block) == BLOCK_STATISTICS && seen.len <= BLOCK_KEPT)
			read_statistics(seen.block, seen.len - 4);
		seen.n = seen.len = 0;
	}
}

/* --- the command ------------------------------------------------------------------------------------------------- */

/* What was captured by then still comes. */
static void ask_for_the_end(int signal)
{
	(void)signal;
	shutdown(from, SHUT_WR);
}

static json_t *ports_of(const char *words)
{
	json_t *ports = json_array();

	for (const char *at = words; *at != '\0';) {
		size_t len = strcspn(at, ",");

		json_array_append_new(ports, json_stringn(at, len));
		at += len + (at[len] == ',');
	}
	return ports;
}

/* The words behind the port. */
static json_t *capture_filter(void)
{
	char text[4096];
	size_t n = 0;

	text[0] = '\0';
	for (int i = 1; command_word(i) != NULL && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 1 ? " " : "", command_word(i));
	if (n >= sizeof(text))
		die("the filter is longer than %zu characters", sizeof(text) - 1);
	return json_string(text);
}

static json_t *capture_request(void)
{
	const char *direction = options.direction == NULL || strcmp(options.direction, "both") == 0 ? "both" :
				strcmp(options.direction, "rx") == 0				     ? "from" :
												       "to";
	json_t *request = json_pack("{s:s, s:o, s:s, s:b, s:o}", "command", "capture", "ports", ports_of(command_word(0)),
				    "direction", direction, "drops", options.drops, "filter", capture_filter());

	if (request == NULL)
		die("the words of this command are no UTF-8");
	if (options.snap != 0)
		json_object_set_new(request, "snap", json_integer(options.snap));
	if (options.count != 0)
		json_object_set_new(request, "count", json_integer(options.count));
	return request;
}

static int capture_file(void)
{
	int fd;

	if (options.write == NULL || strcmp(options.write, "-") == 0)
		return STDOUT_FILENO;
	/* It is what guests say to each other. */
	fd = open(options.write, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		die("%s: %s", options.write, strerror(errno));
	return fd;
}

static void write_whole(int to, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		ssize_t part = write(to, bytes, n);

		if (part < 0 && errno == EINTR)
			continue;
		/* Whoever read has enough. */
		if (part < 0 && errno == EPIPE)
			exit(EXIT_SUCCESS);
		if (part < 0)
			die("%s: %s", options.write != NULL ? options.write : "standard output", strerror(errno));
		bytes += part;
		n -= (size_t)part;
	}
}

void run_capture(void)
{
	static uint8_t piece[PIECE];
	const struct sigaction end = {.sa_handler = ask_for_the_end};
	ssize_t n;
	int to;

	if (options.write == NULL && isatty(STDOUT_FILENO))
		die("a capture is nothing for a terminal: --write FILE, or | tshark -i -");
	signal(SIGPIPE, SIG_IGN);
	from = client_ask_stream(capture_request());
	/* A file that is there keeps what it has if the switch refuses. */
	to = capture_file();
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	while ((n = read(from, piece, sizeof(piece))) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		write_whole(to, piece, (size_t)n);
		look_at(piece, (size_t)n);
	}
	if (to != STDOUT_FILENO && close(to) != 0)
		die("%s: %s", options.write, strerror(errno));
	fprintf(stderr, "vusctl: %" PRIu64 " frames, %" PRIu64 " more lost", seen.frames, seen.lost);
	if (seen.unknown > 0)
		fprintf(stderr, "; of %" PRIu64 " the filter asks for a byte that is not in their first 128", seen.unknown);
	fputc('\n', stderr);
}
