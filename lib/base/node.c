/* SPDX-License-Identifier: BSD-3-Clause */
#include "node.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

/* A batch of pages; bits for any node that a kernel may have. */
enum { BATCH = 64, PAGE = 4096, MASK_BITS = 1024, WORD_BITS = 8 * sizeof(unsigned long) };

bool nodes_several(void)
{
	enum { NOT_ASKED, ONE, SEVERAL };
	static _Atomic int known = NOT_ASKED;
	int answer = atomic_load_explicit(&known, memory_order_relaxed);

	if (answer == NOT_ASKED) {
		answer = numa_available() >= 0 && numa_num_configured_nodes() > 1 ? SEVERAL : ONE;
		atomic_store_explicit(&known, answer, memory_order_relaxed);
	}
	return answer == SEVERAL;
}

unsigned int node_distance(int from, int to)
{
	int distance = nodes_several() && from != to ? numa_distance(from, to) : NODE_NEAR;

	return distance > NODE_NEAR ? (unsigned int)distance : NODE_NEAR;
}

int nodes_of_pages(void *const *page, unsigned int n, int *node)
{
	if (move_pages(0, n, (void **)(uintptr_t)page, NULL, node, 0) < 0)
		return -errno;
	for (unsigned int i = 0; i < n; i++)
		if (node[i] < 0 || node[i] >= NODES_MAX)
			node[i] = NODE_UNKNOWN;
	return 0;
}

/* --- memory of ours ----------------------------------------------------------------------------------------------- */

static size_t rounded(size_t size, size_t to)
{
	return (size + to - 1) & ~(to - 1);
}

/* Brings the pages in, on this node if it has room: by the thread's policy, for one of the range would be a mapping of its
 * own for each. */
static void bring_in(void *at, size_t size, int node)
{
	unsigned long before[MASK_BITS / WORD_BITS], only[MASK_BITS / WORD_BITS] = {0};
	int mode;
	bool prefers = node != NODE_UNKNOWN && get_mempolicy(&mode, before, MASK_BITS, NULL, 0) == 0;

	if (prefers) {
		only[(unsigned int)node / WORD_BITS] = 1UL << (unsigned int)node % WORD_BITS;
		set_mempolicy(MPOL_PREFERRED, only, MASK_BITS);
	}
	memset(at, 0, size);
	if (prefers)
		set_mempolicy(mode, before, MASK_BITS);
}

void *node_alloc_pages(size_t size, int node)
{
	void *at;

	size = rounded(size, PAGE);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	/* A huge page would be moved with all that lies in it. */
	madvise(at, size, MADV_NOHUGEPAGE);
	bring_in(at, size, node);
	return at;
}

void node_free(void *at, size_t size)
{
	if (at != NULL && nodes_several())
		munmap(at, rounded(size, PAGE));
	else
		free(at);
}

int node_move(const struct node_span *span, int node)
{
	size_t pages = nodes_several() ? rounded(span->size, PAGE) / PAGE : 0;
	void *page[BATCH];
	int to[BATCH], status[BATCH], error = 0;

	for (size_t done = 0; done < pages; done += BATCH) {
		unsigned int n = 0;

		for (; n < BATCH && done + n < pages; n++) {
			page[n] = (uint8_t *)span->at + (done + n) * PAGE;
			to[n] = node;
		}
		if (move_pages(0, n, page, to, status, MPOL_MF_MOVE) < 0)
			error = -errno;
	}
	return error;
}
