/* SPDX-License-Identifier: BSD-3-Clause */
#include "group_querier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

enum {
	VLANS = 4096,
	/* RFC 3376, 8.6 and 8.7: at first queries follow each other faster. */
	STARTUP_QUERIES = 2,
	STARTUP_DIVISOR = 4,
};

/* One family in one VLAN. */
struct asked {
	uint64_t snooped_from; /* UINT64_MAX: no query so far, or the querier is gone */
	uint64_t other_until;  /* 0: there is no other querier */
	struct group_address other;
	uint64_t interval, response; /* of the one that asks */
	uint64_t ask_at;	     /* UINT64_MAX: we do not ask */
	uint32_t startup;	     /* queries that follow each other faster */
	bool snooped;
	uint32_t routers_n, routers_room;
	struct group_router *router; /* by port */
};

struct vlan {
	struct asked asked[GROUP_FAMILIES];
	uint16_t fid, place; /* known[place] */
};

struct group_queriers {
	struct group_queriers_config config;
	bool changed;
	uint64_t next;	   /* nothing is to be done before */
	uint16_t ask_from; /* which of `known` is next, so that each has its turn */
	uint16_t known_n;
	struct vlan *known[VLANS]; /* [known_n], in any order */
	struct vlan *vlan[VLANS];  /* by fid; NULL: it is not known */
};

static void lower(uint64_t *time, uint64_t to)
{
	if (to < *time)
		*time = to;
}

struct group_queriers *group_queriers_create(const struct group_queriers_config *config)
{
	struct group_queriers *queriers = calloc(1, sizeof(*queriers));

	if (queriers == NULL)
		return NULL;
	queriers->config = *config;
	queriers->next = UINT64_MAX;
	return queriers;
}

static void vlan_free(struct vlan *vlan)
{
	for (int family = 0; family < GROUP_FAMILIES; family++)
		free(vlan->asked[family].router);
	free(vlan);
}

void group_queriers_destroy(struct group_queriers *queriers)
{
	if (queriers == NULL)
		return;
	for (unsigned int i = 0; i < queriers->known_n; i++)
		vlan_free(queriers->known[i]);
	free(queriers);
}

static void lower_to_next_of(const struct asked *asked, uint64_t *next)
{
	lower(next, asked->ask_at);
	if (asked->other_until != 0)
		lower(next, asked->other_until);
	if (!asked->snooped)
		lower(next, asked->snooped_from);
	for (uint32_t i = 0; i < asked->routers_n; i++)
		lower(next, asked->router[i].until);
}

static void find_next(struct group_queriers *queriers)
{
	queriers->next = UINT64_MAX;
	for (unsigned int i = 0; i < queriers->known_n; i++)
		for (int family = 0; family < GROUP_FAMILIES; family++)
			lower_to_next_of(&queriers->known[i]->asked[family], &queriers->next);
}

/* --- whether we ask --------------------------------------------------------------------------------------------- */

/* From now on it is us, if we are to. */
static void take_over(struct group_queriers *queriers, struct asked *asked, uint64_t now)
{
	asked->other_until = 0;
	asked->ask_at = queriers->config.asks ? now : UINT64_MAX;
	asked->startup = STARTUP_QUERIES;
	if (!queriers->config.asks)
		asked->snooped_from = UINT64_MAX;
}

/* NULL: no memory. */
static struct vlan *vlan_of(struct group_queriers *queriers, uint16_t fid, uint64_t now)
{
	struct vlan *vlan = queriers->vlan[fid];

	if (vlan != NULL)
		return vlan;
	vlan = calloc(1, sizeof(*vlan));
	if (vlan == NULL)
		return NULL;
	for (int family = 0; family < GROUP_FAMILIES; family++) {
		struct asked *asked = &vlan->asked[family];

		asked->snooped_from = UINT64_MAX;
		asked->interval = queriers->config.interval;
		asked->response = queriers->config.response;
		take_over(queriers, asked, now);
		lower_to_next_of(asked, &queriers->next);
	}
	vlan->fid = fid;
	vlan->place = queriers->known_n;
	queriers->vlan[fid] = queriers->known[queriers->known_n++] = vlan;
	return vlan;
}

/* Whether the one that has asked is to go on, and not we. */
static bool other_wins(const struct group_queriers *queriers, enum group_family family, const struct group_address *other)
{
	const struct group_address *own = &queriers->config.own[family];

	if (!queriers->config.asks)
		return true;
	if (group_address_is_none(other))
		return false;
	return group_address_is_none(own) || memcmp(other, own, sizeof(*own)) < 0;
}

static bool same_config(const struct group_queriers_config *a, const struct group_queriers_config *b)
{
	return a->asks == b->asks && a->interval == b->interval && a->response == b->response &&
	       memcmp(a->own, b->own, sizeof(a->own)) == 0;
}

