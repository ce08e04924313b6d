/* SPDX-License-Identifier: BSD-3-Clause */
/* mem_fetch.h: who reads what of a guest's memory, watched: the build -Dfetch=once.
 *
 * In it each read of memory that a guest may change is written down, byte by byte, for as long as a burst lasts. A second read
 * of a byte in the same burst gives something else than is there, as a guest that rewrites its memory would have it, and ends
 * the program with a line that names both readers: so a double fetch (V9) fails a test whatever the timing. In every other build
 * nothing of this is there.
 *
 * Two bursts may be open in a thread: one from a guest, and while it is, one into a guest. Both know what they read.
 *
 * A byte is read to be looked at (a field, a header, a head) or to be copied to where it goes (a body: once to each receiver,
 * and once for a checksum that is done for it). A body may be copied again; what was looked at may not.
 *
 * A guest may name the same bytes twice: two heads with one descriptor, two descriptors with one buffer. They are read once
 * for each name then. No driver does so; the test cases in which a guest does say so with mem_fetch_aliases(), and only in
 * these mem_fetch_named() forgets that the bytes were read before. VUS_FETCH=mutate: the program goes on.
 *
 * Context: any thread that reads guest memory; each has bursts of its own.
 */
#ifndef VUS_MEM_FETCH_H
#define VUS_MEM_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mem_fetch_burst { MEM_FETCH_FROM_GUEST, MEM_FETCH_TO_GUEST, MEM_FETCH_BURSTS };

#ifdef VUS_FETCH_ONCE
void mem_fetch_aliases(bool named_twice);
void mem_fetch_begin(enum mem_fetch_burst burst);
void mem_fetch_end(void);
/* `value` was read at `at`, of so many bytes: what the reader gets. */
uint64_t mem_fetch_field(const void *at, size_t size, uint64_t value, const char *reader);
void mem_fetch_bytes(void *to, const void *from, size_t len, const char *reader);
void mem_fetch_copied(const void *from, size_t len, const char *reader);
void mem_fetch_named(const void *at, size_t len);
#define mem_fetch_read(to, from, len) mem_fetch_bytes(to, from, len, __func__)
#define mem_fetch_body(from, len) mem_fetch_copied(from, len, __func__)
#else
/* For tests: from here on a guest does, or does not, name the same bytes twice. */
static inline void mem_fetch_aliases(bool named_twice)
{
	(void)named_twice;
}

/* A burst begins: nothing that was read before is used any more. A burst from a guest ends one into a guest, too. */
static inline void mem_fetch_begin(enum mem_fetch_burst burst)
{
	(void)burst;
}

/* No burst is open. */
static inline void mem_fetch_end(void)
{
}

/* Bytes that are to be looked at were copied from `from` to `to`. */
static inline void mem_fetch_read(void *to, const void *from, size_t len)
{
	(void)to, (void)from, (void)len;
}

/* Bytes of a body are copied to where they go. */
static inline void mem_fetch_body(const void *from, size_t len)
{
	(void)from, (void)len;
}

/* A guest has named these bytes, and they are about to be read for that. */
static inline void mem_fetch_named(const void *at, size_t len)
{
	(void)at, (void)len;
}
#endif

#endif
