/* SPDX-License-Identifier: BSD-3-Clause */
#include "lcore_inject.h"

#include <errno.h>
#include <string.h>

#include "bridge.h"
#include "clock.h"
#include "lcore_private.h"
#include "lcore_readers.h"

/* Frames a round sends, at most: one may be flooded to every port of a bridge. */
enum { INJECTS_AT_ONCE = 4 };

/* Who has the frame: the one that takes it from WAITING, an lcore that sends it or control that drops it. */
enum { INJECT_WAITING, INJECT_TAKEN };

/* A slot. */
struct inject {
	_Atomic uint32_t state;
	struct port *port;     /* out of it; with a bridge: where it is said to come from, or NULL */
	struct bridge *bridge; /* into it, or NULL */
	uint16_t len;
	_Alignas(LINE_BYTES) uint8_t room[FRAME_HEADROOM]; /* in front of the frame's head (vus_limits.h) */
	uint8_t bytes[CONTROL_FRAME_MAX];
};
_Static_assert(sizeof(struct inject) % LINE_BYTES == 0, "a slot is whole lines");

int lcore_injects_init(struct lcore *lc)
{
	return slot_ring_init(&lc->injects, CONTROL_FRAMES, sizeof(struct inject));
}

void lcore_injects_fini(struct lcore *lc)
{
	slot_ring_fini(&lc->injects);
}

/* --- lcore ------------------------------------------------------------------------------------------------------- */

static void send_out_of(struct lcore_ctx *ctx, struct port *port, struct frame *frame) RUNS_ON(lcore_thread)
{
	if (!bridge_inject_port(ctx, port, frame))
		count_drop(port_counters_of(port, ctx), PORT_DROP_INJECT + INJECT_DROP_REFUSED, 1, frame);
}

static void send_inject(struct lcore_ctx *ctx, struct inject *inject) RUNS_ON(lcore_thread)
{
	struct frame frame = {.head = inject->bytes, .head_len = inject->len, .len = inject->len};

	if (inject->bridge == NULL)
		send_out_of(ctx, inject->port, &frame);
	else if (bridge_inject(ctx, inject->bridge, inject->port, &frame) == 0 && inject->port != NULL)
		count_drop(port_counters_of(inject->port, ctx), PORT_DROP_INJECT + INJECT_DROP_ALONE, 1, &frame);
}

/* Whether the caller has it now: the other side did not take it before. */
static bool lcore_inject_take(struct inject *inject)
{
	return atomic_exchange_explicit(&inject->state, INJECT_TAKEN, memory_order_relaxed) == INJECT_WAITING;
}

void lcore_send_injects(struct lcore *lc)
{
	struct inject *inject;

	/* It may have visited no queue for long, and limits of ports take the time of a visit. */
	lc->ctx.at = rte_rdtsc();
	for (int i = 0; i < INJECTS_AT_ONCE && (inject = slot_ring_next(&lc->injects)) != NULL; i++) {
		if (lcore_inject_take(inject))
			send_inject(&lc->ctx, inject);
		slot_ring_done(&lc->injects);
	}
}

/* --- control ----------------------------------------------------------------------------------------------------- */

static int inject(unsigned int lcore, struct port *port, struct bridge *bridge, const uint8_t *bytes,
		  uint16_t len) RUNS_ON(control_thread)
{
	struct bridge *on = bridge != NULL ? bridge : port->bridge;
	unsigned int index = lcore_near(on, lcore);
	struct lcore *lc = &lcores.lcore[index];
	struct inject *slot = slot_ring_claim(&lc->injects);

	if (slot == NULL)
		return -ENOBUFS;
	slot->port = port;
	slot->bridge = bridge;
	slot->len = len;
	memcpy(slot->bytes, bytes, len);
	atomic_store_explicit(&slot->state, INJECT_WAITING, memory_order_relaxed);
	slot_ring_commit(&lc->injects);
	lcore_is_to_send(on, index);
	doorbell_ring(&lc->bell);
	return 0;
}

/* What would keep the frame from being sent: 0, or an error. */
static int check(struct rate *rate, uint16_t len)
{
	if (len > CONTROL_FRAME_MAX || len < FRAME_LEN_MIN)
		return -EMSGSIZE;
	return rate_take(rate, clock_ns(), CONTROL_FRAMES_RATE, CONTROL_FRAMES_BURST) ? 0 : -EAGAIN;
}

static void refuse(struct port *port, int error) RUNS_ON(control_thread)
{
	enum inject_drop why = error == -EMSGSIZE ? INJECT_DROP_LONG :
			       error == -EAGAIN	  ? INJECT_DROP_RATE :
						    INJECT_DROP_FULL;

	count_drop(port_counters_of_control(port), PORT_DROP_INJECT + (unsigned int)why, 1, NULL);
}

int lcores_inject_port(struct port *to, const uint8_t *bytes, uint16_t len)
{
	int error = check(&to->injects, len);

	if (error == 0)
		error = inject(to->id, to, NULL, bytes, len);
	if (error != 0)
		refuse(to, error);
	return error;
}

int lcores_inject_bridge(struct bridge *bridge, struct port *from, const uint8_t *bytes, uint16_t len)
{
	int error = check(from != NULL ? &from->injects : &bridge_injects(bridge)->rate, len);

	if (error == 0)
		error = inject(bridge_index(bridge), from, bridge, bytes, len);
	if (error != 0 && from != NULL)
		refuse(from, error);
	else if (error != 0)
		bridge_injects(bridge)->drops++;
	return error;
}

/* Drops what waits and has this port or this bridge, neither of them NULL but the one that is not asked for. */
static void lcore_inject_forget(const struct port *port, const struct bridge *bridge) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < lcores.n; i++) {
		struct slot_ring *ring = &lcores.lcore[i].injects;
		uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

		/* Slots that the lcore has given back meanwhile are TAKEN, and stay so until we fill them. */
		for (uint32_t at = head - ring->n; at != head; at++) {
			struct inject *slot = slot_ring_at(ring, at);
			bool meant = port != NULL ? slot->port == port : slot->bridge == bridge;

			if (meant && lcore_inject_take(slot) && slot->port != NULL)
				count_drop(port_counters_of_control(slot->port), PORT_DROP_INJECT + INJECT_DROP_GONE, 1, NULL);
		}
	}
}

void lcores_forget_port(struct port *port)
{
	lcore_inject_forget(port, NULL);
}

void lcores_forget_bridge(struct bridge *bridge)
{
	lcore_inject_forget(NULL, bridge);
}
