/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_front.h: the other end of a device's socket, for unit tests that run it in the device's own thread: what is sent is
 * followed by turns of the event loop until the answer is there. Values are fixed: guest memory is one memfd at guest
 * address GPA, "mapped" by the front end at UVA; nothing is ever read through those addresses here.
 */
#ifndef VHU_FRONT_H
#define VHU_FRONT_H

#include "cases.h"
#include "loop.h"
#include "vhu_message.h"

#define GPA UINT64_C(0x100000000)
#define UVA UINT64_C(0x7f0000000000)
#define MEMORY_SIZE (UINT64_C(4) << 20)

struct front {
	struct loop *loop;
	int fd;
};

/* A connection to the device that listens at `path`. */
void front_connect(struct front *front, struct loop *loop, const char *path);
void front_hang_up(struct front *front);

/* Sends a request as it is; flags 0 become VHU_VERSION. */
void front_send(struct front *front, uint32_t request, uint32_t flags, const void *payload,
		uint32_t size, const int *fds, unsigned int n_fds);
/* The next message from the device, which is waited for for seconds; a closed connection is false and front->fd -1. */
bool front_receive(struct front *front, struct vhu_message *msg);
/* For a moment no message comes, and the connection is there. */
bool front_silent(struct front *front);
/* Whether the device hangs up soon. */
bool front_closed(struct front *front);

/* Requests with an answer or an acknowledgement (REPLY_ACK agreed). */
uint64_t front_get(struct front *front, uint32_t request);
uint64_t front_set(struct front *front, uint32_t request, const void *payload, uint32_t size,
		   int fd);
uint64_t front_set_u64(struct front *front, uint32_t request, uint64_t value, int fd);
uint64_t front_set_state(struct front *front, uint32_t request, uint32_t index, uint32_t num);
uint64_t front_region(struct front *front, uint32_t request,
		      const struct vhu_memory_region *region, int fd);

/* Up to the point where QEMU waits for the guest's driver; then memory; then one ring with kick and call. */
void front_negotiate(struct front *front);
int front_memory(void); /* a memfd of MEMORY_SIZE */
void front_ring(struct front *front, unsigned int index, uint16_t size, uint64_t uva);
/* Without the kick, so that it does not run yet. */
void front_ring_but_kick(struct front *front, unsigned int index, uint16_t size, uint64_t uva);

/* Lets the loop run until nothing happens for a moment. */
void front_settle(struct loop *loop);

#endif
