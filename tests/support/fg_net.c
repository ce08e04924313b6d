/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fg_clock.h"

enum { PATTERN = 0xa5 };

const struct fg_layout fg_layout_one = {.name = "one", .n = 1, .len = {UINT32_MAX}};
const struct fg_layout fg_layout_two = {.name = "two", .n = 2, .len = {0, UINT32_MAX}};
const struct fg_layout fg_layout_indirect = {
	.name = "indirect",
	.n = 2,
	.len = {0, UINT32_MAX},
	.indirect = true,
};

static uint64_t take(struct fg_nic *nic, uint32_t len)
{
	if (nic->opt.region >= 0)
		return fg_memory_alloc_in(nic->s->mem, (unsigned int)nic->opt.region, len, 1);
	return fg_memory_alloc(nic->s->mem, len, 1);
}

/* Cuts @len bytes at @gpa into the descriptors of @layout, FG_GAP bytes of nothing between them.
 * A length of 0 in a layout stands for the header's. Returns how many, or -E2BIG. */
static int cut(const struct fg_layout *layout, uint32_t header, uint64_t gpa, uint32_t len,
	       bool write, struct fg_buf bufs[FG_INDIRECT_MAX])
{
	unsigned int n = 0;

	while (len > 0) {
		unsigned int i = n < layout->n ? n : layout->n - 1;
		uint32_t piece = layout->len[i] == 0 ? header : layout->len[i];

		if (piece > len)
			piece = len;
		if (n == FG_INDIRECT_MAX)
			return -E2BIG;
		bufs[n++] = (struct fg_buf){.gpa = gpa, .len = piece, .write = write};
		gpa += piece + FG_GAP;
		len -= piece;
	}
	return (int)n;
}

static uint32_t stride(uint32_t size)
{
	return size + FG_GAP * FG_INDIRECT_MAX;
}

int fg_nic_init(struct fg_nic *nic, struct fg_session *s, unsigned int pair, uint32_t mac,
		const struct fg_nic_options *opt)
{
	const struct fg_nic_options standard = {.region = -1};

	memset(nic, 0, sizeof(*nic));
	nic->s = s;
	nic->rx = &s->ring[2 * pair];
	nic->tx = &s->ring[2 * pair + 1];
	nic->mergeable = (s->features & FG_F_MRG_RXBUF) != 0;
	nic->header = nic->mergeable || (s->features & FG_F_VERSION_1) ? 12 : 10;
	nic->opt = opt == NULL ? standard : *opt;
	if (nic->opt.rx_layout == NULL)
		nic->opt.rx_layout = &fg_layout_one;
	if (nic->opt.rx_size == 0)
		nic->opt.rx_size = 2048;
	if (nic->opt.tx_size == 0)
		nic->opt.tx_size = 2048;
	nic->rx_depth = nic->opt.depth ? nic->opt.depth : nic->rx->num;
	nic->tx_depth = nic->opt.depth ? nic->opt.depth : nic->tx->num;
	nic->tx_stride = stride(nic->opt.tx_size + nic->header);
	fg_mac(nic->mac, mac);
	for (uint16_t i = 0; i < nic->rx_depth; i++)
		nic->rx_gpa[i] = take(nic, stride(nic->opt.rx_size));
	for (uint16_t i = 0; i < nic->tx_depth; i++)
		nic->tx_gpa[i] = take(nic, nic->tx_stride);
	if (nic->tx_gpa[nic->tx_depth - 1] == FG_NO_GPA ||
	    nic->rx_gpa[nic->rx_depth - 1] == FG_NO_GPA)
		return -ENOMEM;
	return 0;
}

static int post_rx(struct fg_nic *nic, uint32_t i)
{
	const struct fg_layout *layout = nic->opt.rx_layout;
	struct fg_buf bufs[FG_INDIRECT_MAX];
	uint32_t room = stride(nic->opt.rx_size);
	int n = cut(layout, nic->header, nic->rx_gpa[i], nic->opt.rx_size, true, bufs);

	if (n < 0)
		return n;
	memset(fg_memory_ptr(nic->s->mem, nic->rx_gpa[i], room), PATTERN, room);
	n = layout->indirect ? fg_ring_post_indirect(nic->rx, bufs, (unsigned int)n, i)
			     : fg_ring_post(nic->rx, bufs, (unsigned int)n, i);
	return n < 0 ? n : 0;
}

