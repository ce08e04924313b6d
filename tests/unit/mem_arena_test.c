/* SPDX-License-Identifier: BSD-3-Clause */
/* Address space that is reserved, handed out and taken back, and memory that goes away under a reader (L4, L9, T4): the
 * reader's copy ends, the arena is dead, its alarm has rung, and nothing else has noticed. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "mem_arena.h"
#include "vus_limits.h"

enum { PAGE = 4096, HUGE = 2 << 20, COPIERS = 3 };

static int alarm_fd;

static int file_of(size_t size, unsigned int flags)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd >= 0 && ftruncate(fd, (off_t)size) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static uint64_t alarms_at(int fd)
{
	eventfd_t n;

	return eventfd_read(fd, &n) == 0 ? n : 0;
}

static uint64_t alarms(void)
{
	return alarms_at(alarm_fd);
}

/* --- handing out ------------------------------------------------------------------------------------------------- */

static void maps_the_file_and_nothing_else(void **state)
{
	struct mem_arena *arena = mem_arena_create(alarm_fd);
	int fd = file_of(16 * PAGE, 0);
	uint8_t *all, *part;

	assert_non_null(arena);
	all = mem_arena_map(arena, fd, 0, 16 * PAGE, PAGE);
	part = mem_arena_map(arena, fd, 5 * PAGE, 3 * PAGE, PAGE);
	assert_true(all != NULL && part != NULL);
	all[5 * PAGE + 1] = 0x77;
	part[3 * PAGE - 1] = 0x66;
	assert_int_equal(part[1], 0x77);
	assert_int_equal(all[8 * PAGE - 1], 0x66);
	mem_arena_release(arena, all, 16 * PAGE);
	assert_int_equal(part[1], 0x77);
	mem_arena_destroy(arena);
	mem_arena_destroy(NULL);
	close(fd);
}

static void refuses_what_is_not_whole_pages(void **state)
{
	static const struct {
		uint64_t offset;
		size_t len, page;
	} bad[] = {{0, 0, PAGE}, {0, PAGE, 0}, {1, PAGE, PAGE}, {0, PAGE + 1, PAGE},
		   {PAGE, HUGE, HUGE}, {UINT64_C(1) << 63, PAGE, PAGE}};
	struct mem_arena *arena = mem_arena_create(alarm_fd);
	int fd = file_of(PAGE, 0);

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		assert_null(mem_arena_map(arena, fd, bad[i].offset, bad[i].len, bad[i].page));
		assert_int_equal(errno, EINVAL);
	}
	assert_null(mem_arena_map(arena, -1, 0, PAGE, PAGE));
	assert_int_equal(errno, EBADF);
	mem_arena_destroy(arena);
	close(fd);
}

/* Thousands of mappings that come and go: never two in one place, and gaps are filled before anything grows. */
static void places_are_used_again(void **state)
{
	enum { SLOTS = 100, PAGES = 64 };
	struct {
		uint8_t *at;
		size_t len;
	} slot[SLOTS] = {{NULL, 0}};
	struct mem_arena *arena = mem_arena_create(alarm_fd);
	int fd = file_of(PAGES * PAGE, 0);
	uint8_t *low = NULL, *high = NULL;

	srandom(5);
	for (int round = 0; round < 3000; round++) {
		unsigned int s = (unsigned int)random() % SLOTS;

		if (slot[s].at != NULL) {
			mem_arena_release(arena, slot[s].at, slot[s].len);
			slot[s].at = NULL;
		} else {
			slot[s].len = (1 + (size_t)random() % PAGES) * PAGE;
			slot[s].at = mem_arena_map(arena, fd, 0, slot[s].len, PAGE);
			assert_non_null(slot[s].at);
			for (unsigned int o = 0; o < SLOTS; o++)
				if (o != s && slot[o].at != NULL)
					assert_true(slot[o].at + slot[o].len <= slot[s].at ||
						    slot[s].at + slot[s].len <= slot[o].at);
			low = low == NULL || slot[s].at < low ? slot[s].at : low;
			if (slot[s].at + slot[s].len > high)
				high = slot[s].at + slot[s].len;
		}
	}
	assert_true((size_t)(high - low) <= 2 * SLOTS * PAGES * PAGE);
	mem_arena_destroy(arena);
	close(fd);
}

