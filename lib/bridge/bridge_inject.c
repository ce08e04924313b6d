/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_inject.c: a frame of the switch's own on its way out. It was received from nowhere, so nothing is learned, and a
 * queue's memory of its last addresses is left alone. */
#include "bridge.h"

#include "bridge_egress.h"
#include "bridge_lookup.h"
#include "bridge_private.h"

/* The member a frame is for; NULL: it is to be flooded. */
static struct port *bridge_inject_find(const struct bridge *bridge, const struct bridge_members *members,
				       const struct frame *frame) RUNS_ON(lcore_thread)
{
	fdb_key_t dst = fdb_key(FID_DEFAULT, mac_at(frame->head));
	struct fdb_value value;
	struct fdb_mark mark;

	if ((dst & MAC_GROUP) != 0 || !fdb_lookup(bridge->fdb, dst, &value, &mark) || value.destination >= PORTS_MAX)
		return NULL;
	return members->by_id[value.destination];
}

unsigned int bridge_inject(struct lcore_ctx *ctx, const struct bridge *bridge, struct port *from,
			   struct frame *frame)
{
	const struct bridge_members *members = rcu_get(&bridge->members);
	const struct ingress in = {
		.ctx = ctx,
		.port = from,
		.policy = from != NULL ? rcu_get(&from->policy) : NULL,
	};
	const struct port *known = bridge_inject_find(bridge, members, frame);
	unsigned int sent = 0;

	for (unsigned int i = 0; i < members->n; i++) {
		struct port *port = members->port[i];

		if ((known != NULL && port != known) || bridge_egress(&in, port, &frame, 1) != VERDICT_PASS)
			continue;
		count(&port_counters_of(port, ctx)->injected, 1);
		sent++;
	}
	return sent;
}
