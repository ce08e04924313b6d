/* SPDX-License-Identifier: BSD-3-Clause */
/* The single requests of fg_session.h: each one message and, where there is one, its answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fg_clock.h"
#include "fg_session.h"

/* Receives the answer to @request and checks what every answer must have: the same id, version 1
 * and the REPLY bit and nothing else, and the size that the specification gives. */
static int receive_answer(struct fg_session *s, uint32_t request, uint32_t size, struct fg_msg *m)
{
	int err = fg_wire_recv(s->sock, m, NULL, FG_WAIT_MS);

	if (err < 0)
		return err;
	if (m->request != request || m->flags != (FG_VERSION | FG_REPLY) || m->size != size) {
		fprintf(stderr, "answer to %s: id %u flags 0x%x size %u\n", fg_wire_name(request),
			m->request, m->flags, m->size);
		return -EPROTO;
	}
	return 0;
}

int fg_request(struct fg_session *s, struct fg_msg *m, const int *fds, unsigned int n_fds)
{
	bool ack = (s->protocol & FG_P_REPLY_ACK) != 0 && m->request != FG_SET_PROTOCOL_FEATURES;
	struct fg_msg answer;
	int err;

	m->flags = FG_VERSION | (ack ? FG_NEED_REPLY : 0);
	err = fg_wire_send(s->sock, m, fds, n_fds);
	if (err < 0 || !ack)
		return err;
	err = receive_answer(s, m->request, 8, &answer);
	if (err < 0)
		return err;
	return answer.u64 == 0 ? 0 : -EREMOTEIO;
}

int fg_request_u64(struct fg_session *s, uint32_t request, uint64_t value)
{
	struct fg_msg m = {.request = request, .size = 8, .u64 = value};

	return fg_request(s, &m, NULL, 0);
}

int fg_request_state(struct fg_session *s, uint32_t request, uint32_t index, uint32_t num)
{
	struct fg_msg m = {.request = request, .size = 8, .state = {.index = index, .num = num}};

	return fg_request(s, &m, NULL, 0);
}

int fg_request_none(struct fg_session *s, uint32_t request)
{
	struct fg_msg m = {.request = request};

	return fg_request(s, &m, NULL, 0);
}

int fg_request_fd(struct fg_session *s, uint32_t request, uint64_t value, int fd)
{
	struct fg_msg m = {.request = request, .size = 8, .u64 = value};

	return fg_request(s, &m, &fd, fd >= 0 ? 1 : 0);
}

int fg_ask_u64(struct fg_session *s, uint32_t request, uint64_t *value)
{
	struct fg_msg m = {.request = request, .flags = FG_VERSION};
	int err = fg_wire_send(s->sock, &m, NULL, 0);

	if (err == 0)
		err = receive_answer(s, request, 8, &m);
	*value = err == 0 ? m.u64 : 0;
	return err;
}

int fg_ask_base(struct fg_session *s, uint32_t index, uint16_t *base)
{
	struct fg_msg m = {.request = FG_GET_VRING_BASE,
			   .flags = FG_VERSION,
			   .size = 8,
			   .state = {.index = index}};
	int err = fg_wire_send(s->sock, &m, NULL, 0);

	if (err == 0)
		err = receive_answer(s, FG_GET_VRING_BASE, 8, &m);
	if (err == 0 && m.state.index != index)
		err = -EPROTO;
	*base = err == 0 ? (uint16_t)m.state.num : 0;
	return err;
}

int fg_barrier(struct fg_session *s)
{
	uint64_t features;

	return fg_ask_u64(s, FG_GET_FEATURES, &features);
}

int fg_enable_ring(struct fg_session *s, unsigned int index, bool on)
{
	return fg_request_state(s, FG_SET_VRING_ENABLE, index, on);
}

int fg_send_addr(struct fg_session *s, unsigned int index)
{
	const struct fg_ring *r = &s->ring[index];
	struct fg_msg m = {.request = FG_SET_VRING_ADDR, .size = 40};

	m.addr.index = index;
	m.addr.desc = fg_memory_user(s->mem, r->desc_gpa);
	m.addr.avail = fg_memory_user(s->mem, r->avail_gpa);
	m.addr.used = fg_memory_user(s->mem, r->used_gpa);
	return fg_request(s, &m, NULL, 0);
}

int fg_send_kick(struct fg_session *s, unsigned int index)
{
	return fg_request_fd(s, FG_SET_VRING_KICK, index, s->ring[index].kick);
}

int fg_send_call(struct fg_session *s, unsigned int index)
{
	return fg_request_fd(s, FG_SET_VRING_CALL, index, s->ring[index].call);
}

void fg_region_msg(const struct fg_session *s, unsigned int slot, uint32_t request,
		   struct fg_msg *m)
{
	const struct fg_region *r = &s->mem->region[slot];

	memset(m, 0, FG_HEADER_SIZE + 40);
	m->request = request;
	m->size = 40;
	m->one.region = (struct fg_mem_region){
		.gpa = r->gpa,
		.size = r->size,
		.user_addr = r->user_addr,
		.mmap_offset = request == FG_ADD_MEM_REG ? r->fd_offset : 0,
	};
}

int fg_add_region(struct fg_session *s, unsigned int slot)
{
	struct fg_msg m;

	fg_region_msg(s, slot, FG_ADD_MEM_REG, &m);
	return fg_request(s, &m, &s->mem->region[slot].fd, 1);
}

int fg_remove_region(struct fg_session *s, unsigned int slot)
{
	struct fg_msg m;

	fg_region_msg(s, slot, FG_REM_MEM_REG, &m);
	return fg_request(s, &m, NULL, 0);
}
