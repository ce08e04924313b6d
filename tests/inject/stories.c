/* SPDX-License-Identifier: BSD-3-Clause */
#include "stories.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fg_postcopy.h"
#include "fixture.h"

enum { MEMORY = 4 << 20, MORE = 2 << 20, ARRIVE_MS = 2000, IN_FORCE_MS = 3000, PAGE_US = 200 };
#define MORE_GPA (GUEST_GPA + (1ull << 28))

/* --- guests --------------------------------------------------------------------------------------------------------- */

struct machine {
	struct fg_memory mem;
	struct fg_session s;
	struct fg_nic nic;
};

static const struct fg_options packed = {.protocol = FG_PROTOCOL_DEFAULT | FG_P_LOG_SHMFD,
					 .features = FG_FEATURES_DEFAULT | FG_F_PACKED};
static const struct fg_options split = {.protocol = FG_PROTOCOL_DEFAULT | FG_P_LOG_SHMFD};
static const struct fg_options postcopied = {.protocol = FG_PROTOCOL_DEFAULT | FG_P_PAGEFAULT};
static struct machine one, two;
static uint32_t serial;
static char folder[] = "/tmp/vus-stories-XXXXXX", file[64], kept[64], come[64];

static int plug_in(struct machine *m, const char *socket, const struct fg_options *opt)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	int err;

	memset(m, 0, sizeof(*m));
	m->s.sock = -1;
	fg_memory_init(&m->mem);
	err = fg_memory_add(&m->mem, GUEST_GPA, MEMORY);
	if (err < 0)
		return err;
	do { /* the switch may not have seen yet that the guest before is gone */
		m->mem.region[0].used = 0;
		err = fg_session_open(&m->s, socket, &m->mem, opt);
		if (err != 0)
			fg_sleep_us(2000);
	} while ((err == -ECONNRESET || err == -EPIPE) && fg_left_ms(deadline) > 0);
	return err;
}

static int power_on(struct machine *m, const char *socket, const struct fg_options *opt)
{
	int err = plug_in(m, socket, opt);

	if (err == 0)
		err = fg_session_start(&m->s);
	if (err == 0)
		err = fg_nic_init(&m->nic, &m->s, 0, 0x4000 + ++serial, NULL);
	return err == 0 ? fg_nic_fill(&m->nic) : err;
}

static void power_off(struct machine *m)
{
	fg_session_close(&m->s);
	fg_memory_fini(&m->mem);
}

static int send_and_receive(struct machine *from, struct machine *to, size_t len)
{
	static uint8_t frame[2048], got[FG_FRAME_MAX];
	struct fg_flow flow = {.id = ++serial};
	int err = 0;

	for (int i = 0; err == 0 && i < 3; i++) {
		int n;

		fg_flow_build(&flow, to->nic.mac, from->nic.mac, frame, len);
		err = fg_nic_send(&from->nic, frame, len, NULL);
		do
			n = err == 0 ? fg_nic_recv(&to->nic, got, sizeof(got), ARRIVE_MS) : err;
		while (n > 0 && !fg_flow_check(&flow, got, (size_t)n));
		err = n < 0 ? n : 0;
	}
	if (err == 0)
		err = fg_nic_drain_tx(&from->nic, ARRIVE_MS);
	/* The lost frame is another matter than the lost answer. */
	return err == -ETIMEDOUT ? -ENODATA : err;
}

static int traffic(void)
{
	int err = send_and_receive(&one, &two, 100);

	return err == 0 ? send_and_receive(&two, &one, 1514) : err;
}

static int hotplug(struct machine *m)
{
	int slot = fg_memory_add(&m->mem, MORE_GPA, MORE);
	int err = slot < 0 ? slot : fg_add_region(&m->s, (unsigned int)slot);

	if (err == 0)
		err = traffic();
	return err == 0 ? fg_remove_region(&m->s, (unsigned int)slot) : err;
}

static int log_addresses(struct machine *m, uint32_t flags)
{
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < m->s.n_rings; i++) {
		const struct fg_ring *r = &m->s.ring[i];
		struct fg_msg msg = {.request = FG_SET_VRING_ADDR, .size = 40};

		msg.addr.index = i;
		msg.addr.flags = flags;
		msg.addr.desc = fg_memory_user(&m->mem, r->desc_gpa);
		msg.addr.avail = fg_memory_user(&m->mem, r->avail_gpa);
		msg.addr.used = fg_memory_user(&m->mem, r->used_gpa);
		msg.addr.log = r->used_gpa;
		err = fg_request(&m->s, &msg, NULL, 0);
	}
	return err;
}

static int migrate(struct machine *m)
{
	struct fg_msg msg = {.request = FG_SET_LOG_BASE, .flags = FG_VERSION, .size = 16};
	uint64_t size = (GUEST_GPA + MEMORY) / 4096 / 8;
	int fd = fg_memory_file(size);
	int err;

	msg.log.size = size;
	err = fg_wire_send(m->s.sock, &msg, &fd, 1);
	if (err == 0)
		err = fg_wire_recv(m->s.sock, &msg, NULL, FG_WAIT_MS);
	close(fd);
	if (err == 0)
		err = fg_request_u64(&m->s, FG_SET_FEATURES, m->s.features | FG_F_LOG_ALL);
	if (err == 0)
		err = log_addresses(m, 1);
	if (err == 0)
		err = traffic();
	if (err == 0)
		err = fg_session_stop(&m->s);
	return err;
}

