/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers without a plan: random messages, random rings, for a few seconds each. Nothing is expected
 * of any single one of them; what is expected is what fixture_check() looks at after every test case, and
 * that the switch, which may run under sanitizers, has nothing to say.
 *
 * The seed is printed; SEED=n in the environment repeats a run as far as the machine's timing
 * allows.
 */
#include "dice.h"
#include "fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHAOS_MS = 2500, KINDS = 6, TABLE_MAX = 32, TABLE_REGION = 1 << 20 };

static uint64_t seed;

static uint64_t roll(uint64_t sides)
{
	return dice_of(&seed) % sides;
}

static void plant_seed(void)
{
	const char *text = getenv("SEED");

	seed = text != NULL ? strtoull(text, NULL, 0) : fg_now_us();
	print_message("SEED=%llu\n", (unsigned long long)seed);
}

/* A number that the switch may have forgotten to check. */
static uint64_t odd_number(void)
{
	static const uint64_t corners[] = {0,	       1,	   2,	       255,
					   256,	       4096,	   0x7fff,     0xffff,
					   0x10000,    0x7fffffff, 0xffffffff, 1ull << 32,
					   1ull << 63, UINT64_MAX, -4096ull};

	switch (roll(4)) {
	case 0:
		return corners[roll(sizeof(corners) / sizeof(corners[0]))];
	case 1:
		return GUEST_GPA + roll(GUEST_MEMORY);
	case 2:
		return roll(8);
	default:
		return roll(UINT32_MAX) << roll(32);
	}
}

