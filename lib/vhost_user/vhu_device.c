/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_device.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "frame_ref.h"
#include "monitor.h"
#include "vhu_feature.h"
#include "vhu_session.h"
#include "vhu_stall.h"

/* The rest after a call is so many times as long as the call. */
enum { SLOW_REST = 10 };

/* Why the front end that is connected has to make room for another, or NULL: then the other waits for a moment and is
 * turned away, which costs nothing, because front ends try again. */
static const char *reason_to_replace(const struct vhu_device *device)
{
	if (!vhu_connection_has_spoken(&device->connection))
		return "another front end has come, and this one never said anything";
	if (vhu_session_peer_died(device))
		return "another front end has come, and the process of this one has ended";
	return NULL;
}

static enum vhu_room front_end_connected(struct vhu_endpoint *endpoint, int fd)
{
	struct vhu_device *device = container_of(endpoint, struct vhu_device, endpoint);
	const char *why;

	role_assert_control();
	if (device->destroying)
		return VHU_OCCUPIED;
	if (device->state == VHU_TALKING) {
		why = reason_to_replace(device);
		if (why == NULL)
			return VHU_OCCUPIED;
		device->replaced++;
		vhu_session_end(device, why, false);
	}
	if (device->state != VHU_IDLE || disposal_full(device->account))
		return VHU_SOON;
	vhu_session_begin(device, fd);
	return VHU_TAKEN;
}


/* So many calls on what front ends of this port gave are lost, or wait, that no more is taken from it; or no longer. */
static void account_changed(void *arg)
{
	struct vhu_device *device = arg;

	role_assert_control();
	if (device->state == VHU_TALKING)
		vhu_connection_room_changed(&device->connection);
	else if (device->state == VHU_IDLE && !device->destroying && !disposal_full(device->account))
		vhu_endpoint_next(&device->endpoint);
}

/* A call on what a front end gave, or on its connection, took long, and the front end has seen to that (X5). None is let in for
 * a while, so that few of a thread's seconds go to such calls. One that is there goes, unless it was the close of another's. */
static void rest_after(struct vhu_device *device, const struct disposal_slow *slow) RUNS_ON(control_thread)
{
	uint64_t now = clock_ns(), before = device->stall.rest_until_ns;
	uint64_t rest = stall_account_rest(&device->stall, now);
	char why[120];

	if (rest < SLOW_REST * slow->ns)
		rest = SLOW_REST * slow->ns;
	/* The rest after a longer call is not over yet. */
	if (now + rest < before)
		rest = before - now;
	device->stall.rest_until_ns = now + rest;
	snprintf(why, sizeof(why), "%s took %.0f ms", slow->what, (double)slow->ns / (double)NS_PER_MS);
	vhu_endpoint_back_off(&device->endpoint, rest, why);
	if (device->state == VHU_TALKING && !slow->closed)
		vhu_session_end(device, why, false);
	else
		log_limited(&device->log, LOG_WARN, device->name, "%s: no connection is accepted for %.0f s", why,
			    (double)rest / (double)NS_PER_S);
}

static void call_was_slow(void *arg, const struct disposal_slow *slow)
{
	struct vhu_device *device = arg;

	role_assert_control();
	if (!device->destroying)
		rest_after(device, slow);
}

static void refusal_was_slow(struct vhu_endpoint *endpoint, const struct disposal_slow *slow)
{
	struct vhu_device *device = container_of(endpoint, struct vhu_device, endpoint);

	role_assert_control();
	if (!device->destroying)
		rest_after(device, slow);
}

static const struct vhu_endpoint_events endpoint_events = {.connected = front_end_connected, .slow = refusal_was_slow};

static size_t size_of(unsigned int rings)
{
	return sizeof(struct vhu_device) + rings * sizeof(struct vhu_ring);
}

