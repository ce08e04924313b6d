/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_pool.h"

#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>


enum {
	CACHE = 128,	 /* mbufs an lcore keeps for itself: a few bursts */
	ASIDE_MAX = 128, /* more than there can be ports of any one moment; beyond it a pool is never freed */
};

static struct rte_mempool *aside[ASIDE_MAX] OWNED_BY(device_thread);
static unsigned int pools_made OWNED_BY(device_thread);

/* A pool that was put aside and is whole again: as wanted if there is one; the others are freed. */
static struct rte_mempool *sweep(unsigned int n, uint16_t room, int socket) RUNS_ON(device_thread)
{
	struct rte_mempool *found = NULL;

	for (unsigned int i = 0; i < ASIDE_MAX; i++) {
		struct rte_mempool *pool = aside[i];

		if (pool == NULL || !rte_mempool_full(pool))
			continue;
		aside[i] = NULL;
		if (found == NULL && pool->size == n && pool->socket_id == socket &&
		    rte_pktmbuf_data_room_size(pool) == room)
			found = pool;
		else
			rte_mempool_free(pool);
	}
	return found;
}

struct rte_mempool *ethdev_pool_get(unsigned int n, uint16_t room, int socket)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *pool;

	room = (uint16_t)(room + RTE_PKTMBUF_HEADROOM);
	pool = sweep(n, room, socket);
	if (pool != NULL)
		return pool;
	snprintf(name, sizeof(name), "ethdev_%u", pools_made++);
	pool = rte_pktmbuf_pool_create(name, n, CACHE, 0, room, socket);
	if (pool == NULL)
		errno = rte_errno;
	return pool;
}

void ethdev_pool_put(struct rte_mempool *pool)
{
	unsigned int i = 0;

	if (pool == NULL)
		return;
	sweep(0, 0, 0);
	if (rte_mempool_full(pool)) {
		rte_mempool_free(pool);
		return;
	}
	while (i < ASIDE_MAX && aside[i] != NULL)
		i++;
	if (i < ASIDE_MAX)
		aside[i] = pool;
}
