/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that goes away while frames flow: L4, L9's empty pool, and the
 * holes of virtio-mem (F5). Files of every kind a front end may pass are truncated,
 * shrunk and punched under the buffers that are received into, under those that are sent from, and
 * under the rings. Where the pages are really gone, that port is cut off, the reason can be read,
 * and the victims notice nothing; where they are not (a sealed file, a hole that is filled again),
 * the port serves on.
 *
 * Huge pages are raised to what is needed where that is allowed; where not, it is said.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fg_huge.h"

#define HIGH (GUEST_GPA + (1ull << 32))

enum { SIZE = 4 << 20, FRAMES = 32, HUGE_PAGES = 8 };

/* What of the guest lies in the file. */
enum part { RECEIVED, SENT, RINGS, PARTS };
static const char *const part_name[] = {"received into", "sent from", "rings"};

/* What becomes of the file. */
enum act { TRUNCATE, SHRINK, PUNCH };

/* --- files -------------------------------------------------------------------------------------- */

struct file {
	const char *name;
	unsigned int memfd; /* flags */
	int seals;	    /* that the front end has put on it by itself */
	bool on_tmpfs;	    /* no memfd: a file without a name in /dev/shm */
	bool lasting;	    /* cannot shrink: it is sealed, or the switch could do so */
};

static const struct file files[] = {
	{.name = "memfd"},
	{.name = "memfd open to seals", .memfd = MFD_ALLOW_SEALING, .lasting = true},
	{.name = "sealed memfd",
	 .memfd = MFD_ALLOW_SEALING,
	 .seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
	 .lasting = true},
	{.name = "tmpfs file", .on_tmpfs = true},
};
static const struct file huge_files[] = {
	{.name = "hugetlb memfd", .memfd = MFD_HUGETLB},
	{.name = "hugetlb memfd open to seals",
	 .memfd = MFD_HUGETLB | MFD_ALLOW_SEALING,
	 .lasting = true},
};
enum { FILES = sizeof(files) / sizeof(files[0]) };
enum { HUGE_FILES = sizeof(huge_files) / sizeof(huge_files[0]) };

/* The name is the one by which fg_switch_usage() knows guests' memory. */
static int file_open(const struct file *file, uint64_t size)
{
	int fd = file->on_tmpfs ? open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
				: memfd_create("fake-guest", MFD_CLOEXEC | file->memfd);

	assert_true(fd >= 0);
	OK(ftruncate(fd, (off_t)size));
	if (file->seals != 0)
		OK(fcntl(fd, F_ADD_SEALS, file->seals));
	return fd;
}

/* --- guests ------------------------------------------------------------------------------------- */

/* A guest that has its buffers, or its rings, in the upper half of @fd. */
static struct guest *guest_on(int fd, uint64_t size, enum part part)
{
	const struct fg_options opt = {.ring_region = part == RINGS};
	struct guest *g = guest_idle();

	assert_int_equal(fg_memory_add_file(&g->mem, HIGH, size, fd, 0), 1);
	assert_int_equal(fg_memory_alloc_in(&g->mem, 1, size / 2, 1), HIGH);
	guest_connect(g, "h0", &opt);
	return g;
}

/* The switch comes upon what is left of the file. */
static void touch(struct guest *g, struct guest *peer, enum part part)
{
	struct fg_flow flow = {.id = 57};
	uint8_t frame[1000];

	if (part == SENT)
		fg_nic_flush(&g->nic);
	for (unsigned int i = 0; i < FRAMES; i++) {
		fg_flow_build(&flow, g->nic.mac, peer->nic.mac, frame, sizeof(frame));
		OK(fg_nic_queue(&peer->nic, frame, sizeof(frame), NULL));
	}
	fg_nic_flush(&peer->nic);
	fg_ring_kick_now(&g->s.ring[1]);
	OK(fg_nic_drain_tx(&peer->nic, FG_WAIT_MS));
}

/* What `vusctl port` says became of the connection: the reason goes into @text. */
static bool cut_off(char *text, size_t size)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", "h0");
	const json_t *port = json_object_get(answer, "port");
	const char *reason = json_string_value(json_object_get(port, "last_error"));
	bool gone = json_is_false(json_object_get(port, "connected"));

	snprintf(text, size, "%s", reason != NULL ? reason : "");
	json_decref(answer);
	return gone;
}

static void assert_cut_off(const char *what)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	char reason[256];

	while (!cut_off(reason, sizeof(reason))) {
		if (fg_left_ms(deadline) == 0)
			fail_msg("%s: the port lives on", what);
		fg_sleep_us(2000);
	}
	if (strstr(reason, "memory") == NULL)
		fail_msg("%s: the reason given is \"%s\"", what, reason);
}

static void assert_serves(struct guest *g, struct guest *peer, const char *what)
{
	char reason[256];

	if (cut_off(reason, sizeof(reason)))
		fail_msg("%s: cut off: %s", what, reason);
	guest_restart(g); /* rings that became zeros are broken until then */
	assert_traffic(g, peer, 3, 900);
	assert_traffic(peer, g, 3, 900);
}

