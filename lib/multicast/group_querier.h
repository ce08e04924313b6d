/* SPDX-License-Identifier: BSD-3-Clause */
/* group_querier.h: who asks for members in each VLAN of one bridge, IGMP and MLD by itself, and behind which ports there are
 * routers.
 *
 * Snooping is of use only where somebody asks: without queries hosts say once that they join, and members would be forgotten
 * after a while. So a VLAN is *snooped* while there is a querier, and from when the answers to its first query are in.
 *
 * Election (RFC 3376, 6.6.2; RFC 3810, 7.6.2): of two queriers the one with the lower address asks. 0.0.0.0 takes no part
 * (RFC 4541, 2.1.1): with that as our own, we ask only as long as there is nobody else.
 *
 * Context: control; no clock: the caller says what time it is.
 * Units: nanoseconds of one clock that never goes back.
 */
#ifndef VUS_GROUP_QUERIER_H
#define VUS_GROUP_QUERIER_H

#include "group_message.h"

struct group_queriers;

struct group_queriers_config {
	bool asks; /* we are one, */
	struct group_address own[GROUP_FAMILIES]; /* with these addresses */
	uint64_t interval, response; /* of ours, and of a querier that does not say */
};

/* Of RFC 3376, 8.1, and how long answers to a query for one group are waited for (8.8). */
enum { GROUP_ROBUSTNESS = 2, GROUP_LAST_MEMBER_MS = 1000 };
/* Another querier is believed an interval and a response time of up to so many times ours: who says more may be a guest that
 * would have nobody ask. Where it is true nothing is lost: between its queries the switch asks, or the VLAN is flooded. */
enum { GROUP_OTHER_MOST = 4 };

/* Returns: NULL: no memory. */
struct group_queriers *group_queriers_create(const struct group_queriers_config *config);
void group_queriers_destroy(struct group_queriers *queriers);
/* If they are others than before, who asks is found out anew. */
void group_queriers_configure(struct group_queriers *queriers, const struct group_queriers_config *config, uint64_t now);

/* A VLAN in which there are hosts: if we are to ask, we ask there. 0 or -ENOMEM. */
int group_queriers_add(struct group_queriers *queriers, uint16_t fid, uint64_t now);
/* A query came from a port. 0 or -ENOMEM. */
int group_queriers_heard(struct group_queriers *queriers, uint16_t fid, uint16_t port, const struct group_message *query,
			 uint64_t now);
/* There is a router behind a port until then; 0: none any more. 0 or -ENOMEM. */
int group_queriers_router(struct group_queriers *queriers, uint16_t fid, enum group_family family, uint16_t port, uint64_t until);
void group_queriers_forget_port(struct group_queriers *queriers, uint16_t port);
/* No port is in that VLAN any more: nothing is known of it. */
void group_queriers_forget(struct group_queriers *queriers, uint16_t fid);
/* What is over by now ends. */
void group_queriers_expire(struct group_queriers *queriers, uint64_t now);
/* The next general query that we are to send by now: true, once for each. */
bool group_queriers_ask(struct group_queriers *queriers, uint64_t now, uint16_t *fid, enum group_family *family);
/* When the next query is to be sent, or something ends or begins, or earlier; UINT64_MAX: never. After group_queriers_expire()
 * and once group_queriers_ask() has said false it is later than these were told. */
uint64_t group_queriers_next(const struct group_queriers *queriers);
/* Whether what group_queriers_state() says has changed since the last call. */
bool group_queriers_changed(struct group_queriers *queriers);

/* How long a member stays one after its report (RFC 3376, 8.4): as the querier's interval says, and never less than as ours
 * does, for the querier may be a guest. */
uint64_t group_queriers_membership(const struct group_queriers *queriers, uint16_t fid, enum group_family family);

struct group_router {
	uint16_t port;
	uint64_t until;
};
struct group_state {
	bool snooped;
	bool ours;  /* it is us who ask */
	bool other; /* somebody else: */
	struct group_address querier;
	uint32_t routers_n;
	const struct group_router *router; /* by port */
};
/* False: nothing is known of the VLAN. */
bool group_queriers_state(const struct group_queriers *queriers, uint16_t fid, enum group_family family,
			  struct group_state *state);

#endif
