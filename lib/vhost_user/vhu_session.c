/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_answered.h"
#include "vhu_monitor.h"
#include "vhu_session.h"
#include "vhu_stall.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- beginning and end ------------------------------------------------------------------------------------------ */

/* A descriptor of the process at the other end; it becomes readable when that process has ended. */
static int open_peer(int fd, struct ucred *peer)
{
	socklen_t len = sizeof(*peer);

	*peer = (struct ucred){0};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len) != 0 || peer->pid <= 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, peer->pid, 0);
}

bool vhu_session_peer_died(const struct vhu_device *device)
{
	struct pollfd peer = {.fd = device->peer_pidfd, .events = POLLIN};

	return device->peer_pidfd >= 0 && poll(&peer, 1, 0) == 1;
}

void vhu_session_begin(struct vhu_device *device, int fd)
{
	struct ucred peer;
	int error;

	device->peer_pidfd = open_peer(fd, &peer);
	device->state = VHU_TALKING;
	device->connections++;
	vhu_monitor_connected(device, &peer);
	error = vhu_connection_open(&device->connection, fd);
	if (error != 0)
		vhu_session_end(device, strerror(-error), false);
	else
		log_limited(&device->log, LOG_INFO, device->name, "front end connected");
}

/* Every lcore has passed since the end was decided: never inside a callback of the connection. */
static void close_passed(struct rcu_wait *wait)
{
	struct vhu_device *device = container_of(wait, struct vhu_device, close_wait);

	role_assert_control();
	vhu_pending_end(&device->pending, VHU_STEP_LCORES);
	vhu_session_go_on(device);
}

void vhu_session_end(struct vhu_device *device, const char *why, bool orderly)
{
	uint64_t rest = vhu_stall_rest(device);
	char until[48] = "";

	if (device->state != VHU_TALKING)
		return;
	device->state = VHU_CLOSING;
	device->answer_due = false;
	vhu_connection_close(&device->connection);
	if (device->peer_pidfd >= 0)
		close(device->peer_pidfd);
	device->peer_pidfd = -1;
	snprintf(device->last_error, sizeof(device->last_error), "%s", orderly ? "" : why);
	if (rest > 0 && !orderly)
		snprintf(until, sizeof(until), "; no front end is let in for %.0f s", (double)rest / (double)NS_PER_S);
	log_limited(&device->log, orderly ? LOG_INFO : LOG_WARN, device->name, "connection ended: %s%s", why, until);
	vhu_postcopy_abort(device);
	vhu_monitor_ended(device, why, orderly);
	for (unsigned int i = 0; i < device->rings_n; i++)
		vhu_ring_leave(&device->ring[i]);
	device->events->gone(device->owner);
	/* After whatever the owner waits for: the next front end comes when that is done with too. */
	vhu_pending_begin(&device->pending, VHU_STEP_LCORES);
	vhu_pending_await(&device->pending, &device->close_wait, close_passed);
}

/* Further, whenever nothing is pending: rings are out, then memory goes, then the rest. */
static void close_further(struct vhu_device *device) RUNS_ON(control_thread)
{
	vhu_log_drop(&device->dirty, &device->regions);
	vhu_regions_clear(&device->regions);
	if (vhu_pending_any(&device->pending))
		return;
	device->dirty = (struct vhu_log){0};
	vhu_stall_charged(device);
	vhu_regions_reset(&device->regions);
	if (vhu_pending_any(&device->pending))
		return;
	for (unsigned int i = 0; i < device->rings_n; i++)
		vhu_ring_forget(&device->ring[i]);
	device->features = device->protocol_features = device->device_status = 0;
	device->features_set = false;
	if (device->mtu != 0)
		device->events->mtu(device->owner, 0);
	device->mtu = 0;
	device->state = VHU_IDLE;
	vhu_device_idle(device);
}

/* --- rings ------------------------------------------------------------------------------------------------------ */

uint32_t vhu_session_started(const struct vhu_device *device)
{
	uint32_t started = 0;

	for (unsigned int i = 0; i < device->rings_n; i++)
		started |= (uint32_t)device->ring[i].started << i;
	return started;
}

bool vhu_session_ring_enabled(const struct vhu_device *device, const struct vhu_ring *ring)
{
	return ring->enabled || ((device->features >> VHU_F_PROTOCOL_FEATURES) & 1) == 0;
}

