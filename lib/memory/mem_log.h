/* SPDX-License-Identifier: BSD-3-Clause */
/* mem_log.h: the dirty log of a live migration: which pages of guest memory the device has written.
 *
 * One bit for each 4 KiB of guest-physical address, page 0 first, least significant bit first, in memory that the front
 * end shares with every device of the VM and harvests while the guest runs (vhost-user specification, "Migration").
 * A write is complete in guest memory before its bit is set: a harvester that takes the bit reads the bytes.
 *
 * Context: control makes and publishes a log in the device's mem_table; lcores mark. The bits are set by atomic
 * read-modify-writes, because several lcores and other devices share the words. A range beyond the end of the log is
 * cut off, never written (M8, V16). Nothing here needs EAL or blocks.
 */
#ifndef VUS_MEM_LOG_H
#define VUS_MEM_LOG_H

#include <stdint.h>

#include "mem_map.h"

struct mem_log {
	uint64_t *words; /* at our address, aligned to 8; in the port's arena */
	uint64_t pages;	 /* how many the log covers */
};

/* Marks every page of [gpa, gpa + len). The bytes must have been stored, and a guest_fence() passed since. */
void mem_log_mark(const struct mem_log *log, uint64_t gpa, uint64_t len);

/* The same for a range named by our address, which must lie in one region of the map. */
void mem_log_mark_host(const struct mem_log *log, const struct mem_map *map, const uint8_t *at,
		       uint64_t len);

#endif
