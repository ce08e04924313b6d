/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fg_clock.h"

static int per_pair_questions(struct fg_session *s, unsigned int pair)
{
	int err = fg_ask_u64(s, FG_GET_FEATURES, &s->offered);

	if (err < 0 || s->opt.no_protocol || !(s->offered & FG_F_PROTOCOL))
		return err;
	err = fg_ask_u64(s, FG_GET_PROTOCOL_FEATURES, &s->offered_protocol);
	if (err < 0)
		return err;
	s->protocol = s->offered_protocol & s->opt.protocol;
	err = fg_request_u64(s, FG_SET_PROTOCOL_FEATURES, s->protocol);
	if (err == 0 && pair == 0 && (s->protocol & FG_P_MQ))
		err = fg_ask_u64(s, FG_GET_QUEUE_NUM, &s->max_pairs);
	if (err == 0 && (s->protocol & FG_P_MEM_SLOTS))
		err = fg_ask_u64(s, FG_GET_MAX_MEM_SLOTS, &s->max_slots);
	return err;
}

/* QEMU asks all of this once for every queue pair; what is asked of the device only once is asked
 * for the first. */
int fg_negotiate(struct fg_session *s)
{
	for (unsigned int pair = 0; pair < s->n_rings / 2; pair++) {
		int err = per_pair_questions(s, pair);

		if (err == 0 && pair == 0)
			err = fg_request_none(s, FG_SET_OWNER);
		if (err == 0)
			err = fg_ask_u64(s, FG_GET_FEATURES, &s->offered);
		for (unsigned int i = 2 * pair; err == 0 && i < 2 * pair + 2; i++)
			err = fg_send_call(s, i);
		for (unsigned int i = 2 * pair; err == 0 && i < 2 * pair + 2; i++)
			err = fg_request_fd(s, FG_SET_VRING_ERR, i, s->ring[i].err);
		if (err < 0)
			return err;
	}
	s->features = s->offered & s->opt.features;
	if (s->opt.no_protocol)
		s->features &= ~FG_F_PROTOCOL;
	return 0;
}

int fg_session_open_on(struct fg_session *s, int sock, struct fg_memory *mem,
		       const struct fg_options *opt)
{
	static const struct fg_options standard;
	int err = 0;

	memset(s, 0, sizeof(*s));
	s->sock = sock;
	s->mem = mem;
	s->opt = opt == NULL ? standard : *opt;
	if (s->opt.features == 0)
		s->opt.features = FG_FEATURES_DEFAULT;
	if (getenv("FG_PACKED") != NULL && (s->opt.features & FG_F_VERSION_1))
		s->opt.features |= FG_F_PACKED;
	if (s->opt.protocol == 0)
		s->opt.protocol = FG_PROTOCOL_DEFAULT;
	if (s->opt.pairs == 0)
		s->opt.pairs = 1;
	if (s->opt.ring_size == 0)
		s->opt.ring_size = 256;
	while (err == 0 && s->n_rings < 2 * s->opt.pairs) {
		err = fg_ring_init(&s->ring[s->n_rings], mem, s->opt.ring_region, s->opt.ring_size);
		s->n_rings += err == 0;
	}
	if (err == 0)
		err = fg_negotiate(s);
	if (err < 0)
		fg_session_close(s);
	return err;
}

int fg_session_open(struct fg_session *s, const char *path, struct fg_memory *mem,
		    const struct fg_options *opt)
{
	int sock = fg_wire_connect(path, FG_WAIT_MS);

	s->sock = -1;
	s->n_rings = 0;
	return sock < 0 ? sock : fg_session_open_on(s, sock, mem, opt);
}

void fg_session_drop(struct fg_session *s)
{
	if (s->sock >= 0)
		close(s->sock);
	s->sock = -1;
}

void fg_session_close(struct fg_session *s)
{
	fg_session_drop(s);
	for (unsigned int i = 0; i < s->n_rings; i++)
		fg_ring_fini(&s->ring[i]);
	s->n_rings = 0;
}

/* QEMU sends these ahead of SET_FEATURES, and SET_FEATURES once for each pair. */
int fg_send_features(struct fg_session *s)
{
	int err = 0;

	if ((s->features & FG_F_PROTOCOL) && !s->opt.leave_disabled)
		for (unsigned int i = 0; err == 0 && i < s->n_rings; i++)
			err = fg_enable_ring(s, i, true);
	if (err == 0 && s->opt.mtu != 0 && (s->protocol & FG_P_MTU) && (s->features & FG_F_MTU))
		err = fg_request_u64(s, FG_NET_SET_MTU, s->opt.mtu);
	for (unsigned int pair = 0; err == 0 && pair < s->n_rings / 2; pair++)
		err = fg_request_u64(s, FG_SET_FEATURES, s->features);
	return err;
}

