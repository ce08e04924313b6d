/* SPDX-License-Identifier: BSD-3-Clause */
/* lane_message.h: what the control thread and a lane say to one another, over a socket that keeps messages apart.
 *
 * The switch sends requests, the lane answers each with the same number and an error; of its own accord a lane says only
 * that a ring broke. All but one are answered at once, whatever the worker waits for: it carries them out in their order.
 * A ring is left when the page that it may be waiting for has come, and meanwhile everything else goes on.
 *
 * The lane believes the switch. The switch believes nothing: a message of another size or with a value out of range ends
 * the lane. Native byte order; both ends are of the same build.
 *
 * Context: control thread; the main thread of the lane.
 */
#ifndef VUS_LANE_MESSAGE_H
#define VUS_LANE_MESSAGE_H

#include <stdint.h>

enum lane_request {
	LANE_HELLO,	 /* with the shared memory and the eventfd to wake lcores by */
	LANE_UFFD,	 /* answered with a userfaultfd, the one that counts from now on */
	LANE_MAP,	 /* a region, with its file; answered with its address. Not to be touched before LANE_COMMIT */
	LANE_COMMIT,	 /* what was mapped is the guest's memory from now on, and faults are the front end's */
	LANE_UNMAP,	 /* the region at this guest address goes */
	LANE_RING_RUN,	 /* with the call descriptor, if there is one */
	LANE_HALT,	 /* no frame is taken from the rings or given to them any more, either way: the end is near */
	LANE_RING_LEAVE, /* answered with the ring's position, once the worker is not waiting for a page */
	LANE_RING_CALL,	 /* a new call descriptor, or none */
	LANE_PING,
	LANE_RING_BROKEN, /* unasked, from the lane */
	LANE_REQUESTS
};

struct lane_region {
	uint64_t gpa, size, uva;
	uint64_t offset; /* in the file, of the first page */
	uint64_t len;	 /* whole pages around the region */
	uint64_t delta;	 /* from the first page to the region */
};

struct lane_ring_setup {
	uint32_t base;
	uint16_t size;
	uint8_t discards; /* what the guest sends is to be thrown away */
	uint64_t desc_uva, avail_uva, used_uva;
	uint64_t features;
};

struct lane_message {
	uint32_t request;
	int32_t error; /* of an answer: 0 or -errno */
	uint32_t ring;
	uint32_t fault; /* LANE_RING_BROKEN: enum virtq_fault */
	union {
		struct lane_region region;
		struct lane_ring_setup setup;
		uint64_t address; /* answer of LANE_MAP */
		uint64_t base;	  /* answer of LANE_RING_LEAVE */
	};
};

enum {
	LANE_FDS_MAX = 2,
	/* Where the lane finds its end of the socket. */
	LANE_SOCKET = 3,
};

/* Sends one message and up to LANE_FDS_MAX descriptors, which stay the caller's. 0 or -errno; `flags` as for sendmsg(). */
int lane_message_send(int socket, const struct lane_message *message, const int *fds,
		      unsigned int n, int flags);

/* Receives one: 1, with n descriptors that are the caller's; 0 at the end of the conversation; -errno (-EBADMSG: not a
 * message). */
int lane_message_receive(int socket, struct lane_message *message, int fds[LANE_FDS_MAX],
			 unsigned int *n, int flags);

#endif