void group_queriers_configure(struct group_queriers *queriers, const struct group_queriers_config *config, uint64_t now)
{
	if (same_config(&queriers->config, config))
		return;
	queriers->config = *config;
	for (unsigned int i = 0; i < queriers->known_n; i++)
		for (int family = 0; family < GROUP_FAMILIES; family++) {
			struct asked *asked = &queriers->known[i]->asked[family];

			if (asked->other_until != 0 && other_wins(queriers, (enum group_family)family, &asked->other))
				continue;
			asked->interval = config->interval;
			asked->response = config->response;
			take_over(queriers, asked, now);
		}
	find_next(queriers);
}

int group_queriers_add(struct group_queriers *queriers, uint16_t fid, uint64_t now)
{
	return vlan_of(queriers, fid, now) != NULL ? 0 : -ENOMEM;
}

/* Who answers a query has done so by then. */
static void is_asked(struct asked *asked, uint64_t now, uint64_t response)
{
	if (asked->snooped_from == UINT64_MAX)
		asked->snooped_from = now + response;
}

static uint64_t larger_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t less_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* As the query says. */
static uint64_t interval_of(const struct group_queriers *queriers, const struct group_message *query)
{
	return query->interval_ms != 0 ? query->interval_ms * NS_PER_MS : queriers->config.interval;
}

/* RFC 3376, 8.5. A querier that says it asks more often than it is configured here does not make anything end earlier: who
 * says so may be a guest. */
static uint64_t other_querier_present(const struct group_queriers *queriers, uint64_t interval, uint64_t response)
{
	return GROUP_ROBUSTNESS * larger_of(interval, queriers->config.interval) + response / 2;
}

/* From now on, or still, it is the other one who asks. */
static void give_way(struct group_queriers *queriers, struct asked *asked, const struct group_message *query, uint64_t now)
{
	uint64_t interval = less_of(interval_of(queriers, query), GROUP_OTHER_MOST * queriers->config.interval);
	int order = memcmp(&query->from, &asked->other, sizeof(query->from));

	/* Of several others the lowest address counts. */
	if (asked->other_until != 0 && order > 0)
		return;
	queriers->changed |= asked->other_until == 0 || order != 0;
	asked->other = query->from;
	asked->interval = interval;
	asked->response = less_of(query->response_ms * NS_PER_MS, GROUP_OTHER_MOST * queriers->config.response);
	asked->other_until = now + other_querier_present(queriers, interval, asked->response);
	asked->ask_at = UINT64_MAX;
	is_asked(asked, now, asked->response);
	lower_to_next_of(asked, &queriers->next);
}

int group_queriers_heard(struct group_queriers *queriers, uint16_t fid, uint16_t port, const struct group_message *query,
			 uint64_t now)
{
	uint64_t present = other_querier_present(queriers, interval_of(queriers, query), query->response_ms * NS_PER_MS);
	struct vlan *vlan = vlan_of(queriers, fid, now);

	if (vlan == NULL)
		return -ENOMEM;
	if (!group_address_is_none(&query->group))
		return 0;
	if (other_wins(queriers, query->family, &query->from))
		give_way(queriers, &vlan->asked[query->family], query, now);
	/* RFC 4541, 2.1.1: whoever wins, a router is there; a switch that asks from no address is none. */
	if (group_address_is_none(&query->from))
		return 0;
	return group_queriers_router(queriers, fid, query->family, port, now + present);
}

bool group_queriers_ask(struct group_queriers *queriers, uint64_t now, uint16_t *fid, enum group_family *family)
{
	if (queriers->next > now)
		return false;
	for (unsigned int i = 0; i < queriers->known_n; i++) {
		unsigned int at = (queriers->ask_from + i) % queriers->known_n;

		for (int f = 0; f < GROUP_FAMILIES; f++) {
			struct asked *asked = &queriers->known[at]->asked[f];

			if (asked->ask_at > now)
				continue;
			asked->ask_at = now + asked->interval / (asked->startup > 0 ? STARTUP_DIVISOR : 1);
			asked->startup -= asked->startup > 0;
			is_asked(asked, now, asked->response);
			queriers->changed = true;
			queriers->ask_from = (uint16_t)at;
			*fid = queriers->known[at]->fid;
			*family = (enum group_family)f;
			return true;
		}
	}
	find_next(queriers);
	return false;
}

/* --- routers ---------------------------------------------------------------------------------------------------- */

static void remove_router(struct group_queriers *queriers, struct asked *asked, uint32_t i)
{
	memmove(&asked->router[i], &asked->router[i + 1], (--asked->routers_n - i) * sizeof(asked->router[0]));
	queriers->changed = true;
}

