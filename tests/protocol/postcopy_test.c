/* SPDX-License-Identifier: BSD-3-Clause */
/* Postcopy: a guest whose memory is still on its way works behind the switch, and comes to no harm.
 *
 * A guest arrives whose rings, and every buffer in them, lie on pages that
 * are not there. Frames it sent where it was wait in them. The pages come one at a time, each after
 * the switch has asked for it; frames flow meanwhile in both directions, and still flow while END
 * hands the rings from one server to another. Nothing is lost, repeated, reordered or damaged, and
 * not a byte of the guest's memory is touched that had not been sent.
 */
#include "migration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOME = 200, DELAY_US = 100, SECOND_US = 1000000 };

static struct guest *peer_at_h1(void)
{
	return guest_run("h1", NULL);
}

/* The whole way, END under traffic. */
static void arrive_under_traffic(const struct migration_options *o)
{
	migration_arrive("h0", peer_at_h1(), o);
	migration_traffic();
	migration_await(SOME);
	/* two rings, buffers on both sides; of huge pages there are only a few */
	OK(fg_pager_await_faults(&migration.pager, o->memory == M_HUGETLB ? 1 : 4, FG_WAIT_MS));
	migration_end();
	migration_await(SOME);
	migration_drain();
	migration_check();
	print_message("%llu pages: the switch asked for %llu, the driver for %llu; longest wait %llu us\n",
		      atomic_load(&migration.pager.sent), atomic_load(&migration.pager.faults),
		      atomic_load(&migration.pager.own_faults),
		      (unsigned long long)migration.stream.longest_us);
	await_lanes(0);
	assert_traffic(migration.g, migration.peer, 10, 900);
	assert_traffic(migration.peer, migration.g, 10, 900);
}

static void a_guest_arrives_by_slots(void **state)
{
	arrive_under_traffic(&(struct migration_options){.regions = 3, .delay_us = DELAY_US});
}

static void a_guest_arrives_by_table(void **state)
{
	arrive_under_traffic(&(struct migration_options){
		.regions = 3,
		.delay_us = DELAY_US,
		.protocol = MIGRATION_PROTOCOL & ~FG_P_MEM_SLOTS,
	});
}

/* LISTEN and END are answered all the same. */
static void a_guest_arrives_without_acknowledgements(void **state)
{
	arrive_under_traffic(&(struct migration_options){
		.delay_us = DELAY_US,
		.protocol = MIGRATION_PROTOCOL & ~FG_P_REPLY_ACK,
	});
	guest_close(migration.g);
	guest_close(migration.peer);
	arrive_under_traffic(&(struct migration_options){
		.delay_us = DELAY_US,
		.protocol = MIGRATION_PROTOCOL & ~(FG_P_REPLY_ACK | FG_P_MEM_SLOTS),
	});
}

/* As many regions as a table can have: each is answered with its address, and mapped by the lane. */
static void a_guest_arrives_by_the_largest_table(void **state)
{
	arrive_under_traffic(&(struct migration_options){
		.regions = 32,
		.delay_us = DELAY_US,
		.protocol = MIGRATION_PROTOCOL & ~FG_P_MEM_SLOTS,
	});
}

static void a_guest_arrives_with_every_slot(void **state)
{
	arrive_under_traffic(&(struct migration_options){.regions = 509, .delay_us = DELAY_US});
}

static void a_guest_arrives_on_tmpfs(void **state)
{
	arrive_under_traffic(
		&(struct migration_options){.regions = 2, .memory = M_TMPFS, .delay_us = DELAY_US});
}

/* A number of the kernel's about huge pages, in files of /proc/sys/vm and sysfs; -1: there is none. */
static long huge(const char *file, long set)
{
	char path[96];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s", file);
	f = fopen(path, set >= 0 ? "w" : "r");
	if (f == NULL)
		return -1;
	if (set >= 0)
		n = fprintf(f, "%ld\n", set) > 0 ? set : -1;
	else if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	return fclose(f) == 0 ? n : -1;
}

/* A page is 2 MiB, and missing as a whole. Takes huge pages from the kernel for the time, if it may. */
static void a_guest_arrives_on_huge_pages(void **state)
{
	enum { PAGES = 8 };
	long before = huge("nr_hugepages", -1), spare = huge("free_hugepages", -1);
	bool taken = spare >= 0 && spare < PAGES;

	if (spare < 0 || (taken && huge("nr_hugepages", before + PAGES) < 0))
		skip();
	if (huge("free_hugepages", -1) >= PAGES) {
		arrive_under_traffic(&(struct migration_options){
			.regions = 4, .memory = M_HUGETLB, .delay_us = DELAY_US});
		migration_close();
	} else {
		print_message("no huge pages to be had\n");
	}
	if (taken)
		huge("nr_hugepages", before);
}

