/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_metrics.c: the metrics of a VM's port, beside those of any port. */
#include <stdio.h>

#include "metrics_set.h"
#include "vhost_rings.h"
#include "vhu_answered.h"

#define CALLS(kind, suffix, on, help_text)                                                         \
	{                                                                                          \
		.name = "vuswitch_vhost_calls_" suffix, .type = METRICS_##kind, .help = help_text, \
		.label = "on", .value = on                                                         \
	}
#define CALLS_OF_BOTH(kind, suffix, help_text)                                                     \
	CALLS(kind, suffix, "front_end", help_text), CALLS(kind, suffix, "refused", help_text)

static const struct metrics_row port_rows[] = {
	{.name = "vuswitch_vhost_connected",
	 .type = METRICS_GAUGE,
	 .help = "1: a front end is connected"},
	{.name = "vuswitch_vhost_queue_pairs",
	 .type = METRICS_GAUGE,
	 .help = "queue pairs that are offered"},
	{.name = "vuswitch_vhost_rings_ready",
	 .type = METRICS_GAUGE,
	 .help = "rings that frames can go through"},
	{.name = "vuswitch_vhost_memory_slots",
	 .type = METRICS_GAUGE,
	 .help = "memory slots in use"},
	{.name = "vuswitch_vhost_memory_slots_max",
	 .type = METRICS_GAUGE,
	 .help = "memory slots that there are"},
	{.name = "vuswitch_vhost_memory_bytes",
	 .type = METRICS_GAUGE,
	 .unit = "bytes",
	 .help = "guest memory that is mapped"},
	{.name = "vuswitch_vhost_connections",
	 .type = METRICS_COUNTER,
	 .help = "front ends that have connected"},
	{.name = "vuswitch_vhost_connections_refused",
	 .type = METRICS_COUNTER,
	 .help = "connections that were turned away, because there was one already"},
	{.name = "vuswitch_vhost_connections_replaced",
	 .type = METRICS_COUNTER,
	 .help = "connections that ended because another one came and they were dead or mute"},
	{.name = "vuswitch_vhost_messages",
	 .type = METRICS_COUNTER,
	 .help = "messages of all front ends"},
	{.name = "vuswitch_vhost_postcopy_arriving",
	 .type = METRICS_GAUGE,
	 .help = "1: the guest's memory is still arriving by postcopy migration, or its lane has "
		 "its rings"},
	{.name = "vuswitch_vhost_memory_wait_seconds",
	 .type = METRICS_COUNTER,
	 .unit = "seconds",
	 .decimals = METRICS_MS,
	 .help = "how long lcores waited for a page of the guest's memory, or cleared it, as the "
		 "watchdog has seen it"},
	{.name = "vuswitch_vhost_interrupt_wait_seconds",
	 .type = METRICS_COUNTER,
	 .unit = "seconds",
	 .decimals = METRICS_MS,
	 .help = "how long writes to its interrupts took that took more than 0.1 ms"},
	{.name = "vuswitch_vhost_sent_down",
	 .type = METRICS_COUNTER,
	 .help = "how often no front end was let in for a while, because of what its objects had "
		 "cost"},
	{.name = "vuswitch_vhost_down_for_seconds",
	 .type = METRICS_GAUGE,
	 .unit = "seconds",
	 .decimals = METRICS_MS,
	 .help = "for how long no front end is let in yet"},
	CALLS_OF_BOTH(GAUGE, "running",
		      "system calls on what front ends gave that are being made now"),
	CALLS_OF_BOTH(GAUGE, "waiting", "system calls that wait for one of these to come back"),
	CALLS_OF_BOTH(GAUGE, "lost",
		      "of those being made: how many have not come back for more than a second"),
	CALLS_OF_BOTH(COUNTER, "late", "system calls that had not come back after a second"),
	CALLS_OF_BOTH(COUNTER, "done", "system calls that have come back"),
};

static const struct metrics_kind port_kind = {.title = "Ports of VMs",
					      .note = "ports of type vhost-user",
					      METRICS_ROWS(port_rows),
					      .label = {"port"}};

