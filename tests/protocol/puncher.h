/* SPDX-License-Identifier: BSD-3-Clause */
/* puncher: a front end that punches holes into its memory while frames are delivered there (X3).
 *
 * A sends to B, and B has buffers in a file of its own, at whose end the kernel arrives last. While it punches, an lcore that
 * touches a page of the file waits until all of it is done.
 */
#ifndef PUNCHER_H
#define PUNCHER_H

#include "fixture.h"

#include <stdatomic.h>

enum { PUNCHER_BUFFER = 2048 };

struct puncher {
	int fd;
	uint64_t bytes;
	struct guest *g;
	atomic_bool done;
	uint16_t next;
	uint64_t at;
	uint64_t longest_us; /* punch of all */
};

/* A on @from, and B on @port with a file of that many MiB as its second region; the switch knows B's address. Returns A. */
struct guest *puncher_begin(struct puncher *puncher, const char *from, const char *port, unsigned int mib);
/* One punch, while A sends. */
void puncher_punch(struct puncher *puncher, struct guest *a);
void puncher_end(struct puncher *puncher);

/* A frame of 64 bytes. */
void puncher_frame(uint8_t *frame, const struct guest *from, const struct guest *to);

#endif