static void open_all(int fds[KINDS])
{
	fds[0] = eventfd(0, EFD_CLOEXEC);
	fds[1] = fg_memory_file(1 << 20);
	fds[2] = fg_memory_file(0);
	fds[3] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[4] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fds[5] = eventfd(7, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* Of as many regions as there may be, and one more. */
static unsigned int make_table(struct fg_msg *m)
{
	uint32_t n = 1 + (uint32_t)roll(TABLE_MAX + 1);

	m->size = 8 + 32 * n;
	memset(m->raw, 0, m->size);
	memcpy(m->raw, &n, 4);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t region[4] = {GUEST_GPA + (uint64_t)i * TABLE_REGION, TABLE_REGION, (uint64_t)i * TABLE_REGION, 0};

		if (roll(100) == 0)
			region[roll(4)] = odd_number();
		memcpy(m->raw + 8 + 32 * (size_t)i, region, sizeof(region));
	}
	return roll(8) ? n : (unsigned int)roll(TABLE_MAX + 2);
}

/* Something like a message: most have the right size and a plausible content. */
static unsigned int make_message(struct guest *g, struct fg_msg *m)
{
	static const uint32_t sizes[FG_REQUEST_MAX] = {
		[FG_SET_FEATURES] = 8,	   [FG_SET_MEM_TABLE] = 40,
		[FG_SET_VRING_NUM] = 8,	   [FG_SET_VRING_ADDR] = 40,
		[FG_SET_VRING_BASE] = 8,   [FG_GET_VRING_BASE] = 8,
		[FG_SET_VRING_KICK] = 8,   [FG_SET_VRING_CALL] = 8,
		[FG_SET_VRING_ERR] = 8,	   [FG_SET_PROTOCOL_FEATURES] = 8,
		[FG_SET_VRING_ENABLE] = 8, [FG_SEND_RARP] = 8,
		[FG_NET_SET_MTU] = 8,	   [FG_ADD_MEM_REG] = 40,
		[FG_REM_MEM_REG] = 40,	   [FG_SET_STATUS] = 8};

	memset(m, 0, FG_HEADER_SIZE + 64);
	m->request = (uint32_t)roll(FG_REQUEST_MAX);
	m->flags = FG_VERSION | (roll(2) ? FG_NEED_REPLY : 0);
	m->size = sizes[m->request];
	for (unsigned int i = 0; i < 5; i++) {
		uint64_t value = odd_number();

		memcpy(m->raw + 8 * i, &value, 8);
	}
	if (m->size == 8 && roll(4)) {
		m->state.index = (uint32_t)roll(3);
		m->state.num = roll(2) ? 256 : (uint32_t)roll(3);
	}
	if ((m->request == FG_ADD_MEM_REG || m->request == FG_REM_MEM_REG) && roll(2)) {
		uint32_t flags = m->flags;

		fg_region_msg(&g->s, 0, m->request, m);
		m->flags = flags;
	}
	if (roll(64) == 0)
		m->size = (uint32_t)odd_number();
	if (roll(64) == 0)
		m->flags = (uint32_t)odd_number();
	if (m->request == FG_SET_MEM_TABLE && roll(2))
		return make_table(m);
	switch (m->request) {
	case FG_SET_VRING_KICK:
	case FG_SET_VRING_CALL:
	case FG_SET_VRING_ERR:
	case FG_ADD_MEM_REG:
	case FG_SET_MEM_TABLE:
		return roll(16) ? 1 : (unsigned int)roll(9);
	default:
		return roll(32) ? 0 : (unsigned int)roll(9);
	}
}

static void random_messages(void **state)
{
	int64_t deadline = fg_deadline(CHAOS_MS);
	unsigned int n = 0, lives = 0;
	int kinds[KINDS];

	plant_seed();
	open_all(kinds);
	for (; fg_left_ms(deadline) > 0; lives++) {
		struct guest *g = roll(2) ? guest_run("h0", NULL) : guest_open("h0", NULL);
		int err = 0;

		for (unsigned int i = 0; err == 0 && i < 500; i++, n++) {
			static struct fg_msg m;
			unsigned int n_fds = make_message(g, &m);
			int fds[TABLE_MAX + 1];
			char sink[4096];

			for (unsigned int k = 0; k < n_fds; k++)
				fds[k] = m.request == FG_ADD_MEM_REG && roll(2)
						 ? g->mem.region[0].fd
						 : kinds[roll(4) ? (m.request < 15 ? 0 : 1)
								 : roll(KINDS)];
			err = fg_wire_send(g->s.sock, &m, fds, n_fds);
			while (recv(g->s.sock, sink, sizeof(sink), MSG_DONTWAIT) > 0)
				;
		}
		guest_close(g);
	}
	for (unsigned int i = 0; i < KINDS; i++)
		close(kinds[i]);
	print_message("%u messages, %u connections\n", n, lives);
}

static void random_descriptor(struct fg_ring *r, struct fg_desc *d, bool write)
{
	d->addr = roll(8) ? GUEST_GPA + (8 << 20) + roll(4 << 20) : odd_number();
	d->len = roll(8) ? (uint32_t)roll(2000) : (uint32_t)odd_number();
	d->flags = (uint16_t)((write == (roll(32) != 0) ? FG_DESC_WRITE : 0) |
			      (roll(3) == 0 ? FG_DESC_NEXT : 0) |
			      (roll(16) == 0 ? FG_DESC_INDIRECT : 0));
	if (d->flags & FG_DESC_INDIRECT)
		d->len = roll(2) ? 16 * (uint32_t)roll(20) : d->len;
	d->next = (uint16_t)(roll(32) ? roll(r->num) : odd_number());
}

/* A burst of nonsense into one ring. */
static void scribble(struct guest *g, struct fg_ring *r, bool write)
{
	struct fg_desc *table = fg_memory_ptr(&g->mem, GUEST_GPA + (8 << 20), 4 << 20);

	for (unsigned int i = 0; i < 64; i++) /* what an indirect descriptor may point at */
		random_descriptor(r, &table[roll((4 << 20) / 16)], write);
	for (unsigned int i = 0; i < 32; i++) {
		random_descriptor(r, &r->desc[roll(r->num)], write);
		r->avail->ring[roll(r->num)] = (uint16_t)(roll(64) ? roll(r->num) : odd_number());
	}
	if (roll(16) == 0)
		r->avail->flags = (uint16_t)odd_number();
	if (roll(16) == 0) /* used_event */
		r->avail->ring[r->num] = (uint16_t)odd_number();
	if (roll(64) == 0) /* not the driver's to write, but it can */
		r->used->idx = (uint16_t)odd_number();
	fg_ring_set_avail_idx(r, (uint16_t)(r->avail_idx + (roll(64) ? roll(32) : odd_number())));
	fg_ring_kick_now(r);
}

static void random_rings(void **state)
{
	int64_t deadline = fg_deadline(CHAOS_MS);
	struct guest *peer = guest_run("h1", NULL);
	unsigned int n = 0, broken = 0;

	plant_seed();
	while (fg_left_ms(deadline) > 0) {
		const struct fg_options opt = {.features = roll(2) ? FG_FEATURES_DEFAULT
								   : FG_F_PROTOCOL | FG_F_INDIRECT,
					       .ring_size = (uint16_t)(16 << roll(6))};
		struct guest *g = guest_open("h0", &opt);

		guest_start(g, &(struct fg_nic_options){.depth = 8, .region = -1});
		settle(g, peer);
		for (unsigned int life = 0; life < 20; life++) {
			for (unsigned int i = 0; i < 40; i++, n++) {
				uint8_t frame[600];
				struct fg_flow flow = {.id = 9};

				scribble(g, g->nic.tx, false);
				scribble(g, g->nic.rx, true);
				fg_flow_build(&flow, g->nic.mac, peer->nic.mac, frame,
					      40 + roll(560));
				fg_nic_send(&peer->nic, frame, 40 + roll(560), &fg_layout_one);
			}
			fg_nic_drain_tx(&peer->nic, FG_WAIT_MS);
			broken += fg_ring_error(g->nic.tx, 0) + fg_ring_error(g->nic.rx, 0);
			guest_restart(g);
		}
		guest_close(g);
	}
	print_message("%u bursts, %u rings broken\n", n, broken);
}

/* A ring that is configured while it runs begins where the guest knows it to be. */
static void start_anew(struct guest *g, unsigned int ring)
{
	OK(fg_start_ring(&g->s, ring, fg_ring_base(&g->s.ring[ring])));
}

/* What front ends other than QEMU do to a device that runs. */
static void surprise(struct guest *g)
{
	unsigned int ring = (unsigned int)roll(2);
	int sock;

	switch (roll(4)) {
	case 0: /* more interrupts than are changed at once */
		for (uint64_t i = roll(12); i > 0; i--)
			OK(fg_send_call(&g->s, ring));
		break;
	case 1: /* reset by configuring */
		OK(fg_request_state(&g->s, FG_SET_VRING_NUM, ring, g->s.ring[ring].num));
		start_anew(g, ring);
		break;
	case 2: /* reset by disabling, and another driver */
		OK(fg_enable_ring(&g->s, 0, false));
		OK(fg_enable_ring(&g->s, 1, false));
		OK(fg_request_u64(&g->s, FG_SET_FEATURES, g->s.features ^ FG_F_INDIRECT));
		OK(fg_request_u64(&g->s, FG_SET_FEATURES, g->s.features));
		start_anew(g, 0);
		start_anew(g, 1);
		break;
	default: /* another front end comes, and does not wait */
		sock = fg_wire_connect(fg_switch_socket(&fixture.sw, "h0"), FG_WAIT_MS);
		if (sock >= 0)
			close(sock);
	}
}

/* Legal changes of memory, rings and interrupts in any order under traffic: all of them succeed,
 * and at the end frames flow. */
static void everything_at_once(void **state)
{
	int64_t deadline = fg_deadline(CHAOS_MS);
	struct guest *peer = guest_run("h1", NULL);
	unsigned int rounds = 0;

	plant_seed();
	for (; fg_left_ms(deadline) > 0; rounds++) {
		struct guest *g = guest_open_regions("h0", NULL, 4);
		const struct fg_nic_options opt = {.depth = 32, .region = 1};

		guest_start(g, &opt);
		settle(g, peer);
		for (unsigned int i = 0; i < 60; i++) {
			uint16_t base;
			unsigned int slot = 2 + (unsigned int)roll(2), ring = (unsigned int)roll(2);

			switch (roll(8)) {
			case 0:
				OK(fg_remove_region(&g->s, slot));
				break;
			case 1:
				OK(fg_add_region(&g->s, slot));
				break;
			case 2:
				OK(fg_enable_ring(&g->s, ring, roll(2)));
				break;
			case 3:
				OK(fg_stop_ring(&g->s, ring, &base));
				OK(fg_start_ring(&g->s, ring, base));
				break;
			case 4:
				OK(fg_send_call(&g->s, ring));
				break;
			case 5:
				OK(fg_remove_region(&g->s, 0)); /* the rings' own */
				OK(fg_add_region(&g->s, 0));
				break;
			default:
				surprise(g);
			}
		}
		OK(fg_enable_ring(&g->s, 0, true));
		OK(fg_enable_ring(&g->s, 1, true));
		assert_traffic(g, peer, 3, 300);
		assert_traffic(peer, g, 3, 300);
		guest_close(g);
	}
	print_message("%u guests\n", rounds);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(random_messages),
		TEST_CASE(random_rings),
		TEST_CASE(everything_at_once),
	};

	return fixture_main("chaos", CASES(cases));
}
