/* SPDX-License-Identifier: BSD-3-Clause */
/* Huge pages that nobody has touched yet (X4): buffers, bodies and pieces of frames lie in one each. No lcore clears them: it has
 * no page fault in them, and the victims lose nothing. What a guest sends from there arrives all the same; what is for a buffer
 * there is dropped and counted until the page is cleared.
 */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fg_huge.h"

enum {
	PAGES = 96,
	LIMIT_S = 30,
	/* Of lcores, in what is measured: stacks, tables. */
	OTHER_FAULTS = 8,
	/* Pages of a port that lcores clear themselves: at once, and a second (mem_touch.h). */
	OWN_FAULTS = 4,
	OWN_FAULTS_RATE = 5,
	BUFFER = 2048,
	HEAD = 60,
	PIECE = 8,
};
#define FILE_GPA (UINT64_C(1) << 40)

/* Page faults of all lcores so far. */
static uint64_t lcore_faults(void)
{
	char path[64], text[512];
	uint64_t faults = 0, of_thread;
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)fixture.sw.pid);
	tasks = opendir(path);
	assert_non_null(tasks);
	while ((entry = readdir(tasks)) != NULL) {
		FILE *f;
		size_t n;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", (int)fixture.sw.pid, entry->d_name);
		f = fopen(path, "r");
		n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
		text[n] = '\0';
		if (f != NULL)
			fclose(f);
		/* DPDK's name of an lcore differs from release to release. */
		if (strstr(text, "-worker-") != NULL &&
		    sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %lu", &of_thread) == 1)
			faults += of_thread;
	}
	closedir(tasks);
	return faults;
}

static int64_t dropped(void)
{
	return fg_counter(&fixture.sw, "h1", "tx_drop.untouched");
}

static int64_t memory_wait_ms(void)
{
	return fg_counter(&fixture.sw, "h1", "memory_wait_ms");
}

/* h0 and h1 run, the switch knows both, and h1 has a second region: pages that are not there yet. */
struct play {
	struct guest *a, *b;
	uint64_t page; /* size of one */
	uint64_t faults, from_us;
	int64_t dropped;
	unsigned int added; /* to the pool */
	int fd;
};

/* All buffers of A, and those of B that are filled, have been used once: their small pages are there. */
static void warm_up(struct play *play, bool filled)
{
	uint8_t frame[HEAD] = {0};

	memcpy(frame, play->b->nic.mac, 6);
	memcpy(frame + 6, play->a->nic.mac, 6);
	for (unsigned int i = 0; i < 2 * FG_RING_MAX; i++) {
		if (!fg_nic_room(&play->a->nic, 2))
			OK(fg_nic_drain_tx(&play->a->nic, FG_WAIT_MS));
		OK(fg_nic_send(&play->a->nic, frame, HEAD, NULL));
	}
	OK(fg_nic_drain_tx(&play->a->nic, FG_WAIT_MS));
	if (filled)
		assert_traffic(play->b, play->a, 2 * FG_RING_MAX, BUFFER / 2);
}

/* A host may have to find the memory behind a page the first time, too; it keeps it when the page goes back to the pool. */
static void back_pages(uint64_t page, unsigned int pages)
{
	int fd = memfd_create("backed", MFD_CLOEXEC | fg_huge_memfd(page));
	size_t len = pages * page;
	volatile uint8_t *at;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	for (unsigned int i = 0; i < pages; i++)
		at[i * page] = 1;
	munmap((void *)(uintptr_t)at, len);
	close(fd);
}

