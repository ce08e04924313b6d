/* SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fg_clock.h"

enum { HEADER = 12, SEQ_AT = 16, ABSENT_NS = 20000 };
/* Where the memory begins, with holes between regions; and without, where a front end has it mapped. */
#define BASE	(1ull << 32)
#define ADDRESS 0x7f35a8d40000ull
#define LOG_BYTES (1ull << 20) /* of dirty log: 32 GiB */
static const uint64_t FEATURES = FG_F_VERSION_1 | FG_F_MRG_RXBUF | FG_F_IN_ORDER | FG_F_PROTOCOL;

uint64_t load_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int load_pin(void)
{
	cpu_set_t all, one;
	int cpus = 0, chosen = 0;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return -errno;
	for (int i = 0; i < CPU_SETSIZE && cpus < 3; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		if (cpus != 1)
			chosen = i;
		cpus++;
	}
	CPU_ZERO(&one);
	CPU_SET(chosen, &one);
	return sched_setaffinity(0, sizeof(one), &one) < 0 ? -errno : CPU_COUNT(&all);
}

/* --- a guest ------------------------------------------------------------------------------------ */

static int add_region(struct load_guest *g, const struct load_layout *layout, unsigned int i)
{
	uint64_t size = (uint64_t)LOAD_REGION * (layout->pieces / layout->regions);
	uint64_t gpa = layout->by_address ? ADDRESS + i * size : BASE + 2 * i * size;
	int slot = fg_memory_add_file(&g->mem, gpa, size, g->file, i * size);

	return slot < 0 ? slot : 0;
}

/* Where buffer @turn of piece @piece lies: the same bytes of the file in every layout, and, where there are many
 * pieces, not the same sets of a cache for all of them. The beginning of the first is the rings'. */
static void place(const struct load_guest *g, unsigned int piece, unsigned int turn, uint64_t *gpa,
		  uint8_t **at)
{
	uint64_t offset = (uint64_t)piece * LOAD_REGION + LOAD_REGION / 4 +
			  (uint64_t)(piece * 37 % 256 + turn) * LOAD_BUFFER;
	const struct fg_region *r = &g->mem.region[offset / g->mem.region[0].size];

	offset %= r->size;
	*gpa = r->gpa + offset;
	*at = r->map + offset;
}

static void lay_out(struct load_guest *g, unsigned int pieces)
{
	g->buffers = pieces == 1 ? LOAD_RING : pieces;
	for (unsigned int i = 0; i < g->buffers; i++) {
		unsigned int piece = pieces == 1 ? 0 : i, turn = pieces == 1 ? i : 0;

		place(g, piece, 2 * turn, &g->rx_gpa[i], &g->rx_at[i]);
		place(g, piece, 2 * turn + 1, &g->tx_gpa[i], &g->tx_at[i]);
		memset(g->rx_at[i], 0, LOAD_BUFFER);
		memset(g->tx_at[i], 0, LOAD_BUFFER);
	}
}

static int start_log(struct load_guest *g)
{
	struct fg_msg m = {
		.request = FG_SET_LOG_BASE,
		.flags = FG_VERSION,
		.size = 16,
		.log = {.size = LOG_BYTES},
	};
	int fd = fg_memory_file(LOG_BYTES);
	int err = fd < 0 ? fd : fg_wire_send(g->s.sock, &m, &fd, 1);

	if (err == 0) /* answered in any case, and by what was asked */
		err = fg_wire_recv(g->s.sock, &m, NULL, FG_WAIT_MS);
	if (err == 0)
		err = fg_request_u64(&g->s, FG_SET_FEATURES, g->s.features | FG_F_LOG_ALL);
	if (fd >= 0)
		close(fd);
	return err;
}

static int connect_guest(struct load_guest *g, const char *path, const struct load_layout *layout)
{
	const struct fg_options opt = {
		.features = FEATURES | (layout->logged ? FG_F_LOG_ALL : 0),
		.protocol = FG_PROTOCOL_DEFAULT | FG_P_PAGEFAULT |
			    (layout->logged ? FG_P_LOG_SHMFD : 0),
		.ring_size = LOAD_RING,
	};
	int err;

	for (unsigned int i = 0; i < layout->regions; i++) {
		err = add_region(g, layout, i);
		if (err < 0)
			return err;
	}
	err = fg_session_open(&g->s, path, &g->mem, &opt);
	if (err < 0)
		return err;
	g->s.features &= ~FG_F_LOG_ALL;
	return layout->regions > 1 && g->s.max_slots < layout->regions ? -ENOSPC : 0;
}