/* A disabled ring gives nothing to the guest, but takes and discards what the guest sends ("Ring states"). One that is to
 * be logged waits for its log, which QEMU sends after the kick when a device starts during a migration. */
static bool ring_wanted(const struct vhu_device *device, const struct vhu_ring *ring)
{
	return device->features_set && ring->started && ring->addressed && ring->size != 0 &&
	       vhu_log_complete(&device->dirty) && !device->postcopy.uncommitted &&
	       (vhu_session_ring_enabled(device, ring) || ring->index % 2 == 1);
}

/* Rings that should run do, those that should not are withdrawn. 0 or -errno with a line: the front end described a ring
 * that cannot be. A ring whose memory is away waits for it. */
static int run_rings(struct vhu_device *device, struct fail *fail) RUNS_ON(control_thread)
{
	/* No lcore writes any more. The front end harvests what is in its log, and gives another if the device starts
	 * again. */
	if (device->dirty.ends)
		vhu_log_drop(&device->dirty, &device->regions);
	device->dirty.ends = false;
	if (device->datapath->in_process && !device->postcopy.uncommitted)
		vhu_regions_offer(&device->regions);
	for (unsigned int i = 0; i < device->rings_n; i++) {
		struct vhu_ring *ring = &device->ring[i];
		bool wanted = ring_wanted(device, ring);
		bool discards = !vhu_session_ring_enabled(device, ring);
		int error = 0;

		if (ring->state == VHU_RING_RUNNING && (!wanted || ring->discards != discards)) {
			vhu_ring_leave(ring);
		} else if (ring->state == VHU_RING_IDLE && wanted) {
			ring->discards = discards;
			ring->datapath = device->datapath;
			error = vhu_ring_run(ring, device->features,
					     vhu_regions_map(&device->regions), fail);
		}
		if (error != 0 && error != -EFAULT) {
			ring->started = false;
			return error;
		}
	}
	return 0;
}

/* What can begin now that nothing is pending: the way out of a lane first, then rings. */
static int begin_next(struct vhu_device *device, struct fail *fail) RUNS_ON(control_thread)
{
	return vhu_postcopy_further(device) ? 0 : run_rings(device, fail);
}

static void ring_ready(struct vhu_ring *ring, bool ready)
{
	struct vhu_device *device = vhu_device_of_ring(ring);

	device->events->ring(device->owner, ring->index, ready);
}

static void ring_kick(struct vhu_ring *ring, int fd)
{
	struct vhu_device *device = vhu_device_of_ring(ring);

	device->events->kick(device->owner, ring->index, fd);
}

static void ring_settled(struct vhu_ring *ring)
{
	role_assert_control();
	vhu_session_go_on(vhu_device_of_ring(ring));
}

static void ring_held_up(struct vhu_ring *ring)
{
	role_assert_control();
	vhu_device_cut_off(vhu_device_of_ring(ring), ring->index);
}

const struct vhu_ring_events vhu_session_ring_events = {
	.ready = ring_ready,
	.kick = ring_kick,
	.settled = ring_settled,
	.held_up = ring_held_up,
};

/* --- the conversation ------------------------------------------------------------------------------------------- */

static bool agreed(const struct vhu_device *device, enum vhu_protocol_feature bit)
{
	return (device->protocol_features >> bit) & 1;
}

static void vhu_session_send_reply(struct vhu_device *device, uint32_t request, const struct vhu_reply *reply)
	RUNS_ON(control_thread)
{
	const struct vhu_header header = {
		.request = request,
		.flags = VHU_VERSION | VHU_FLAG_REPLY,
		.size = reply->size,
	};
	int error;

	if (reply->fd >= 0)
		error = vhu_connection_send_fd(&device->connection, &header, reply->fd);
	else
		error = vhu_connection_send(&device->connection, &header, &reply->payload);
	if (error != 0)
		vhu_session_end(device,
				error == -ENOBUFS ? "the front end does not read its replies"
						  : strerror(-error),
				false);
}

/* The request is done with. */
static void note_answered(const struct vhu_device *device, uint32_t request) RUNS_ON(control_thread)
{
	vhu_answered(request, clock_ns() - device->asked_ns);
}

static bool wants_ack(const struct vhu_device *device, const struct vhu_header *request)
{
	return (request->flags & VHU_FLAG_NEED_REPLY) != 0 && agreed(device, VHU_P_REPLY_ACK);
}