static void begin(struct play *play, uint64_t page, unsigned int pages, bool fill)
{
	static uint8_t frame[BUFFER];

	*play = (struct play){.page = page, .added = fg_huge_add(page, pages)};
	if (play->added < pages) {
		fg_huge_give_back(page, play->added);
		print_message("not told: it takes %u more huge pages of %llu MiB\n", pages, (unsigned long long)page >> 20);
		skip();
	}
	back_pages(page, pages);
	play->a = guest_open("h0", NULL);
	play->b = guest_open("h1", NULL);
	play->fd = memfd_create("untouched", MFD_CLOEXEC | fg_huge_memfd(page));
	assert_true(play->fd >= 0);
	assert_int_equal(ftruncate(play->fd, (off_t)(pages * page)), 0);
	assert_true(fg_memory_add_file(&play->b->mem, FILE_GPA, pages * page, play->fd, 0) > 0);
	guest_start(play->a, NULL);
	OK(fg_session_start(&play->b->s));
	OK(fg_nic_init(&play->b->nic, &play->b->s, 0, 4711, NULL));
	if (fill)
		OK(fg_nic_fill(&play->b->nic));
	memcpy(frame, play->a->nic.mac, 6);
	memcpy(frame + 6, play->b->nic.mac, 6);
	OK(fg_nic_send(&play->b->nic, frame, HEAD, NULL));
	assert_true(fg_nic_recv(&play->a->nic, frame, sizeof(frame), FG_WAIT_MS) > 0);
	OK(fg_nic_drain_tx(&play->b->nic, FG_WAIT_MS));
	/* What is sent to B from here on is flooded to nobody. */
	await_known(play->b);
	warm_up(play, fill);
	play->dropped = dropped();
	fg_longest_round_us(&fixture.sw, true);
	play->faults = lcore_faults();
	play->from_us = fg_now_us();
}

static bool in_time(const struct play *play)
{
	return fg_now_us() - play->from_us < LIMIT_S * UINT64_C(1000000);
}

static void end(struct play *play)
{
	uint64_t faults = lcore_faults() - play->faults, us = fg_now_us() - play->from_us;
	uint64_t may = OTHER_FAULTS + OWN_FAULTS + us * OWN_FAULTS_RATE / 1000000;

	print_message("lcores had %llu page faults, which may be %llu, longest round %.1f ms, %lld frames dropped, "
		      "%.0f ms in all\n",
		      (unsigned long long)faults, (unsigned long long)may, fg_longest_round_us(&fixture.sw, false) / 1e3,
		      (long long)(dropped() - play->dropped),
		      (double)us / 1e3);
	close(play->fd);
	guest_close(play->b);
	guest_close(play->a);
	fg_huge_give_back(play->page, play->added);
	if (faults > may)
		fail_msg("lcores had %llu page faults", (unsigned long long)faults);
}

static uint64_t page_at(const struct play *play, unsigned int i)
{
	return FILE_GPA + i * play->page;
}

/* A sends until B has `n` buffers back. */
static void send_until_used(struct play *play, uint16_t n, size_t len)
{
	struct fg_nic *from = &play->a->nic;
	uint8_t frame[BUFFER] = {0};

	memcpy(frame, play->b->nic.mac, 6);
	memcpy(frame + 6, from->mac, 6);
	while (fg_ring_used_idx(play->b->nic.rx) != n && in_time(play)) {
		for (unsigned int i = 0; i < 32 && fg_nic_room(from, 2); i++)
			OK(fg_nic_queue(from, frame, len, NULL));
		fg_nic_flush(from);
		OK(fg_nic_drain_tx(from, FG_WAIT_MS));
		fg_sleep_us(1000);
	}
	assert_int_equal(fg_ring_used_idx(play->b->nic.rx), n);
}

static void buffers_in_a_page_each(uint64_t page, unsigned int pages)
{
	struct play play;

	begin(&play, page, pages, false);
	for (uint16_t i = 0; i < pages; i++) {
		fg_ring_desc(play.b->nic.rx, i, page_at(&play, i), BUFFER, FG_DESC_WRITE, 0);
		fg_ring_avail(play.b->nic.rx, i);
	}
	send_until_used(&play, (uint16_t)pages, HEAD);
	end(&play);
}

static void buffers_lie_in_untouched_pages(void **state)
{
	buffers_in_a_page_each(FG_HUGE_2M, PAGES);
}

static void a_buffer_lies_in_an_untouched_page_of_a_gibibyte(void **state)
{
	buffers_in_a_page_each(FG_HUGE_1G, 1);
}

/* One after the other: head and tail of each chain are written as they are. */
static void pieces_of(struct play *play, struct fg_ring *ring, uint16_t first, uint16_t flags)
{
	for (uint16_t i = first; i < PAGES; i++)
		fg_ring_desc(ring, i, page_at(play, i), PIECE, (uint16_t)(flags | (i + 1 < PAGES ? FG_DESC_NEXT : 0)),
			     (uint16_t)(i + 1));
}

