/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that changes while frames flow: T9 to T11, and the promise of
 * 509 slots that come and go one at a time.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB  (1ull << 20)
#define HIGH (GUEST_GPA + (1ull << 32))
#define USER (1ull << 46)

static const struct fg_options by_table = {
	.protocol = FG_P_MQ | FG_P_REPLY_ACK,
};

/* A table may grow and shrink under traffic. */
static void a_table_may_be_replaced(void **state)
{
	struct guest *g = guest_run("h0", &by_table);
	struct guest *peer = guest_run("h1", NULL);

	for (unsigned int i = 0; i < 50; i++) {
		int slot = fg_memory_add(&g->mem, HIGH + i * MIB, MIB);

		assert_true(slot > 0);
		OK(fg_send_memory(&g->s));
		assert_traffic(g, peer, 2, 1000);
		fg_memory_remove(&g->mem, (unsigned int)slot);
		OK(fg_send_memory(&g->s));
		assert_traffic(peer, g, 2, 1000);
	}
}

/* T9. The ring's region goes: after the reply the switch does not touch it. It comes back: the ring goes on.
 */
static void a_ring_whose_region_goes_pauses(void **state)
{
	const struct fg_options opt = {.ring_region = 0};
	struct guest *g = guest_open_regions("h0", &opt, 3);
	struct guest *peer = guest_run("h1", NULL);
	const struct fg_nic_options second = {.region = 1, .depth = 64};
	uint8_t frame[200] = {0};
	struct fg_flow flow = {.id = 55};
	uint16_t used;
	int n;

	guest_start(g, &second);
	assert_traffic(g, peer, 10, 200);
	OK(fg_remove_region(&g->s, 0));
	used = fg_ring_used_idx(g->nic.tx);
	fg_flow_build(&flow, peer->nic.mac, g->nic.mac, frame, sizeof(frame));
	OK(fg_nic_send(&g->nic, frame, sizeof(frame), NULL));
	fg_ring_kick_now(g->nic.tx);
	fg_sleep_us(50000);
	assert_int_equal(fg_ring_used_idx(g->nic.tx), used);
	assert_int_equal(fg_nic_recv(&peer->nic, frame, sizeof(frame), 0), -ETIMEDOUT);
	OK(fg_add_region(&g->s, 0));
	n = fg_nic_recv(&peer->nic, frame, sizeof(frame),
			FG_WAIT_MS); /* what was posted meanwhile */
	assert_int_equal(n, sizeof(frame));
	assert_true(fg_flow_check(&flow, frame, sizeof(frame)));
	OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
	assert_traffic(g, peer, 10, 200);
	assert_traffic(peer, g, 10, 200);
}

/* T9. The buffers' region goes while frames are on their way into it: after the reply not a byte of
 * it changes. */
static void no_byte_is_written_after_the_reply(void **state)
{
	struct guest *g = guest_open_regions("h0", NULL, 2);
	struct guest *peer = guest_run("h1", NULL);
	const struct fg_nic_options second = {.region = 1, .depth = 128};
	struct fg_flow flow = {.id = 56};
	uint8_t *copy = malloc(4 * MIB);
	uint8_t frame[1000];

	guest_start(g, &second);
	settle(g, peer);
	for (unsigned int i = 0; i < 120; i++) {
		fg_flow_build(&flow, g->nic.mac, peer->nic.mac, frame, sizeof(frame));
		OK(fg_nic_queue(&peer->nic, frame, sizeof(frame), NULL));
	}
	fg_nic_flush(&peer->nic);
	OK(fg_remove_region(&g->s, 1));
	memcpy(copy, g->mem.region[1].map, 4 * MIB);
	OK(fg_nic_drain_tx(&peer->nic, FG_WAIT_MS));
	for (unsigned int i = 0; i < 20; i++) {
		fg_flow_build(&flow, g->nic.mac, peer->nic.mac, frame, sizeof(frame));
		OK(fg_nic_queue(&peer->nic, frame, sizeof(frame), NULL));
	}
	fg_nic_flush(&peer->nic);
	OK(fg_nic_drain_tx(&peer->nic, FG_WAIT_MS));
	assert_memory_equal(copy, g->mem.region[1].map, 4 * MIB);
	free(copy);
}

