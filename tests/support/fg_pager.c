/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_pager.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fg_clock.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

enum { LATE_MAX = 256 };

/* A fault that waits for its answer. */
struct late {
	unsigned int slot;
	uint64_t page, due_us;
};

static void complain(struct fg_pager *p, const char *what, uint64_t a, uint64_t b)
{
	if (atomic_fetch_add(&p->broken, 1) < 8)
		fprintf(stderr, "pager: %s (%#llx, %#llx)\n", what, (unsigned long long)a,
			(unsigned long long)b);
}

static uint64_t align_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static uint64_t pattern(uint64_t gpa)
{
	return (gpa ^ 0x706f7374636f7079) * 0x9e3779b97f4a7c15;
}

/* Fills what nothing lies in, words at whole addresses. */
static void fill(struct fg_pages *g, const struct fg_region *r)
{
	g->ballast = align_up(r->used, 8);
	for (uint64_t at = g->ballast; at + 8 <= r->size; at += 8) {
		uint64_t word = pattern(r->gpa + at);

		memcpy(r->map + at, &word, 8);
	}
}

static uint32_t page_size(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC ? (uint32_t)fs.f_bsize : 4096;
}

static int set_aside(struct fg_pages *g, const struct fg_region *r)
{
	g->page = page_size(r->fd);
	g->start = r->map - r->lead;
	g->span = align_up(r->lead + r->size, g->page);
	g->saved = calloc(1, g->span);
	g->there = calloc(g->span / g->page, sizeof(*g->there));
	if (g->saved == NULL || g->there == NULL)
		return -ENOMEM;
	fill(g, r);
	memcpy(g->saved, g->start, r->lead + r->size);
	if (fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)(r->fd_offset - r->lead), (off_t)g->span) < 0)
		return -errno;
	return 0;
}

