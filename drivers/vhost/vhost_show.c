/* SPDX-License-Identifier: BSD-3-Clause */
/* What `vusctl port NAME` says of a VM's port: JSON of numbers and words. */
#include <jansson.h>

#include "clock.h"
#include "port_terms.h"
#include "vhost_rings.h"
#include "vhu_feature.h"
#include "vnet.h"

static json_t *names_of(uint64_t bits, const char *(*name_of)(unsigned int bit))
{
	json_t *names = json_array();

	for (unsigned int bit = 0; bit < 64; bit++) {
		const char *name;

		if (((bits >> bit) & 1) == 0)
			continue;
		name = name_of(bit);
		json_array_append_new(names, name != NULL ? json_string(name)
							  : json_sprintf("bit %u", bit));
	}
	return names;
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *ring_of(struct vhost_port *vhost, unsigned int index) RUNS_ON(control_thread)
{
	const struct virtq *ring = vhu_device_virtq(vhost->device, index);
	json_t *object = json_object();

	json_object_set_new(object, "ring", number(index));
	json_object_set_new(object, "queue", number(index / 2));
	json_object_set_new(object, "direction",
			    json_string(index % 2 == 0 ? "to_guest" : "from_guest"));
	json_object_set_new(object, "ready",
			    json_boolean(vhu_device_virtq_ready(vhost->device, index)));
	json_object_set_new(object, "frames", number(counted(&ring->counters.frames)));
	json_object_set_new(object, "interrupts", number(counted(&ring->counters.interrupts)));
	json_object_set_new(object, "full", number(counted(&ring->counters.full)));
	json_object_set_new(object, "fault", json_string(virtq_fault_text(virtq_fault(ring))));
	return object;
}

/* A pair the guest has never used says nothing. */
static bool ring_to_show(struct vhost_port *vhost, unsigned int index) RUNS_ON(control_thread)
{
	const struct virtq *ring = vhu_device_virtq(vhost->device, index);

	return index < 2 || vhu_device_virtq_ready(vhost->device, index) ||
	       counted(&ring->counters.frames) != 0 || virtq_fault(ring) != VIRTQ_OK;
}

/* The steps that are pending, and the request whose answer waits for them; null if the conversation waits for nothing. */
static json_t *waiting_of(const struct vhu_status *status)
{
	json_t *object, *steps;

	if (!vhu_pending_any(&status->pending))
		return json_null();
	object = json_object();
	steps = json_array();
	for (unsigned int i = 0; i < VHU_STEPS; i++)
		if (status->pending.n[i] > 0)
			json_array_append_new(steps, json_string(vhu_step_text(i)));
	json_object_set_new(object, "request",
			    status->waiting != NULL ? json_string(status->waiting) : json_null());
	json_object_set_new(object, "for", steps);
	return object;
}

static json_t *calls_of(const struct disposal_stats *stats)
{
	json_t *object = json_object();

#define CALLS_SHOWN(name, help) json_object_set_new(object, #name, number(stats->name));
	CALLS_ROWS(CALLS_SHOWN)
	return object;
}

void vhost_state(struct port *port, struct port_state *state)
{
	role_assert_control();
	state->up = vhu_device_state(vhost_port_of(port)->device, state->text, sizeof(state->text)) > 0;
}

/* Of several queues a frame goes to one. While its memory arrives a guest has what a lane takes. */
void vhost_terms(struct port *port, const struct frame *frame, struct port_terms *terms)
{
	struct vhost_port *vhost = vhost_port_of(port);
	const struct vhost_tx_set *set = rcu_get(&vhost->tx);
	uint32_t queue = set != NULL && set->n > 1 && frame != NULL ? frame_flow_hash(frame) % set->n : 0;

	role_assert_control();
	terms->asks = vnet_asks(vhost->rxq[0].ring);
	if (rcu_get(&vhost->lane) != NULL)
		return;
	terms->refuses = set == NULL ? TX_DROP_NOT_READY
				     : vnet_terms(set->queue[queue].ring,
						  atomic_load_explicit(&vhost->len_max, memory_order_relaxed), &terms->takes);
}

void vhost_show(struct port *port, struct json_t *object)
{
	struct vhost_port *vhost = vhost_port_of(port);
	struct vhu_status status;
	char rights[160];
	json_t *rings = json_array();

	role_assert_control();
	vhu_device_status(vhost->device, &status);
	json_object_set_new(object, "link", json_string(status.rings_ready > 0 ? "up" : "down"));
	json_object_set_new(object, "state", json_string(status.state));
	json_object_set_new(object, "waiting", waiting_of(&status));
	json_object_set_new(object, "socket", json_string(vhost->socket));
	json_object_set_new(object, "mode",
			    json_string(vhost->mode == VHU_SERVER ? "server" : "client"));
	if (rights_any(&vhost->rights)) {
		rights_describe(&vhost->rights, rights, sizeof(rights));
		json_object_set_new(object, "socket_rights", json_string(rights));
	}
	json_object_set_new(object, "connected", json_boolean(status.connected));
	json_object_set_new(object, "features", names_of(status.features, vhu_feature_name));
	json_object_set_new(object, "protocol_features",
			    names_of(status.protocol_features, vhu_protocol_feature_name));
	json_object_set_new(object, "slots_used", number(status.slots_used));
	json_object_set_new(object, "slots_max", number(MEM_SLOTS_MAX));
	json_object_set_new(object, "memory_bytes", number(status.memory_bytes));
	if (nodes_several()) {
		char memory[128];

		vhost_home_describe(vhost, memory, sizeof(memory));
		json_object_set_new(object, "numa_memory", json_string(memory));
	}
	json_object_set_new(object, "mtu", vhost->mtu != 0 ? number(vhost->mtu) : json_null());
	json_object_set_new(object, "queue_pairs", number(status.queue_pairs));
	json_object_set_new(object, "rings_ready", number(status.rings_ready));
	json_object_set_new(object, "connections", number(status.connections));
	json_object_set_new(object, "connections_refused", number(status.refused));
	json_object_set_new(object, "connections_replaced", number(status.replaced));
	json_object_set_new(object, "messages", number(status.messages));
#define STALL_SHOWN(name, help) json_object_set_new(object, #name, number(status.stalls.name));
	STALL_ROWS(STALL_SHOWN)
	json_object_set_new(object, "calls", calls_of(&status.calls));
	json_object_set_new(object, "calls_refused", calls_of(&status.calls_refused));
	json_object_set_new(object, "postcopy", json_string(status.postcopy));
	json_object_set_new(object, "last_error",
			    status.last_error[0] != '\0' ? json_string(status.last_error)
							 : json_null());
	for (unsigned int i = 0; i < 2 * vhost->pairs; i++)
		if (ring_to_show(vhost, i))
			json_array_append_new(rings, ring_of(vhost, i));
	json_object_set_new(object, "rings", rings);
}