/* Whether the address space is in use: the kernel refuses to map over it. */
static bool taken(uint8_t *at)
{
	void *got = mmap(at, PAGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (got == MAP_FAILED)
		return errno == EEXIST;
	munmap(got, PAGE);
	return false;
}

/* Between two mappings the place stays reserved, after one that failed as well: a file sealed against writing. */
static void space_stays_reserved(void **state)
{
	struct mem_arena *arena = mem_arena_create(alarm_fd);
	int fd = file_of(8 * PAGE, 0), sealed = file_of(8 * PAGE, 0);
	uint8_t *at = mem_arena_map(arena, fd, 0, 8 * PAGE, PAGE);

	assert_int_equal(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE), 0);
	mem_arena_release(arena, at, 8 * PAGE);
	for (int i = 0; i < 8; i++)
		assert_true(taken(at + i * PAGE));
	errno = 0;
	assert_null(mem_arena_map(arena, sealed, 0, 8 * PAGE, PAGE));
	assert_int_equal(errno, EPERM);
	for (int i = 0; i < 8; i++)
		assert_true(taken(at + i * PAGE));
	assert_ptr_equal(mem_arena_map(arena, fd, 0, 8 * PAGE, PAGE), at);
	mem_arena_destroy(arena);
	assert_false(taken(at));
	close(fd);
	close(sealed);
}

/* Every slot of a guest and what else a port maps; then no more, and one for each that is given back. */
static void five_hundred_and_nine_slots(void **state)
{
	static uint8_t *at[MEM_SLOTS_MAX];
	struct mem_arena *arena = mem_arena_create(alarm_fd);
	int fd = file_of(PAGE, 0), more = 0;

	for (int i = 0; i < MEM_SLOTS_MAX; i++) {
		at[i] = mem_arena_map(arena, fd, 0, PAGE, PAGE);
		assert_non_null(at[i]);
	}
	while (mem_arena_map(arena, fd, 0, PAGE, PAGE) != NULL)
		more++;
	assert_int_equal(errno, ENOSPC);
	assert_in_range(more, 1, 100);
	mem_arena_release(arena, at[300], PAGE);
	assert_ptr_equal(mem_arena_map(arena, fd, 0, PAGE, PAGE), at[300]);
	assert_null(mem_arena_map(arena, fd, 0, PAGE, PAGE));
	mem_arena_destroy(arena);
	close(fd);
}

/* Pages of address space that this process has. */
static unsigned long space(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	assert_non_null(statm);
	assert_int_equal(fscanf(statm, "%lu", &pages), 1);
	fclose(statm);
	return pages;
}

/* A thousand small guests take a few TiB of the 128 that a process has, not half of them. */
static void a_small_guest_takes_little(void **state)
{
	const size_t guest = (size_t)2 << 30, most = (size_t)6 << 30;
	struct mem_arena *arena = mem_arena_create(alarm_fd);
	int fd = file_of(guest, 0);
	unsigned long before = space();

	assert_true(fd >= 0);
	assert_non_null(mem_arena_map(arena, fd, 0, guest, PAGE));
	assert_true((space() - before) * PAGE <= most);
	mem_arena_destroy(arena);
	assert_int_equal(space(), before);
	close(fd);
}

/* More than was reserved at first: a guest of 120 GiB, of which it has touched four pages. */
static void grows(void **state)
{
	const size_t part = (size_t)40 << 30;
	struct mem_arena *arena = mem_arena_create(alarm_fd);
	int fd = file_of(part, 0);
	uint8_t *at[3];

	assert_true(fd >= 0);
	for (int i = 0; i < 3; i++) {
		at[i] = mem_arena_map(arena, fd, 0, part, PAGE);
		assert_non_null(at[i]);
		at[i][0] = (uint8_t)i;
		at[i][part - 1] = (uint8_t)i;
	}
	assert_int_equal(at[0][part - 1], 2);
	mem_arena_release(arena, at[1], part);
	assert_ptr_equal(mem_arena_map(arena, fd, 0, part, PAGE), at[1]);
	assert_null(mem_arena_map(arena, fd, 0, SIZE_MAX / 2 & ~(size_t)(PAGE - 1), PAGE));
	assert_int_equal(at[2][0], 2);
	mem_arena_destroy(arena);
	close(fd);
}