static int own_userfaultfd(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

static int watch_own(const struct fg_pager *p, const struct fg_pages *g)
{
	struct uffdio_register reg = {
		.range = {.start = (uintptr_t)g->start, .len = g->span},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	return ioctl(p->own, UFFDIO_REGISTER, &reg) < 0 ? -errno : 0;
}

static uint64_t their_page(const struct fg_pager *p, unsigned int slot, uint64_t page)
{
	const struct fg_pages *g = &p->pages[slot];

	return atomic_load(&g->base) - p->mem->region[slot].lead + page * g->page;
}

static void wake(int fd, uint64_t at, uint64_t len)
{
	struct uffdio_range range = {.start = at, .len = len};

	ioctl(fd, UFFDIO_WAKE, &range);
}

static bool they_hear(const struct fg_pager *p, const struct fg_pages *g)
{
	return atomic_load(&p->theirs) >= 0 && atomic_load(&g->base) != 0 &&
	       atomic_load(&p->delay_us) != FG_NEVER_US && !atomic_load(&p->vanished);
}

/* UFFDIO_COPY, and what it says of the page. */
static void copy(struct fg_pager *p, int fd, uint64_t to, const struct fg_pages *g, uint64_t page)
{
	struct uffdio_copy c = {.dst = to, .src = (uintptr_t)(g->saved + page * g->page)};

	do {
		c.len = g->page;
		c.copy = 0;
	} while (ioctl(fd, UFFDIO_COPY, &c) < 0 && errno == EAGAIN);
	if (c.copy == (int64_t)g->page)
		return;
	if (c.copy == -EEXIST)
		complain(p, "a page was there before it was sent: region's page, address", page,
			 (uintptr_t)g->start + page * g->page);
	else if (errno == ESRCH)
		atomic_store(&p->vanished, true);
	else
		complain(p, "UFFDIO_COPY failed: address, errno", to, (uint64_t)errno);
}

/* The page arrives, if it has not yet; a thread that waits for it wakes up. */
static void place(struct fg_pager *p, unsigned int slot, uint64_t page)
{
	struct fg_pages *g = &p->pages[slot];
	uint64_t ours = (uintptr_t)g->start + page * g->page;
	bool hear = they_hear(p, g);

	pthread_mutex_lock(&p->lock);
	if (!g->there[page]) {
		if (p->through_theirs && hear)
			copy(p, atomic_load(&p->theirs), their_page(p, slot, page), g, page);
		else
			copy(p, p->own, ours, g, page);
		g->there[page] = true;
		atomic_fetch_add(&p->sent, 1);
	}
	pthread_mutex_unlock(&p->lock);
	wake(p->own, ours, g->page);
	if (hear)
		wake(atomic_load(&p->theirs), their_page(p, slot, page), g->page);
}

static bool next_fault(struct fg_pager *p, int fd, uint64_t *at)
{
	struct uffd_msg m;

	if (read(fd, &m, sizeof(m)) != sizeof(m))
		return false;
	if (m.event != UFFD_EVENT_PAGEFAULT) {
		complain(p, "an event that is no fault", m.event, 0);
		return false;
	}
	*at = m.arg.pagefault.address;
	return true;
}

static void answer_own(struct fg_pager *p)
{
	uint64_t at;

	while (next_fault(p, p->own, &at)) {
		atomic_fetch_add(&p->own_faults, 1);
		for (unsigned int i = 0; i < p->mem->n; i++) {
			const struct fg_pages *g = &p->pages[i];

			if (g->start != NULL && at - (uintptr_t)g->start < g->span)
				place(p, i, (at - (uintptr_t)g->start) / g->page);
		}
	}
}

/* Notes the back end's faults. One at an address that we have not been told is never answered, as
 * QEMU never answers it. */
static unsigned int note_theirs(struct fg_pager *p, struct late late[LATE_MAX], unsigned int n)
{
	uint64_t now = fg_now_us(), delay = (uint64_t)atomic_load(&p->delay_us);
	uint64_t at;

	while (n < LATE_MAX && next_fault(p, atomic_load(&p->theirs), &at)) {
		bool found = false;

		for (unsigned int i = 0; !found && i < p->mem->n; i++) {
			const struct fg_pages *g = &p->pages[i];
			uint64_t base = atomic_load(&g->base);

			found = base != 0 && at - (base - p->mem->region[i].lead) < g->span;
			if (found)
				late[n++] = (struct late){
					.slot = i,
					.page = (at - their_page(p, i, 0)) / g->page,
					.due_us = now + delay,
				};
		}
		if (!found)
			complain(p, "failed to find the region for a fault", at, 0);
		atomic_fetch_add(&p->faults, 1);
	}
	return n;
}

/* Answers what is due; returns how many are left. */
static unsigned int answer_theirs(struct fg_pager *p, struct late late[LATE_MAX], unsigned int n,
				  int *timeout_ms)
{
	uint64_t now = fg_now_us();
	unsigned int kept = 0;
	uint64_t soonest = UINT64_MAX;

	for (unsigned int i = 0; i < n; i++) {
		if (late[i].due_us <= now) {
			place(p, late[i].slot, late[i].page);
			continue;
		}
		soonest = soonest < late[i].due_us ? soonest : late[i].due_us;
		late[kept++] = late[i];
	}
	*timeout_ms = kept == 0 ? 1000 : (int)((soonest - now + 999) / 1000);
	return kept;
}

static void *serve(void *arg)
{
	struct fg_pager *p = arg;
	struct late late[LATE_MAX];
	unsigned int n = 0;
	int timeout_ms = 1000;

	while (!atomic_load(&p->stop)) {
		bool cannot_receive = atomic_load(&p->delay_us) == FG_NEVER_US || atomic_load(&p->vanished);
		struct pollfd fds[3] = {
			{.fd = p->own, .events = POLLIN},
			{.fd = p->wake, .events = POLLIN},
			{.fd = cannot_receive ? -1 : atomic_load(&p->theirs), .events = POLLIN},
		};
		uint64_t count;

		poll(fds, 3, timeout_ms);
		if (fds[0].revents & POLLIN)
			answer_own(p);
		if (fds[1].revents & POLLIN)
			(void)!read(p->wake, &count, sizeof(count));
		if (fds[2].revents & POLLIN)
			n = note_theirs(p, late, n);
		else if (fds[2].revents & POLLERR) /* not POLLNVAL: another may just have taken its place */
			atomic_store(&p->vanished, true);
		n = answer_theirs(p, late, n, &timeout_ms);
	}
	return NULL;
}

int fg_pager_depart(struct fg_pager *p, struct fg_memory *mem, long delay_us)
{
	int err = 0;

	memset(p, 0, sizeof(*p));
	p->mem = mem;
	atomic_store(&p->theirs, -1);
	atomic_store(&p->delay_us, delay_us);
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&p->lock, NULL);
	p->own = own_userfaultfd();
	if (p->own < 0 || p->wake < 0)
		err = p->own < 0 ? p->own : -EMFILE;
	for (unsigned int i = 0; err == 0 && i < mem->n; i++)
		if (mem->region[i].fd >= 0)
			err = set_aside(&p->pages[i], &mem->region[i]);
	for (unsigned int i = 0; err == 0 && i < mem->n; i++)
		if (mem->region[i].fd >= 0)
			err = watch_own(p, &p->pages[i]);
	if (err == 0)
		err = -pthread_create(&p->thread, NULL, serve, p);
	p->running = err == 0;
	if (err < 0) {
		fprintf(stderr, "pager: the memory cannot depart: %s\n", strerror(-err));
		fg_pager_fini(p);
	}
	return err;
}

void fg_pager_watch(struct fg_pager *p, int theirs)
{
	int before = atomic_exchange(&p->theirs, theirs);

	if (theirs >= 0)
		fcntl(theirs, F_SETFL, fcntl(theirs, F_GETFL) | O_NONBLOCK);
	eventfd_write(p->wake, 1);
	if (before >= 0)
		close(before);
}

void fg_pager_set_base(struct fg_pager *p, unsigned int slot, uint64_t base)
{
	atomic_store(&p->pages[slot].base, base);
}

void fg_pager_set_delay(struct fg_pager *p, long delay_us)
{
	atomic_store(&p->delay_us, delay_us);
	eventfd_write(p->wake, 1);
}

int fg_pager_await_faults(struct fg_pager *p, uint64_t n, int ms)
{
	int64_t deadline = fg_deadline(ms);

	while (atomic_load(&p->faults) < n) {
		if (fg_left_ms(deadline) == 0)
			return -ETIMEDOUT;
		fg_sleep_us(500);
	}
	return 0;
}

int fg_pager_push_region(struct fg_pager *p, unsigned int slot)
{
	const struct fg_pages *g = &p->pages[slot];

	for (uint64_t k = 0; g->start != NULL && k < g->span / g->page; k++)
		place(p, slot, k);
	return atomic_load(&p->broken) == 0 ? 0 : -EPROTO;
}

int fg_pager_push(struct fg_pager *p)
{
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < p->mem->n; i++)
		err = fg_pager_push_region(p, i);
	return err;
}

