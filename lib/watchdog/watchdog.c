/* SPDX-License-Identifier: BSD-3-Clause */
#include "watchdog.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/virtio_ring.h>

#include "clock.h"
#include "frame.h"
#include "lines.h"
#include "mem_arena.h"
#include "mem_note.h"
#include "role.h"
#include "virtq.h"
#include "vus_limits.h"
#include "watch_thread.h"

/* A watched thread. `awake` is its own; the rest is under the lock. */
struct watched {
	_Alignas(64) atomic_bool awake;
	const struct mem_note *note; /* NULL: the place is free */
	int where;		     /* /proc/self/task/TID/syscall */
	clockid_t cpu;		     /* its CPU time */
	uint32_t turn;
	bool held; /* at the last look */
	uint64_t looked_ns;
};
WHOLE_LINES(struct watched);

static struct {
	pthread_mutex_t lock; /* taken by watched threads only to join and leave */
	struct watched watched[WATCHDOG_THREADS_MAX];
	unsigned int sampled;
	unsigned int wary; /* looks for which it is */
	unsigned int mean_ms; /* between two looks, for now: what one stands for */
	unsigned short dice[3];
	int pages;  /* /proc/self/pagemap */
	int memory; /* /proc/self/mem */
	struct watch_thread watch;
} watchdog = {.lock = PTHREAD_MUTEX_INITIALIZER, .pages = -1, .memory = -1, .watch = {.bell = {.fd = -1}}};

static _Thread_local struct watched *mine;

/* --- which page ------------------------------------------------------------------------------------------------- */

/* What a thread noted, read as /proc/self/mem: it may go away meanwhile, and then makes no sense. Addresses in it are looked up,
 * never followed. */
struct evidence {
	struct mem_note note;
	struct virtq_conf ring[MEM_NOTE_SIDES];
	struct mem_span spans[MEM_NOTE_SIDES][BURST_SPANS];
	struct frame *frames[BURST_MAX]; /* that are copied */
	uint32_t n_frames;
};

/* Nothing of it if it cannot be had. */
static bool peek(const void *at, void *to, size_t len)
{
	return at != NULL && pread(watchdog.memory, to, len, (off_t)(uintptr_t)at) == (ssize_t)len;
}

static uint32_t peek_spans(const struct mem_span *spans, uint32_t n, struct mem_span *to)
{
	return n <= BURST_SPANS && peek(spans, to, n * sizeof(*to)) ? n : 0;
}

static void take_evidence(struct evidence *evidence, const struct mem_note *from)
{
	struct mem_note *note = &evidence->note;

	if (!peek(from, note, sizeof(*note)))
		*note = (struct mem_note){.turn = 0};
	for (int side = 0; side < MEM_NOTE_SIDES; side++) {
		if (!peek(note->side[side].ring, &evidence->ring[side], sizeof(evidence->ring[side])))
			note->side[side].ring = NULL;
		note->side[side].n = note->side[side].ring == NULL
					     ? 0
					     : peek_spans(note->side[side].spans, note->side[side].n, evidence->spans[side]);
	}
	evidence->n_frames = 0;
	if (note->side[MEM_NOTE_TO].n > 0 && note->n_frames <= BURST_MAX &&
	    peek(note->frames, evidence->frames, note->n_frames * sizeof(evidence->frames[0])))
		evidence->n_frames = note->n_frames;
}

/* Whether each of the next pages is there, at most `n`: how many could be asked. */
static unsigned int ask_pages(uintptr_t page, unsigned int n, uint64_t *entries)
{
	ssize_t got = pread(watchdog.pages, entries, n * sizeof(*entries), (off_t)(page / MEM_PAGE * sizeof(*entries)));

	return got > 0 ? (unsigned int)got / sizeof(*entries) : 0;
}