/* What a front end's sparse files cost everybody is address space, and of that a port has a share; every slot of a real
 * VM fits in it. */
static void space_has_a_bound(void **state)
{
	const size_t slot = (size_t)64 << 30, large = (size_t)12 << 40;
	struct mem_arena *arena = mem_arena_create(alarm_fd);
	int fd = file_of(large, 0);
	uint8_t *at[2];

	assert_true(fd >= 0);
	for (int i = 0; i < MEM_SLOTS_MAX; i++)
		assert_non_null(mem_arena_map(arena, fd, i % 3 * slot, slot, PAGE));
	mem_arena_destroy(arena);
	arena = mem_arena_create(alarm_fd);
	for (int i = 0; i < 2; i++) {
		at[i] = mem_arena_map(arena, fd, 0, large, PAGE);
		assert_non_null(at[i]);
	}
	assert_null(mem_arena_map(arena, fd, 0, large, PAGE));
	assert_int_equal(errno, EFBIG);
	assert_non_null(mem_arena_map(arena, fd, 0, slot, PAGE));
	mem_arena_release(arena, at[0], large);
	assert_ptr_equal(mem_arena_map(arena, fd, 0, large, PAGE), at[0]);
	mem_arena_destroy(arena);
	close(fd);
}

static void huge_pages_are_aligned(void **state)
{
	struct mem_arena *arena;
	uint8_t *huge[3], *small[3];
	int fd = file_of(2 * HUGE, MFD_HUGETLB), little = file_of(PAGE, 0);

	/* Whether the pool has a page is known by touching one, which may raise SIGBUS; reading the count is safer. */
	FILE *count = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	int pages = 0;

	if (count == NULL || fscanf(count, "%d", &pages) != 1 || pages < 4 || fd < 0)
		pages = 0;
	if (count != NULL)
		fclose(count);
	arena = mem_arena_create(alarm_fd);
	for (int i = 0; i < 3 && fd >= 0; i++) {
		small[i] = mem_arena_map(arena, little, 0, PAGE, PAGE);
		huge[i] = mem_arena_map(arena, fd, 0, 2 * HUGE, HUGE);
		assert_true(small[i] != NULL && huge[i] != NULL);
		assert_int_equal((uintptr_t)huge[i] % HUGE, 0);
	}
	for (int i = 0; i < 3 && pages > 0; i++)
		huge[i][HUGE + i] = (uint8_t)(i + 1);
	for (int i = 0; i < 3 && pages > 0; i++)
		assert_int_equal(huge[0][HUGE + i], i + 1);
	mem_arena_destroy(arena);
	close(little);
	if (fd < 0)
		skip();
	close(fd);
}

/* Every port the switch can have, again and again; then one more. */
static void as_many_as_ports(void **state)
{
	static struct mem_arena *arena[PORTS_MAX];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < PORTS_MAX; i++) {
			arena[i] = mem_arena_create(alarm_fd);
			assert_non_null(arena[i]);
		}
		assert_null(mem_arena_create(alarm_fd));
		assert_int_equal(errno, ENOSPC);
		for (int i = 0; i < PORTS_MAX; i++)
			mem_arena_destroy(arena[i]);
	}
}

/* --- memory that goes away --------------------------------------------------------------------------------------- */

/* cmocka takes SIGBUS for itself before each test. */
static void guard(void)
{
	assert_int_equal(mem_arena_guard(), 0);
	assert_int_equal(mem_arena_guard(), 0);
	alarms();
}

