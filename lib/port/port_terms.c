/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_terms.h"

#include "port.h"

void port_terms_of(struct port *port, const struct frame *frame, struct port_terms *terms)
{
	*terms = (struct port_terms){
		.refuses = TX_DROPS,
		.takes = {.offloads = FRAME_OFFLOADS, .len_max = FRAME_LEN_MAX, .cut_max = FRAME_LEN_MAX},
		.room = FRAME_HEAD,
	};
	if (port->ops->terms != NULL)
		port->ops->terms(port, frame, terms);
}

struct port_takes port_terms_take(const struct port_terms *terms, struct frame *frame)
{
	struct port_takes takes = {.why = terms->refuses, .frames = 1};
	struct frame_finish finish;
	uint16_t n;

	if (takes.why != TX_DROPS)
		return takes;
	if (!frame_needs_offload(frame)) {
		if (frame->len > terms->takes.len_max)
			takes.why = TX_DROP_TOO_BIG;
		return takes;
	}
	takes.frames = 0;
	frame_finish_begin(&finish, &frame, 1, &terms->takes);
	while ((n = frame_finish_next(&finish)) > 0)
		takes.frames += n;
	if (finish.too_big > 0)
		takes.why = TX_DROP_TOO_BIG;
	takes.checksummed = finish.checksummed > 0;
	return takes;
}
