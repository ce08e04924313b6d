/* SPDX-License-Identifier: BSD-3-Clause */
#include "migration.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KIB (1ull << 10)
#define MIB (1ull << 20)

enum { DEPTH = 128, LENGTH_MAX = 1400, BASE = 65500, FLOWS = 0x70000 };

struct migration migration;

/* Without a name, on tmpfs. */
static int tmpfs_file(uint64_t size)
{
	int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 && ftruncate(fd, (off_t)size) < 0)
		return -errno;
	return fd;
}

static int hugetlb_file(uint64_t size)
{
	int fd = memfd_create("fake-guest", MFD_CLOEXEC | MFD_HUGETLB | (21 << MAP_HUGE_SHIFT));

	if (fd >= 0 && ftruncate(fd, (off_t)size) < 0)
		return -errno;
	return fd;
}

static int memory_file(enum migration_memory memory, uint64_t size)
{
	return memory == M_TMPFS     ? tmpfs_file(size)
	       : memory == M_HUGETLB ? hugetlb_file(size)
				     : fg_memory_file(size);
}

/* A few regions are large; hundreds are small. The first has the rings. */
static void give_memory(struct guest *g, const struct migration_options *o)
{
	unsigned int n = o->regions != 0 ? o->regions : 1;
	uint64_t size = o->memory == M_HUGETLB ? 2 * MIB : n > 8 ? 64 * KIB : 4 * MIB;

	for (unsigned int i = 0; i < n; i++) {
		int fd = memory_file(o->memory, size);

		assert_true(fd >= 0);
		assert_int_equal(
			fg_memory_add_file(&g->mem, GUEST_GPA + i * 8 * MIB, size, fd, 0), i);
		close(fd);
	}
}

/* Each buffer on pages of its own, in the next region. */
static uint64_t next_place(struct fg_memory *mem, unsigned int *turn, uint32_t len)
{
	for (unsigned int tried = 0; tried < mem->n; tried++) {
		uint64_t gpa = fg_memory_alloc_in(mem, ++*turn % mem->n, len, 4096);

		if (gpa != FG_NO_GPA)
			return gpa;
	}
	fail_msg("no room for a buffer");
	return FG_NO_GPA;
}

static void place_buffers(struct guest *g)
{
	struct fg_nic *nic = &g->nic;
	unsigned int turn = 0;

	for (unsigned int i = 0; i < DEPTH; i++) {
		nic->rx_gpa[i] = next_place(&g->mem, &turn, 4096);
		nic->tx_gpa[i] = next_place(&g->mem, &turn, 4096);
	}
}

static size_t next_length(const struct fg_flow *f)
{
	return 60 + f->next_tx * 97 % (LENGTH_MAX - 60);
}

static int send_next(struct fg_nic *from, struct fg_nic *to, struct fg_flow *f)
{
	uint8_t frame[LENGTH_MAX];
	size_t len = next_length(f);
	struct fg_flow before = *f;
	int err;

	if (!fg_nic_room(from, 2))
		return -EAGAIN;
	fg_flow_build(f, to->mac, from->mac, frame, len);
	err = fg_nic_queue(from, frame, len, NULL);
	if (err < 0)
		*f = before;
	return err;
}

/* Where it was: rings that have gone round, buffers posted, frames sent. */
static void live_before(struct guest *g, const struct migration_options *o)
{
	const struct fg_nic_options nic = {.region = -1, .depth = DEPTH, .tx_size = LENGTH_MAX};

	for (unsigned int i = 0; i < g->s.n_rings; i++) {
		g->s.ring[i].packed = (g->s.features & FG_F_PACKED) != 0;
		fg_ring_reset(&g->s.ring[i], (g->s.features & FG_F_EVENT_IDX) != 0);
		g->s.ring[i].in_order = (g->s.features & FG_F_IN_ORDER) != 0;
		if (g->s.ring[i].packed) /* at its beginning, which is 0 to fg_start_ring() */
			continue;
		migration.base[i] = (uint16_t)(BASE + i);
		fg_ring_rebase(&g->s.ring[i], migration.base[i]);
	}
	OK(fg_nic_init(&g->nic, &g->s, 0, 0x7000, &nic));
	place_buffers(g);
	OK(fg_nic_fill(&g->nic));
	for (unsigned int i = 0; i < (o->waiting != 0 ? o->waiting : WAITING); i++)
		OK(send_next(&g->nic, &migration.peer->nic, &migration.stream.ab));
	fg_nic_flush(&g->nic);
}