/* Of the switch, after what has gone wrong, too. */
static int ask(void)
{
	json_t *answer = fg_switch_query(&fixture.sw, "ports", NULL);
	int err = answer == NULL ? -ENOMSG : 0;

	json_decref(answer);
	return err;
}

int story_of_guests(void)
{
	int err = power_on(&one, fg_switch_socket(&fixture.sw, "h0"), &packed);
	int other = power_on(&two, fg_switch_socket(&fixture.sw, "h1"), &split);

	if (err == 0)
		err = other;
	if (err == 0)
		err = traffic();
	if (err == 0)
		err = hotplug(&one);
	other = ask();
	if (err == 0)
		err = other;
	if (err == 0)
		err = migrate(&one);
	power_off(&one);
	power_off(&two);
	return err;
}

/* --- one arrives ---------------------------------------------------------------------------------------------------- */

/* Its rings and buffers are there, as where it came from. */
static int set_out(struct machine *m, struct fg_pager *pager)
{
	int err;

	for (unsigned int i = 0; i < m->s.n_rings; i++) {
		m->s.ring[i].packed = (m->s.features & FG_F_PACKED) != 0;
		fg_ring_reset(&m->s.ring[i], (m->s.features & FG_F_EVENT_IDX) != 0);
		m->s.ring[i].in_order = (m->s.features & FG_F_IN_ORDER) != 0;
	}
	err = fg_nic_init(&m->nic, &m->s, 0, 0x4000 + ++serial, NULL);
	if (err == 0)
		err = fg_nic_fill(&m->nic);
	return err == 0 ? fg_pager_depart(pager, &m->mem, PAGE_US) : err;
}

int story_of_an_arrival(void)
{
	static const uint16_t from[FG_RINGS_MAX];
	struct fg_pager pager = {0};
	int err = power_on(&two, fg_switch_socket(&fixture.sw, "h1"), &split);
	int other = plug_in(&one, fg_switch_socket(&fixture.sw, "h0"), &postcopied);

	if (err == 0)
		err = other;
	if (err == 0)
		err = set_out(&one, &pager);
	if (err == 0)
		err = fg_postcopy_advise(&one.s, &pager);
	if (err == 0)
		err = fg_postcopy_listen(&one.s);
	if (err == 0)
		err = fg_postcopy_start(&one.s, &pager, from);
	if (err == 0)
		err = traffic();
	if (err == 0)
		err = fg_postcopy_end(&one.s, &pager);
	if (err == 0)
		err = traffic();
	fg_session_drop(&one.s); /* before its memory goes, so that the switch does not touch what is not there */
	fg_pager_fini(&pager);
	power_off(&one);
	power_off(&two);
	return err;
}

/* --- the file is read again ----------------------------------------------------------------------------------------- */

static int write_file(bool more)
{
	FILE *f = fopen(file, "w");

	if (f == NULL)
		return -errno;
	fprintf(f, "bridges:\n  - {name: file}\n");
	if (more) {
		fprintf(f, "ports:\n  - {name: m0, type: vhost-user, bridge: file, socket: %s}\n", come);
		fprintf(f, "  - {name: e0, type: ethdev, bridge: file, device: \"net_null0,no-rx=1\"}\n");
	}
	return fclose(f) == 0 ? 0 : -errno;
}

/* Whether both are there, or neither is. */
static bool is_in_force(bool more)
{
	json_t *answer = fg_switch_query(&fixture.sw, "ports", NULL), *port;
	size_t i, there = 0;

	json_array_foreach(json_object_get(answer, "ports"), i, port)
	{
		const char *name = json_string_value(json_object_get(port, "name"));

		there += name != NULL && json_object_get(port, "starting") == NULL &&
			 (strcmp(name, "m0") == 0 || strcmp(name, "e0") == 0);
	}
	json_decref(answer);
	return answer != NULL && there == (more ? 2 : 0) && (access(come, F_OK) == 0) == more;
}

static int read_again(bool more)
{
	int64_t deadline = fg_deadline(IN_FORCE_MS);
	int err = write_file(more);

	kill(fixture.sw.pid, SIGHUP);
	while (err == 0 && !is_in_force(more)) {
		if (fg_left_ms(deadline) == 0)
			err = -EAGAIN;
		fg_sleep_us(5000);
	}
	return err;
}

int story_of_a_reload(void)
{
	uint8_t frame[200], nobody[6] = {2, 0xee, 0, 0, 0, 1};
	struct fg_flow flow = {.id = ++serial};
	int err = read_again(true), other;

	if (err == 0)
		err = power_on(&one, come, &split);
	for (int i = 0; err == 0 && i < 10; i++) {
		fg_flow_build(&flow, nobody, one.nic.mac, frame, sizeof(frame));
		err = fg_nic_send(&one.nic, frame, sizeof(frame), NULL);
	}
	if (err == 0)
		err = fg_nic_drain_tx(&one.nic, ARRIVE_MS);
	if (err == -ETIMEDOUT) /* as above */
		err = -ENODATA;
	power_off(&one);
	other = read_again(false);
	return err == 0 ? other : err;
}

const char *stories_begin(void)
{
	one.s.sock = two.s.sock = -1;
	if (mkdtemp(folder) == NULL)
		return NULL;
	snprintf(file, sizeof(file), "%s/switch.yaml", folder);
	snprintf(kept, sizeof(kept), "%s/kept.yaml", folder);
	snprintf(come, sizeof(come), "%s/m0.sock", folder);
	return write_file(false) == 0 ? file : NULL;
}

const char *stories_kept(void)
{
	return kept;
}

void stories_end(void)
{
	unlink(file);
	unlink(kept);
	unlink(come);
	rmdir(folder);
}