static struct vhu_device *device_alloc(struct loop *loop, const struct vhu_config *config,
				       const struct vhu_events *events, void *owner)
	RUNS_ON(control_thread)
{
	struct vhu_device *device = node_alloc(size_of(2 * config->queue_pairs), NODE_UNKNOWN);

	if (device == NULL)
		return NULL;
	device->loop = loop;
	device->events = events;
	device->owner = owner;
	device->queue_pairs = config->queue_pairs;
	device->rings_n = 2 * config->queue_pairs;
	device->pending.scope = config->scope;
	device->peer_pidfd = -1;
	device->datapath = &vhu_datapath_lcores;
	device->name = strdup(config->name);
	device->account = disposal_account_create(loop, config->name);
	if (device->name == NULL || device->account == NULL) {
		disposal_account_put(device->account);
		free(device->name);
		node_free(device, size_of(device->rings_n));
		return NULL;
	}
	disposal_account_watch(device->account, account_changed, device);
	disposal_account_watch_slow(device->account, call_was_slow, device);
	vhu_journal_open(&device->journal, config->journal, config->name, device->rings_n);
	for (unsigned int i = 0; i < device->rings_n; i++) {
		vhu_ring_init(&device->ring[i], i, &device->regions.table,
			      vhu_journal_record(&device->journal, i), &device->pending,
			      device->account, &vhu_session_ring_events);
		device->ring[i].loop = loop;
		/* Without a table every frame is copied. */
		if (i % 2 == 1)
			device->ring[i].q.refs = frame_refs_create();
	}
	vhu_connection_init(&device->connection, loop, device->account, &vhu_session_connection_events);
	return device;
}

static void device_free(struct vhu_device *device) RUNS_ON(control_thread)
{
	vhu_postcopy_fini(device);
	vhu_journal_close(&device->journal, device->returns);
	for (unsigned int i = 0; i < device->rings_n; i++)
		frame_refs_destroy(device->ring[i].q.refs);
	disposal_account_put(device->account);
	free(device->name);
	node_free(device, size_of(device->rings_n));
}

int vhu_device_create(struct loop *loop, const struct vhu_config *config,
		      const struct vhu_events *events, void *owner, struct vhu_device **made,
		      struct fail *fail)
{
	struct vhu_device *device;
	int error;

	if (config->queue_pairs == 0 || config->queue_pairs > VHOST_QUEUE_PAIRS_MAX)
		return fail_set(fail, -EINVAL, "%u queue pairs: choose 1 to %d", config->queue_pairs,
				VHOST_QUEUE_PAIRS_MAX);
	device = device_alloc(loop, config, events, owner);
	if (device == NULL)
		return fail_set(fail, -ENOMEM, "no memory for a vhost-user device");
	error = vhu_regions_init(&device->regions, loop, device->account, &device->pending, &vhu_session_regions_events);
	if (error != 0) {
		device_free(device);
		return fail_set(fail, error, "no descriptor for a vhost-user device: %s",
				strerror(-error));
	}
	vhu_postcopy_init(device, config->postcopy_off);
	vhu_device_set_stall_bounds(device, config->stall);
	device->meter.alarm_fd = device->regions.alarm.fd;
	for (unsigned int i = 0; i < device->rings_n; i++)
		device->ring[i].q.meter = &device->meter;
	device->offloads = !config->offloads_off;
	device->control_queue = !config->control_queue_off;
	error = vhu_endpoint_open(&device->endpoint, loop, config, &endpoint_events, fail);
	if (error != 0) {
		vhu_regions_fini(&device->regions);
		device_free(device);
		return error;
	}
	vhu_endpoint_next(&device->endpoint);
	*made = device;
	return 0;
}

/* Nothing is mapped, no ring is published, and every lcore has passed since. */
static void vhu_device_device_gone(struct rcu_wait *wait)
{
	struct vhu_device *device = container_of(wait, struct vhu_device, close_wait);
	void (*gone)(void *arg) = device->gone;
	void *arg = device->gone_arg;

	role_assert_control();
	vhu_regions_fini(&device->regions);
	device_free(device);
	gone(arg);
}

void vhu_device_idle(struct vhu_device *device)
{
	assert(!vhu_pending_any(&device->pending));
	if (device->destroying)
		rcu_wait_start(&device->close_wait, vhu_device_device_gone);
	else
		vhu_endpoint_next(&device->endpoint);
}

int vhu_device_set_rights(struct vhu_device *device, const struct rights *rights, struct fail *fail)
{
	return vhu_endpoint_set_rights(&device->endpoint, rights, fail);
}

