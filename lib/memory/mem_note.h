/* SPDX-License-Identifier: BSD-3-Clause */
/* mem_note.h: what of guests' memory a thread is about to touch, for whoever has to know why it does not come back (X3).
 *
 * A page fault in guest memory may wait for what the peer does to the file behind it. A thread that sleeps in one cannot say
 * where; so it notes beforehand what it may touch: for each side of a burst the ring, and the pieces of memory that
 * were found in it; and the frames that it copies. The watchdog (watchdog.h) then looks which page of these is absent: that
 * one holds the thread, and its owner is known by its address.
 *
 * Notes are plain stores into the thread's own lines, a few a burst.
 *
 * Context: the thread that it belongs to writes, watchdog.c reads.
 */
#ifndef VUS_MEM_NOTE_H
#define VUS_MEM_NOTE_H

#include <stddef.h>
#include <stdint.h>

#include "lines.h"
#include "mem_map.h"

struct frame;
struct virtq_conf;

/* Whose memory: of the frames' source, or of where they go. */
enum mem_note_side { MEM_NOTE_FROM, MEM_NOTE_TO, MEM_NOTE_SIDES };

struct mem_note {
	_Alignas(64) uint32_t turn; /* another one with each burst: a thread whose turn stays is held */
	uint32_t n_frames;	    /* that are copied: one into each of the pieces of TO, or one into all of them */
	struct frame *const *frames;
	const void *single; /* a descriptor or a word that is touched by itself, or NULL */
	struct {
		const struct virtq_conf *ring; /* NULL: the side is not touched */
		const struct mem_span *spans;
		uint32_t n;
	} side[MEM_NOTE_SIDES];
};
WHOLE_LINES(struct mem_note);

/* The calling thread's. */
extern _Thread_local __attribute__((tls_model("local-exec"))) struct mem_note mem_note;

/* A store that is made, here, and once. */
#define MEM_NOTE_SET(field, value) __atomic_store_n(&mem_note.field, value, __ATOMIC_RELAXED)

/* A burst begins with this ring; no piece of memory has been found in it yet. */
static inline void mem_note_open(enum mem_note_side side, const struct virtq_conf *ring)
{
	MEM_NOTE_SET(side[side].n, 0);
	MEM_NOTE_SET(side[side].ring, ring);
	MEM_NOTE_SET(single, NULL);
	MEM_NOTE_SET(turn, mem_note.turn + 1);
}

/* A look at words of several rings begins; each is noted by itself, as a single one. */
static inline void mem_note_turn(void)
{
	MEM_NOTE_SET(turn, mem_note.turn + 1);
}

/* These pieces are touched next. They stay where they are until the note is changed. */
static inline void mem_note_spans(enum mem_note_side side, const struct mem_span *spans, uint32_t n)
{
	MEM_NOTE_SET(side[side].spans, spans);
	MEM_NOTE_SET(side[side].n, n);
}

/* These frames are copied next, one into each of the pieces of TO; or one, into all of them. */
static inline void mem_note_frames(struct frame *const *frames, uint32_t n)
{
	MEM_NOTE_SET(frames, frames);
	MEM_NOTE_SET(n_frames, n);
}

/* A descriptor or a word that is touched next. */
static inline void mem_note_single(const void *at)
{
	MEM_NOTE_SET(single, at);
}

/* Nothing of the side is touched any more. */
static inline void mem_note_close(enum mem_note_side side)
{
	MEM_NOTE_SET(side[side].ring, NULL);
}

#endif