static void vhu_session_answer(struct vhu_device *device) RUNS_ON(control_thread)
{
	struct vhu_reply reply = {.size = sizeof(uint64_t), .payload.u64 = 0, .fd = -1};

	device->answer_due = false;
	note_answered(device, device->request.request);
	vhu_monitor_done(device, device->request.request);
	if (vhu_requests[device->request.request].answer != NULL)
		vhu_requests[device->request.request].answer(device, device->request_ring, &reply);
	else if (!vhu_postcopy_echo(device, &reply) && !wants_ack(device, &device->request))
		return;
	vhu_session_send_reply(device, device->request.request, &reply);
}

void vhu_session_refuse(struct vhu_device *device, const struct vhu_header *request, enum vhu_error error,
			const char *text)
{
	const struct vhu_message_spec *spec = vhu_message_spec(request->request);
	bool empty = spec != NULL && spec->empty_is_no;
	const struct vhu_reply no = {
		.size = empty ? 0 : sizeof(uint64_t), .payload.u64 = 1, .fd = -1};
	char number[24], why[sizeof(device->last_error)];

	snprintf(why, sizeof(why), "%s refused: %.200s",
		 vhu_message_name(request->request, number),
		 text);
	if (vhu_error_verdict(error) == VHU_REFUSE &&
	    (empty || (wants_ack(device, request) && (spec == NULL || spec->answer == VHU_ANSWER_ACK)))) {
		log_limited(&device->log, LOG_WARN, device->name, "%s", why);
		snprintf(device->last_error, sizeof(device->last_error), "%s", why);
		note_answered(device, request->request);
		vhu_session_send_reply(device, request->request, &no);
	} else {
		vhu_session_end(device, why, false);
	}
}

static enum vhu_error vhu_session_handle(struct vhu_device *device, struct vhu_message *msg, struct fail *fail)
{
	const struct vhu_request_ops *ops = &vhu_requests[msg->header.request];

	return ops->handle != NULL ? ops->handle(device, msg, fail) : VHU_OK;
}

static void vhu_session_message_came(struct vhu_connection *connection, struct vhu_message *msg)
{
	struct vhu_device *device = container_of(connection, struct vhu_device, connection);
	const struct vhu_context context = {
		.protocol_features = device->protocol_features,
		.rings = device->rings_n,
		.started = vhu_session_started(device),
		.listening = device->postcopy.state == VHU_POSTCOPY_LISTENING,
	};
	enum vhu_error error;
	struct fail fail = {.text = ""};

	role_assert_control();
	device->messages++;
	device->asked_ns = loop_turn_began(device->loop);
	error = vhu_message_check(msg, &context);
	if (error == VHU_OK && msg->commit)
		error = vhu_postcopy_commit(device, msg, &fail);
	else if (error == VHU_OK && vhu_message_spec(msg->header.request)->ignored)
		return;
	else if (error == VHU_OK)
		error = vhu_session_handle(device, msg, &fail);
	if (error == VHU_OK && !vhu_pending_any(&device->pending) && begin_next(device, &fail) != 0)
		error = VHU_BAD_VALUE;
	if (error == VHU_OK) {
		device->request = msg->header;
		device->request_ring = msg->ring;
		device->answer_due = true;
	}
	if (vhu_pending_any(&device->pending))
		vhu_connection_suspend(connection);
	if (error != VHU_OK)
		vhu_session_refuse(device, &msg->header, error,
				   fail.text[0] != '\0' ? fail.text
							: vhu_message_refusal(msg->header.request, error));
	else if (!vhu_pending_any(&device->pending))
		vhu_session_answer(device);
}

void vhu_session_go_on(struct vhu_device *device)
{
	struct fail fail;

	if (vhu_pending_any(&device->pending))
		return;
	if (device->state == VHU_CLOSING) {
		close_further(device);
		return;
	}
	if (begin_next(device, &fail) != 0) {
		vhu_session_end(device, fail.text, false);
		return;
	}
	if (vhu_pending_any(&device->pending))
		return;
	if (device->answer_due)
		vhu_session_answer(device);
	if (device->state == VHU_TALKING)
		vhu_connection_resume(&device->connection);
}

static void connection_ended(struct vhu_connection *connection, const char *why, bool orderly)
{
	role_assert_control();
	vhu_session_end(container_of(connection, struct vhu_device, connection), why, orderly);
}

const struct vhu_connection_events vhu_session_connection_events = {
	.message = vhu_session_message_came,
	.ended = connection_ended,
};