void fg_pager_stop(struct fg_pager *p)
{
	if (!p->running)
		return;
	atomic_store(&p->stop, true);
	eventfd_write(p->wake, 1);
	pthread_join(p->thread, NULL);
	p->running = false;
	close(p->own); /* and with it the registrations */
	p->own = -1;
}

int fg_pager_compare(const struct fg_pager *p)
{
	for (unsigned int i = 0; i < p->mem->n; i++) {
		const struct fg_region *r = &p->mem->region[i];
		const struct fg_pages *g = &p->pages[i];

		for (uint64_t at = g->ballast; g->start != NULL && at + 8 <= r->size; at += 8) {
			uint64_t want = pattern(r->gpa + at), got;

			memcpy(&got, r->map + at, 8);
			if (got == want)
				continue;
			fprintf(stderr, "pager: region %u at %#llx holds %#llx, not %#llx\n", i,
				(unsigned long long)at, (unsigned long long)got,
				(unsigned long long)want);
			return -EPROTO;
		}
	}
	return atomic_load(&p->broken) == 0 ? 0 : -EPROTO;
}

void fg_pager_fini(struct fg_pager *p)
{
	if (p->mem == NULL)
		return;
	fg_pager_stop(p);
	if (p->own >= 0)
		close(p->own);
	if (p->wake >= 0)
		close(p->wake);
	if (atomic_load(&p->theirs) >= 0)
		close(atomic_load(&p->theirs));
	for (unsigned int i = 0; i < FG_REGIONS_MAX; i++) {
		free(p->pages[i].saved);
		free(p->pages[i].there);
	}
	pthread_mutex_destroy(&p->lock);
	p->mem = NULL;
}
