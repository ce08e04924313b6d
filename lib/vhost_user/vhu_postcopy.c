/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_postcopy.h"

#include <stdio.h>
#include <unistd.h>

#include "lane_program.h"
#include "vhu_session.h"

static const uint64_t DRAIN_LOOK_NS = NS_PER_MS;
/* An lcore empties a full ring in less than a millisecond; one that shares its CPU waits for it. */
static const uint64_t DRAIN_LIMIT_NS = 2 * NS_PER_S;

/* --- requests ---------------------------------------------------------------------------------------------------- */

static enum vhu_error bad_state(struct fail *fail, const char *text)
{
	fail_set(fail, 0, "%s", text);
	return VHU_BAD_STATE;
}

enum vhu_error vhu_postcopy_advise(struct vhu_device *device, struct vhu_message *msg VUS_UNUSED,
				   struct fail *fail)
{
	struct vhu_postcopy *pc = &device->postcopy;

	role_assert_control();
	if (pc->state > VHU_POSTCOPY_ADVISED)
		return bad_state(fail, "this guest's memory is arriving already");
	if (vhu_session_started(device) != 0)
		return bad_state(fail, "not while a ring runs");
	pc->state = VHU_POSTCOPY_ADVISED;
	if (pc->lane.state == LANE_PROCESS_READY) {
		/* QEMU advises once for each queue pair; the last userfaultfd counts. */
		vhu_postcopy_ask(device, &(struct lane_message){.request = LANE_FAULTS}, -1);
		return VHU_OK;
	}
	pc->wants_faults = true;
	pc->asked++;
	device->unsettled++;
	lane_process_start(&pc->lane);
	return VHU_OK;
}

enum vhu_error vhu_postcopy_listen(struct vhu_device *device, struct vhu_message *msg VUS_UNUSED,
				   struct fail *fail)
{
	struct vhu_postcopy *pc = &device->postcopy;

	role_assert_control();
	/* QEMU says so for each queue pair. */
	if (pc->state == VHU_POSTCOPY_LISTENING)
		return VHU_OK;
	if (pc->state != VHU_POSTCOPY_ADVISED)
		return bad_state(fail, "POSTCOPY_ADVISE has to come first");
	if (vhu_regions_map(&device->regions) != NULL)
		return bad_state(fail, "memory is there already");
	if (!device->events->lane(device->owner, pc->lane.link))
		return bad_state(fail, "what the lane before it has left is still being delivered");
	pc->state = VHU_POSTCOPY_LISTENING;
	pc->link = lane_process_take_link(&pc->lane);
	return VHU_OK;
}

enum vhu_error vhu_postcopy_end(struct vhu_device *device, struct vhu_message *msg VUS_UNUSED,
				struct fail *fail VUS_UNUSED)
{
	struct vhu_postcopy *pc = &device->postcopy;

	role_assert_control();
	/* The second queue pair's END finds everything done. */
	if (pc->state != VHU_POSTCOPY_ADVISED && pc->state != VHU_POSTCOPY_LISTENING)
		return VHU_OK;
	if (pc->state == VHU_POSTCOPY_LISTENING)
		vhu_postcopy_ask(device, &(struct lane_message){.request = LANE_HALT}, -1);
	pc->state = VHU_POSTCOPY_ENDING;
	for (unsigned int i = 0; i < device->rings_n; i++)
		if (device->ring[i].state == VHU_RING_RUNNING) {
			device->unsettled++;
			vhu_ring_leave(&device->ring[i]);
		}
	return VHU_OK;
}

int vhu_postcopy_send_faults(struct vhu_device *device)
{
	const struct vhu_header header = {
		.request = VHU_POSTCOPY_ADVISE,
		.flags = VHU_VERSION | VHU_FLAG_REPLY,
	};
	int error = vhu_connection_send_fd(&device->connection, &header,
					   device->postcopy.faults_fd);

	close(device->postcopy.faults_fd);
	device->postcopy.faults_fd = -1;
	return error;
}

void vhu_postcopy_done(struct vhu_device *device VUS_UNUSED, unsigned int ring VUS_UNUSED,
		       struct vhu_reply *reply)
{
	reply->payload.u64 = 0;
}

enum vhu_error vhu_postcopy_commit(struct vhu_device *device, struct vhu_message *msg,
				   struct fail *fail)
{
	if (msg->payload.u64 != 0) {
		fail_set(fail, 0, "the front end could not take our addresses");
		return VHU_BAD_VALUE;
	}
	vhu_postcopy_ask(device, &(struct lane_message){.request = LANE_COMMIT}, -1);
	return VHU_OK;
}

/* True if there is a lane: it is on its way out, and `gone` settles that. */
static bool end_lane(struct vhu_device *device) RUNS_ON(control_thread)
{
	struct vhu_postcopy *pc = &device->postcopy;

	if (!lane_process_end(&pc->lane))
		return false;
	device->unsettled += !pc->leaving;
	pc->leaving = true;
	return true;
}

