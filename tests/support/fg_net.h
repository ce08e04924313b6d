/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_net: a virtio-net driver on one queue pair of a session, and flows that prove themselves.
 *
 * struct fg_nic sends and receives whole Ethernet frames. How a frame is cut into descriptors is a
 * struct fg_layout: the virtio-net header and the frame are one string of bytes, cut at the lengths
 * of the layout, and the pieces lie apart in guest memory at odd addresses.
 * The receiver trusts nothing: buffers are filled with a pattern before they are posted, so that a
 * byte written beyond the announced length is found; the header must be zero except num_buffers,
 * unless the nic takes offloads.
 *
 * struct fg_flow makes frames with a flow id, a sequence number, a filling that depends on both,
 * and a CRC-32 over everything, and checks what arrives: gaps, duplicates, disorder, damage.
 *
 * Thread-safety: one thread per nic. Functions return 0, a length or -errno; -EPROTO is a back end
 * that broke a rule (said on stderr), -ETIMEDOUT one that did not answer in time.
 */
#ifndef FG_NET_H
#define FG_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fg_packet.h"
#include "fg_session.h"

enum { FG_FRAME_MAX = 65550, FG_PIECES_MAX = 64, FG_FLOW_MIN = 40, FG_GAP = 13 };

/* Lengths of the descriptors in order; the last one repeats until the frame ends. */
struct fg_layout {
	const char *name;
	unsigned int n;
	uint32_t len[FG_PIECES_MAX];
	bool indirect;
};

extern const struct fg_layout fg_layout_one;	  /* header and frame in one descriptor */
extern const struct fg_layout fg_layout_two;	  /* header apart, as every driver does it */
extern const struct fg_layout fg_layout_indirect; /* the same in an indirect table */

struct fg_nic_options {
	const struct fg_layout *rx_layout; /* NULL: one descriptor of rx_size */
	uint32_t rx_size;		   /* bytes of a receive buffer, header included; 0: 2048 */
	uint32_t tx_size;		   /* the longest frame sent; 0: 2048 */
	uint16_t depth; /* buffers in each direction; 0: as many as descriptors */
	int region;	/* where buffers lie; -1: anywhere, 0 or more: that slot */
};

struct fg_nic {
	struct fg_session *s;
	struct fg_ring *rx, *tx;
	uint32_t header; /* 10 or 12 */
	bool mergeable;
	struct fg_nic_options opt;
	uint16_t rx_depth, tx_depth;
	uint32_t tx_stride;
	uint64_t rx_gpa[FG_RING_MAX], tx_gpa[FG_RING_MAX];
	bool tx_busy[FG_RING_MAX];
	uint16_t tx_next;
	uint8_t mac[6];
	uint64_t sent, returned, received; /* frames posted, tx chains back, frames delivered */
	uint16_t num_buffers;		   /* of the frame received last */
	struct fg_vnet tx_header;	   /* what the next frames say is left to be done */
	bool takes_offloads;		   /* headers that ask for something are no fault, but: */
	struct fg_vnet rx_header;	   /* what the frame received last said */
};

/* Takes buffers for queue pair @pair of @s. The rings may be started before or after. */
int fg_nic_init(struct fg_nic *, struct fg_session *s, unsigned int pair, uint32_t mac,
		const struct fg_nic_options *);
/* Posts all receive buffers; after the rings were started or restarted. */
int fg_nic_fill(struct fg_nic *);

/* Sends one frame and kicks. -EAGAIN: every buffer is still with the switch. */
int fg_nic_send(struct fg_nic *, const void *frame, size_t len, const struct fg_layout *);
/* Whether a frame of @n descriptors can be sent now. */
bool fg_nic_room(const struct fg_nic *, uint16_t n);
/* The same without publishing; fg_nic_flush() does that for a burst. */
int fg_nic_queue(struct fg_nic *, const void *frame, size_t len, const struct fg_layout *);
void fg_nic_flush(struct fg_nic *);
/* Takes back transmitted buffers; waits up to @ms for all of them. Returns 0, -ETIMEDOUT, -EPROTO.
 */
int fg_nic_reap(struct fg_nic *);
int fg_nic_drain_tx(struct fg_nic *, int ms);

/* Receives one frame: its length, -ETIMEDOUT or -EPROTO. The buffers go back to the switch. */
int fg_nic_recv(struct fg_nic *, void *frame, size_t room, int ms);

struct fg_flow {
	uint32_t id;
	uint64_t next_tx, next_rx;
	uint64_t received, lost, duplicate, reordered, damaged;
};

/* Writes the next frame of the flow, @len bytes (at least FG_FLOW_MIN). */
void fg_flow_build(struct fg_flow *, const uint8_t dst[6], const uint8_t src[6], void *frame,
		   size_t len);
/* Checks a frame. False: it is of another flow. */
bool fg_flow_check(struct fg_flow *, const void *frame, size_t len);
/* Everything sent has arrived once, in order, whole. */
bool fg_flow_whole(const struct fg_flow *);

void fg_mac(uint8_t mac[6], uint32_t n);
uint32_t fg_crc32(const void *data, size_t len);

#endif
