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
 *		 "mirrors": [{"mirror", "direction", "of", "sink", "text"}...]}, "time_ns"}
 *
 * The reply is made a piece at a time, for a flood goes to a thousand ports: what is decided before any receiver is in the first
 * piece, and then each receiver as it is when its turn comes. If the port that the frame comes from has gone by then, or is in
 * another bridge, the reply ends there, with an "error".
 *
 * Context: control thread.
 * Ownership: ctl_why_end() frees what ctl_why_begin() has made.
 */
#ifndef VUS_CTL_WHY_H
#define VUS_CTL_WHY_H

#include <jansson.h>

#include "bridge_why.h"
#include "ctl_text.h"
#include "port_terms.h"
#include "switch.h"

struct ctl_why;

/* NULL: there is nothing to say; `error` says why, or is NULL, too: no memory. The caller releases it. */
struct ctl_why *ctl_why_begin(struct vus_switch *sw, const json_t *request, json_t **error) RUNS_ON(control_thread);
/* Adds the next piece, the last of which ends the JSON object. Whether there are more. */
bool ctl_why_next(struct ctl_why *why, struct ctl_text *text) RUNS_ON(control_thread);
/* NULL is fine. */
void ctl_why_end(struct ctl_why *why);

/* --- ctl_why_words.c: with what was asked, and what was found out before any bridge had it -------------------------- */

struct ctl_why_asked {
	struct vus_switch *sw;
	struct port *from;
	struct bridge *bridge; /* that it is in; NULL: none */
	struct frame frame;
	uint8_t head[WHY_HEAD_MAX];
	bool offload;	       /* it asks for one */
	enum rx_drop dropped;  /* RX_DROPS: the bridge has it */
	struct port_terms terms; /* of `from` */
	bool answered;		 /* a bridge has had it: */
	struct why_answer why;
};

/* An object with all of "why" but for receivers and mirrors. NULL: no memory. */
json_t *ctl_why_words(const struct ctl_why_asked *asked) RUNS_ON(control_thread);
/* An entry of the receivers: of one that was asked; */
json_t *ctl_why_receiver(const struct ctl_why_asked *asked, const struct why_receiver *to) RUNS_ON(control_thread);
/* of a port that is to be in the bridge, and is not: nothing is flooded to it. NULL: it is no such port. */
json_t *ctl_why_absent(const struct ctl_why_asked *asked, const struct port *port) RUNS_ON(control_thread);
/* Adds entries of mirrors: those of `mirrors`, a bit each, that copy what comes from (`from`) or goes to the port `of`. */
void ctl_why_mirrors(const struct ctl_why_asked *asked, uint8_t mirrors, const struct port *of, bool from, json_t *list)
	RUNS_ON(control_thread);

#endif