/* The first byte of [at, at + len) that lies in an absent page of an arena, or NULL. What cannot be asked is not absent. */
static const uint8_t *absent_in(const void *at, uint64_t len)
{
	enum { PAGES = 64 };
	uintptr_t page = (uintptr_t)at & ~(uintptr_t)(MEM_PAGE - 1), end = (uintptr_t)at + len;

	while (at != NULL && page < end) {
		uint64_t entries[PAGES], left = (end - page + MEM_PAGE - 1) / MEM_PAGE;
		unsigned int n = ask_pages(page, left < PAGES ? (unsigned int)left : PAGES, entries);

		for (unsigned int i = 0; i < n; i++, page += MEM_PAGE)
			if (entries[i] >> 63 == 0 && mem_arena_holds((const void *)page))
				return page < (uintptr_t)at ? at : (const uint8_t *)page;
		if (n == 0)
			break;
	}
	return NULL;
}

/* The same in pieces; `before`: how many bytes of them come first. Of a piece no more is touched than the longest frame with its
 * header, whatever the guest says its length is. */
static const uint8_t *absent_of(const struct mem_span *spans, uint32_t n, uint64_t *before)
{
	const uint8_t *absent;

	*before = 0;
	for (uint32_t i = 0; i < n; i++) {
		absent = absent_in(spans[i].at, spans[i].len < FRAME_PIECE_MAX ? spans[i].len : FRAME_PIECE_MAX);
		if (absent != NULL) {
			*before += (uint64_t)(absent - spans[i].at);
			return absent;
		}
		*before += spans[i].len;
	}
	return NULL;
}

static const uint8_t *absent_of_ring(const struct virtq_conf *ring)
{
	uint64_t size = ring->size <= VIRTQ_SIZE_MAX ? ring->size : 0;
	/* The parts of a split ring end with an event index; those of a packed one are event structs. */
	uint64_t avail = ring->packed ? 4 : (size + 3) * sizeof(uint16_t);
	uint64_t used = ring->packed ? 4 : size * sizeof(struct vring_used_elem) + 3 * sizeof(uint16_t);
	const uint8_t *absent = absent_in(ring->avail, avail);

	if (absent == NULL)
		absent = absent_in(ring->desc, size * sizeof(struct vring_desc));
	return absent != NULL ? absent : absent_in(ring->used, used);
}

/* One frame is copied: its body and where it goes are touched in turn, so the absent page that comes first holds the thread. A
 * copy reads the end of a small piece early, so such a piece counts as read where it begins. */
static const uint8_t *absent_of_copy(const struct frame *frame, const struct mem_span *to, uint32_t n, uint32_t header_len)
{
	enum { READ_EARLY = 128, SMALL_PIECE = 8192 };
	static struct mem_span body[BURST_SPANS];
	uint32_t spans = peek_spans(frame->body, frame->body_spans, body);
	uint64_t to_before, from_before;
	const uint8_t *to_absent = absent_of(to, n, &to_before), *from_absent = absent_of(body, spans, &from_before);

	if (to_absent == NULL || from_absent == NULL)
		return to_absent != NULL ? to_absent : from_absent;
	if (spans == 1 && body[0].len <= SMALL_PIECE)
		from_before = 0;
	return from_before + header_len + frame->head_len <= to_before + READ_EARLY ? from_absent : to_absent;
}

/* Of the frames of a burst: those before the one that holds the thread have been copied, and their pages are there. */
static const uint8_t *absent_of_frames(const struct evidence *evidence)
{
	const struct mem_span *to = evidence->spans[MEM_NOTE_TO];
	uint32_t n = evidence->note.side[MEM_NOTE_TO].n, header_len = evidence->ring[MEM_NOTE_TO].header_len;
	const uint8_t *absent = NULL;
	struct frame frame;

	for (uint32_t i = 0; i < evidence->n_frames && i < n && absent == NULL; i++)
		if (peek(evidence->frames[i], &frame, sizeof(frame)))
			absent = absent_of_copy(&frame, to + i, evidence->n_frames == 1 ? n : 1, header_len);
	return absent;
}

