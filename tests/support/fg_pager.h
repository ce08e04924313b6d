/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_pager: the memory of a guest that arrives page by page, as at the target of a postcopy
 * migration.
 *
 * fg_pager_depart() sets aside what the guest's memory holds and empties its files: from then on no
 * page is there. A page comes when the driver touches it (at once: a virtual CPU's fault), when the
 * back end faults on it (after the delay that is set, or never), or when fg_pager_push() sends the
 * rest. It is placed as QEMU places it: UFFDIO_COPY into our own mapping, UFFDIO_WAKE at the
 * address where the back end has it. With `through_theirs` it is UFFDIO_COPY to the back end's
 * address instead.
 *
 * What is found out: a page that was there before it was sent (the back end wrote or read the file past
 * its userfaultfd: those bytes are lost), a fault at an address that is not known (yet), an event
 * that is no fault; and, by fg_pager_compare(), memory that is not what was set aside. The parts
 * that no ring or buffer lies in are filled with a pattern of their addresses for this.
 *
 * Thread-safety: the struct belongs to one thread; the faults are answered by a thread of the
 * pager's own, and the delay may be changed while it runs. The driver may run in any thread.
 * Functions return 0 or -errno with a report on stderr.
 */
#ifndef FG_PAGER_H
#define FG_PAGER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fg_memory.h"

enum { FG_NEVER_US = -1 };

/* One region's pages. */
struct fg_pages {
	uint8_t *start;	    /* our mapping, from a page boundary on */
	uint64_t span;	    /* bytes, whole pages */
	uint32_t page;	    /* bytes */
	uint8_t *saved;	    /* what arrives */
	bool *there;	    /* for each page */
	uint64_t ballast;   /* where in the region the pattern begins */
	atomic_ullong base; /* where the back end has the region's first byte; 0: not known */
};

struct fg_pager {
	struct fg_memory *mem;
	struct fg_pages pages[FG_REGIONS_MAX];
	bool through_theirs;
	int own;	     /* our userfaultfd */
	atomic_int theirs;   /* the back end's, or -1. Ours to close */
	atomic_long delay_us; /* from a fault of the back end to its page */
	int wake;	     /* an eventfd: something was changed */
	pthread_t thread;
	bool running;
	atomic_bool stop;
	pthread_mutex_t lock; /* of the pages */
	atomic_ullong faults; /* the back end's */
	atomic_ullong own_faults;
	atomic_ullong sent;  /* pages */
	atomic_uint broken;  /* rules */
	atomic_bool vanished; /* the address space behind theirs is gone; no rule against it */
};

/* Empties @mem and starts answering. Without the right to make a userfaultfd: -EPERM. */
int fg_pager_depart(struct fg_pager *, struct fg_memory *mem, long delay_us);

/* The back end's userfaultfd, and where it has region @slot. */
void fg_pager_watch(struct fg_pager *, int theirs);
void fg_pager_set_base(struct fg_pager *, unsigned int slot, uint64_t base);
void fg_pager_set_delay(struct fg_pager *, long delay_us);

/* Waits until the back end has faulted @n times. Returns 0 or -ETIMEDOUT. */
int fg_pager_await_faults(struct fg_pager *, uint64_t n, int ms);

/* Sends every page that has not arrived; of one region. */
int fg_pager_push(struct fg_pager *);
int fg_pager_push_region(struct fg_pager *, unsigned int slot);

/* Answers no more faults, and gives our mapping back to the kernel. */
void fg_pager_stop(struct fg_pager *);

/* After everything was sent: -EPROTO if a rule was broken or memory is not what it was. */
int fg_pager_compare(const struct fg_pager *);

void fg_pager_fini(struct fg_pager *);

#endif