void migration_abandon(void)
{
	if (migration.stream.running) {
		atomic_store(&migration.stream.abandoned, true);
		pthread_join(migration.stream.thread, NULL);
		migration.stream.running = false;
	}
	fg_pager_fini(&migration.pager);
}

void migration_open(const char *port, struct guest *peer, const struct migration_options *opt)
{
	const struct migration_options standard = {0};
	const struct migration_options *o = opt != NULL ? opt : &standard;
	const struct fg_options session = {
		.features = o->features,
		.protocol = o->protocol != 0 ? o->protocol : MIGRATION_PROTOCOL,
		.pairs = o->pairs,
	};
	struct guest *g = guest_blank();
	static uint32_t serial = FLOWS;

	migration_abandon();
	memset(&migration, 0, sizeof(migration));
	migration.g = g;
	migration.peer = peer;
	give_memory(g, o);
	guest_connect(g, port, &session);
	migration.stream.a = &g->nic;
	migration.stream.b = &peer->nic;
	migration.stream.ab.id = serial++;
	migration.stream.ba.id = serial++;
	live_before(g, o);
	OK(fg_pager_depart(&migration.pager, &g->mem, o->delay_us));
	migration.pager.through_theirs = o->through_theirs;
}

void migration_listen(void)
{
	OK(fg_postcopy_advise(&migration.g->s, &migration.pager));
	OK(fg_postcopy_listen(&migration.g->s));
}

void migration_start(void)
{
	OK(fg_postcopy_start(&migration.g->s, &migration.pager, migration.base));
	/* The guest uses one pair of those it has, as a guest with one CPU does. */
	for (unsigned int i = 2; i < migration.g->s.n_rings; i++)
		OK(fg_enable_ring(&migration.g->s, i, false));
}

void migration_arrive(const char *port, struct guest *peer, const struct migration_options *opt)
{
	migration_open(port, peer, opt);
	migration_listen();
	migration_start();
}

void migration_end(void)
{
	OK(fg_postcopy_end(&migration.g->s, &migration.pager));
}

void migration_close(void)
{
	fg_session_drop(&migration.g->s); /* first, so that the switch does not touch what goes */
	migration_abandon();
	guest_close(migration.g);
}

int migration_open_case(void **state)
{
	migration_abandon();
	return fixture_open(state);
}

int migration_close_case(void **state)
{
	migration_abandon();
	return fixture_check(state);
}

int migration_main(const char *name, const struct CMUnitTest *cases, size_t n)
{
	static const char *const ports[] = {"v0", "v1", "h0,queues=4,postcopy=on", "h1", "off,postcopy=off", NULL};
	static const char *const of_stand_in[] = {"v0", "v1", "h0,queues=4", "h1", NULL};
	bool stand_in = getenv("FG_BACKEND") != NULL;

	fixture.with_victims = true;
	return fixture_main_on(
		&(struct fg_switch_options){.ports = stand_in ? of_stand_in : ports}, name, cases,
		n);
}

static int receive_all(struct stream *s, struct fg_nic *to, struct fg_flow *f)
{
	static uint8_t frame[FG_FRAME_MAX];

	for (;;) {
		int len = fg_nic_recv(to, frame, sizeof(frame), 0);

		if (len < 0)
			return len == -ETIMEDOUT ? 0 : len;
		if (fg_flow_check(f, frame, (size_t)len))
			atomic_fetch_add(&s->received, 1);
	}
}

static int send_some(struct fg_nic *from, struct fg_nic *to, struct fg_flow *f)
{
	int err = fg_nic_reap(from);

	while (err == 0 && f->next_tx - f->received < WINDOW)
		err = send_next(from, to, f);
	fg_nic_flush(from);
	return err == -EAGAIN ? 0 : err;
}

static void *talk(void *arg)
{
	struct stream *s = arg;
	uint64_t arrival = fg_now_us(), seen = 0;

	while (s->error == 0 && !atomic_load(&s->abandoned)) {
		bool more = !atomic_load(&s->stop);
		uint64_t now, received;

		if (!more && s->ab.received == s->ab.next_tx && s->ba.received == s->ba.next_tx)
			break;
		if (more)
			s->error = send_some(s->a, s->b, &s->ab);
		if (more && s->error == 0)
			s->error = send_some(s->b, s->a, &s->ba);
		if (s->error == 0)
			s->error = receive_all(s, s->b, &s->ab);
		if (s->error == 0)
			s->error = receive_all(s, s->a, &s->ba);
		now = fg_now_us();
		received = atomic_load(&s->received);
		if (now - arrival > s->longest_us)
			s->longest_us = now - arrival;
		if (received != seen)
			arrival = now;
		else if (now - arrival > FG_WAIT_MS * 1000ull && s->error == 0)
			s->error = -ETIMEDOUT;
		seen = received;
		fg_sleep_us(300);
	}
	return NULL;
}

