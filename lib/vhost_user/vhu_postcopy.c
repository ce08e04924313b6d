/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_postcopy.h"

#include <stdio.h>
#include <unistd.h>

#include "lane_program.h"
#include "vhu_monitor.h"
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
		vhu_lane_ask(device, &(struct lane_message){.request = LANE_UFFD}, -1);
		return VHU_OK;
	}
	vhu_pending_begin(&device->pending, VHU_STEP_LANE_START);
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
	device->datapath = &vhu_datapath_lane;
	pc->link = lane_process_take_link(&pc->lane);
	vhu_monitor_arriving(device);
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
		vhu_lane_ask(device, &(struct lane_message){.request = LANE_HALT}, -1);
	pc->state = VHU_POSTCOPY_ENDING;
	vhu_regions_arrived(&device->regions);
	device->datapath = &vhu_datapath_lcores;
	for (unsigned int i = 0; i < device->rings_n; i++)
		vhu_ring_leave(&device->ring[i]);
	return VHU_OK;
}

void vhu_postcopy_advise_answer(struct vhu_device *device, unsigned int ring VUS_UNUSED,
				struct vhu_reply *reply)
{
	reply->size = 0;
	reply->fd = device->postcopy.uffd;
	device->postcopy.uffd = -1;
}

enum vhu_error vhu_postcopy_commit(struct vhu_device *device, struct vhu_message *msg,
				   struct fail *fail)
{
	if (msg->payload.u64 != 0) {
		fail_set(fail, 0, "the front end could not take our addresses");
		return VHU_BAD_VALUE;
	}
	vhu_lane_ask(device, &(struct lane_message){.request = LANE_COMMIT}, -1);
	return VHU_OK;
}

/* True if there is a lane: it is on its way out, and `gone` says when it has exited. */
static bool end_lane(struct vhu_device *device) RUNS_ON(control_thread)
{
	struct vhu_postcopy *pc = &device->postcopy;

	if (!lane_process_kill(&pc->lane))
		return false;
	if (device->pending.n[VHU_STEP_LANE_EXIT] == 0)
		vhu_pending_begin(&device->pending, VHU_STEP_LANE_EXIT);
	return true;
}

/* --- the way out ------------------------------------------------------------------------------------------------- */

/* Every lcore has left the lane. */
static void vhu_postcopy_lcores_passed(struct rcu_wait *wait)
{
	struct vhu_device *device = container_of(wait, struct vhu_device, postcopy.passed);

	role_assert_control();
	vhu_pending_end(&device->pending, VHU_STEP_LCORES);
	vhu_session_go_on(device);
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
	vhu_pending_move(&device->pending, VHU_STEP_LANE_FRAMES, VHU_STEP_LCORES);
	vhu_pending_await(&device->pending, &pc->passed, vhu_postcopy_lcores_passed);
}

static void drain_start(struct vhu_device *device) RUNS_ON(control_thread)
{
	struct vhu_postcopy *pc = &device->postcopy;

	pc->state = VHU_POSTCOPY_DRAINING;
	pc->drain_until_ns = clock_ns() + DRAIN_LIMIT_NS;
	pc->drain.fire = drain_look;
	vhu_pending_begin(&device->pending, VHU_STEP_LANE_FRAMES);
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
	vhu_monitor_arrived(device, true);
	return false;
}

/* --- the abrupt end ---------------------------------------------------------------------------------------------- */

void vhu_postcopy_abort(struct vhu_device *device)
{
	struct vhu_postcopy *pc = &device->postcopy;

	if (pc->state == VHU_POSTCOPY_LISTENING && vhu_partial_remember(&pc->partial, &device->regions) != 0)
		log_error(device->name, "no memory to remember which guest arrived in part only");
	pc->state = VHU_POSTCOPY_OFF;
	vhu_monitor_arrived(device, false);
	device->datapath = &vhu_datapath_lcores;
	/* No answer comes any more, and no ring waits for one. */
	vhu_pending_drop(&device->pending, VHU_STEP_LANE_START);
	vhu_pending_drop(&device->pending, VHU_STEP_LANE_ANSWER);
	vhu_lane_abandon_rings(device);
	pc->echo_due = pc->uncommitted = pc->turned_away = false;
	disposal_close(device->account, pc->uffd);
	pc->uffd = -1;
	loop_timer_stop(device->loop, &pc->drain);
	vhu_pending_drop(&device->pending, VHU_STEP_LANE_FRAMES);
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

	lane_process_init(&pc->lane, device->loop, device->name, &vhu_lane_events);
	pc->uffd = -1;
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
	vhu_partial_forget(&device->postcopy.partial);
}

void vhu_postcopy_describe(const struct vhu_device *device, char *text, size_t size)
{
	const struct vhu_postcopy *pc = &device->postcopy;

	switch (pc->state) {
	case VHU_POSTCOPY_OFF:
		snprintf(text, size, "%s", pc->offered ? "offered" : pc->missing);
		break;
	case VHU_POSTCOPY_ADVISED:
		/* Until it is ready its process belongs to the helper thread. */
		if (pc->lane.state == LANE_PROCESS_READY)
			snprintf(text, size, "advised: lane %d is ready", (int)pc->lane.pid);
		else
			snprintf(text, size, "advised: a lane is being started");
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
