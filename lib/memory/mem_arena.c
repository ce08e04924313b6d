/* SPDX-License-Identifier: BSD-3-Clause */
#include "mem_arena.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem_touch.h"
#include "stall.h"
#include "vus_limits.h"

enum {
	/* Guest memory, and the dirty log and its successor while it is being exchanged. */
	MAPPINGS_MAX = MEM_SLOTS_MAX + 3,
	CHUNKS_MAX = 16,
};
static const size_t CHUNK_FIRST = (size_t)1 << 30;
/* Of a mapping that goes: some 80 ms if each of its small pages was touched; 64 calls for 64 GiB of which none was. */
static const size_t RELEASE_PIECE = (size_t)1 << 30;
static const size_t SPACE_MAX = (size_t)MEM_SPACE_MAX_GIB << 30;

/* A mapping as the signal handler sees it: `at` is written last when it appears and first when it goes. */
struct mapping {
	_Atomic uintptr_t at; /* 0: free */
	_Atomic size_t len;
	_Atomic size_t huge; /* the size of its file's pages, if they are huge; 0 */
};

/* Reserved address space. */
struct chunk {
	uintptr_t at;
	size_t len;
};

struct mem_arena {
	pthread_mutex_t lock; /* of the threads that map and unmap, over the mappings; no lcore and no control takes it */
	struct mapping mapping[MAPPINGS_MAX];
	struct chunk chunk[CHUNKS_MAX];
	unsigned int chunks;
	atomic_bool dead;
	int alarm_fd;
	atomic_bool used;
	atomic_bool abandoned; /* a reader in it may never end */
	pthread_mutex_t charging; /* the meter's alarm is there meanwhile; held for a write of ours */
	struct stall_meter meter;
	struct mem_touch touch;
	const uint8_t *touched; /* where a byte is being read, or NULL; under the lock */
	pthread_cond_t touch_ends;
};

/* Every arena there ever was, for the handler. One that is destroyed is kept for the next port: the handler may look
 * through it on a thread that faulted in another arena, and nothing tells us when it has moved on. */
static _Atomic(struct mem_arena *) arenas[PORTS_MAX];
static struct sigaction before;

/* --- SIGBUS ------------------------------------------------------------------------------------------------------ */

static struct mem_arena *arena_of(uintptr_t fault, struct mapping **mapping)
{
	for (unsigned int i = 0; i < PORTS_MAX; i++) {
		struct mem_arena *arena = atomic_load(&arenas[i]);

		for (unsigned int m = 0; arena != NULL && m < MAPPINGS_MAX; m++) {
			uintptr_t at = atomic_load(&arena->mapping[m].at);

			if (at != 0 && fault - at < atomic_load(&arena->mapping[m].len)) {
				*mapping = &arena->mapping[m];
				return arena;
			}
		}
	}
	return NULL;
}

/* Async-signal-safe: loads, mmap and write. */
static void sigbus(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	struct mapping *mapping;
	struct mem_arena *arena = arena_of((uintptr_t)info->si_addr, &mapping);

	if (arena != NULL &&
	    mmap((void *)atomic_load(&mapping->at), atomic_load(&mapping->len),
		 PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		 0) != MAP_FAILED) {
		const uint64_t one = 1;

		/* A full eventfd has rung already. */
		if (!atomic_exchange(&arena->dead, true) &&
		    write(arena->alarm_fd, &one, sizeof(one)) < 0)
			errno = saved;
		errno = saved;
		return;
	}
	/* Not a peer's doing: as if we had not been here. The faulting instruction runs again. */
	if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != NULL)
		before.sa_sigaction(number, info, context);
	else
		signal(SIGBUS, SIG_DFL);
	errno = saved;
}

int mem_arena_guard(void)
{
	struct sigaction now;
	struct sigaction ours = {.sa_sigaction = sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER};

	if (sigaction(SIGBUS, NULL, &now) != 0)
		return -errno;
	if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == sigbus)
		return 0;
	before = now;
	return sigaction(SIGBUS, &ours, NULL) == 0 ? 0 : -errno;
}

/* --- address space ----------------------------------------------------------------------------------------------- */