static int complain(const char *port, const struct load_layout *layout, int err)
{
	if (err < 0)
		fprintf(stderr, "a guest with %s on %s: %s\n", layout->name, port, strerror(-err));
	return err;
}

int load_guest_prepare(struct load_guest *g, const struct fg_switch *sw, const char *port,
		       const struct load_layout *layout, uint32_t number)
{
	int err;

	memset(g, 0, sizeof(*g));
	fg_memory_init(&g->mem);
	g->s.sock = -1;
	g->mac[0] = 0x02;
	memcpy(g->mac + 2, &number, 4);
	g->file = fg_memory_file((uint64_t)LOAD_REGION * layout->pieces);
	err = g->file < 0 ? g->file : connect_guest(g, fg_switch_socket(sw, port), layout);
	if (err == 0)
		lay_out(g, layout->pieces);
	return complain(port, layout, err);
}

void load_guest_rings(struct load_guest *g)
{
	fg_fast_open(&g->rx, fg_ring_v(&g->s.ring[0]));
	fg_fast_open(&g->tx, fg_ring_v(&g->s.ring[1]));
}

int load_guest_open(struct load_guest *g, const struct fg_switch *sw, const char *port,
		    const struct load_layout *layout, uint32_t number)
{
	int err = load_guest_prepare(g, sw, port, layout, number);

	if (err < 0)
		return err;
	err = fg_session_start(&g->s); /* which empties the rings */
	if (err == 0 && layout->logged)
		err = start_log(g);
	load_guest_rings(g);
	return complain(port, layout, err);
}

void load_guest_close(struct load_guest *g)
{
	fg_session_close(&g->s);
	fg_memory_fini(&g->mem);
	if (g->file >= 0)
		close(g->file);
}

/* --- the driver ------------------------------------------------------------------------------------------------ */

static void publish(struct fg_fast *f, struct fg_ring *r)
{
	uint32_t old = f->shown;

	fg_fast_show(f);
	if (fg_wants_kick(&f->v, r->event_idx, (uint16_t)old, (uint16_t)f->shown))
		fg_ring_kick_now(r);
}

int load_take_back(struct load_guest *g)
{
	int n = fg_fast_look(&g->tx);

	g->tx.taken += n > 0 ? (uint32_t)n : 0;
	return n;
}

int load_guest_greet(struct load_guest *g, const struct load_guest *to)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	uint8_t *at = g->tx_at[0];

	memcpy(at + HEADER, to->mac, 6);
	memcpy(at + HEADER + 6, g->mac, 6);
	fg_fast_post(&g->tx, g->tx_gpa[0], HEADER + 60, 0);
	publish(&g->tx, &g->s.ring[1]);
	while (g->tx.taken != g->tx.posted) {
		if (load_take_back(g) < 0)
			return -EPROTO;
		if (fg_left_ms(deadline) == 0)
			return -ETIMEDOUT;
	}
	return 0;
}

int load_guest_introduce(struct load_guest *g)
{
	return load_guest_greet(g, g);
}

static void post_rx(struct load_guest *g)
{
	uint32_t slot = g->rx.posted & g->rx.mask;
	uint64_t gpa = g->rx_gpa[g->rx_next];

	if (g->elsewhere > 0) {
		gpa = g->elsewhere_gpa;
		g->slot_at[slot] = g->elsewhere_at;
		g->elsewhere_gpa += 4096;
		g->elsewhere_at += 4096;
		g->elsewhere--;
		g->elsewhere_out = LOAD_RING;
	} else {
		g->slot_at[slot] = g->rx_at[g->rx_next];
		g->rx_next = g->rx_next + 1 < g->buffers ? g->rx_next + 1 : 0;
		g->elsewhere_out -= g->elsewhere_out > 0;
	}
	fg_fast_post(&g->rx, gpa, LOAD_BUFFER, FG_DESC_WRITE);
}

static void gap(struct load_gaps *gaps, uint64_t ns)
{
	uint64_t step = ns / LOAD_STEP_NS;

	if (gaps == NULL)
		return;
	gaps->n++;
	gaps->step[step < LOAD_STEPS ? step : LOAD_STEPS - 1]++;
	if (ns > gaps->longest_ns)
		gaps->longest_ns = ns;
}