/* A front end may fill the page where the switch has it, instead of its own and a wake-up. */
static void pages_may_be_placed_from_the_other_side(void **state)
{
	arrive_under_traffic(&(struct migration_options){
		.regions = 3, .delay_us = DELAY_US, .through_theirs = true});
}

/* ADVISE comes once for each pair; the last userfaultfd is the one that counts. */
static void every_queue_pair_advises(void **state)
{
	arrive_under_traffic(
		&(struct migration_options){.pairs = 4, .regions = 2, .delay_us = DELAY_US});
}

/* Before our acknowledgement no fault could be answered: nothing is touched, whatever rings are
 * already started. */
static void nothing_is_touched_before_the_acknowledgement(void **state)
{
	uint64_t base;

	migration_open("h0", peer_at_h1(), &(struct migration_options){.delay_us = DELAY_US});
	migration_listen();
	OK(fg_send_features(&migration.g->s));
	for (unsigned int i = 0; i < 2; i++)
		OK(fg_start_ring(&migration.g->s, i, migration.base[i]));
	OK(fg_postcopy_add(&migration.g->s, 0, &base));
	fg_sleep_us(200000);
	assert_int_equal(atomic_load(&migration.pager.faults), 0);
	fg_pager_set_base(&migration.pager, 0, base);
	OK(fg_postcopy_acknowledge(&migration.g->s, FG_ADD_MEM_REG));
	migration_traffic();
	migration_await(SOME);
	migration_end();
	migration_drain();
	migration_check();
}

/* A commit may remove only (the acknowledgement repeats REM_MEM_REG), or change nothing (NONE). */
static void regions_may_go_before_the_end(void **state)
{
	migration_arrive("h0", peer_at_h1(),
		     &(struct migration_options){.regions = 3, .delay_us = DELAY_US});
	migration_traffic();
	migration_await(SOME);
	OK(fg_postcopy_acknowledge(&migration.g->s, FG_NONE));
	OK(fg_barrier(&migration.g->s));
	migration_await(SOME);
	migration_drain();
	/* the last region goes; what is posted in it stays where it is */
	OK(fg_session_stop(&migration.g->s));
	OK(fg_postcopy_remove(&migration.g->s, 2));
	OK(fg_postcopy_acknowledge(&migration.g->s, FG_REM_MEM_REG));
	OK(fg_barrier(&migration.g->s));
	fg_pager_set_base(&migration.pager, 2, 0);
	migration_end();
	migration_check();
}

/* Rings may stop and go on while pages are missing: GET_VRING_BASE tells where. */
static void rings_may_pause_before_the_end(void **state)
{
	migration_arrive("h0", peer_at_h1(), &(struct migration_options){.delay_us = 10000});
	for (unsigned int round = 0; round < 3; round++) {
		uint16_t base[2];

		migration_traffic();
		migration_await(SOME / 4);
		migration_drain();
		for (unsigned int i = 0; i < 2; i++) {
			OK(fg_stop_ring(&migration.g->s, i, &base[i]));
			assert_int_equal(base[i], (uint16_t)fg_ring_base(&migration.g->s.ring[i]));
		}
		for (unsigned int i = 0; i < 2; i++)
			OK(fg_start_ring(&migration.g->s, i, base[i]));
	}
	migration_traffic();
	migration_await(SOME);
	migration_end();
	migration_drain();
	migration_check();
}

/* A lane gives a ring back that is configured while it serves it, and takes it anew. */
static void rings_may_be_configured_while_a_lane_has_them(void **state)
{
	migration_arrive("h0", peer_at_h1(), &(struct migration_options){.delay_us = DELAY_US});
	migration_traffic();
	migration_await(SOME);
	migration_drain();
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < migration.g->s.n_rings; i++) {
			struct fg_ring *ring = &migration.g->s.ring[i];

			OK(fg_request_state(&migration.g->s, FG_SET_VRING_NUM, i, ring->num));
			OK(fg_start_ring(&migration.g->s, i, fg_ring_base(ring)));
			OK(fg_send_call(&migration.g->s, i));
		}
		assert_traffic(migration.g, migration.peer, 10, 900);
		assert_traffic(migration.peer, migration.g, 10, 900);
	}
	migration_end();
	migration_check();
	await_lanes(0);
	assert_traffic(migration.g, migration.peer, 10, 900);
	assert_traffic(migration.peer, migration.g, 10, 900);
}

/* A ring that is stopped at the moment of END starts behind it as any other. */
static void the_end_may_come_while_rings_are_stopped(void **state)
{
	uint16_t base[2];

	migration_arrive("h0", peer_at_h1(), &(struct migration_options){.delay_us = DELAY_US});
	migration_traffic();
	migration_await(SOME);
	migration_drain();
	for (unsigned int i = 0; i < 2; i++)
		OK(fg_stop_ring(&migration.g->s, i, &base[i]));
	migration_end();
	for (unsigned int i = 0; i < 2; i++)
		OK(fg_start_ring(&migration.g->s, i, base[i]));
	migration_traffic();
	migration_await(SOME);
	migration_drain();
	migration_check();
}

