/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_port.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>

#include "clock.h"
#include "eal.h"
#include "lcore.h"
#include "log.h"
#include "punt.h"
#include "rcu.h"

int fake_ports, fake_ports_made;

static uint16_t fake_receive(struct port_rxq *q, struct lcore_ctx *ctx)
{
	struct fake_port *fake = fake_of(q->port);

	if (q->index != 0 || atomic_load(&fake->pending) <= 0)
		return 0;
	atomic_fetch_sub(&fake->pending, 1);
	memcpy(ctx->burst->room[0].head, fake->frame, sizeof(fake->frame));
	ctx->burst->n = 1;
	ctx->burst->frame[0] = (struct frame){
		.head = ctx->burst->room[0].head,
		.len = sizeof(fake->frame),
		.head_len = sizeof(fake->frame),
	};
	role_assert_lcore();
	if (!atomic_load(&fake->punts))
		return 1;
	punt_post(ctx, q->port, PUNT_LACP, &ctx->burst->frame[0]);
	return 0;
}

static void fake_complete(struct port_rxq *q, struct lcore_ctx *ctx VUS_UNUSED)
{
	atomic_fetch_add(&fake_of(q->port)->completed, 1);
}

static void fake_deliver(struct port *port, struct lcore_ctx *ctx, struct frame **frames,
			 uint16_t n)
{
	struct fake_port *fake = fake_of(port);

	for (uint16_t i = 0; i < n; i++)
		memcpy(fake->last, frames[i]->head,
		       frames[i]->head_len < 64 ? frames[i]->head_len : 64);
	count(&port_counters_of(port, ctx)->tx_ok, n);
	atomic_fetch_add(&fake->delivered, n);
}

static bool fake_arm(struct port_rxq *q)
{
	return q->index == 0 && atomic_load(&fake_of(q->port)->pending) > 0;
}

static void fake_disarm(struct port_rxq *q VUS_UNUSED)
{
}

static void fake_ring_broken(struct port *port, unsigned int index VUS_UNUSED)
{
	fake_of(port)->broken++;
}

static void fake_state(struct port *port VUS_UNUSED, struct port_state *state)
{
	*state = (struct port_state){.up = true, .text = "fake"};
}

static void fake_show(struct port *port, struct json_t *object)
{
	fake_of(port)->shown++;
	json_object_set_new(object, "link", json_string("up"));
	json_object_set_new(object, "state", json_string("fake"));
}

static void fake_end(struct fake_port *fake)
{
	void (*gone)(void *arg) = fake->gone;
	void *arg = fake->gone_arg;

	port_fini(&fake->port);
	free(fake);
	fake_ports--;
	gone(arg);
}

static void fake_closed(struct loop_timer *timer)
{
	fake_end(container_of(timer, struct fake_port, closing));
}

static void fake_destroy(struct port *port, void (*gone)(void *arg), void *arg)
{
	struct fake_port *fake = fake_of(port);

	role_assert_control();
	fake->gone = gone;
	fake->gone_arg = arg;
	if (fake->closing.fire != NULL)
		loop_timer_start(port->host->loop, &fake->closing, 20 * NS_PER_MS);
	else
		fake_end(fake);
}

static int fake_reconfigure(struct port *port, const void *values, uint64_t changed, struct fail *fail)
{
	const struct fake_options *options = values;
	struct fake_port *fake = fake_of(port);

	if (options->weight == FAKE_WEIGHT_REFUSED)
		return fail_set(fail, -EPERM, "a weight of %u: not today", options->weight);
	fake->reconfigured++;
	fake->changed = changed;
	fake->weight = options->weight;
	return 0;
}

static const struct port_ops fake_ops = {
	.receive = fake_receive,
	.complete = fake_complete,
	.deliver = fake_deliver,
	.arm = fake_arm,
	.disarm = fake_disarm,
	.ring_broken = fake_ring_broken,
	.state = fake_state,
	.show = fake_show,
	.reconfigure = fake_reconfigure,
	.destroy = fake_destroy,
};