static void a_buffer_lies_in_pieces_in_untouched_pages(void **state)
{
	struct play play;

	begin(&play, FG_HUGE_2M, PAGES, false);
	pieces_of(&play, play.b->nic.rx, 0, FG_DESC_WRITE);
	fg_ring_avail(play.b->nic.rx, 0);
	send_until_used(&play, 1, (PAGES - 3) * PIECE);
	end(&play);
}

/* A header and a head that are there, in a buffer of h1's own. */
static uint64_t make_head(struct play *play)
{
	struct fg_nic *nic = &play->b->nic;
	uint64_t gpa = fg_memory_alloc(&play->b->mem, nic->header + HEAD, 64);
	uint8_t *at = fg_memory_ptr(&play->b->mem, gpa, nic->header + HEAD);

	assert_non_null(at);
	memset(at, 0, nic->header + HEAD);
	memcpy(at + nic->header, play->a->nic.mac, 6);
	memcpy(at + nic->header + 6, nic->mac, 6);
	return gpa;
}

/* All of them arrive at A. */
static void await_frames(struct play *play, unsigned int n)
{
	uint8_t frame[BUFFER];
	unsigned int got = 0;

	while (got < n && in_time(play))
		got += fg_nic_recv(&play->a->nic, frame, sizeof(frame), 100) > 0;
	assert_int_equal(got, n);
}

static void bodies_lie_in_untouched_pages(void **state)
{
	struct play play;
	struct fg_ring *tx;
	uint64_t head;

	begin(&play, FG_HUGE_2M, PAGES, true);
	head = make_head(&play);
	tx = play.b->nic.tx;
	for (uint16_t i = 0; i < PAGES; i++) {
		uint16_t first = (uint16_t)(2 * i);

		fg_ring_desc(tx, first, head, play.b->nic.header + HEAD, FG_DESC_NEXT, (uint16_t)(first + 1));
		fg_ring_desc(tx, (uint16_t)(first + 1), page_at(&play, i), 100, 0, 0);
		fg_ring_avail(tx, first);
	}
	fg_ring_kick_now(tx);
	await_frames(&play, PAGES);
	end(&play);
}

static void a_frame_lies_in_pieces_in_untouched_pages(void **state)
{
	struct play play;

	begin(&play, FG_HUGE_2M, PAGES, true);
	fg_ring_desc(play.b->nic.tx, 0, make_head(&play), play.b->nic.header + HEAD, FG_DESC_NEXT, 1);
	pieces_of(&play, play.b->nic.tx, 1, 0);
	fg_ring_avail(play.b->nic.tx, 0);
	fg_ring_kick_now(play.b->nic.tx);
	await_frames(&play, 1);
	end(&play);
}

/* The pages were there, and have been given back behind the switch's back. An lcore meets that now and then, and the port pays.
 */
static void pages_that_are_given_back_are_charged(void **state)
{
	uint16_t used = 0;
	struct play play;
	unsigned int turns = 0;

	begin(&play, FG_HUGE_2M, PAGES, false);
	while (memory_wait_ms() == 0 && in_time(&play)) {
		fallocate(play.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)(PAGES * play.page));
		for (uint16_t i = 0; i < PAGES; i++) {
			fg_ring_desc(play.b->nic.rx, i, page_at(&play, i), BUFFER, FG_DESC_WRITE, 0);
			fg_ring_avail(play.b->nic.rx, i);
		}
		used = (uint16_t)(used + PAGES);
		send_until_used(&play, used, HEAD);
		turns++;
	}
	print_message("after %u turns %lld ms are charged\n", turns, (long long)memory_wait_ms());
	assert_true(memory_wait_ms() > 0);
	/* From here on they are asked for again. */
	play.faults = lcore_faults();
	end(&play);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(buffers_lie_in_untouched_pages),
		TEST_CASE(a_buffer_lies_in_pieces_in_untouched_pages),
		TEST_CASE(bodies_lie_in_untouched_pages),
		TEST_CASE(a_frame_lies_in_pieces_in_untouched_pages),
		TEST_CASE(pages_that_are_given_back_are_charged),
		TEST_CASE(a_buffer_lies_in_an_untouched_page_of_a_gibibyte),
	};

	return fixture_main("touch", CASES(cases));
}
