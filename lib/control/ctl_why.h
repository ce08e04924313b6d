/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_why.h: what would become of a frame, as JSON with a line of words for each decision (bridge_why.h finds out).
 *
 *	why {name, frame, length, offload}
 *
 * `frame` has the first bytes of a frame that comes from port `name`, in hexadecimal digits: all of it, or the first FRAME_HEAD
 * at least of one that is `length` bytes long. `offload` is what its sender left to be done: "csum", or "tcp4:SIZE", "tcp6:SIZE",
 * "udp:SIZE" with so many bytes of payload a segment.
 *
 *	{"why": {"port", "bridge", "steps": [{"step", "text", "option", "dropped"}...], "dropped": REASON or null,
 *		 "receivers": [{"port", "delivered", "reason", "counter", "option", "text"}...],
 *		 "mirrors": [{"mirror", "direction", "of", "sink", "text"}...]}}
 *
 * Context: control thread.
 */
#ifndef VUS_CTL_WHY_H
#define VUS_CTL_WHY_H

#include <jansson.h>

#include "bridge_why.h"
#include "port_terms.h"
#include "switch.h"

/* A reply that the caller releases; NULL: no memory. */
json_t *ctl_why(struct vus_switch *sw, const json_t *request) RUNS_ON(control_thread);

/* What was asked, and what was found out before any bridge had it. */
struct ctl_why {
	struct vus_switch *sw;
	struct port *from;
	struct bridge *bridge; /* that it is in; NULL: none */
	struct frame frame;
	uint8_t head[WHY_HEAD_MAX];
	bool offload;	       /* it asks for one */
	enum rx_drop dropped;  /* RX_DROPS: the bridge has it */
	struct port_terms terms; /* of `from` */
	const struct bridge_why *why;
};

/* ctl_why_words.c: the object "why". NULL: no memory. */
json_t *ctl_why_words(const struct ctl_why *asked) RUNS_ON(control_thread);

#endif
