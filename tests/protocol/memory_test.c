/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory table: T1 to T11, and what makes the switch worth having,
 * memory that changes under traffic. Each bad region is tried both as ADD_MEM_REG and in a
 * SET_MEM_TABLE; after a refusal the memory before it must still serve.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

static const struct fg_options by_table = {
	.protocol = FG_P_MQ | FG_P_REPLY_ACK,
};

#define MIB  (1ull << 20)
#define HIGH (GUEST_GPA + (1ull << 32))
#define USER (1ull << 46)

/* A region no front end should send, and its neighbours that it should not be confused with. */
struct bad_region {
	const char *name;
	struct fg_mem_region region;
	uint64_t file; /* bytes in the file */
};

static const struct bad_region bad_regions[] = {
	/* T1 */
	{"size 0", {HIGH, 0, USER, 0}, MIB},
	{"offset + size wraps", {HIGH, 2 * MIB, USER, -4096ull}, MIB},
	{"offset + size wraps to 0", {HIGH, 4096, USER, -4096ull}, MIB},
	{"offset rounded down wraps", {HIGH, 4096, USER, -1ull}, MIB},
	{"size wraps when aligned", {HIGH, -1ull, USER, 0}, MIB},
	{"enormous size", {HIGH, 1ull << 63, USER, 0}, MIB},
	/* T2 */
	{"gpa + size wraps", {-MIB, 2 * MIB, USER, 0}, 2 * MIB},
	{"user address + size wraps", {HIGH, 2 * MIB, -MIB, 0}, 2 * MIB},
	/* T3: the guest has GUEST_MEMORY bytes at GUEST_GPA */
	{"same place", {GUEST_GPA, MIB, USER, 0}, MIB},
	{"nested", {GUEST_GPA + MIB, MIB, USER, 0}, MIB},
	{"around", {GUEST_GPA - MIB, GUEST_MEMORY + 2 * MIB, USER, 0}, GUEST_MEMORY + 2 * MIB},
	{"one byte at the end", {GUEST_GPA + GUEST_MEMORY - 1, MIB, USER, 0}, MIB},
	{"one byte at the begin", {GUEST_GPA - MIB + 1, MIB, USER, 0}, MIB},
	/* T4 */
	{"file too short", {HIGH, 1ull << 30, USER, 0}, 4096},
	{"file a byte too short", {HIGH, MIB, USER, 0}, MIB - 1},
	{"offset beyond the file", {HIGH, 4096, USER, MIB}, MIB},
	{"empty file", {HIGH, 4096, USER, 0}, 0},
};
enum { N_BAD = sizeof(bad_regions) / sizeof(bad_regions[0]) };

static enum verdict try_add(struct guest *g, const struct fg_mem_region *r, int fd)
{
	struct fg_msg m = {.request = FG_ADD_MEM_REG, .size = 40, .one = {.region = *r}};

	return verdict_of(&g->s, &m, &fd, 1);
}

static struct fg_mem_region as_sent(const struct fg_region *r)
{
	return (struct fg_mem_region){.gpa = r->gpa,
				      .size = r->size,
				      .user_addr = r->user_addr,
				      .mmap_offset = r->fd_offset};
}

/* The guest's own region and the other one. */
static enum verdict try_table(struct guest *g, const struct fg_mem_region *r, int fd)
{
	int fds[2] = {g->mem.region[0].fd, fd};
	struct fg_msg m = {.request = FG_SET_MEM_TABLE, .size = 8 + 64, .table = {.n = 2}};

	m.table.region[0] = as_sent(&g->mem.region[0]);
	m.table.region[1] = *r;
	return verdict_of(&g->s, &m, fds, 2);
}

static void refuse_region(struct guest *peer, const struct bad_region *bad, bool table)
{
	int fd = fg_memory_file(bad->file);
	struct guest *g = guest_run("h0", table ? &by_table : NULL);
	enum verdict v;

	assert_true(fd >= 0);
	v = table ? try_table(g, &bad->region, fd) : try_add(g, &bad->region, fd);
	assert_no(v, bad->name);
	if (v == V_REFUSED) { /* what was there before still serves */
		assert_traffic(g, peer, 2, 200);
		assert_traffic(peer, g, 2, 200);
	}
	guest_close(g);
	close(fd);
}

