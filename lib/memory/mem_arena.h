/* SPDX-License-Identifier: BSD-3-Clause */
/* mem_arena.h: the address space of one port, and what happens when the memory under it goes away.
 *
 * Everything a front end lets us map, guest memory first of all, is mapped inside address space that was reserved for
 * its port and holds nothing else. A front end owns the files behind those mappings: it can truncate them, and a huge
 * page pool can run dry; touching such a page raises SIGBUS on whichever thread does. The handler installed here knows
 * an address in an arena: it lays anonymous memory over the whole mapping, so that the copy in progress ends and no
 * further fault follows, marks the arena dead and rings its alarm. The port is then torn down by the control thread;
 * no other port notices. A SIGBUS anywhere else is a bug or broken hardware and ends the process as before.
 *
 * Address space is taken in growing pieces, so that a port costs a few times what it uses, or 1 GiB: a thousand ports of a few
 * GiB or a few of many TiB, and of those no more than MEM_SPACE_MAX_GIB each.
 *
 * Context: the control thread creates; all else runs on threads that may be lost (disposal.h), since the front end decides how
 * long it takes (X2). The handler runs on any thread. An arena is destroyed only after every lcore has left its maps.
 */
#ifndef VUS_MEM_ARENA_H
#define VUS_MEM_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mem_arena;

/* Takes over SIGBUS. Again after anything that may have replaced the handler (EAL does when its heap grows); cheap.
 * 0 or -errno. */
int mem_arena_guard(void);

/* `alarm_fd`: an eventfd that the handler writes when the arena dies; the caller's, and it outlives the arena.
 * NULL and errno. */
struct mem_arena *mem_arena_create(int alarm_fd);
/* Unmaps everything, once nobody maps or releases a mapping of it any more. NULL is fine. */
void mem_arena_destroy(struct mem_arena *arena);

/* Maps `len` bytes of `fd` from `offset`, both multiples of `page` (the page size of the file: 4 KiB, 2 MiB or 1 GiB),
 * readable and writable, shared, never populated, not in core dumps. NULL and errno (ENOSPC: more mappings than
 * MEM_SLOTS_MAX and some; EFBIG: more address space than one port may have; ENOMEM: none left in the process, or
 * vm.max_map_count reached). */
uint8_t *mem_arena_map(struct mem_arena *arena, int fd, uint64_t offset, size_t len, size_t page);

/* The file of a mapping has huge pages of `page` bytes. `known`: it has all of them; otherwise who touches them first may have to
 * clear them (mem_touch.h). 0 or -errno. */
int mem_arena_huge(struct mem_arena *arena, const uint8_t *at, size_t page, bool known);
/* All of the mapping at `at` is there by now. */
void mem_arena_whole(struct mem_arena *arena, const uint8_t *at, size_t len);
/* What is known of huge pages; NULL: no mapping has ever had any. */
struct mem_touch *mem_arena_touch(struct mem_arena *arena);
/* Touches the pages that were asked for, and returns when no more are. A page may take as long as the front end likes. */
void mem_arena_touch_asked(struct mem_arena *arena);

/* Gives a mapping back: the range becomes reserved again and may be handed out anew. No reader may hold it. */
void mem_arena_release(struct mem_arena *arena, uint8_t *at, size_t len);

/* The same for a mapping that may still be read, by a reader that cannot be stopped: the file is let go of, and in its place are
 * empty pages that stay, beyond the arena's end. */
void mem_arena_abandon(struct mem_arena *arena, uint8_t *at, size_t len);

/* Whether SIGBUS struck in it. */
bool mem_arena_is_dead(const struct mem_arena *arena);

/* Whether an address lies in a mapping of an arena.
 * Context: any thread. */
bool mem_arena_holds(const void *at);
/* Whether it lies in a mapping whose file has huge pages.
 * Context: any thread. */
bool mem_arena_is_huge(const void *at);
/* Somebody waited for so long for the page at `at`: the arena's meter is charged, and its alarm is written. If it is a huge one,
 * none of its mapping is known any more. Nothing if it is in no arena any more.
 * Context: any thread; waits for no longer than such a write takes. */
void mem_arena_charge(const void *at, uint64_t ns);
/* What was charged since the last call. Control thread. */
uint64_t mem_arena_take(struct mem_arena *arena);

#endif