static uintptr_t round_up(uintptr_t value, size_t to)
{
	return (value + to - 1) & ~(uintptr_t)(to - 1);
}

/* The lowest place in the chunk that is free for `len` bytes aligned to `page`, or 0. A chunk holds few enough
 * mappings that moving past each one found in the way is quick; it is off the data path. */
static uintptr_t place_in_chunk(const struct mem_arena *arena, const struct chunk *chunk, size_t len,
				size_t page)
{
	uintptr_t at = round_up(chunk->at, page);
	bool moved = true;

	while (moved) {
		if (at - chunk->at > chunk->len || len > chunk->len - (at - chunk->at))
			return 0;
		moved = false;
		for (unsigned int i = 0; i < MAPPINGS_MAX; i++) {
			uintptr_t other = atomic_load(&arena->mapping[i].at);
			size_t other_len = atomic_load(&arena->mapping[i].len);

			if (other != 0 && other < at + len && at < other + other_len) {
				at = round_up(other + other_len, page);
				moved = true;
			}
		}
	}
	return at;
}

static int chunk_add(struct mem_arena *arena, size_t len, size_t page)
{
	size_t size = arena->chunks == 0 ? CHUNK_FIRST : 2 * arena->chunk[arena->chunks - 1].len;
	size_t left = SPACE_MAX;
	void *at;

	for (unsigned int i = 0; i < arena->chunks; i++)
		left -= arena->chunk[i].len;
	if (arena->chunks == CHUNKS_MAX || len > left || page > left - len)
		return EFBIG;
	while (size < len + page)
		size *= 2;
	size = size < left ? size : left;
	at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return ENOMEM;
	arena->chunk[arena->chunks++] = (struct chunk){.at = (uintptr_t)at, .len = size};
	return 0;
}

static uintptr_t mem_arena_place(struct mem_arena *arena, size_t len, size_t page)
{
	for (;;) {
		for (unsigned int i = 0; i < arena->chunks; i++) {
			uintptr_t at = place_in_chunk(arena, &arena->chunk[i], len, page);

			if (at != 0)
				return at;
		}
		errno = chunk_add(arena, len, page);
		if (errno != 0)
			return 0;
	}
}

static struct mapping *mapping_find(struct mem_arena *arena, uintptr_t at)
{
	for (unsigned int i = 0; i < MAPPINGS_MAX; i++)
		if (atomic_load(&arena->mapping[i].at) == at)
			return &arena->mapping[i];
	return NULL;
}

/* Maps over reserved address space. Kernels before 6.12 have taken the reservation away when a mapping fails, and another
 * thread's memory may come to lie there, where our next mapping would replace it. A front end can see to it that its
 * file cannot be mapped (seals), so that is tried elsewhere first; one page tells. */
