/* SPDX-License-Identifier: BSD-3-Clause */
#include "mem_touch.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "vus_limits.h"

enum { WORD = 64 };

/* --- bits --------------------------------------------------------------------------------------------------------- */

static const struct mem_touch_area *area_of(const struct mem_touch *touch, uintptr_t at)
{
	/* Pairs with mem_touch_area(). */
	unsigned int n = atomic_load_explicit(&touch->areas, memory_order_acquire);

	for (unsigned int i = 0; i < n; i++)
		if (at - touch->area[i].at < touch->area[i].len)
			return &touch->area[i];
	return NULL;
}

static size_t bytes_of_bits(size_t len)
{
	return (len / MEM_GRANULE / WORD + 1) * sizeof(uint64_t);
}

int mem_touch_area(struct mem_touch *touch, uintptr_t at, size_t len)
{
	unsigned int n = atomic_load(&touch->areas);
	void *bits;

	if (area_of(touch, at) != NULL)
		return 0;
	if (n == MEM_TOUCH_AREAS)
		return -ENOSPC;
	bits = mmap(NULL, bytes_of_bits(len), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bits == MAP_FAILED)
		return -errno;
	touch->area[n] = (struct mem_touch_area){.at = at, .len = len, .bit = bits};
	/* Pairs with area_of(). */
	atomic_store_explicit(&touch->areas, n + 1, memory_order_release);
	return 0;
}

void mem_touch_fini(struct mem_touch *touch)
{
	for (unsigned int i = 0; i < atomic_load(&touch->areas); i++)
		munmap((void *)touch->area[i].bit, bytes_of_bits(touch->area[i].len));
	atomic_store(&touch->areas, 0);
	atomic_store(&touch->left, 0);
	atomic_store(&touch->large, false);
	atomic_store(&touch->own_at, 0);
	atomic_store(&touch->asked, false);
	for (unsigned int i = 0; i < MEM_TOUCH_ASKED; i++)
		atomic_store(&touch->at[i], 0);
}

/* The bits of the granules that [at, at + len) lies in. */
static void set_bits(struct mem_touch *touch, uintptr_t at, size_t len, bool value)
{
	const struct mem_touch_area *area = area_of(touch, at);
	size_t first, last;

	if (area == NULL || len == 0)
		return;
	first = (at - area->at) >> MEM_GRANULE_BITS;
	last = (at + len - 1 - area->at) >> MEM_GRANULE_BITS;
	while (first <= last) {
		size_t in_word = first % WORD, n = WORD - in_word < last - first + 1 ? WORD - in_word : last - first + 1;
		uint64_t mask = (n == WORD ? UINT64_MAX : (UINT64_C(1) << n) - 1) << in_word, before;
		_Atomic uint64_t *word = &area->bit[first / WORD];

		if (value) {
			before = atomic_fetch_or(word, mask);
			atomic_fetch_add(&touch->left, (uint64_t)__builtin_popcountll(mask & ~before));
		} else if ((atomic_load(word) & mask) != 0) {
			before = atomic_fetch_and(word, ~mask);
			atomic_fetch_sub(&touch->left, (uint64_t)__builtin_popcountll(mask & before));
		}
		first += n;
	}
}

void mem_touch_mark(struct mem_touch *touch, uintptr_t at, size_t len)
{
	set_bits(touch, at, len, true);
}

void mem_touch_clear(struct mem_touch *touch, uintptr_t at, size_t len)
{
	set_bits(touch, at, len, false);
}

/* --- lcores ask --------------------------------------------------------------------------------------------------- */

static void ask(struct mem_touch *touch, uintptr_t at)
{
	_Atomic uintptr_t *place = &touch->at[(at >> MEM_GRANULE_BITS) % MEM_TOUCH_ASKED];
	const uint64_t one = 1;
	uintptr_t nobody = 0;

	if (!atomic_compare_exchange_strong(place, &nobody, at))
		return;
	/* Pairs with mem_touch_begin(): what was asked for before it is taken, or we ring again. A full eventfd has rung. */
	if (!atomic_exchange(&touch->asked, true) && write(touch->alarm_fd, &one, sizeof(one)) < 0)
		return;
}