/* The guest may never have started: END comes before there is any memory. */
static void the_end_may_come_before_the_memory(void **state)
{
	migration_open("h0", peer_at_h1(), NULL);
	migration_listen();
	OK(fg_postcopy_say_end(&migration.g->s));
	OK(fg_barrier(&migration.g->s));
	fg_pager_fini(&migration.pager);
	await_lanes(0);
	guest_close(migration.g);
	assert_traffic(guest_run("h0", NULL), migration.peer, 3, 300);
}

/* A migration for which postcopy was allowed may end without: ADVISE, and then memory as ever. */
static void advised_and_never_needed(void **state)
{
	migration_open("h0", peer_at_h1(), NULL);
	OK(fg_postcopy_advise(&migration.g->s, &migration.pager));
	OK(fg_pager_push(&migration.pager));
	OK(fg_send_features(&migration.g->s));
	OK(fg_send_memory(&migration.g->s));
	for (unsigned int i = 0; i < 2; i++)
		OK(fg_start_ring(&migration.g->s, i, migration.base[i]));
	OK(fg_request_u64(&migration.g->s, FG_SET_STATUS, 0x0f));
	migration_traffic();
	migration_await(SOME);
	migration_drain();
	migration_check();
	guest_close(migration.g);
	await_lanes(0);
}

/* KiB of the migrated guest's memory that the switch has touched. */
static unsigned long touched_by_the_switch(void)
{
	char path[64], line[512];
	unsigned long sum = 0, kib;
	bool ours = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)fixture.sw.pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned long inode;

		if (sscanf(line, "%*x-%*x %*s %*x %*s %lu", &inode) == 1) {
			ours = false;
			for (unsigned int i = 0; i < migration.g->mem.n; i++) {
				struct stat st;

				OK(fstat(migration.g->mem.region[i].fd, &st));
				ours = ours || st.st_ino == inode;
			}
		} else if (ours && sscanf(line, "Rss: %lu", &kib) == 1) {
			sum += kib;
		}
	}
	fclose(f);
	return sum;
}

/* The switch itself touches none of it before the end. */
static void the_switch_touches_no_memory_that_is_missing(void **state)
{
	migration_open("h0", peer_at_h1(), &(struct migration_options){.regions = 4});
	migration_listen();
	await_lanes(1);
	migration_start();
	migration_traffic();
	migration_await(SOME);
	assert_int_equal(touched_by_the_switch(), 0);
	migration_end();
	migration_await(SOME);
	assert_true(touched_by_the_switch() > 0);
	migration_drain();
	migration_check();
}

/* What a wrong moment is, and what is said in it. */
enum moment { BEFORE_ADVISE, ADVISED, LISTENING, WITH_MEMORY, AT_WORK, ENDED, MOMENTS };

static const char *const moments[MOMENTS] = {"before ADVISE", "advised", "listening",
					     "with memory",   "at work", "ended"};

static void go_to(struct guest *peer, enum moment moment)
{
	migration_open("h0", peer, NULL);
	if (moment == WITH_MEMORY)
		OK(fg_add_region(&migration.g->s, 0));
	if (moment == WITH_MEMORY || moment == ADVISED || moment >= AT_WORK)
		OK(fg_postcopy_advise(&migration.g->s, &migration.pager));
	if (moment == LISTENING)
		migration_listen();
	if (moment >= AT_WORK) {
		OK(fg_postcopy_listen(&migration.g->s));
		migration_start();
	}
	if (moment == ENDED)
		migration_end();
}

/* 'y' accepted, 'n' refused or hung up, '?' either, in the order of the moments. */
static const struct row {
	const char *name;
	uint32_t request, size;
	const char *expect;
} rows[] = {
	{"ADVISE", FG_POSTCOPY_ADVISE, 0, "yyn?n?"},
	{"ADVISE with a payload", FG_POSTCOPY_ADVISE, 8, "nnnnnn"},
	{"LISTEN", FG_POSTCOPY_LISTEN, 0, "nyyn?n"},
	{"END", FG_POSTCOPY_END, 0, "??y?yy"}, /* once for each pair: the second finds nothing to end */
	{"acknowledgement of ADD", FG_ADD_MEM_REG, 8, "nn?n?n"},
	{"acknowledgement of REM", FG_REM_MEM_REG, 8, "nn?n?n"},
	{"acknowledgement of SET_MEM_TABLE", FG_SET_MEM_TABLE, 8, "nn????"},
};

