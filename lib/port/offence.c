/* SPDX-License-Identifier: BSD-3-Clause */
#include "offence.h"

#include <string.h>

#include "clock.h"
#include "lcore_ctx.h"
#include "port.h"

void offence_post(struct lcore_ctx *ctx, struct port *port, uint16_t why, const struct frame *frame)
{
	struct offence *offence = &port->offence;

	if (atomic_load_explicit(&offence->taken, memory_order_relaxed) ||
	    !rate_take(&offence->rate, clock_ns(), OFFENCES_RATE, OFFENCES_BURST))
		return;
	/* Pairs with offence_done(): control has read what was there. */
	if (atomic_exchange_explicit(&offence->taken, true, memory_order_acquire))
		return;
	offence->why = why;
	offence->len = frame->len;
	offence->head_len = frame->head_len < sizeof(offence->head) ? frame->head_len : (uint16_t)sizeof(offence->head);
	memcpy(offence->head, frame->head, offence->head_len);
	if (!report_post(ctx->reports, &(struct report){.kind = REPORT_OFFENCE, .port = port->id}))
		atomic_store_explicit(&offence->taken, false, memory_order_release);
}

void offence_closes(struct lcore_ctx *ctx, struct port *port)
{
	struct offence *offence = &port->offence;

	if (atomic_load_explicit(&offence->told, memory_order_relaxed) ||
	    atomic_exchange_explicit(&offence->told, true, memory_order_relaxed))
		return;
	/* One that is lost is followed by the next. */
	if (!report_post(ctx->reports, &(struct report){.kind = REPORT_TO_CLOSE, .port = port->id}))
		atomic_store_explicit(&offence->told, false, memory_order_relaxed);
}

uint16_t offence_take(struct port *port, struct frame *frame)
{
	struct offence *offence = &port->offence;

	*frame = (struct frame){.head = offence->head, .head_len = offence->head_len, .len = offence->len};
	return offence->why;
}

void offence_done(struct port *port)
{
	/* Pairs with offence_post(). */
	atomic_store_explicit(&port->offence.taken, false, memory_order_release);
}

void offence_reset(struct port *port)
{
	atomic_store_explicit(&port->offence.told, false, memory_order_relaxed);
}