static void a_truncated_file_kills_its_arena_only(void **state)
{
	int other_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct mem_arena *victim = mem_arena_create(alarm_fd), *other = mem_arena_create(other_fd);
	int fd = file_of(64 * PAGE, 0), fine = file_of(64 * PAGE, 0);
	uint8_t *first = mem_arena_map(victim, fd, 0, 64 * PAGE, PAGE);
	uint8_t *second = mem_arena_map(victim, fd, 8 * PAGE, 8 * PAGE, PAGE);
	uint8_t *well = mem_arena_map(other, fine, 0, 64 * PAGE, PAGE);
	static uint8_t copy[64 * PAGE];

	guard();
	memset(first, 0x11, 64 * PAGE);
	memset(well, 0x22, 64 * PAGE);
	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	assert_int_equal(alarms(), 0);
	memcpy(copy, first, 64 * PAGE);
	assert_int_equal(copy[0], 0x11);
	assert_int_equal(copy[63 * PAGE], 0);
	assert_int_equal(alarms(), 1);
	assert_int_equal(alarms_at(other_fd), 0);
	/* The whole mapping is ours now: no further fault, and what is written stays with us. */
	memset(first, 0x33, 64 * PAGE);
	assert_int_equal(first[63 * PAGE], 0x33);
	/* The arena's other mapping meets the same end; the alarm has rung already. */
	second[0] = 1;
	assert_int_equal(alarms(), 0);
	for (int i = 0; i < 64 * PAGE; i++)
		assert_int_equal(well[i], 0x22);
	mem_arena_release(victim, first, 64 * PAGE);
	mem_arena_release(victim, second, 8 * PAGE);
	mem_arena_destroy(victim);
	mem_arena_destroy(other);
	/* The next port to get this arena is alive: its alarm can ring. */
	victim = mem_arena_create(alarm_fd);
	first = mem_arena_map(victim, fd, 0, 8 * PAGE, PAGE);
	first[7 * PAGE] = 1;
	assert_int_equal(alarms(), 1);
	mem_arena_destroy(victim);
	close(fd);
	close(fine);
	close(other_fd);
}

/* A punched hole is filled with zeros, not with a signal: virtio-mem unplugs like that. */
static void a_hole_is_no_fault(void **state)
{
	struct mem_arena *arena = mem_arena_create(alarm_fd);
	int fd = file_of(8 * PAGE, 0);
	uint8_t *at = mem_arena_map(arena, fd, 0, 8 * PAGE, PAGE);

	guard();
	memset(at, 0x44, 8 * PAGE);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE), 0);
	assert_int_equal(at[PAGE], 0);
	assert_int_equal(at[2 * PAGE], 0x44);
	assert_int_equal(alarms(), 0);
	mem_arena_destroy(arena);
	close(fd);
}

struct copier {
	pthread_t thread;
	uint8_t *at;
	atomic_bool stop;
	_Atomic uint64_t rounds;
};

static void *copier_main(void *arg)
{
	struct copier *copier = arg;
	static _Thread_local uint8_t copy[16 * PAGE];

	while (!atomic_load(&copier->stop)) {
		memcpy(copy, copier->at, sizeof(copy));
		memcpy(copier->at + 16 * PAGE, copy, sizeof(copy));
		atomic_fetch_add(&copier->rounds, 1);
	}
	return NULL;
}

/* Waits until every copier has gone round `more` times. */
static void await_rounds(struct copier *copiers, int n, uint64_t more)
{
	uint64_t deadline = clock_ns() + 20 * NS_PER_S;

	for (int i = 0; i < n; i++) {
		uint64_t until = atomic_load(&copiers[i].rounds) + more;

		while (atomic_load(&copiers[i].rounds) < until) {
			assert_true(clock_ns() < deadline);
			usleep(100);
		}
	}
}