/* --- the way out ------------------------------------------------------------------------------------------------- */

/* Every lcore has left the lane. */
static void lcores_passed(struct rcu_wait *wait)
{
	struct vhu_device *device = container_of(wait, struct vhu_device, postcopy.passed);

	role_assert_control();
	vhu_session_settled(device);
}

static void drain_look(struct loop_timer *timer)
{
	struct vhu_device *device = container_of(timer, struct vhu_device, postcopy.drain);
	struct vhu_postcopy *pc = &device->postcopy;

	role_assert_control();
	if (!lane_link_passed_on(pc->link) && clock_ns() < pc->drain_until_ns) {
		loop_timer_start(device->loop, timer, DRAIN_LOOK_NS);
		return;
	}
	device->events->lane_ended(device->owner, true);
	pc->link = NULL;
	rcu_wait_start(&pc->passed, lcores_passed);
}

static void drain_start(struct vhu_device *device) RUNS_ON(control_thread)
{
	struct vhu_postcopy *pc = &device->postcopy;

	pc->state = VHU_POSTCOPY_DRAINING;
	pc->drain_until_ns = clock_ns() + DRAIN_LIMIT_NS;
	pc->drain.fire = drain_look;
	device->unsettled++;
	loop_timer_start(device->loop, &pc->drain, 0);
}

bool vhu_postcopy_further(struct vhu_device *device)
{
	struct vhu_postcopy *pc = &device->postcopy;

	/* The migration was done before postcopy began: QEMU says nothing of it and starts the device. */
	if (pc->state == VHU_POSTCOPY_ADVISED && vhu_session_started(device) != 0)
		pc->state = VHU_POSTCOPY_ENDING;
	if (pc->state < VHU_POSTCOPY_ENDING)
		return false;
	if (pc->state == VHU_POSTCOPY_ENDING && end_lane(device))
		return true;
	if (pc->state == VHU_POSTCOPY_ENDING && pc->link != NULL) {
		drain_start(device);
		return true;
	}
	pc->state = VHU_POSTCOPY_OFF;
	return false;
}

/* --- the abrupt end ---------------------------------------------------------------------------------------------- */

void vhu_postcopy_abort(struct vhu_device *device)
{
	struct vhu_postcopy *pc = &device->postcopy;
	bool draining = pc->state == VHU_POSTCOPY_DRAINING;

	if (pc->state == VHU_POSTCOPY_LISTENING && vhu_half_remember(&pc->half, &device->regions) != 0)
		log_error(device->name, "no memory to remember which guest arrived in part only");
	pc->state = VHU_POSTCOPY_OFF;
	/* No answer comes any more, and no ring waits for one. */
	device->unsettled -= pc->asked;
	pc->asked = 0;
	pc->wants_faults = pc->echo_due = pc->uncommitted = pc->turned_away = false;
	if (pc->faults_fd >= 0)
		close(pc->faults_fd);
	pc->faults_fd = -1;
	for (unsigned int i = 0; i < device->rings_n; i++)
		if (vhu_ring_in_lane(&device->ring[i]))
			vhu_ring_left(&device->ring[i], device->ring[i].base);
	if (draining && pc->link != NULL) {
		loop_timer_stop(device->loop, &pc->drain);
		device->unsettled--;
	}
	if (pc->link != NULL)
		device->events->lane_ended(device->owner, false);
	pc->link = NULL;
	end_lane(device);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

void vhu_postcopy_init(struct vhu_device *device, bool off)
{
	struct vhu_postcopy *pc = &device->postcopy;
	struct fail fail;

	lane_process_init(&pc->lane, device->loop, device->name, &vhu_postcopy_lane_events);
	pc->faults_fd = -1;
	if (off) {
		snprintf(pc->missing, sizeof(pc->missing), "off: by configuration, or because the port has several queue pairs");
		return;
	}
	pc->offered = lane_program_possible(&fail) == 0;
	if (!pc->offered)
		snprintf(pc->missing, sizeof(pc->missing), "not offered: %.200s", fail.text);
}

void vhu_postcopy_fini(struct vhu_device *device)
{
	vhu_half_forget(&device->postcopy.half);
}

void vhu_postcopy_describe(const struct vhu_device *device, char *text, size_t size)
{
	const struct vhu_postcopy *pc = &device->postcopy;

	switch (pc->state) {
	case VHU_POSTCOPY_OFF:
		snprintf(text, size, "%s", pc->offered ? "offered" : pc->missing);
		break;
	case VHU_POSTCOPY_ADVISED:
		snprintf(text, size, "advised: lane %d is ready", (int)pc->lane.pid);
		break;
	case VHU_POSTCOPY_LISTENING:
		snprintf(text, size, "memory is arriving: lane %d serves the rings",
			 (int)pc->lane.pid);
		break;
	case VHU_POSTCOPY_ENDING:
	case VHU_POSTCOPY_DRAINING:
		snprintf(text, size, "memory has arrived: the rings are on their way back");
		break;
	}
}