void vhu_device_destroy(struct vhu_device *device, bool returns, void (*gone)(void *arg), void *arg)
{
	device->destroying = true;
	device->returns = returns;
	device->gone = gone;
	device->gone_arg = arg;
	for (unsigned int i = 0; i < device->rings_n; i++)
		device->ring[i].unpolled = true;
	vhu_endpoint_close(&device->endpoint);
	if (device->state == VHU_IDLE)
		vhu_device_idle(device);
	else
		vhu_session_end(device, "the port is being removed", true);
}

void vhu_device_set_stall_bounds(struct vhu_device *device, const struct stall_bound bound[STALL_KINDS])
{
	for (int kind = 0; kind < STALL_KINDS; kind++)
		device->stall.bound[kind] = bound[kind];
}

uint64_t vhu_device_offers(const struct vhu_device *device)
{
	return vhu_features_offered(device->offloads, device->control_queue);
}

struct disposal_account *vhu_device_account(const struct vhu_device *device)
{
	return device->account;
}

const struct mem_map *vhu_device_memory(const struct vhu_device *device)
{
	return vhu_regions_map(&device->regions);
}

unsigned int vhu_device_own(const struct vhu_device *device, struct node_span span[VHU_DEVICE_SPANS])
{
	unsigned int n = 1;

	span[0] = (struct node_span){.at = (void *)(uintptr_t)device, .size = size_of(device->rings_n)};
	for (unsigned int i = 0; i < device->rings_n; i++)
		if (device->ring[i].q.refs != NULL)
			span[n++] = (struct node_span){.at = device->ring[i].q.refs, .size = sizeof(struct frame_refs)};
	return n;
}

struct virtq *vhu_device_virtq(struct vhu_device *device, unsigned int index)
{
	return &device->ring[index].q;
}

bool vhu_device_virtq_ready(const struct vhu_device *device, unsigned int index)
{
	return device->ring[index].state == VHU_RING_RUNNING && !device->ring[index].discards;
}

bool vhu_device_ring_discards(const struct vhu_device *device, unsigned int index)
{
	return device->ring[index].state == VHU_RING_RUNNING && device->ring[index].discards;
}

void vhu_device_cut_off(struct vhu_device *device, unsigned int index)
{
	char why[80];

	if (device->state != VHU_TALKING)
		return;
	snprintf(why, sizeof(why), "ring %u has a descriptor that blocks whoever writes it", index);
	vhu_endpoint_back_off(&device->endpoint, VHU_BACKOFF_MS * NS_PER_MS, why);
	vhu_session_end(device, why, false);
}

void vhu_device_ring_broken(struct vhu_device *device, unsigned int index)
{
	struct vhu_ring *ring;
	enum virtq_fault fault;

	/* The reason for cutting off a front end was reported; what its rings say then is an echo. */
	if (index >= device->rings_n || device->state != VHU_TALKING)
		return;
	ring = &device->ring[index];
	fault = virtq_fault(&ring->q);
	if (fault == VIRTQ_OK || ring->broken_reported || !ring->started)
		return;
	ring->broken_reported = true;
	snprintf(device->last_error, sizeof(device->last_error), "ring %u is broken: %s", index,
		 virtq_fault_text(fault));
	monitor_emit(MONITOR_RING_BROKEN, device->name, "{s:i, s:s}", "ring", (int)index, "reason", virtq_fault_text(fault));
	if (fault == VIRTQ_FAULT_CALL) {
		vhu_device_cut_off(device, index);
		return;
	}
	log_limited(&device->log, LOG_WARN, device->name,
		    "%s; it is left alone until the guest resets it", device->last_error);
	vhu_ring_signal_error(ring);
}

void vhu_device_lane_broken(struct vhu_device *device)
{
	if (device->postcopy.state == VHU_POSTCOPY_LISTENING)
		vhu_session_end(device, "postcopy: the lane does not keep to the rules of its ring",
				false);
}