static int map_over(uintptr_t at, int fd, uint64_t offset, size_t len, size_t page)
{
	const int how = MAP_SHARED | MAP_NORESERVE;
	void *trial = mmap(NULL, page, PROT_READ | PROT_WRITE, how, fd, (off_t)offset);
	void *got;
	int error;

	if (trial == MAP_FAILED)
		return -1;
	got = mmap((void *)at, len, PROT_READ | PROT_WRITE, how | MAP_FIXED, fd, (off_t)offset);
	error = errno;
	munmap(trial, page);
	if (got != MAP_FAILED)
		return 0;
	/* Fails where the reservation is still there. */
	mmap((void *)at, len, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	errno = error;
	return -1;
}

static uint8_t *map_locked(struct mem_arena *arena, int fd, uint64_t offset, size_t len, size_t page)
{
	struct mapping *mapping = mapping_find(arena, 0);
	uintptr_t at;

	if (mapping == NULL) {
		errno = ENOSPC;
		return NULL;
	}
	at = mem_arena_place(arena, len, page);
	if (at == 0 || map_over(at, fd, offset, len, page) != 0)
		return NULL;
	madvise((void *)at, len, MADV_DONTDUMP);
	atomic_store(&mapping->huge, 0);
	atomic_store(&mapping->len, len);
	atomic_store(&mapping->at, at);
	return (uint8_t *)at;
}

uint8_t *mem_arena_map(struct mem_arena *arena, int fd, uint64_t offset, size_t len, size_t page)
{
	uint8_t *at;

	if (len == 0 || page == 0 || offset % page != 0 || len % page != 0 || offset > INT64_MAX) {
		errno = EINVAL;
		return NULL;
	}
	pthread_mutex_lock(&arena->lock);
	at = map_locked(arena, fd, offset, len, page);
	pthread_mutex_unlock(&arena->lock);
	return at;
}

/* What makes unmapping slow is every page that was touched. Taken away piece by piece and beforehand, they go while
 * the kernel holds the address space for reading only, and never for long: an lcore that touches another page for the
 * first time need not wait until a whole region has gone. */
static void forget_pages(uint8_t *at, size_t len)
{
	for (size_t done = 0; done < len; done += RELEASE_PIECE) {
		size_t left = len - done;

		madvise(at + done, left < RELEASE_PIECE ? left : RELEASE_PIECE, MADV_DONTNEED);
	}
}

void mem_arena_release(struct mem_arena *arena, uint8_t *at, size_t len)
{
	struct mapping *mapping;

	/* The slow part first and without the lock. The place stays taken until the mapping is struck out below. */
	forget_pages(at, len);
	pthread_mutex_lock(&arena->lock);
	while (arena->touched != NULL && (size_t)(arena->touched - at) < len)
		pthread_cond_wait(&arena->touch_ends, &arena->lock);
	mmap(at, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	mapping = mapping_find(arena, (uintptr_t)at);
	if (mapping != NULL)
		atomic_store(&mapping->at, 0);
	mem_touch_clear(&arena->touch, (uintptr_t)at, len);
	pthread_mutex_unlock(&arena->lock);
}

void mem_arena_abandon(struct mem_arena *arena, uint8_t *at, size_t len)
{
	forget_pages(at, len);
	mmap(at, len, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	/* The place stays taken. */
	atomic_store(&arena->abandoned, true);
}

/* --- huge pages ---------------------------------------------------------------------------------------------------- */

static const struct chunk *chunk_of(const struct mem_arena *arena, uintptr_t at)
{
	const struct chunk *chunk = arena->chunk;

	while (at - chunk->at >= chunk->len)
		chunk++;
	return chunk;
}

int mem_arena_huge(struct mem_arena *arena, const uint8_t *at, size_t page, bool known)
{
	struct mapping *mapping;
	const struct chunk *chunk;
	int error;

	pthread_mutex_lock(&arena->lock);
	mapping = mapping_find(arena, (uintptr_t)at);
	chunk = chunk_of(arena, (uintptr_t)at);
	error = mem_touch_area(&arena->touch, chunk->at, chunk->len);
	if (error == 0) {
		atomic_store(&mapping->huge, page);
		if (page > MEM_GRANULE)
			atomic_store(&arena->touch.large, true);
		if (!known)
			mem_touch_mark(&arena->touch, (uintptr_t)at, atomic_load(&mapping->len));
	}
	pthread_mutex_unlock(&arena->lock);
	return error;
}

void mem_arena_whole(struct mem_arena *arena, const uint8_t *at, size_t len)
{
	mem_touch_clear(&arena->touch, (uintptr_t)at, len);
}

struct mem_touch *mem_arena_touch(struct mem_arena *arena)
{
	return atomic_load(&arena->touch.areas) > 0 ? &arena->touch : NULL;
}

/* A byte is read, which maps the page for writing, too. A mapping does not go meanwhile. One that has gone took its bits along,
 * but for those of a charge that came too late. */
static void touch_page(struct mem_arena *arena, const uint8_t *at)
{
	size_t huge = 0;
	struct mapping *mapping;

	pthread_mutex_lock(&arena->lock);
	if (arena_of((uintptr_t)at, &mapping) == arena) {
		huge = atomic_load(&mapping->huge);
		arena->touched = at;
	}
	pthread_mutex_unlock(&arena->lock);
	if (arena->touched != NULL)
		(void)__atomic_load_n(at, __ATOMIC_RELAXED);
	huge = huge > MEM_GRANULE ? huge : MEM_GRANULE;
	mem_touch_clear(&arena->touch, (uintptr_t)at & ~(uintptr_t)(huge - 1), huge);
	pthread_mutex_lock(&arena->lock);
	arena->touched = NULL;
	pthread_cond_broadcast(&arena->touch_ends);
	pthread_mutex_unlock(&arena->lock);
}

void mem_arena_touch_asked(struct mem_arena *arena)
{
	do {
		mem_touch_begin(&arena->touch);
		for (unsigned int i = 0; i < MEM_TOUCH_ASKED; i++) {
			const uint8_t *at = mem_touch_take(&arena->touch, i);

			if (at != NULL)
				touch_page(arena, at);
		}
	} while (mem_touch_asked(&arena->touch));
}

/* A place of the table and the arena in it, new or used before. */
static struct mem_arena *arena_take(void)
{
	for (unsigned int i = 0; i < PORTS_MAX; i++) {
		struct mem_arena *arena = atomic_load(&arenas[i]);

		if (arena == NULL) {
			arena = calloc(1, sizeof(*arena));
			if (arena == NULL)
				return NULL;
			pthread_mutex_init(&arena->lock, NULL);
			pthread_mutex_init(&arena->charging, NULL);
			pthread_cond_init(&arena->touch_ends, NULL);
			arena->meter.alarm_fd = -1;
			atomic_store(&arenas[i], arena);
		}
		if (!atomic_load(&arena->used))
			return arena;
	}
	errno = ENOSPC;
	return NULL;
}

/* Begins or ends to take charges. */
static void set_meter(struct mem_arena *arena, int alarm_fd)
{
	uint64_t before[STALL_KINDS];

	pthread_mutex_lock(&arena->charging);
	stall_take(&arena->meter, before);
	arena->meter.alarm_fd = alarm_fd;
	pthread_mutex_unlock(&arena->charging);
}

struct mem_arena *mem_arena_create(int alarm_fd)
{
	struct mem_arena *arena = arena_take();

	if (arena == NULL)
		return NULL;
	atomic_store(&arena->used, true);
	arena->alarm_fd = arena->touch.alarm_fd = alarm_fd;
	atomic_store(&arena->dead, false);
	set_meter(arena, alarm_fd);
	return arena;
}

void mem_arena_destroy(struct mem_arena *arena)
{
	if (arena == NULL)
		return;
	for (unsigned int i = 0; i < MAPPINGS_MAX; i++)
		atomic_store(&arena->mapping[i].at, 0);
	for (unsigned int i = 0; i < arena->chunks && !atomic_load(&arena->abandoned); i++)
		munmap((void *)arena->chunk[i].at, arena->chunk[i].len);
	arena->chunks = 0;
	set_meter(arena, -1);
	mem_touch_fini(&arena->touch);
	atomic_store(&arena->abandoned, false);
	/* Last: from now on it may be another port's. */
	atomic_store(&arena->used, false);
}

bool mem_arena_is_dead(const struct mem_arena *arena)
{
	return atomic_load(&arena->dead);
}

/* --- what its pages cost ------------------------------------------------------------------------------------------ */

bool mem_arena_holds(const void *at)
{
	struct mapping *mapping;

	return arena_of((uintptr_t)at, &mapping) != NULL;
}

bool mem_arena_is_huge(const void *at)
{
	struct mapping *mapping;

	return arena_of((uintptr_t)at, &mapping) != NULL && atomic_load(&mapping->huge) != 0;
}

void mem_arena_charge(const void *at, uint64_t ns)
{
	struct mapping *mapping;
	struct mem_arena *arena = arena_of((uintptr_t)at, &mapping);

	if (arena == NULL)
		return;
	pthread_mutex_lock(&arena->charging);
	if (arena->meter.alarm_fd >= 0) {
		stall_charge(&arena->meter, STALL_MEMORY, ns);
		if (atomic_load(&mapping->huge) != 0)
			mem_touch_mark(&arena->touch, atomic_load(&mapping->at), atomic_load(&mapping->len));
	}
	pthread_mutex_unlock(&arena->charging);
}

uint64_t mem_arena_take(struct mem_arena *arena)
{
	uint64_t ns[STALL_KINDS];

	stall_take(&arena->meter, ns);
	return ns[STALL_MEMORY];
}