static int add_router(struct group_queriers *queriers, struct asked *asked, uint32_t i, const struct group_router *router)
{
	uint32_t room = asked->routers_room == 0 ? 2 : 2 * asked->routers_room;
	struct group_router *larger;

	if (asked->routers_n == asked->routers_room) {
		larger = realloc(asked->router, room * sizeof(*larger));
		if (larger == NULL)
			return -ENOMEM;
		asked->router = larger;
		asked->routers_room = room;
	}
	memmove(&asked->router[i + 1], &asked->router[i], (asked->routers_n++ - i) * sizeof(asked->router[0]));
	asked->router[i] = *router;
	queriers->changed = true;
	lower(&queriers->next, router->until);
	return 0;
}

int group_queriers_router(struct group_queriers *queriers, uint16_t fid, enum group_family family, uint16_t port, uint64_t until)
{
	const struct group_router router = {.port = port, .until = until};
	struct vlan *vlan = vlan_of(queriers, fid, 0);
	struct asked *asked;
	uint32_t i = 0;

	if (vlan == NULL)
		return -ENOMEM;
	asked = &vlan->asked[family];
	while (i < asked->routers_n && asked->router[i].port < port)
		i++;
	if (i == asked->routers_n || asked->router[i].port != port)
		return until != 0 ? add_router(queriers, asked, i, &router) : 0;
	if (until == 0)
		remove_router(queriers, asked, i);
	else if (asked->router[i].until < until)
		asked->router[i].until = until;
	return 0;
}

void group_queriers_forget_port(struct group_queriers *queriers, uint16_t port)
{
	for (unsigned int i = 0; i < queriers->known_n; i++)
		for (int family = 0; family < GROUP_FAMILIES; family++)
			group_queriers_router(queriers, queriers->known[i]->fid, (enum group_family)family, port, 0);
}

void group_queriers_forget(struct group_queriers *queriers, uint16_t fid)
{
	struct vlan *vlan = queriers->vlan[fid];

	if (vlan == NULL)
		return;
	queriers->known[vlan->place] = queriers->known[--queriers->known_n];
	queriers->known[vlan->place]->place = vlan->place;
	queriers->vlan[fid] = NULL;
	queriers->changed = true;
	vlan_free(vlan);
}

/* --- time ------------------------------------------------------------------------------------------------------- */

static void expire_routers(struct group_queriers *queriers, struct asked *asked, uint64_t now)
{
	for (uint32_t i = asked->routers_n; i-- > 0;)
		if (asked->router[i].until <= now)
			remove_router(queriers, asked, i);
}

void group_queriers_expire(struct group_queriers *queriers, uint64_t now)
{
	if (queriers->next > now)
		return;
	for (unsigned int i = 0; i < queriers->known_n; i++)
		for (int family = 0; family < GROUP_FAMILIES; family++) {
			struct asked *asked = &queriers->known[i]->asked[family];
			bool snooped;

			expire_routers(queriers, asked, now);
			if (asked->other_until != 0 && asked->other_until <= now) {
				asked->interval = queriers->config.interval;
				asked->response = queriers->config.response;
				take_over(queriers, asked, now);
				queriers->changed = true;
			}
			snooped = asked->snooped_from <= now;
			queriers->changed |= snooped != asked->snooped;
			asked->snooped = snooped;
		}
	find_next(queriers);
}

uint64_t group_queriers_next(const struct group_queriers *queriers)
{
	return queriers->next;
}

/* --- to look at ------------------------------------------------------------------------------------------------- */

bool group_queriers_changed(struct group_queriers *queriers)
{
	bool changed = queriers->changed;

	queriers->changed = false;
	return changed;
}

uint64_t group_queriers_membership(const struct group_queriers *queriers, uint16_t fid, enum group_family family)
{
	const struct vlan *vlan = queriers->vlan[fid];
	const struct group_queriers_config *config = &queriers->config;
	uint64_t least = GROUP_ROBUSTNESS * config->interval + config->response;

	if (vlan == NULL)
		return least;
	return larger_of(least, GROUP_ROBUSTNESS * vlan->asked[family].interval + vlan->asked[family].response);
}

bool group_queriers_state(const struct group_queriers *queriers, uint16_t fid, enum group_family family,
			  struct group_state *state)
{
	const struct vlan *vlan = queriers->vlan[fid];
	const struct asked *asked = vlan != NULL ? &vlan->asked[family] : NULL;

	if (asked == NULL)
		return false;
	*state = (struct group_state){
		.snooped = asked->snooped,
		.ours = asked->other_until == 0 && asked->ask_at != UINT64_MAX,
		.other = asked->other_until != 0,
		.querier = asked->other,
		.routers_n = asked->routers_n,
		.router = asked->router,
	};
	return true;
}