/* The reason for which a front end was hung up on stays in sight until another is there. */
static void describe_waiting(const struct vhu_device *device, char *text, size_t size)
{
	size_t n;

	vhu_endpoint_describe(&device->endpoint, text, size);
	n = strlen(text);
	if (device->last_error[0] != '\0')
		n += (size_t)snprintf(text + n, size - n, "; the last one was cut off: %s", device->last_error);
	if (vhu_stall_rest(device) > 0 && n < size)
		snprintf(text + n, size - n, "; none is let in for %.0f s",
			 (double)vhu_stall_rest(device) / (double)NS_PER_S + 0.5);
}

static const char *what_rings_await(const struct vhu_device *device)
{
	if (!vhu_log_complete(&device->dirty))
		return "a migration is under way and the front end has not given its dirty log yet";
	if (vhu_regions_map(&device->regions) == NULL)
		return "no guest memory yet";
	return "not enabled or not in memory";
}

/* What front ends gave and cannot be got rid of, if there is such: of those that had the port, or of those that were refused. */
static void describe_calls(struct disposal_account *account, const char *full, char *text, size_t size)
	RUNS_ON(control_thread)
{
	struct disposal_stats stats;
	char calls[160];
	size_t n = strlen(text);

	disposal_account_stats(account, &stats);
	if (stats.lost == 0)
		return;
	disposal_account_describe(account, calls, sizeof(calls));
	snprintf(text + n, size - n, "; %s%s", calls, disposal_full(account) ? full : "");
}

static void describe(const struct vhu_device *device, unsigned int ready, char *text, size_t size)
{
	unsigned int started = (unsigned int)__builtin_popcount(vhu_session_started(device));

	if (device->destroying)
		snprintf(text, size, "being removed");
	else if (device->state == VHU_CLOSING)
		snprintf(text, size, "the front end is gone, its memory is being given back");
	else if (device->state == VHU_IDLE)
		describe_waiting(device, text, size);
	else if (device->postcopy.turned_away)
		snprintf(text, size, "connected: %s", device->last_error);
	else if (!device->connection.spoken)
		snprintf(text, size, "connected: the front end has not said anything yet");
	else if (ready > 0)
		snprintf(text, size, "running: %u of %u rings in use", ready, device->rings_n);
	else if (started > 0)
		snprintf(text, size, "connected: rings started, but %s", what_rings_await(device));
	else
		snprintf(text, size, "connected: the guest's driver has not started the device");
}

unsigned int vhu_device_rings_ready(const struct vhu_device *device)
{
	unsigned int ready = 0;

	for (unsigned int i = 0; i < device->rings_n; i++)
		ready += vhu_device_virtq_ready(device, i);
	return ready;
}

unsigned int vhu_device_state(const struct vhu_device *device, char *text, size_t size)
{
	unsigned int ready = vhu_device_rings_ready(device);

	describe(device, ready, text, size);
	describe_calls(device->account, ": no message of a front end is read until one has", text, size);
	if (device->endpoint.account != NULL)
		describe_calls(device->endpoint.account, ": no connection is accepted until one has", text, size);
	return ready;
}

void vhu_device_status(const struct vhu_device *device, struct vhu_status *status)
{
	*status = (struct vhu_status){
		.connected = device->state == VHU_TALKING,
		.features = device->features,
		.protocol_features = device->protocol_features,
		.slots_used = device->regions.n,
		.memory_bytes = vhu_regions_bytes(&device->regions),
		.queue_pairs = device->queue_pairs,
		.connections = device->connections,
		.refused = device->endpoint.refused,
		.replaced = device->replaced,
		.messages = device->messages,
		.pending = device->pending,
		.arriving = device->postcopy.state >= VHU_POSTCOPY_LISTENING,
	};

	disposal_account_stats(device->account, &status->calls);
	if (device->endpoint.account != NULL)
		disposal_account_stats(device->endpoint.account, &status->calls_refused);
	if (device->answer_due)
		status->waiting = vhu_message_spec(device->request.request)->name;
	status->rings_ready = vhu_device_state(device, status->state, sizeof(status->state));
	vhu_postcopy_describe(device, status->postcopy, sizeof(status->postcopy));
	vhu_stall_show(device, &status->stalls);
	memcpy(status->last_error, device->last_error, sizeof(status->last_error));
}