/* T10. The same addresses, another file (a snapshot was restored): the new file is what counts. */
static void a_new_file_at_old_addresses_is_mapped(void **state)
{
	struct guest *g = guest_run("h0", &by_table);
	struct guest *peer = guest_run("h1", NULL);
	struct fg_region *r = &g->mem.region[0];
	struct fg_ring *ring = g->s.ring;
	int fd = fg_memory_file(GUEST_MEMORY);

	assert_traffic(g, peer, 3, 200);
	OK(fg_session_stop(&g->s));
	assert_true(dup3(fd, r->fd, O_CLOEXEC) >= 0);
	assert_ptr_equal(
		mmap(r->map, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
		r->map);
	close(fd);
	for (unsigned int i = 0; i < 2; i++)
		fg_ring_reset(&ring[i], ring[i].event_idx);
	OK(fg_session_start(&g->s));
	OK(fg_nic_fill(&g->nic));
	assert_traffic(g, peer, 3, 200);
	assert_traffic(peer, g, 3, 200);
}

/* T11. A removal that does not name a region exactly removes nothing; one of an unknown region is
 * no error (a front end would never add again). */
static void a_fuzzy_removal_removes_nothing(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);
	const struct fg_mem_region own = {
		.gpa = g->mem.region[0].gpa,
		.size = g->mem.region[0].size,
		.user_addr = g->mem.region[0].user_addr,
	};
	struct fg_mem_region wrong[4] = {own, own, own, {HIGH, MIB, USER, 0}};

	wrong[0].size /= 2;
	wrong[1].gpa += 4096;
	wrong[2].user_addr += 4096;
	for (unsigned int i = 0; i < 4; i++) {
		struct fg_msg m = {
			.request = FG_REM_MEM_REG, .size = 40, .one = {.region = wrong[i]}};

		assert_yes(verdict_of(&g->s, &m, NULL, 0), "removal of an unknown region");
		assert_traffic(g, peer, 2, 200);
		assert_traffic(peer, g, 2, 200);
	}
}

/* T11, M10. Regions come and go under traffic, a great many times: nothing wears out. */
static void regions_come_and_go_under_traffic(void **state)
{
	enum { ROUNDS = 100000, LIMIT_MS = 3000, AT_LEAST = 1000 };
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);
	int64_t deadline = fg_deadline(LIMIT_MS);
	struct fg_usage before;
	unsigned int round = 0;
	int slot = fg_memory_add(&g->mem, HIGH, MIB);

	assert_int_equal(slot, 1);
	OK(fg_switch_usage(&fixture.sw, &before));
	for (; round < ROUNDS && (round < AT_LEAST || fg_left_ms(deadline) > 0); round++) {
		OK(fg_add_region(&g->s, 1));
		OK(fg_remove_region(&g->s, 1));
		if (round % 64 == 0)
			assert_traffic(g, peer, 1, 300);
	}
	assert_held_as(&before, 0);
	print_message("%u times added and removed\n", round);
}

/* From the smallest DIMM to one of 64 GiB, as fast as the acknowledgements come, while the guest
 * whose memory it is talks and listens all the time: its own frames arrive all, once and in order,
 * like the victims'. FG_CYCLES in the environment says how often each size comes and goes. */
static void a_guests_own_rings_never_notice(void **state)
{
	static const uint64_t sizes[] = {2 * MIB, 1024 * MIB, 65536 * MIB};
	const char *wish = getenv("FG_CYCLES");
	long cycles = wish != NULL ? atol(wish) : 300;
	static struct fg_victims own;
	int64_t began;

	OK(fg_victims_start(&own, &fixture.sw, "h0", "h1"));
	OK(fg_victims_run(&own));
	began = fg_now_ms();
	for (unsigned int i = 0; i < 3 * cycles; i++) {
		uint64_t size = sizes[i % 3];
		int fd = fg_memory_file(size);
		struct fg_msg m = {.request = FG_ADD_MEM_REG, .size = 40};

		m.one.region = (struct fg_mem_region){1ull << 45, size, USER, 0};
		assert_true(fd >= 0);
		OK(fg_request(&own.side[0].s, &m, &fd, 1));
		close(fd);
		m.request = FG_REM_MEM_REG;
		OK(fg_request(&own.side[0].s, &m, NULL, 0));
	}
	print_message("%ld times each of 2 MiB, 1 GiB and 64 GiB in %lld ms\n", cycles,
		      (long long)(fg_now_ms() - began));
	OK(fg_victims_pause(&own));
	assert_true(own.frames > 0);
	fg_victims_stop(&own);
}

/* Memory that is added is promised, not taken: neither the switch's nor the file's pages grow. */
static void adding_populates_nothing(void **state)
{
	enum { REGIONS = 8, FROM_TRAFFIC_KIB = 64 << 10 };
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);
	struct fg_usage before, after;
	struct stat st;

	OK(fg_switch_usage(&fixture.sw, &before));
	for (unsigned int i = 1; i <= REGIONS; i++) {
		assert_int_equal(fg_memory_add(&g->mem, HIGH + ((uint64_t)i << 30), 1024 * MIB), i);
		OK(fg_add_region(&g->s, i));
	}
	assert_traffic(g, peer, 3, 900);
	assert_traffic(peer, g, 3, 900);
	OK(fg_switch_usage(&fixture.sw, &after));
	assert_true(after.guest_bytes >= before.guest_bytes + REGIONS * 1024 * MIB);
	assert_true(after.guest_kib < before.guest_kib + FROM_TRAFFIC_KIB);
	if (!after.sanitizer)
		assert_true(after.rss_kib < before.rss_kib + 1024);
	for (unsigned int i = 1; i <= REGIONS; i++) {
		OK(fstat(g->mem.region[i].fd, &st));
		assert_int_equal(st.st_blocks, 0);
		OK(fg_remove_region(&g->s, i));
		OK(fstat(g->mem.region[i].fd, &st));
		assert_int_equal(st.st_blocks, 0);
	}
}