static void bad_regions_are_refused(void **state)
{
	struct guest *peer = guest_run("h1", NULL);

	for (unsigned int i = 0; i < N_BAD; i++) {
		refuse_region(peer, &bad_regions[i], false);
		refuse_region(peer, &bad_regions[i], true);
	}
}

/* T3, the legal side: neighbours that touch, and the very same region once more. */
static void neighbours_and_duplicates_are_fine(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);

	assert_int_equal(fg_memory_add(&g->mem, GUEST_GPA + GUEST_MEMORY, MIB), 1);
	assert_int_equal(fg_memory_add(&g->mem, GUEST_GPA - MIB, MIB), 2);
	OK(fg_add_region(&g->s, 1));
	OK(fg_add_region(&g->s, 2));
	OK(fg_add_region(&g->s, 0));
	assert_traffic(g, peer, 2, 200);
	assert_traffic(peer, g, 2, 200);
}

/* T5. Only memory is memory. */
static void only_memory_files_are_mapped(void **state)
{
	const struct fg_mem_region region = {HIGH, 4096, USER, 0};
	struct guest *peer = guest_run("h1", NULL);
	int pair[2], pipes[2];
	int fds[7];

	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	OK(pipe2(pipes, O_CLOEXEC));
	fds[0] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	fds[1] = pair[0];
	fds[2] = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[3] = pipes[1];
	fds[4] = eventfd(0, EFD_CLOEXEC);
	fds[5] = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	fds[6] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	for (unsigned int i = 0; i < 7; i++) {
		struct guest *g = guest_run("h0", NULL);
		enum verdict v;

		assert_true(fds[i] >= 0);
		v = try_add(g, &region, fds[i]);
		if (v == V_OK)
			print_error("kind of file: %u\n", i);
		assert_no(v, "no memory");
		if (v == V_REFUSED)
			assert_traffic(g, peer, 1, 100);
		guest_close(g);
		close(fds[i]);
	}
	close(pair[1]);
	close(pipes[0]);
}

/* T5. A regular file on a disk: a page of it may take as long as the disk, or a network, likes. */
static void files_on_disk_are_not_mapped(void **state)
{
	const struct fg_mem_region region = {HIGH, 4096, USER, 0};
	int fd = open("/var/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	struct guest *g;
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type == TMPFS_MAGIC) {
		print_message("no disk here\n");
		return;
	}
	OK(ftruncate(fd, 1 << 20));
	g = guest_run("h0", NULL);
	assert_no(try_add(g, &region, fd), "a file on a disk");
	close(fd);
}

/* T5. A read-only memfd cannot be written by the switch: refused, or at least contained. */
static void read_only_memory_is_refused(void **state)
{
	const struct fg_mem_region region = {HIGH, 4096, USER, 0};
	struct guest *g = guest_run("h0", NULL);
	int fd = fg_memory_file(4096);
	char path[64];
	int ro;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(ro >= 0);
	assert_no(try_add(g, &region, ro), "a read-only file");
	close(ro);
	close(fd);
}

/* T6. Counts that do not agree with each other, the size or the descriptors. */
static void counts_must_agree(void **state)
{
	static const struct {
		uint32_t n, size, fds;
	} counts[] = {{33, 8 + 33 * 32, 32},    {33, 8 + 33 * 32, 33}, {9, 8 + 9 * 32, 8}, {0xffffffff, 8 + 32, 1},
		      {0x08000000, 8, 0},      {2, 8 + 32, 1},	   {2, 8 + 64, 1},
		      {1, 8 + 32, 2},	       {1, 8 + 32, 0},	   {1, 8 + 64, 1},
		      {0x80000001, 8 + 32, 1}, {1, 8, 1},	   {1, 4, 1}};
	int fds[33];

	for (unsigned int i = 0; i < 33; i++)
		fds[i] = fg_memory_file(MIB);
	for (unsigned int i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct guest *g = guest_open("h0", &by_table);
		struct fg_msg m = {.request = FG_SET_MEM_TABLE, .size = counts[i].size};

		m.table.n = counts[i].n;
		for (unsigned int k = 0; k < 33; k++)
			m.table.region[k] = (struct fg_mem_region){GUEST_GPA + k * 2 * MIB, MIB,
								   USER + k * 2 * MIB, 0};
		assert_no(verdict_of(&g->s, &m, fds, counts[i].fds), "SET_MEM_TABLE");
		guest_close(g);
	}
	for (unsigned int i = 0; i < 33; i++)
		close(fds[i]);
}

