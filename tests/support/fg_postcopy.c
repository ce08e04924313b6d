/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_postcopy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fg_clock.h"

/* Receives what must be the answer to @request, @size bytes. */
static int answer(struct fg_session *s, uint32_t request, uint32_t size, struct fg_msg *m, int *fd)
{
	int err = fg_wire_recv(s->sock, m, fd, FG_WAIT_MS);

	if (err < 0)
		return err;
	if (m->request == request && m->flags == (FG_VERSION | FG_REPLY) && m->size == size)
		return 0;
	fprintf(stderr, "answer to %s: id %u flags 0x%x size %u\n", fg_wire_name(request),
		m->request, m->flags, m->size);
	return m->request == request && m->size == 8 ? -EREMOTEIO : -EPROTO;
}

int fg_postcopy_advise_once(struct fg_session *s, int *fd)
{
	struct fg_msg m = {.request = FG_POSTCOPY_ADVISE, .flags = FG_VERSION};
	int err = fg_wire_send(s->sock, &m, NULL, 0);

	*fd = -1;
	if (err == 0)
		err = answer(s, FG_POSTCOPY_ADVISE, 0, &m, fd);
	if (err == 0 && *fd < 0)
		err = -EBADF;
	return err;
}

/* QEMU's notifiers are called in the reverse of the order in which they were added. */
int fg_postcopy_advise(struct fg_session *s, struct fg_pager *p)
{
	int err = 0;

	for (unsigned int pair = 0; err == 0 && pair < s->n_rings / 2; pair++) {
		int fd;

		err = fg_postcopy_advise_once(s, &fd);
		if (err == 0)
			fg_pager_watch(p, fd);
	}
	return err;
}

/* LISTEN and END ask for an answer whatever was agreed. */
static int say(struct fg_session *s, uint32_t request)
{
	struct fg_msg m = {.request = request, .flags = FG_VERSION | FG_NEED_REPLY};
	int err = fg_wire_send(s->sock, &m, NULL, 0);

	if (err == 0)
		err = answer(s, request, 8, &m, NULL);
	return err == 0 && m.u64 != 0 ? -EREMOTEIO : err;
}

int fg_postcopy_listen(struct fg_session *s)
{
	int err = 0;

	for (unsigned int pair = 0; err == 0 && pair < s->n_rings / 2; pair++)
		err = say(s, FG_POSTCOPY_LISTEN);
	return err;
}

int fg_postcopy_say_end(struct fg_session *s)
{
	int err = 0;

	for (unsigned int pair = 0; err == 0 && pair < s->n_rings / 2; pair++)
		err = say(s, FG_POSTCOPY_END);
	return err;
}

/* The one thing of the echo that may differ is where the back end has the region. */
static int check_echo(struct fg_mem_region sent, struct fg_mem_region echo)
{
	if (echo.gpa == sent.gpa && echo.size == sent.size && echo.user_addr != 0 &&
	    echo.user_addr % 4096 == sent.mmap_offset % 4096)
		return 0;
	fprintf(stderr, "echo of region %#llx+%#llx: %#llx+%#llx at %#llx\n",
		(unsigned long long)sent.gpa, (unsigned long long)sent.size,
		(unsigned long long)echo.gpa, (unsigned long long)echo.size,
		(unsigned long long)echo.user_addr);
	return -EPROTO;
}

int fg_postcopy_add(struct fg_session *s, unsigned int slot, uint64_t *base)
{
	struct fg_msg m, echo;
	int err;

	fg_region_msg(s, slot, FG_ADD_MEM_REG, &m);
	m.flags = FG_VERSION;
	err = fg_wire_send(s->sock, &m, &s->mem->region[slot].fd, 1);
	if (err == 0)
		err = answer(s, FG_ADD_MEM_REG, 40, &echo, NULL);
	if (err == 0)
		err = check_echo(m.one.region, echo.one.region);
	*base = err == 0 ? echo.one.region.user_addr : 0;
	return err;
}

int fg_postcopy_remove(struct fg_session *s, unsigned int slot)
{
	struct fg_msg m;

	fg_region_msg(s, slot, FG_REM_MEM_REG, &m);
	m.flags = FG_VERSION;
	return fg_wire_send(s->sock, &m, NULL, 0);
}

int fg_postcopy_acknowledge(struct fg_session *s, uint32_t request)
{
	struct fg_msg m = {.request = request, .flags = FG_VERSION, .size = 8};

	return fg_wire_send(s->sock, &m, NULL, 0);
}

static int send_slots(struct fg_session *s, struct fg_pager *p)
{
	uint64_t base[FG_REGIONS_MAX] = {0};
	uint32_t last = FG_NONE;
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < s->mem->n; i++) {
		if (s->mem->region[i].fd < 0)
			continue;
		err = fg_postcopy_add(s, i, &base[i]);
		last = FG_ADD_MEM_REG;
	}
	for (unsigned int i = 0; err == 0 && i < s->mem->n; i++)
		fg_pager_set_base(p, i, base[i]);
	return err < 0 ? err : fg_postcopy_acknowledge(s, last);
}

static int send_table(struct fg_session *s, struct fg_pager *p)
{
	struct fg_msg m = {.request = FG_SET_MEM_TABLE, .flags = FG_VERSION}, echo;
	unsigned int slot[64], n = 0;
	int fds[64];
	int err;

	for (unsigned int i = 0; i < s->mem->n && n < 64; i++) {
		struct fg_msg one;

		if (s->mem->region[i].fd < 0)
			continue;
		fg_region_msg(s, i, FG_ADD_MEM_REG, &one);
		m.table.region[n] = one.one.region;
		fds[n] = s->mem->region[i].fd;
		slot[n++] = i;
	}
	m.table.n = n;
	m.size = 8 + 32 * n;
	err = fg_wire_send(s->sock, &m, fds, n);
	if (err == 0)
		err = answer(s, FG_SET_MEM_TABLE, m.size, &echo, NULL);
	for (unsigned int i = 0; err == 0 && i < n; i++)
		err = check_echo(m.table.region[i], echo.table.region[i]);
	for (unsigned int i = 0; err == 0 && i < n; i++)
		fg_pager_set_base(p, slot[i], echo.table.region[i].user_addr);
	return err < 0 ? err : fg_postcopy_acknowledge(s, FG_SET_MEM_TABLE);
}

int fg_postcopy_send_memory(struct fg_session *s, struct fg_pager *p)
{
	return s->protocol & FG_P_MEM_SLOTS ? send_slots(s, p) : send_table(s, p);
}

int fg_postcopy_start(struct fg_session *s, struct fg_pager *p, const uint16_t *base)
{
	int err = fg_send_features(s);

	if (err == 0)
		err = fg_postcopy_send_memory(s, p);
	for (unsigned int i = 0; err == 0 && i < s->n_rings; i++)
		err = fg_start_ring(s, i, base[i]);
	if (err == 0 && (s->protocol & FG_P_STATUS))
		err = fg_request_u64(s, FG_SET_STATUS, 0x0f);
	return err < 0 ? err : fg_barrier(s);
}

int fg_postcopy_end(struct fg_session *s, struct fg_pager *p)
{
	int err = fg_pager_push(p);

	fg_pager_stop(p);
	if (err == 0)
		err = fg_postcopy_say_end(s);
	fg_pager_watch(p, -1);
	return err;
}
