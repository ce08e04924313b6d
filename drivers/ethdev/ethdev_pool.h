/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_pool.h: the mbuf pool of one port.
 *
 * A port's frames may still wait in another device's transmit ring when the port ends (a device frees what it has sent
 * whenever it likes). A pool that is not whole is therefore put aside, and freed or used again once it is.
 *
 * Context: device thread.
 */
#ifndef VUS_ETHDEV_POOL_H
#define VUS_ETHDEV_POOL_H

#include <stdint.h>

#include "role.h"

struct rte_mempool;

/* `n` mbufs with `room` bytes for data behind the usual headroom, on a NUMA node (or SOCKET_ID_ANY). NULL and errno. */
struct rte_mempool *ethdev_pool_get(unsigned int n, uint16_t room, int socket)
	RUNS_ON(device_thread);
void ethdev_pool_put(struct rte_mempool *pool) RUNS_ON(device_thread);

#endif