/* Threads in the middle of a copy, all at once, again and again; a neighbour copies on. */
static void threads_in_the_middle_of_a_copy(void **state)
{
	int calm_alarm = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), calm_fd = file_of(32 * PAGE, 0);
	struct mem_arena *calm = mem_arena_create(calm_alarm);
	struct copier neighbour = {.at = mem_arena_map(calm, calm_fd, 0, 32 * PAGE, PAGE)};

	guard();
	memset(neighbour.at, 0x55, 16 * PAGE);
	assert_int_equal(pthread_create(&neighbour.thread, NULL, copier_main, &neighbour), 0);
	for (int round = 0; round < 40; round++) {
		struct mem_arena *arena = mem_arena_create(alarm_fd);
		int fd = file_of(32 * PAGE, 0);
		struct copier copier[COPIERS];

		memset(copier, 0, sizeof(copier));
		for (int i = 0; i < COPIERS; i++) {
			/* Some share a mapping, some have one of their own. */
			copier[i].at = i == 1 ? copier[0].at
					      : mem_arena_map(arena, fd, 0, 32 * PAGE, PAGE);
			assert_int_equal(
				pthread_create(&copier[i].thread, NULL, copier_main, &copier[i]),
				0);
		}
		await_rounds(copier, COPIERS, 2);
		assert_int_equal(ftruncate(fd, 0), 0);
		await_rounds(copier, COPIERS, 2);
		assert_int_equal(alarms(), 1);
		for (int i = 0; i < COPIERS; i++)
			atomic_store(&copier[i].stop, true);
		for (int i = 0; i < COPIERS; i++)
			pthread_join(copier[i].thread, NULL);
		mem_arena_destroy(arena);
		close(fd);
	}
	await_rounds(&neighbour, 1, 1);
	atomic_store(&neighbour.stop, true);
	pthread_join(neighbour.thread, NULL);
	assert_int_equal(alarms_at(calm_alarm), 0);
	for (int i = 0; i < 32 * PAGE; i++)
		assert_int_equal(neighbour.at[i], 0x55);
	mem_arena_destroy(calm);
	close(calm_fd);
	close(calm_alarm);
}

static void foreign_handler(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	(void)context;
}

/* EAL takes the signal while its heap grows; mem_arena_guard() takes it back. */
static void takes_the_signal_back(void **state)
{
	struct sigaction theirs = {.sa_sigaction = foreign_handler, .sa_flags = SA_SIGINFO};
	struct mem_arena *arena = mem_arena_create(alarm_fd);
	int fd = file_of(PAGE, 0);
	uint8_t *at = mem_arena_map(arena, fd, 0, PAGE, PAGE);

	guard();
	assert_int_equal(sigaction(SIGBUS, &theirs, NULL), 0);
	guard();
	assert_int_equal(ftruncate(fd, 0), 0);
	*(volatile uint8_t *)at = 1;
	assert_int_equal(alarms(), 1);
	mem_arena_destroy(arena);
	close(fd);
}

/* Outside of every arena it is a bug of ours, and ends the process as it always did. */
static void elsewhere_it_is_fatal(void **state)
{
	struct mem_arena *arena = mem_arena_create(alarm_fd);
	int fd = file_of(PAGE, 0), status;
	pid_t child;

	guard();
	assert_non_null(mem_arena_map(arena, fd, 0, PAGE, PAGE));
	child = fork();
	if (child == 0) {
		volatile uint8_t *at =
			mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		close(STDERR_FILENO);
		if (ftruncate(fd, 0) == 0)
			*at = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	mem_arena_destroy(arena);
	close(fd);
}

static int open_alarm(void **state)
{
	alarm_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return alarm_fd < 0;
}

static int close_alarm(void **state)
{
	return close(alarm_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_the_file_and_nothing_else),
		cmocka_unit_test(refuses_what_is_not_whole_pages),
		cmocka_unit_test(places_are_used_again),
		cmocka_unit_test(space_stays_reserved),
		cmocka_unit_test(five_hundred_and_nine_slots),
		cmocka_unit_test(a_small_guest_takes_little),
		cmocka_unit_test(grows),
		cmocka_unit_test(space_has_a_bound),
		cmocka_unit_test(huge_pages_are_aligned),
		cmocka_unit_test(as_many_as_ports),
		cmocka_unit_test(a_truncated_file_kills_its_arena_only),
		cmocka_unit_test(a_hole_is_no_fault),
		cmocka_unit_test(threads_in_the_middle_of_a_copy),
		cmocka_unit_test(takes_the_signal_back),
		cmocka_unit_test(elsewhere_it_is_fatal),
	};

	return cmocka_run_group_tests(tests, open_alarm, close_alarm);
}