/* Whether the caller may clear one more page. */
static bool may_clear(struct mem_touch *touch)
{
	const uint64_t rest = MEM_TOUCH_OWN_MS * NS_PER_MS;
	uint64_t at = atomic_load(&touch->own_at), now = clock_ns(), from;

	if (atomic_load_explicit(&touch->large, memory_order_relaxed))
		return false;
	do {
		if (at > now + (MEM_TOUCH_OWN - 1) * rest)
			return false;
		from = at > now ? at : now;
	} while (!atomic_compare_exchange_weak(&touch->own_at, &at, from + rest));
	return true;
}

/* Whether the page is known, or the caller may clear it; if not, it is asked for. */
static bool is_ready(struct mem_touch *touch, uintptr_t at, bool writes)
{
	const struct mem_touch_area *area = area_of(touch, at);
	size_t nth;

	if (area == NULL)
		return true;
	nth = (at - area->at) >> MEM_GRANULE_BITS;
	if ((atomic_load_explicit(&area->bit[nth / WORD], memory_order_relaxed) >> nth % WORD & 1) == 0)
		return true;
	if (writes && may_clear(touch)) {
		set_bits(touch, at, 1, false);
		return true;
	}
	ask(touch, at);
	return false;
}

/* Where what counts of a piece ends. */
static inline uintptr_t last_of(const struct mem_span *span)
{
	uint32_t len = span->len < FRAME_PIECE_MAX ? span->len : FRAME_PIECE_MAX;

	return (uintptr_t)span->at + len - (len > 0);
}

/* The first piece of which it is not plain that it is known: all of a guest's memory has its bits in one area,
 * mostly. A piece lies in one area, and in two granules at most. */
static inline uint32_t first_unknown(const struct mem_touch *touch, const struct mem_span *spans, uint32_t n)
{
	/* Pairs with mem_touch_area(). */
	const struct mem_touch_area area = atomic_load_explicit(&touch->areas, memory_order_acquire) > 0
						   ? touch->area[0]
						   : (struct mem_touch_area){0};
	uint32_t i;

	for (i = 0; i < n; i++) {
		uintptr_t first = (uintptr_t)spans[i].at - area.at, last = last_of(&spans[i]) - area.at;

		if (first >= area.len)
			break;
		first >>= MEM_GRANULE_BITS;
		last >>= MEM_GRANULE_BITS;
		if (atomic_load_explicit(&area.bit[first / WORD], memory_order_relaxed) >> first % WORD & 1)
			break;
		if (last != first && (atomic_load_explicit(&area.bit[last / WORD], memory_order_relaxed) >> last % WORD & 1))
			break;
	}
	return i;
}

/* The same of all pieces from number `i` on, in any area; what is not known is asked for. */
static __attribute__((noinline)) uint32_t ask_spans(struct mem_touch *touch, const struct mem_span *spans, uint32_t i, uint32_t n,
						    bool writes)
{
	uint32_t ready = n;

	for (; i < n; i++) {
		uintptr_t at = (uintptr_t)spans[i].at, last = last_of(&spans[i]);

		/* What stands behind one that is not ready is not written. */
		if (is_ready(touch, at, writes && ready == n) &&
		    (at >> MEM_GRANULE_BITS == last >> MEM_GRANULE_BITS || is_ready(touch, last, writes && ready == n)))
			continue;
		ready = i < ready ? i : ready;
	}
	return ready;
}

static inline uint32_t ready_spans(struct mem_touch *touch, const struct mem_span *spans, uint32_t n, bool writes)
{
	uint32_t i;

	if (!mem_touch_left(touch))
		return n;
	i = first_unknown(touch, spans, n);
	return __builtin_expect(i == n, 1) ? n : ask_spans(touch, spans, i, n, writes);
}

uint32_t mem_touch_ready(struct mem_touch *touch, const struct mem_span *spans, uint32_t n)
{
	return ready_spans(touch, spans, n, false);
}

uint32_t mem_touch_ready_to_write(struct mem_touch *touch, const struct mem_span *spans, uint32_t n)
{
	return ready_spans(touch, spans, n, true);
}

/* --- and a thread of the port touches ------------------------------------------------------------------------------ */

void mem_touch_begin(struct mem_touch *touch)
{
	/* Pairs with ask(). */
	atomic_store(&touch->asked, false);
}

const uint8_t *mem_touch_take(struct mem_touch *touch, unsigned int nth)
{
	return (const uint8_t *)atomic_exchange(&touch->at[nth], 0);
}