/* A region takes exactly one descriptor to come, and at most one (old front ends) to go. */
static void a_region_brings_one_descriptor(void **state)
{
	struct fg_msg m;
	int fds[2];

	for (unsigned int n = 0; n < 3; n += 2) {
		struct guest *g = guest_open("h0", NULL);

		fds[0] = fds[1] = g->mem.region[0].fd;
		fg_region_msg(&g->s, 0, FG_ADD_MEM_REG, &m);
		assert_no(verdict_of(&g->s, &m, fds, n), "ADD_MEM_REG");
		guest_close(g);
	}
	for (unsigned int n = 0; n < 2; n++) {
		struct guest *g = guest_open("h0", NULL);

		fds[0] = g->mem.region[0].fd;
		OK(fg_send_features(&g->s));
		OK(fg_send_memory(&g->s));
		fg_region_msg(&g->s, 0, FG_REM_MEM_REG, &m);
		assert_yes(verdict_of(&g->s, &m, fds, n), "REM_MEM_REG");
		guest_close(g);
	}
}

/* T7. A ring that leaves its region, by any of its three parts. */
static void rings_must_lie_in_one_region(void **state)
{
	for (unsigned int part = 0; part < 3; part++) {
		static const uint64_t bytes[] = {16 * 256, 6 + 2 * 256, 6 + 8 * 256};
		struct guest *g = guest_open("h0", NULL);
		struct guest *peer = guest_run("h1", NULL);
		struct fg_ring *tx = &g->s.ring[1];
		uint64_t end = g->mem.region[0].user_addr + GUEST_MEMORY;
		struct fg_msg m = {.request = FG_SET_VRING_ADDR, .size = 40};
		uint8_t frame[2048];
		enum verdict v;

		OK(fg_send_features(&g->s));
		OK(fg_send_memory(&g->s));
		OK(fg_request_state(&g->s, FG_SET_VRING_NUM, 1, tx->num));
		OK(fg_request_state(&g->s, FG_SET_VRING_BASE, 1, 0));
		m.addr.index = 1;
		m.addr.desc =
			part == 0 ? end - bytes[0] + 16 : fg_memory_user(&g->mem, tx->desc_gpa);
		m.addr.avail =
			part == 1 ? end - bytes[1] + 2 : fg_memory_user(&g->mem, tx->avail_gpa);
		m.addr.used =
			part == 2 ? end - bytes[2] + 4 : fg_memory_user(&g->mem, tx->used_gpa);
		v = verdict_of(&g->s, &m, NULL, 0);
		if (v == V_OK) { /* then it must not start */
			m = (struct fg_msg){.request = FG_SET_VRING_KICK, .size = 8, .u64 = 1};
			v = verdict_of(&g->s, &m, &tx->kick, 1);
		}
		if (v == V_OK) {
			OK(fg_nic_init(&g->nic, &g->s, 0, 99, NULL));
			fg_nic_send(&g->nic, frame, 60, NULL);
			assert_int_equal(fg_ring_wait(tx, 200), -ETIMEDOUT);
			assert_int_equal(fg_nic_recv(&peer->nic, frame, sizeof(frame), 0),
					 -ETIMEDOUT);
		}
		guest_close(g);
		guest_close(peer);
	}
}