void migration_traffic(void)
{
	atomic_store(&migration.stream.stop, false);
	OK(pthread_create(&migration.stream.thread, NULL, talk, &migration.stream));
	migration.stream.running = true;
}

/* What to know when the flows are not what they should be. */
static void report(void)
{
	const struct stream *s = &migration.stream;
	json_t *port = fg_switch_query(&fixture.sw, "port", migration.g->port);

	fprintf(stderr, "from the migrated guest: %llu of %llu; to it: %llu of %llu; error %d\n",
		(unsigned long long)s->ab.received, (unsigned long long)s->ab.next_tx,
		(unsigned long long)s->ba.received, (unsigned long long)s->ba.next_tx, s->error);
	fprintf(stderr, "pages: %llu sent, %llu asked for by the switch, %llu by the driver\n",
		atomic_load(&migration.pager.sent), atomic_load(&migration.pager.faults),
		atomic_load(&migration.pager.own_faults));
	if (port != NULL)
		json_dumpf(json_object_get(port, "port"), stderr, JSON_COMPACT);
	json_decref(port);
	fg_switch_show_log(&fixture.sw);
}

void migration_await(uint64_t n)
{
	uint64_t want = atomic_load(&migration.stream.received) + n;
	int64_t deadline = fg_deadline(3 * FG_WAIT_MS);

	while (atomic_load(&migration.stream.received) < want) {
		if (fg_left_ms(deadline) == 0 || migration.stream.error != 0) {
			report();
			fail_msg("%llu frames do not arrive", (unsigned long long)n);
		}
		fg_sleep_us(1000);
	}
}

static void check_flow(const char *name, const struct fg_flow *f)
{
	if (fg_flow_whole(f))
		return;
	report();
	fail_msg("%s: sent %llu received %llu lost %llu twice %llu late %llu bad %llu",
		 name, (unsigned long long)f->next_tx, (unsigned long long)f->received,
		 (unsigned long long)f->lost, (unsigned long long)f->duplicate,
		 (unsigned long long)f->reordered, (unsigned long long)f->damaged);
}

void migration_drain(void)
{
	atomic_store(&migration.stream.stop, true);
	pthread_join(migration.stream.thread, NULL);
	migration.stream.running = false;
	check_flow("from the migrated guest", &migration.stream.ab);
	check_flow("to the migrated guest", &migration.stream.ba);
	OK(migration.stream.error);
	OK(fg_nic_drain_tx(&migration.g->nic, FG_WAIT_MS));
	OK(fg_nic_drain_tx(&migration.peer->nic, FG_WAIT_MS));
}

void migration_check(void)
{
	OK(fg_pager_compare(&migration.pager));
}

/* Whether /proc/@pid belongs to a lane of the switch. */
static bool is_lane(const char *pid)
{
	char path[280], line[512] = "";
	char want[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	snprintf(want, sizeof(want), "%d", (int)fixture.sw.pid);
	if (strstr(line, "(vuswitch-lane)") == NULL)
		return false;
	return (int)strtol(strchr(strchr(line, ')') + 2, ' '), NULL, 10) == fixture.sw.pid;
}

unsigned int lanes(pid_t *one)
{
	DIR *d = opendir("/proc");
	unsigned int n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !is_lane(e->d_name))
			continue;
		n++;
		if (one != NULL)
			*one = (pid_t)strtol(e->d_name, NULL, 10);
	}
	closedir(d);
	return n;
}

void await_lanes(unsigned int n)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	while (lanes(NULL) != n && !fixture.sw.stand_in) {
		if (fg_left_ms(deadline) == 0)
			fail_msg("%u lanes, not %u", lanes(NULL), n);
		fg_sleep_us(2000);
	}
}

static const char *port_word(const char *port, const char *word)
{
	static char text[512];
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	const char *said =
		json_string_value(json_object_get(json_object_get(answer, "port"), word));

	snprintf(text, sizeof(text), "%s", said != NULL ? said : "");
	json_decref(answer);
	return text;
}

const char *port_state(const char *port)
{
	return port_word(port, "state");
}

const char *port_error(const char *port)
{
	return port_word(port, "last_error");
}
