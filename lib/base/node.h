/* SPDX-License-Identifier: BSD-3-Clause */
/* node.h: NUMA nodes: whether there are several, where pages lie, and memory of ours that lies on one of them.
 *
 * On a machine with one node, or where the kernel does not let us ask, nothing here makes a system call, and memory is
 * malloc()'s. On others node_alloc() gives whole pages of their own, so that what lies there can be moved to another node
 * without taking a neighbour along; its address stays.
 *
 * Context: any thread. node_move() waits for other CPUs to drain their lists of pages, and who touches a page that is being
 * copied waits for that: control has it called elsewhere.
 * Units: bytes; nodes are the kernel's numbers, and NODE_UNKNOWN is none of them.
 * Returns: 0 or -errno.
 */
#ifndef VUS_NODE_H
#define VUS_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"

/* Nodes with higher numbers are NODE_UNKNOWN to us. */
enum { NODE_UNKNOWN = -1, NODES_MAX = 64 };

/* Whether memory may lie on one of several. */
bool nodes_several(void);
/* The firmware's: NODE_NEAR within one node, about 20 from one to the next. */
enum { NODE_NEAR = 10 };
unsigned int node_distance(int from, int to);

/* Where each of n pages lies: NODE_UNKNOWN if our address space does not have it yet. Brings none in, and touches none. */
int nodes_of_pages(void *const *page, unsigned int n, int *node);

/* node_alloc() where there are several nodes. */
void *node_alloc_pages(size_t size, int node);
/* Zeroed, begins a line; on this node if it has room and there are several. NULL and errno. Inline, so that each caller is a
 * place of its own where it is made to fail (scripts/inject). */
static inline void *node_alloc(size_t size, int node)
{
	void *at;

	if (nodes_several())
		return node_alloc_pages(size, node);
	size = (size + LINE_BYTES - 1) & ~(size_t)(LINE_BYTES - 1);
	at = aligned_alloc(LINE_BYTES, size);
	return at != NULL ? memset(at, 0, size) : NULL;
}
void node_free(void *at, size_t size);
struct node_span {
	void *at;
	size_t size;
};
/* Moves what node_alloc() gave. Pages that cannot be moved stay. */
int node_move(const struct node_span *span, int node);

#endif