static const uint8_t *absent_page(const struct evidence *evidence)
{
	const uint8_t *absent = absent_in(evidence->note.single, 1);
	uint64_t before;

	if (absent == NULL)
		absent = absent_of_frames(evidence);
	for (int side = MEM_NOTE_SIDES - 1; side >= 0; side--) {
		if (absent == NULL && evidence->note.side[side].ring != NULL)
			absent = absent_of_ring(&evidence->ring[side]);
		if (absent == NULL)
			absent = absent_of(evidence->spans[side], evidence->note.side[side].n, &before);
	}
	return absent;
}

/* --- who is held ------------------------------------------------------------------------------------------------- */

/* Whether the thread sleeps, and in no system call. */
static bool sleeps_in_a_fault(const struct watched *watched)
{
	char text[4];

	/* "running"; or the system call's number; or -1. */
	return pread(watched->where, text, sizeof(text), 0) >= 3 && memcmp(text, "-1 ", 3) == 0;
}

static bool stays_in(const struct watched *watched, uint32_t turn)
{
	return __atomic_load_n(&watched->note->turn, __ATOMIC_RELAXED) == turn;
}

/* It runs for a moment, and in that turn all the while. */
static bool runs_in(const struct watched *watched, uint32_t turn)
{
	enum { PAUSE_NS = 60000 };
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	uint64_t before = clock_of_ns(watched->cpu);

	ppoll(NULL, 0, &pause, NULL);
	return stays_in(watched, turn) && clock_of_ns(watched->cpu) - before >= PAUSE_NS / 2;
}

/* The huge page that a thread clears. It runs, in one turn all the while, and the first page that is absent is a huge one: a
 * moment later it clears that page still, or it has, and clears the next ones. Most threads are in another turn after the first
 * moment, which is then all that they cost. */
static const uint8_t *cleared_page(const struct watched *watched, uint32_t turn, struct evidence *evidence)
{
	const uint8_t *absent;

	if (!runs_in(watched, turn))
		return NULL;
	take_evidence(evidence, watched->note);
	absent = absent_page(evidence);
	return absent != NULL && mem_arena_is_huge(absent) && runs_in(watched, turn) ? absent : NULL;
}

/* A thread that stays in its turn is asked at each look, and the time since the last is charged. Of all others one is asked, and
 * stands for the time until it is its turn again. */
static void look_at(struct watched *watched, uint32_t turn, unsigned int awake, bool sample)
{
	static struct evidence evidence;
	uint64_t now = clock_ns(), ns = watchdog.mean_ms * NS_PER_MS;
	/* More are awake than when the period began. */
	uint64_t most = (awake * WATCHDOG_MS > WATCHDOG_CALM_MS ? awake * WATCHDOG_MS : WATCHDOG_CALM_MS) * NS_PER_MS;
	bool stays = turn == watched->turn;
	const uint8_t *absent = NULL;

	if ((stays || sample) && sleeps_in_a_fault(watched)) {
		take_evidence(&evidence, watched->note);
		absent = absent_page(&evidence);
	} else if (stays || sample) {
		absent = cleared_page(watched, turn, &evidence);
	}
	if (!stays)
		ns = ns * awake < most ? ns * awake : most;
	else if (watched->held)
		ns = now - watched->looked_ns;
	/* Still in that turn, now that the page is known. */
	if (absent != NULL && stays_in(watched, turn))
		mem_arena_charge(absent, ns);
	if (absent != NULL)
		watchdog.wary = WATCHDOG_WARY;
	watched->held = absent != NULL;
	watched->turn = turn;
	watched->looked_ns = now;
}

/* Until the next look, in the mean. */
static unsigned int mean_ms(unsigned int awake)
{
	if (watchdog.wary > 0) {
		watchdog.wary--;
		return WATCHDOG_MS;
	}
	if (awake * WATCHDOG_MS > WATCHDOG_CALM_MS)
		return WATCHDOG_MS;
	return WATCHDOG_CALM_MS / (awake > 0 ? awake : 1);
}