static void keep_time(struct load_lane *lane, bool arrived)
{
	uint64_t now;

	if (lane->wall == NULL)
		return;
	now = load_now_ns();
	if (now - lane->polled_ns > ABSENT_NS)
		lane->absent_ns += now - lane->polled_ns;
	lane->polled_ns = now;
	if (!arrived)
		return;
	gap(lane->wall, now - lane->arrival_ns);
	gap(lane->awake, now - lane->arrival_ns - lane->absent_ns);
	lane->arrival_ns = now;
	lane->absent_ns = 0;
}

static int take_frames(struct load_lane *lane)
{
	struct load_guest *g = lane->to;
	int n = fg_fast_look(&g->rx);

	for (int i = 0; i < n; i++) {
		uint64_t seq;

		memcpy(&seq, g->slot_at[g->rx.taken & g->rx.mask] + HEADER + SEQ_AT, 8);
		if (seq != lane->received) {
			fprintf(stderr, "frame %llu came where %llu was due\n",
				(unsigned long long)seq, (unsigned long long)lane->received);
			return -EPROTO;
		}
		g->rx.taken++;
		lane->received++;
		post_rx(g);
	}
	if (n > 0)
		publish(&g->rx, &g->s.ring[0]);
	keep_time(lane, n > 0);
	return n < 0 ? n : 0;
}

static void send_frames(struct load_lane *lane)
{
	struct load_guest *g = lane->from;
	uint32_t before = g->tx.posted;

	while (lane->sent - lane->received < lane->window &&
	       fg_fast_room(&g->tx) > 0) {
		uint8_t *at = g->tx_at[g->tx_next];

		memcpy(at + HEADER, lane->to->mac, 6);
		memcpy(at + HEADER + 6, g->mac, 6);
		memcpy(at + HEADER + SEQ_AT, &lane->sent, 8);
		fg_fast_post(&g->tx, g->tx_gpa[g->tx_next], HEADER + lane->len, 0);
		g->tx_next = g->tx_next + 1 < g->buffers ? g->tx_next + 1 : 0;
		lane->sent++;
	}
	if (g->tx.posted != before)
		publish(&g->tx, &g->s.ring[1]);
}

int load_lane_step(struct load_lane *lane, bool send)
{
	if (load_take_back(lane->from) < 0 || take_frames(lane) < 0)
		return -EPROTO;
	if (send)
		send_frames(lane);
	return 0;
}

int load_lane_drain(struct load_lane *lane)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	int err = 0;

	while (err == 0 && lane->received < lane->sent) {
		err = load_lane_step(lane, false);
		if (err == 0 && fg_left_ms(deadline) == 0) {
			fprintf(stderr, "%llu frames never came\n",
				(unsigned long long)(lane->sent - lane->received));
			err = -ETIMEDOUT;
		}
	}
	return err;
}

void load_lane_restart(struct load_lane *lane)
{
	lane->arrival_ns = lane->polled_ns = load_now_ns();
	lane->absent_ns = 0;
}

void load_lane_open(struct load_lane *lane, struct load_guest *from, struct load_guest *to, uint32_t len)
{
	*lane = (struct load_lane){.from = from, .to = to, .len = len, .window = LOAD_RING};
	while (to->rx.posted < LOAD_RING)
		post_rx(to);
	publish(&to->rx, &to->s.ring[0]);
	load_lane_restart(lane);
}

void load_gaps_add(struct load_gaps *gaps, const struct load_gaps *more)
{
	gaps->n += more->n;
	for (unsigned int i = 0; i < LOAD_STEPS; i++)
		gaps->step[i] += more->step[i];
	if (more->longest_ns > gaps->longest_ns)
		gaps->longest_ns = more->longest_ns;
}

uint64_t load_gaps_at(const struct load_gaps *gaps, double share)
{
	uint64_t want = (uint64_t)((double)gaps->n * share), seen = 0;
	unsigned int i = 0;

	for (; i < LOAD_STEPS - 1 && seen + gaps->step[i] <= want; i++)
		seen += gaps->step[i];
	return i == LOAD_STEPS - 1 ? gaps->longest_ns : (uint64_t)(i + 1) * LOAD_STEP_NS;
}
