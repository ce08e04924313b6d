/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_memory: the memory of a fake guest.
 *
 * A guest has up to 512 regions. Each is a piece of a memfd and has three unrelated addresses: the
 * guest's own (gpa: what descriptors hold), the front end's (user_addr: what SET_VRING_ADDR holds;
 * here an invented number at which nothing is mapped) and the one at which this process has it
 * mapped. A back end that confuses two of them cannot pass.
 *
 * Buffers are taken from a region by a bump allocator; nothing is given back before the region
 * goes. Thread-safety: one thread builds the memory; afterwards any thread may translate. Functions
 * return an index, an address or 0, and -errno (or NULL, or FG_NO_GPA) when they fail.
 */
#ifndef FG_MEMORY_H
#define FG_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FG_REGIONS_MAX = 512 };
#define FG_NO_GPA UINT64_MAX

struct fg_region {
	uint64_t gpa, size, user_addr;
	int fd;		    /* ours; -1: this slot of the table is free */
	uint64_t fd_offset; /* where in the file the region begins */
	uint8_t *map;	    /* @size bytes, inside a mapping that begins @lead bytes earlier */
	uint64_t lead;
	uint64_t used; /* bytes the allocator has given out */
};

struct fg_memory {
	struct fg_region region[FG_REGIONS_MAX];
	unsigned int n; /* slots ever used; free ones among them have fd -1 */
	unsigned int serial;
};

void fg_memory_init(struct fg_memory *);
void fg_memory_fini(struct fg_memory *);

/* A new memfd of @size bytes at @gpa. Returns the slot. */
int fg_memory_add(struct fg_memory *, uint64_t gpa, uint64_t size);

/* A region at @offset of the file @fd, which is duplicated. Returns the slot. */
int fg_memory_add_file(struct fg_memory *, uint64_t gpa, uint64_t size, int fd, uint64_t offset);

/* Unmaps and closes. The guest forgets the region; telling the back end is the session's work. */
void fg_memory_remove(struct fg_memory *, unsigned int slot);

/* A memfd of @size bytes, for files that are to be no region of ours. */
int fg_memory_file(uint64_t size);

/* @len bytes aligned to @align out of region @slot. */
uint64_t fg_memory_alloc_in(struct fg_memory *, unsigned int slot, uint64_t len, uint64_t align);
/* ... out of the first region that has room. */
uint64_t fg_memory_alloc(struct fg_memory *, uint64_t len, uint64_t align);

/* The region with all of [gpa, gpa + len), or NULL. */
const struct fg_region *fg_memory_find(const struct fg_memory *, uint64_t gpa, uint64_t len);
/* Where this process sees [gpa, gpa + len), or NULL. */
void *fg_memory_ptr(const struct fg_memory *, uint64_t gpa, uint64_t len);
/* The front end's address of @gpa, or FG_NO_GPA. */
uint64_t fg_memory_user(const struct fg_memory *, uint64_t gpa);

#endif
