/* SPDX-License-Identifier: BSD-3-Clause */
/* frames FOLDER PORT...: a guest at each port, whose socket lies in FOLDER, that sends what it is told and says what it got.
 *
 * A line on standard input is "PORT HEX", a frame that the port's guest sends. It is answered by such a line for each frame that
 * a guest was given for it, and by "." at the end: a buffer that the switch has given back has been delivered. For test_vlans.py.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fg_clock.h"
#include "fg_net.h"
#include "must.h"

enum { GUESTS_MAX = 16, MEMORY = 16 << 20 };

struct guest {
	const char *port;
	struct fg_memory mem;
	struct fg_session s;
	struct fg_nic nic;
};

static struct guest guest[GUESTS_MAX];
static int guests;

static void open_guest(const char *folder, const char *port)
{
	struct guest *g = &guest[guests++];
	char path[256];

	g->port = port;
	snprintf(path, sizeof(path), "%s/%s.sock", folder, port);
	fg_memory_init(&g->mem);
	must(fg_memory_add(&g->mem, UINT64_C(1) << 40, MEMORY), "memory");
	must(fg_session_open(&g->s, path, &g->mem, &(const struct fg_options){0}), path);
	must(fg_session_start(&g->s), "rings");
	must(fg_nic_init(&g->nic, &g->s, 0, (uint32_t)guests, NULL), "a driver");
	must(fg_nic_fill(&g->nic), "buffers");
}

static size_t read_hex(const char *hex, uint8_t *bytes, size_t room)
{
	size_t n = 0;
	unsigned int byte;

	for (; n < room && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		bytes[n++] = (uint8_t)byte;
	return n;
}

static void tell_frames(struct guest *g)
{
	static uint8_t bytes[FG_FRAME_MAX];
	int n;

	while ((n = fg_nic_recv(&g->nic, bytes, sizeof(bytes), 0)) >= 0) {
		printf("%s ", g->port);
		for (int i = 0; i < n; i++)
			printf("%02x", bytes[i]);
		printf("\n");
	}
	must(n == -ETIMEDOUT ? 0 : n, "receive");
}

static void send_line(const char *line)
{
	static uint8_t bytes[2048];
	const char *hex = strchr(line, ' ');

	for (int i = 0; hex != NULL && i < guests; i++) {
		struct guest *g = &guest[i];

		if (strlen(g->port) != (size_t)(hex - line) || strncmp(line, g->port, (size_t)(hex - line)) != 0)
			continue;
		must(fg_nic_send(&g->nic, bytes, read_hex(hex + 1, bytes, sizeof(bytes)), NULL), "send");
		must(fg_nic_drain_tx(&g->nic, 5000), "the buffer to come back");
	}
}

int main(int argc, char **argv)
{
	static char line[8192];

	if (argc < 3 || argc > 2 + GUESTS_MAX) {
		fprintf(stderr, "usage: %s FOLDER PORT...\n", argv[0]);
		return 2;
	}
	for (int i = 2; i < argc; i++)
		open_guest(argv[1], argv[i]);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		send_line(line);
		for (int i = 0; i < guests; i++)
			tell_frames(&guest[i]);
		printf(".\n");
		fflush(stdout);
	}
	return 0;
}