int fg_nic_fill(struct fg_nic *nic)
{
	int err = 0;

	memset(nic->tx_busy, 0, sizeof(nic->tx_busy));
	nic->returned = nic->sent;
	for (uint16_t i = 0; err == 0 && i < nic->rx_depth; i++) {
		err = post_rx(nic, i);
		if (err == -ENOSPC && i > 0) { /* chains of several descriptors: the ring is full */
			err = 0;
			break;
		}
	}
	fg_ring_publish(nic->rx);
	fg_ring_kick(nic->rx);
	return err;
}

/* Spreads header and frame over the pieces. */
static void scatter(struct fg_nic *nic, const struct fg_buf *bufs, int n, const uint8_t *frame)
{
	uint8_t header[12] = {0};
	uint32_t at = 0; /* in header plus frame */

	memcpy(header, &nic->tx_header, sizeof(nic->tx_header));
	for (int i = 0; i < n; i++) {
		uint8_t *to = fg_memory_ptr(nic->s->mem, bufs[i].gpa, bufs[i].len);

		for (uint32_t left = bufs[i].len; left > 0;) {
			uint32_t piece = left;

			if (at < nic->header) {
				if (piece > nic->header - at)
					piece = nic->header - at;
				memcpy(to, header + at, piece);
			} else {
				memcpy(to, frame + (at - nic->header), piece);
			}
			to += piece;
			at += piece;
			left -= piece;
		}
	}
}

int fg_nic_queue(struct fg_nic *nic, const void *frame, size_t len, const struct fg_layout *layout)
{
	struct fg_buf bufs[FG_INDIRECT_MAX];
	uint16_t i = nic->tx_next;
	int n;

	if (layout == NULL)
		layout = &fg_layout_two;
	if (len > nic->opt.tx_size)
		return -EMSGSIZE;
	if (nic->tx_busy[i])
		return -EAGAIN;
	n = cut(layout, nic->header, nic->tx_gpa[i], nic->header + (uint32_t)len, false, bufs);
	if (n < 0)
		return n;
	scatter(nic, bufs, n, frame);
	n = layout->indirect ? fg_ring_post_indirect(nic->tx, bufs, (unsigned int)n, i)
			     : fg_ring_post(nic->tx, bufs, (unsigned int)n, i);
	if (n < 0)
		return n == -ENOSPC ? -EAGAIN : n;
	nic->tx_busy[i] = true;
	nic->tx_next = (uint16_t)((i + 1) % nic->tx_depth);
	nic->sent++;
	return 0;
}

bool fg_nic_room(const struct fg_nic *nic, uint16_t n)
{
	return !nic->tx_busy[nic->tx_next] && nic->tx->n_free >= n;
}

void fg_nic_flush(struct fg_nic *nic)
{
	fg_ring_publish(nic->tx);
	fg_ring_kick(nic->tx);
}

int fg_nic_reap(struct fg_nic *nic)
{
	uint32_t token, len;
	int got;

	while ((got = fg_ring_reap(nic->tx, &token, &len)) > 0) {
		nic->tx_busy[token] = false;
		nic->returned++;
	}
	return got;
}

int fg_nic_drain_tx(struct fg_nic *nic, int ms)
{
	int64_t deadline = fg_deadline(ms);
	int err = fg_nic_reap(nic);

	while (err == 0 && nic->returned < nic->sent) {
		err = fg_ring_wait(nic->tx, fg_left_ms(deadline));
		if (err == 0)
			err = fg_nic_reap(nic);
	}
	return err;
}