static int do_to(int fd, uint64_t size, enum act act)
{
	if (act == PUNCH)
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
	return ftruncate(fd, act == SHRINK ? (off_t)size / 2 : 0);
}

/* --- every file, every part --------------------------------------------------------------------- */

static void one_goes(const struct file *file, enum act act, enum part part)
{
	struct guest *peer = guest_run("h1", NULL);
	int fd = file_open(file, SIZE);
	struct guest *g = guest_on(fd, SIZE, part);
	bool lasts = act == PUNCH || file->lasting;
	uint8_t frame[1000];
	struct fg_flow flow = {.id = 58};
	char what[80];

	snprintf(what, sizeof(what), "%s, %s", file->name, part_name[part]);
	guest_start(g, &(struct fg_nic_options){.region = part != RINGS, .depth = 64});
	settle(g, peer);
	for (unsigned int i = 0; part == SENT && i < FRAMES; i++) {
		fg_flow_build(&flow, peer->nic.mac, g->nic.mac, frame, sizeof(frame));
		OK(fg_nic_queue(&g->nic, frame, sizeof(frame), NULL));
	}
	if (act != PUNCH && file->lasting) {
		assert_int_equal(do_to(fd, SIZE, act), -1);
		assert_int_equal(errno, EPERM);
	} else {
		OK(do_to(fd, SIZE, act));
	}
	touch(g, peer, part);
	if (lasts)
		assert_serves(g, peer, what);
	else
		assert_cut_off(what);
	guest_close(g);
	guest_close(peer);
	close(fd);
}

static void all_go(const struct file *list, unsigned int n, enum act act)
{
	for (unsigned int i = 0; i < n; i++)
		for (enum part part = RECEIVED; part < PARTS; part++)
			one_goes(&list[i], act, part);
}

static void files_are_truncated(void **state)
{
	all_go(files, FILES, TRUNCATE);
}

static void files_shrink(void **state)
{
	all_go(files, FILES, SHRINK);
}

static void files_are_punched(void **state)
{
	all_go(files, FILES, PUNCH);
}

/* --- huge pages --------------------------------------------------------------------------------- */

static void huge_files_go(enum act act)
{
	unsigned int added = fg_huge_add(FG_HUGE_2M, HUGE_PAGES);

	if (fg_huge_pages(FG_HUGE_2M, "free_hugepages") < HUGE_PAGES) {
		print_message("not told: it takes %d free huge pages of 2 MiB\n", HUGE_PAGES);
		fg_huge_give_back(FG_HUGE_2M, added);
		skip();
	}
	all_go(huge_files, HUGE_FILES, act);
	fg_huge_give_back(FG_HUGE_2M, added);
}

static void huge_files_are_truncated(void **state)
{
	huge_files_go(TRUNCATE);
}

static void huge_files_shrink(void **state)
{
	huge_files_go(SHRINK);
}

static void huge_files_are_punched(void **state)
{
	huge_files_go(PUNCH);
}

/* L9. A hole is touched and no page is left to fill it: the pages of a size of which there are none
 * at all, which the guest has mapped and never touched either. */
static void the_pool_is_empty(void **state)
{
	static const uint64_t sizes[] = {FG_HUGE_2M, FG_HUGE_1G};
	unsigned int i = 0;
	struct file file = {.name = "huge pages that are not there"};

	while (i < 2 && (fg_huge_pages(sizes[i], "free_hugepages") != 0 ||
			 fg_huge_pages(sizes[i], "nr_overcommit_hugepages") != 0))
		i++;
	if (i == 2) {
		print_message("not told: no pool of huge pages is empty\n");
		skip();
	}
	file.memfd = fg_huge_memfd(sizes[i]);
	for (enum part part = RECEIVED; part < RINGS; part++) {
		struct guest *peer = guest_run("h1", NULL);
		int fd = file_open(&file, 2 * sizes[i]);
		struct guest *g = guest_on(fd, 2 * sizes[i], part);
		const struct fg_buf buf = {
			.gpa = HIGH + sizes[i] + 100,
			.len = 2000,
			.write = part == RECEIVED,
		};

		OK(fg_session_start(&g->s));
		OK(fg_nic_init(&g->nic, &g->s, 0, 0xe000 + part, NULL));
		settle(g, peer);
		assert_true(fg_ring_post(&g->s.ring[part], &buf, 1, 0) >= 0);
		fg_ring_publish(&g->s.ring[part]);
		touch(g, peer, RECEIVED);
		assert_cut_off(part_name[part]);
		guest_close(g);
		guest_close(peer);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(files_are_truncated),	 TEST_CASE(files_shrink),	   TEST_CASE(files_are_punched),
		TEST_CASE(the_pool_is_empty),	 TEST_CASE(huge_files_shrink), TEST_CASE(huge_files_are_punched),
		TEST_CASE(huge_files_are_truncated),
	};

	return fixture_main("vanish", CASES(cases));
}