static const struct metrics_row ring_rows[] = {
	{.name = "vuswitch_ring_ready",
	 .type = METRICS_GAUGE,
	 .help = "1: frames can go through the ring"},
	{.name = "vuswitch_ring_broken",
	 .type = METRICS_GAUGE,
	 .help = "1: the guest's driver has broken the ring"},
	{.name = "vuswitch_ring_frames",
	 .type = METRICS_COUNTER,
	 .help = "frames that went through the ring"},
	{.name = "vuswitch_ring_interrupts",
	 .type = METRICS_COUNTER,
	 .help = "interrupts sent to the guest"},
	{.name = "vuswitch_ring_full",
	 .type = METRICS_COUNTER,
	 .help = "bursts that found too few buffers in the ring"},
};

static const struct metrics_kind ring_kind = {
	.title = "Rings",
	.note = "rings of a VM's port: those of the first queue pair, and those that the guest has "
		"used",
	METRICS_ROWS(ring_rows),
	.label = {"port", "queue", "direction"}};

#define REQUESTS(topic, help_text)                                                                 \
	{                                                                                          \
		.name = "vuswitch_vhost_request_seconds", METRICS_TIMES, .label = "about",         \
		.value = topic, .value_help = help_text,                                           \
		.help = "how long front ends' requests took from when control had them until they " \
			"were answered, or done where no answer is wanted"                         \
	}
static const struct metrics_row request_rows[] = {
	[VHU_ABOUT_DEVICE] = REQUESTS("device", "features, status, MTU and the like"),
	[VHU_ABOUT_MEMORY] = REQUESTS("memory", "memory that comes or goes, and the dirty log"),
	[VHU_ABOUT_RING] = REQUESTS("ring", "rings that start, change or stop"),
	[VHU_ABOUT_POSTCOPY] = REQUESTS("postcopy", "the phases of a postcopy migration"),
};
static const struct metrics_kind request_kind = {.title = "Requests of VMs",
						 .note = "front ends of all ports together",
						 METRICS_ROWS(request_rows)};

const struct metrics_kind *const vhost_metrics[] = {&port_kind, &ring_kind, &request_kind, NULL};

static void measure_ring(const struct vhost_port *vhost, unsigned int index,
			 struct metrics_set *set) RUNS_ON(control_thread)
{
	const struct virtq *ring = vhu_device_virtq(vhost->device, index);
	bool ready = vhu_device_virtq_ready(vhost->device, index),
	     broken = virtq_fault(ring) != VIRTQ_OK;
	const struct virtq_counters *counters = &ring->counters;
	char queue[12];

	if (index >= 2 && !ready && !broken && counted(&counters->frames) == 0)
		return;
	snprintf(queue, sizeof(queue), "%u", index / 2);
	metrics_set_add(set, &ring_kind,
			(const char *const[]){vhost->port.name, queue,
					      index % 2 == 0 ? "to_guest" : "from_guest"},
			(const uint64_t[]){ready, broken, counted(&counters->frames),
					   counted(&counters->interrupts),
					   counted(&counters->full)});
}

void vhost_measure(struct port *port, struct metrics_set *set)
{
	const struct vhost_port *vhost = vhost_port_of(port);
	const struct disposal_stats *on, *refused;
	struct vhu_status status;

	role_assert_control();
	vhu_device_status(vhost->device, &status);
	on = &status.calls;
	refused = &status.calls_refused;
	metrics_set_add(set, &port_kind, (const char *const[]){port->name},
			(const uint64_t[]){status.connected,
					   status.queue_pairs,
					   status.rings_ready,
					   status.slots_used,
					   MEM_SLOTS_MAX,
					   status.memory_bytes,
					   status.connections,
					   status.refused,
					   status.replaced,
					   status.messages,
					   status.arriving,
					   status.stalls.memory_wait_ms,
					   status.stalls.interrupt_wait_ms,
					   status.stalls.sent_down,
					   status.stalls.down_for_ms,
					   on->running,
					   refused->running,
					   on->waiting,
					   refused->waiting,
					   on->lost,
					   refused->lost,
					   on->late,
					   refused->late,
					   on->done,
					   refused->done});
	for (unsigned int i = 0; i < 2 * vhost->pairs; i++)
		measure_ring(vhost, i, set);
}

void vhost_measure_all(struct metrics_set *set)
{
	uint64_t values[VHU_TOPICS][HISTOGRAM_VALUES];

	role_assert_control();
	for (unsigned int i = 0; i < VHU_TOPICS; i++)
		histogram_read(vhu_answer_times(i), values[i]);
	metrics_set_add(set, &request_kind, NULL, values[0]);
}