int fg_nic_send(struct fg_nic *nic, const void *frame, size_t len, const struct fg_layout *layout)
{
	int err = fg_nic_reap(nic);

	if (err == 0)
		err = fg_nic_queue(nic, frame, len, layout);
	if (err == 0)
		fg_nic_flush(nic);
	return err;
}

/* Gathers @len used bytes of receive buffer @i behind @to, and checks that the rest is untouched.
 */
static int gather(struct fg_nic *nic, uint32_t i, uint32_t len, uint8_t *to)
{
	struct fg_buf bufs[FG_INDIRECT_MAX];
	uint32_t size = nic->opt.rx_size;
	uint32_t room = stride(size);
	int n = cut(nic->opt.rx_layout, nic->header, nic->rx_gpa[i], size, true, bufs);
	const uint8_t *base = fg_memory_ptr(nic->s->mem, nic->rx_gpa[i], room);
	uint64_t at = 0; /* the first byte of the buffer not yet looked at */

	for (int k = 0; k < n; k++) {
		uint64_t off = bufs[k].gpa - nic->rx_gpa[i];
		uint32_t piece = len < bufs[k].len ? len : bufs[k].len;

		for (; at < off; at++)
			if (base[at] != PATTERN)
				return -EPROTO;
		memcpy(to, base + off, piece);
		to += piece;
		len -= piece;
		at = off + piece;
	}
	for (; at < room; at++)
		if (base[at] != PATTERN)
			return -EPROTO;
	return 0;
}

static int complain(const char *what, uint64_t a, uint64_t b)
{
	fprintf(stderr, "fake guest: %s (%llu, %llu)\n", what, (unsigned long long)a,
		(unsigned long long)b);
	return -EPROTO;
}

/* Takes one used buffer; its content goes behind @to. Returns its length. */
static int take_buffer(struct fg_nic *nic, uint8_t *to, size_t room, int64_t deadline)
{
	uint32_t i, len;
	int err = fg_ring_wait(nic->rx, fg_left_ms(deadline));

	if (err == 0)
		err = fg_ring_reap(nic->rx, &i, &len);
	if (err < 0)
		return err;
	if (len > nic->opt.rx_size)
		return complain("used.len beyond the buffer", len, nic->opt.rx_size);
	if (len > room)
		return complain("frame longer than expected", len, room);
	if (gather(nic, i, len, to) < 0)
		return complain("bytes written beyond used.len", i, len);
	err = post_rx(nic, i);
	return err < 0 ? err : (int)len;
}

int fg_nic_recv(struct fg_nic *nic, void *frame, size_t room, int ms)
{
	static _Thread_local uint8_t whole[FG_FRAME_MAX + 12];
	int64_t deadline = fg_deadline(ms);
	int len = take_buffer(nic, whole, sizeof(whole), deadline);
	uint16_t n = 1;

	if (len < 0)
		return len;
	if (len < (int)nic->header)
		return complain("shorter than the header", (uint64_t)len, nic->header);
	memcpy(&nic->rx_header, whole, sizeof(nic->rx_header));
	for (int i = 0; i < 10 && !nic->takes_offloads; i++)
		if (whole[i] != 0)
			return complain("header byte not zero", (uint64_t)i, whole[i]);
	if (nic->header == 12)
		memcpy(&n, whole + 10, 2);
	if (n == 0 || (n > 1 && !nic->mergeable))
		return complain("num_buffers", n, nic->mergeable);
	nic->num_buffers = n;
	while (--n >
	       0) { /* one store of the used index shows a frame whole: no waiting for its rest */
		int more = take_buffer(nic, whole + len, sizeof(whole) - (size_t)len, 0);

		if (more < 0)
			return more == -ETIMEDOUT ? complain("merged buffer missing", n, 0) : more;
		len += more;
	}
	fg_ring_publish(nic->rx);
	fg_ring_kick(nic->rx);
	nic->received++;
	len -= (int)nic->header;
	if ((size_t)len > room)
		return complain("frame longer than the room", (uint64_t)len, room);
	memcpy(frame, whole + nic->header, (size_t)len);
	return len;
}
