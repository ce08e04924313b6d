/* SPDX-License-Identifier: BSD-3-Clause */
#include "mem_log.h"

#include <endian.h>

#include "mem_note.h"
#include "vus_limits.h"

enum { WORD_PAGES = 64 };

void mem_log_mark(const struct mem_log *log, uint64_t gpa, uint64_t len)
{
	uint64_t page = gpa / MEM_PAGE, last = (gpa + len - 1) / MEM_PAGE;

	if (len == 0)
		return;
	for (; page <= last && page < log->pages; page++) {
		uint64_t *word = &log->words[page / WORD_PAGES];
		uint64_t bit = htole64(UINT64_C(1) << page % WORD_PAGES);

		mem_note_single(word);
		/* A burst writes the same pages again and again; the fence before us makes the look safe: a thread that
		 * clears the bit after it reads the page after our bytes. */
		if ((__atomic_load_n(word, __ATOMIC_RELAXED) & bit) == 0)
			__atomic_fetch_or(word, bit, __ATOMIC_RELEASE);
	}
}

void mem_log_mark_host(const struct mem_log *log, const struct mem_map *map, const uint8_t *at,
		       uint64_t len)
{
	for (uint32_t i = 0; i < map->n; i++) {
		const struct mem_region *region = &map->region[i];
		uint64_t offset = (uint64_t)(at - region->host);

		if ((uintptr_t)at >= (uintptr_t)region->host && offset < region->size) {
			mem_log_mark(log, region->gpa + offset, len);
			return;
		}
	}
}