/* T7. A buffer whose first byte lies in memory and whose last does not: nothing of it is sent. */
static void buffers_must_lie_in_memory(void **state)
{
	static const struct {
		const char *name;
		uint64_t gpa;
		uint32_t len;
	} bufs[] = {
		{"ends outside", GUEST_GPA + GUEST_MEMORY - 16, 4096},
		{"ends one byte outside", GUEST_GPA + GUEST_MEMORY - 99, 100},
		{"begins before", GUEST_GPA - 50, 100},
		{"nowhere", 0x1000, 100},
		{"wraps", -50ull, 100},
		{"at the end", GUEST_GPA + GUEST_MEMORY, 100},
	};

	for (unsigned int i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
		struct guest *g = guest_run("h0", NULL);
		struct guest *peer = guest_run("h1", NULL);
		uint8_t frame[2048];

		fg_ring_desc(g->nic.tx, 0, bufs[i].gpa, bufs[i].len, 0, 0);
		fg_ring_avail(g->nic.tx, 0);
		fg_ring_kick_now(g->nic.tx);
		assert_true(fg_ring_error(g->nic.tx, FG_WAIT_MS));
		assert_int_equal(fg_nic_recv(&peer->nic, frame, sizeof(frame), 0), -ETIMEDOUT);
		guest_close(g);
		guest_close(peer);
	}
}

/* T7. The same of buffers to receive into: the frame goes nowhere, its sender gets its buffer back.
 */
static void receive_buffers_must_lie_in_memory(void **state)
{
	static const uint64_t gpas[] = {GUEST_GPA + GUEST_MEMORY - 16, GUEST_GPA - 50, 0x1000,
					-50ull};

	for (unsigned int i = 0; i < sizeof(gpas) / sizeof(gpas[0]); i++) {
		struct guest *g = guest_open("h0", NULL);
		struct guest *peer = guest_run("h1", NULL);
		static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
		struct fg_flow flow = {.id = 58};
		uint8_t frame[1000];

		OK(fg_session_start(&g->s));
		fg_ring_desc(&g->s.ring[0], 0, gpas[i], 2048, FG_DESC_WRITE, 0);
		fg_ring_avail(&g->s.ring[0], 0);
		fg_flow_build(&flow, everybody, peer->nic.mac, frame, sizeof(frame));
		OK(fg_nic_send(&peer->nic, frame, sizeof(frame), NULL));
		assert_true(fg_ring_error(&g->s.ring[0], FG_WAIT_MS));
		OK(fg_nic_drain_tx(&peer->nic, FG_WAIT_MS));
		guest_close(g);
		guest_close(peer);
	}
}

/* T8. A table whose second region is bad, under traffic: the first table stays in force and not a
 * frame is lost. */
static void a_failed_table_changes_nothing(void **state)
{
	struct guest *g = guest_run("h0", &by_table);
	struct guest *peer = guest_run("h1", NULL);
	int fd = fg_memory_file(4096);

	for (unsigned int i = 0; i < 50; i++) {
		const struct fg_mem_region r = {HIGH, MIB, USER, 0};
		enum verdict v = try_table(g, &r, fd);

		assert_no(v, "a table with a short file");
		if (v == V_CLOSED) {
			guest_close(g);
			g = guest_run("h0", &by_table);
		}
		assert_traffic(g, peer, 4, 1000);
		assert_traffic(peer, g, 4, 1000);
	}
	close(fd);
}

/* Address space is everybody's: of that, a port has a share that no VM needs more of. Sparse files
 * beyond it are refused, with what was there before in force. */
static void a_port_has_its_share_of_address_space(void **state)
{
	const uint64_t size = 12ull << 40;
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);
	int fd = fg_memory_file(size);

	assert_true(fd >= 0);
	for (unsigned int i = 0; i < 4; i++) {
		const struct fg_mem_region r = {(i + 1) * 2 * size, size, (i + 1) * 2 * size, 0};

		assert_int_equal(try_add(g, &r, fd), i < 2 ? V_OK : V_REFUSED);
		assert_traffic(g, peer, 2, 200);
		assert_traffic(peer, g, 2, 200);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(bad_regions_are_refused),	       TEST_CASE(neighbours_and_duplicates_are_fine),
		TEST_CASE(only_memory_files_are_mapped),   TEST_CASE(files_on_disk_are_not_mapped),
		TEST_CASE(read_only_memory_is_refused),    TEST_CASE(counts_must_agree),
		TEST_CASE(a_region_brings_one_descriptor), TEST_CASE(rings_must_lie_in_one_region),
		TEST_CASE(buffers_must_lie_in_memory),     TEST_CASE(receive_buffers_must_lie_in_memory),
		TEST_CASE(a_failed_table_changes_nothing), TEST_CASE(a_port_has_its_share_of_address_space),
	};

	return fixture_main("memory", CASES(cases));
}
