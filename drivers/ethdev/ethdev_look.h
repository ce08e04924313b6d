/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_look.h: what a device says of itself: its link, its address, what it has counted.
 *
 * A driver may ask its firmware, or the kernel, and wait for the answer. So the device thread asks, and control shows what it
 * got to know last.
 *
 * Context: device thread, but for what is marked.
 * Ownership: the counters are allocated; whoever has the struct ethdev_look has them.
 */
#ifndef VUS_ETHDEV_LOOK_H
#define VUS_ETHDEV_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ethdev.h>

#include "role.h"

/* What the device and its driver have counted since it was started. */
struct ethdev_counted {
	struct rte_eth_stats stats;
	unsigned int xstats_n;
	struct rte_eth_xstat_name *names; /* [xstats_n] */
	struct rte_eth_xstat *values;	  /* [xstats_n] */
};

struct ethdev_look {
	bool whole; /* more was asked for than the link */
	struct rte_eth_link link;
	char driver[RTE_ETH_NAME_MAX_LEN]; /* "": it does not say */
	struct rte_ether_addr mac;
	bool has_mac;
	bool elsewhere; /* its kernel interface was moved to another network namespace: it is down here, and may be heard */
	int node; /* NUMA node; negative: unknown */
	struct ethdev_counted *counted; /* NULL: it does not say, or there was no memory */
};

/* Asks the device for its link, or for everything. Fills an uninitialised struct. */
void ethdev_look(uint16_t id, bool whole, struct ethdev_look *look) RUNS_ON(device_thread);

/* Context: any thread. `to` has what `from` got to know; what that did not ask for stays. */
void ethdev_look_take(struct ethdev_look *to, struct ethdev_look *from);
void ethdev_look_free(struct ethdev_look *look);
bool ethdev_look_is_up(const struct ethdev_look *look);
/* The link in words: "up, 10 Gbit/s" or "down: ...". */
void ethdev_look_text(const struct ethdev_look *look, char *text, size_t size);

#endif