/* An answer of no bytes but a descriptor is what ADVISE is to get. */
static enum verdict try(struct fg_session *s, const struct row *row)
{
	struct fg_msg m = {
		.request = row->request,
		.size = row->size,
		.flags = FG_VERSION | (row->request == FG_POSTCOPY_ADVISE ? 0 : FG_NEED_REPLY),
	};
	struct fg_msg answer;
	int fd = -1, err;

	if (row->request != FG_POSTCOPY_ADVISE)
		return verdict_of(s, &m, NULL, 0);
	if (fg_wire_send(s->sock, &m, NULL, 0) < 0)
		return V_CLOSED;
	err = fg_wire_recv(s->sock, &answer, &fd, FG_WAIT_MS);
	if (fd >= 0)
		close(fd);
	if (err == -ETIMEDOUT)
		return V_SILENT;
	return err < 0 ? V_CLOSED : answer.size == 0 && fd >= 0 ? V_OK : V_REFUSED;
}

/* Why the connection ended is there to be read. */
static void assert_told(const char *what)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	while (port_error("h0")[0] == '\0' && !fixture.sw.stand_in) {
		if (fg_left_ms(deadline) == 0)
			fail_msg("%s: refused without a word", what);
		fg_sleep_us(2000);
	}
}

static void wrong_moments_are_refused(void **state)
{
	struct guest *peer = peer_at_h1();

	for (unsigned int r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		for (enum moment moment = 0; moment < MOMENTS; moment++) {
			char what[96];
			enum verdict v;

			go_to(peer, moment);
			v = try(&migration.g->s, &rows[r]);
			snprintf(what, sizeof(what), "%s, %s", rows[r].name, moments[moment]);
			if (rows[r].expect[moment] == 'y')
				assert_yes(v, what);
			else if (rows[r].expect[moment] == 'n')
				assert_no(v, what);
			else if (v == V_SILENT)
				fail_msg("%s: no answer", what);
			if (v == V_CLOSED)
				assert_told(what);
			migration_close();
		}
	}
}

/* A port without postcopy does not offer it, and refuses it. */
static void postcopy_may_be_off(void **state)
{
	struct guest *g;

	if (fixture.sw.stand_in)
		skip();
	g = guest_open("off", &(struct fg_options){.protocol = MIGRATION_PROTOCOL});
	assert_int_equal(g->s.offered_protocol & FG_P_PAGEFAULT, 0);
	assert_int_equal(try(&g->s, &rows[0]), V_CLOSED);
	guest_close(g);
	g = guest_open("h0", &(struct fg_options){.protocol = MIGRATION_PROTOCOL});
	assert_true(g->s.offered_protocol & FG_P_PAGEFAULT);
}

/* Again and again through one port: nothing is left behind. */
static void arriving_costs_nothing(void **state)
{
	enum { ROUNDS = 50 };
	struct guest *peer = peer_at_h1();
	struct fg_usage before;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		migration_arrive("h0", peer, &(struct migration_options){.regions = 2});
		migration_traffic();
		migration_await(30);
		if (round % 3 != 2) {
			migration_end();
			migration_drain();
			migration_check();
		}
		migration_close();
		await_lanes(0);
		if (round == 4) { /* what was kept for the guest is let go of after half a second */
			fg_sleep_us(SECOND_US);
			OK(fg_switch_usage(&fixture.sw, &before));
		}
	}
	assert_held_as(&before, 0);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		MIGRATION_CASE(a_guest_arrives_by_slots),
		MIGRATION_CASE(a_guest_arrives_by_table),
		MIGRATION_CASE(a_guest_arrives_without_acknowledgements),
		MIGRATION_CASE(a_guest_arrives_by_the_largest_table),
		MIGRATION_CASE(a_guest_arrives_with_every_slot),
		MIGRATION_CASE(a_guest_arrives_on_tmpfs),
		MIGRATION_CASE(a_guest_arrives_on_huge_pages),
		MIGRATION_CASE(pages_may_be_placed_from_the_other_side),
		MIGRATION_CASE(every_queue_pair_advises),
		MIGRATION_CASE(nothing_is_touched_before_the_acknowledgement),
		MIGRATION_CASE(regions_may_go_before_the_end),
		MIGRATION_CASE(rings_may_pause_before_the_end),
		MIGRATION_CASE(rings_may_be_configured_while_a_lane_has_them),
		MIGRATION_CASE(the_end_may_come_while_rings_are_stopped),
		MIGRATION_CASE(the_end_may_come_before_the_memory),
		MIGRATION_CASE(advised_and_never_needed),
		MIGRATION_CASE(the_switch_touches_no_memory_that_is_missing),
		MIGRATION_CASE(wrong_moments_are_refused),
		MIGRATION_CASE(postcopy_may_be_off),
		MIGRATION_CASE(arriving_costs_nothing),
	};

	return migration_main("postcopy", CASES(cases));
}