/* All 509 slots, all of them used by traffic, and not one more. */
static void every_slot_serves(void **state)
{
	enum { SLOTS = 509, SIZE = 64 << 10 };
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);
	struct fg_msg m;
	uint8_t got[2048];

	assert_int_equal(g->s.max_slots, SLOTS);
	for (unsigned int i = 1; i < SLOTS; i++) { /* from the top down, with holes between */
		uint64_t gpa = (1ull << 46) - i * 4ull * SIZE;

		assert_int_equal(fg_memory_add(&g->mem, gpa, SIZE), i);
		OK(fg_add_region(&g->s, i));
	}
	for (unsigned int i = 0; i < SLOTS; i++) {
		uint64_t gpa = fg_memory_alloc_in(&g->mem, i, 212, 1);
		struct fg_buf buf = {.gpa = gpa, .len = 212};
		struct fg_flow flow = {.id = 5000 + i};
		uint8_t *at = fg_memory_ptr(&g->mem, gpa, 212);

		memset(at, 0, 12);
		fg_flow_build(&flow, peer->nic.mac, g->nic.mac, at + 12, 200);
		assert_true(fg_ring_post(g->nic.tx, &buf, 1, 0) >= 0);
		fg_ring_publish(g->nic.tx);
		fg_ring_kick(g->nic.tx);
		assert_int_equal(fg_nic_recv(&peer->nic, got, sizeof(got), FG_WAIT_MS), 200);
		assert_true(fg_flow_check(&flow, got, 200) && fg_flow_whole(&flow));
		assert_true(fg_ring_wait(g->nic.tx, FG_WAIT_MS) == 0 && fg_nic_reap(&g->nic) == 0);
	}
	assert_int_equal(fg_memory_add(&g->mem, HIGH, SIZE), SLOTS);
	fg_region_msg(&g->s, SLOTS, FG_ADD_MEM_REG, &m);
	assert_int_equal(verdict_of(&g->s, &m, &g->mem.region[SLOTS].fd, 1), V_REFUSED);
	OK(fg_remove_region(&g->s, 77)); /* a place free again is one to use */
	OK(fg_add_region(&g->s, SLOTS));
}

/* A region is a piece of a file: it may begin anywhere in it, even off a page, and the switch maps
 * no more than that piece. */
static void a_region_may_begin_anywhere_in_its_file(void **state)
{
	static const uint64_t offsets[] = {4096, 3 * MIB, 2048, 5 * MIB + 512};
	struct guest *peer = guest_run("h1", NULL);
	int fd = fg_memory_file(64 * MIB);

	for (unsigned int i = 0; i < 4; i++) {
		struct guest *g = guest_open("h0", NULL);
		struct fg_usage before, after;
		const struct fg_nic_options second = {.region = 1, .depth = 32};

		OK(fg_switch_usage(&fixture.sw, &before));
		assert_int_equal(
			fg_memory_add_file(&g->mem, HIGH + offsets[i], MIB, fd, offsets[i]), 1);
		guest_start(g, &second);
		assert_traffic(g, peer, 3, 900);
		assert_traffic(peer, g, 3, 900);
		OK(fg_switch_usage(&fixture.sw, &after));
		assert_true(after.guest_bytes - before.guest_bytes <=
			    GUEST_MEMORY + MIB + 2 * 4096);
		guest_close(g);
	}
	close(fd);
}

/* The memory lives as long as the connection: stop, RESET_DEVICE and STATUS 0 keep it. */
static void memory_survives_everything_but_the_connection(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);

	for (unsigned int round = 0; round < 3; round++) {
		OK(fg_session_stop(&g->s));
		if (round == 1)
			OK(fg_request_none(&g->s, FG_RESET_DEVICE));
		if (round == 2)
			OK(fg_request_u64(&g->s, FG_SET_STATUS, 0));
		OK(fg_send_features(&g->s));
		for (unsigned int i = 0; i < 2; i++) {
			fg_ring_reset(&g->s.ring[i], g->s.ring[i].event_idx);
			OK(fg_start_ring(&g->s, i, 0));
		}
		OK(fg_nic_fill(&g->nic));
		assert_traffic(g, peer, 3, 300);
		assert_traffic(peer, g, 3, 300);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_table_may_be_replaced),
		TEST_CASE(a_ring_whose_region_goes_pauses),
		TEST_CASE(no_byte_is_written_after_the_reply),
		TEST_CASE(a_new_file_at_old_addresses_is_mapped),
		TEST_CASE(a_fuzzy_removal_removes_nothing),
		TEST_CASE(regions_come_and_go_under_traffic),
		TEST_CASE(a_guests_own_rings_never_notice),
		TEST_CASE(adding_populates_nothing),
		TEST_CASE(every_slot_serves),
		TEST_CASE(a_region_may_begin_anywhere_in_its_file),
		TEST_CASE(memory_survives_everything_but_the_connection),
	};

	return fixture_main("hotplug", CASES(cases));
}