/* From half of that to three halves: who could tell when the next look comes would hold a thread in between. */
static void set_period(unsigned int awake)
{
	unsigned int half;

	watchdog.mean_ms = mean_ms(awake);
	half = watchdog.mean_ms / 2;
	watchdog.watch.period_ms = (int)(watchdog.mean_ms - half + (unsigned int)nrand48(watchdog.dice) % (2 * half + 1));
}

/* Looks at each thread once: whether any is awake. */
static bool watch_look(void)
{
	unsigned int awake = 0, nth = 0;

	pthread_mutex_lock(&watchdog.lock);
	for (unsigned int i = 0; i < WATCHDOG_THREADS_MAX; i++)
		awake += watchdog.watched[i].note != NULL && atomic_load(&watchdog.watched[i].awake);
	watchdog.sampled = awake > 0 ? (watchdog.sampled + 1) % awake : 0;
	for (unsigned int i = 0; i < WATCHDOG_THREADS_MAX; i++) {
		struct watched *watched = &watchdog.watched[i];

		if (watched->note == NULL)
			continue;
		if (!atomic_load(&watched->awake)) {
			/* Who is held in that turn when it is awake again was not held until then. */
			watched->held = false;
			continue;
		}
		look_at(watched, __atomic_load_n(&watched->note->turn, __ATOMIC_RELAXED), awake,
			nth == watchdog.sampled);
		nth++;
	}
	set_period(awake);
	pthread_mutex_unlock(&watchdog.lock);
	return awake > 0;
}

int watchdog_start(void)
{
	watchdog.pages = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	watchdog.memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	/* Without it they are the same at each start, and still nobody sees them. */
	(void)!getrandom(watchdog.dice, sizeof(watchdog.dice), GRND_NONBLOCK);
	watchdog.watch.look = watch_look;
	watchdog.watch.period_ms = watchdog.mean_ms = WATCHDOG_CALM_MS;
	watchdog.watch.vigil = WATCHDOG_VIGIL;
	watchdog.watch.name = "memory-watchdog";
	return watch_thread_start(&watchdog.watch);
}

void watchdog_stop(void)
{
	watch_thread_stop(&watchdog.watch);
	if (watchdog.pages >= 0)
		close(watchdog.pages);
	if (watchdog.memory >= 0)
		close(watchdog.memory);
	watchdog.pages = watchdog.memory = -1;
}

/* --- those who are watched ---------------------------------------------------------------------------------------- */

void watchdog_join(void)
{
	char path[64];
	int where;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)syscall(SYS_gettid));
	where = open(path, O_RDONLY | O_CLOEXEC);
	if (where < 0)
		return;
	pthread_mutex_lock(&watchdog.lock);
	for (unsigned int i = 0; i < WATCHDOG_THREADS_MAX && mine == NULL; i++) {
		if (watchdog.watched[i].note != NULL)
			continue;
		mine = &watchdog.watched[i];
		mine->note = &mem_note;
		mine->where = where;
		pthread_getcpuclockid(pthread_self(), &mine->cpu);
		mine->held = false;
	}
	pthread_mutex_unlock(&watchdog.lock);
	if (mine == NULL)
		close(where);
	else
		watchdog_awake();
}

void watchdog_leave(void)
{
	if (mine == NULL)
		return;
	pthread_mutex_lock(&watchdog.lock);
	mine->note = NULL;
	pthread_mutex_unlock(&watchdog.lock);
	close(mine->where);
	mine = NULL;
}

void watchdog_asleep(void)
{
	if (mine != NULL)
		atomic_store_explicit(&mine->awake, false, memory_order_relaxed);
}

void watchdog_awake(void)
{
	if (mine == NULL)
		return;
	atomic_store(&mine->awake, true);
	doorbell_ring(&watchdog.watch.bell);
}