int fg_send_memory_table(struct fg_session *s)
{
	struct fg_msg m = {.request = FG_SET_MEM_TABLE};
	int fds[64];
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->mem->n && n < 64; i++) {
		const struct fg_region *r = &s->mem->region[i];

		if (r->fd < 0)
			continue;
		m.table.region[n] = (struct fg_mem_region){
			.gpa = r->gpa,
			.size = r->size,
			.user_addr = r->user_addr,
			.mmap_offset = r->fd_offset,
		};
		fds[n++] = r->fd;
	}
	m.table.n = n;
	m.size = 8 + 32 * n;
	return fg_request(s, &m, fds, n);
}

int fg_send_memory(struct fg_session *s)
{
	int err = 0;

	if (!(s->protocol & FG_P_MEM_SLOTS))
		return fg_send_memory_table(s);
	for (unsigned int i = 0; err == 0 && i < s->mem->n; i++)
		if (s->mem->region[i].fd >= 0)
			err = fg_add_region(s, i);
	return err;
}

int fg_start_ring(struct fg_session *s, unsigned int index, uint32_t base)
{
	int err = fg_request_state(s, FG_SET_VRING_NUM, index, s->ring[index].num);

	if (s->ring[index].packed && base == 0) /* where a fresh ring begins, both halves */
		base = 0x80008000;

	if (err == 0)
		err = fg_request_state(s, FG_SET_VRING_BASE, index, base);
	if (err == 0)
		err = fg_send_addr(s, index);
	if (err == 0)
		err = fg_send_kick(s, index);
	if (err == 0)
		err = fg_send_call(s, index);
	return err;
}

int fg_session_start(struct fg_session *s)
{
	bool event_idx = (s->features & FG_F_EVENT_IDX) != 0;
	int err = fg_send_features(s);

	for (unsigned int i = 0; i < s->n_rings; i++) {
		s->ring[i].packed = (s->features & FG_F_PACKED) != 0;
		fg_ring_reset(&s->ring[i], event_idx);
	}
	for (unsigned int i = 0; i < s->n_rings; i++)
		s->ring[i].in_order = (s->features & FG_F_IN_ORDER) != 0;
	if (err == 0)
		err = fg_send_memory(s);
	for (unsigned int i = 0; err == 0 && i < s->n_rings; i++)
		err = fg_start_ring(s, i, 0);
	if (err == 0 && (s->protocol & FG_P_STATUS))
		err = fg_request_u64(s, FG_SET_STATUS, 0x0f); /* DRIVER_OK and all before it */
	return err < 0 ? err : fg_barrier(s);
}

int fg_log_begin(struct fg_session *s)
{
	int error = fg_request_u64(s, FG_SET_FEATURES, s->features | FG_F_LOG_ALL);

	for (unsigned int i = 0; error == 0 && i < s->n_rings; i++) {
		const struct fg_ring *r = &s->ring[i];
		struct fg_msg msg = {.request = FG_SET_VRING_ADDR, .size = 40};

		msg.addr.index = i;
		msg.addr.flags = 1;
		msg.addr.desc = fg_memory_user(s->mem, r->desc_gpa);
		msg.addr.avail = fg_memory_user(s->mem, r->avail_gpa);
		msg.addr.used = fg_memory_user(s->mem, r->used_gpa);
		msg.addr.log = r->used_gpa;
		error = fg_request(s, &msg, NULL, 0);
	}
	return error;
}

int fg_stop_ring(struct fg_session *s, unsigned int index, uint16_t *base)
{
	return fg_ask_base(s, index, base);
}

int fg_session_stop(struct fg_session *s)
{
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < s->n_rings; i++) {
		uint16_t base;

		err = fg_stop_ring(s, i, &base);
	}
	return err;
}

int fg_session_reopen_on(struct fg_session *s, int sock)
{
	int err;

	s->sock = sock;
	err = fg_negotiate(s);
	if (err == 0)
		err = fg_send_features(s);
	if (err == 0)
		err = fg_send_memory(s);
	for (unsigned int i = 0; err == 0 && i < s->n_rings; i++)
		err = fg_start_ring(s, i, fg_ring_lost_base(&s->ring[i]));
	return err < 0 ? err : fg_barrier(s);
}

int fg_session_reopen(struct fg_session *s, const char *path)
{
	int sock = fg_wire_connect(path, FG_WAIT_MS);

	return sock < 0 ? sock : fg_session_reopen_on(s, sock);
}