static int make_queues(struct fake_port *fake)
{
	if (port_alloc_rxqs(&fake->port, 2) != 0)
		return -ENOMEM;
	for (uint16_t i = 0; i < 2; i++) {
		port_rxq_init(&fake->rxq[i], &fake->port, i);
		fake->port.rxq[i] = &fake->rxq[i];
	}
	return 0;
}

static int fake_create(struct port_host *host, const struct port_spec *spec, uint16_t id,
		       struct port **port, struct fail *fail)
{
	const struct fake_options *options = spec->options;
	struct fake_port *fake;

	if (strcmp(options->socket, "/refuse") == 0)
		return fail_set(fail, -EACCES, "/refuse: not today");
	fake = aligned_alloc(64, (sizeof(*fake) + 63) & ~(size_t)63);
	if (fake == NULL)
		return -ENOMEM;
	memset(fake, 0, sizeof(*fake));
	if (port_init(&fake->port, host, &fake_ops, spec, id) != 0)
		return -ENOMEM;
	fake->port.starting = strcmp(options->socket, "/starting") == 0;
	if (!fake->port.starting && make_queues(fake) != 0)
		return -ENOMEM;
	if (strcmp(options->socket, "/slow") == 0)
		fake->closing.fire = fake_closed;
	fake_ports++;
	fake_ports_made++;
	*port = &fake->port;
	return 0;
}

static const struct option_row rows[] = {
	{.key = "socket", .kind = OPTION_TEXT, .offset = offsetof(struct fake_options, socket), .value = "SOCKET",
	 .needed = "add it"},
	{.key = "queues", .kind = OPTION_NUMBER, .offset = offsetof(struct fake_options, queues), .value = "N", .min = 1,
	 .max = 4, .normal = 1},
	{.key = "weight", .kind = OPTION_NUMBER, .offset = offsetof(struct fake_options, weight), .value = "N", .max = 100,
	 .live = true},
};
static const struct option_table table = OPTION_TABLE(rows, struct fake_options);

static int fake_verify(void *options VUS_UNUSED, const void *common VUS_UNUSED, const struct option_entry *entry VUS_UNUSED,
		       struct fail *fail VUS_UNUSED)
{
	return 0;
}

static char *fake_takes(const void *options)
{
	return strdup(((const struct fake_options *)options)->socket);
}

const struct port_driver fake_driver = {
	.type = "vhost-user",
	.option = "--vhost",
	.example = "a=/a",
	.anew = "its peer is gone",
	.options = &table,
	.verify = fake_verify,
	.takes = fake_takes,
	.create = fake_create,
};

void fake_port_ready(struct fake_port *fake, unsigned int i, bool ready)
{
	fake->rxq[i].ready = ready;
	fake->port.host->queues_changed(fake->port.host, &fake->port);
}

void fake_port_started(struct fake_port *fake, const char *failed)
{
	struct port_host *host = fake->port.host;
	struct fail fail;

	fake->port.starting = false;
	if (failed != NULL)
		fail_set(&fail, -ENODEV, "%s", failed);
	else if (make_queues(fake) != 0)
		abort();
	host->started(host, &fake->port, failed != NULL ? &fail : NULL);
}

static void put_mac(uint8_t *to, uint8_t last)
{
	static const uint8_t start[6] = {2};

	if (last == 0xff) {
		memset(to, 0xff, 6);
		return;
	}
	memcpy(to, start, 6);
	to[5] = last;
}

void fake_port_send(struct fake_port *fake, uint8_t dst, uint8_t src, int n)
{
	put_mac(fake->frame, dst);
	put_mac(fake->frame + 6, src);
	atomic_fetch_add(&fake->pending, n);
}

int fake_world_begin(struct doorbell *bell, struct loop **loop)
{
	struct fail fail;

	log_set_level(LOG_ERROR);
	if (eal_start("0@0,1@0", NULL) != 0 || doorbell_init(bell) != 0 ||
	    lcores_create(false, bell, &fail) != 0)
		return -1;
	*loop = loop_create();
	return *loop != NULL ? lcores_start() : -1;
}

void fake_world_end(struct doorbell *bell, struct loop *loop)
{
	lcores_stop();
	lcores_destroy();
	loop_destroy(loop);
	doorbell_fini(bell);
	rcu_fini();
	rte_eal_cleanup();
}
