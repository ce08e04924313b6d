/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_postcopy.h: a guest whose memory is still arriving, and the lane that serves it meanwhile.
 *
 *	OFF ──ADVISE──► ADVISED ──LISTEN──► LISTENING ──END──► ENDING ──► DRAINING ──► OFF
 *
 * ADVISED: a lane is there and its userfaultfd with the front end; everything else goes on as ever. LISTENING: regions are
 * mapped here as usual, where nothing touches them, and in the lane; rings that run, run there. ENDING: the rings come
 * back one by one, each when the page it may be waiting for has come; then the process is ended. DRAINING: what its guest
 * had sent is passed on by the lcore that had the lane, before the lcores get the rings.
 *
 * A conversation that ends while LISTENING leaves memory behind of which a part never came. The front end may connect
 * again and give us the same files as if nothing had happened; touching a missing page would then fill it with zeros,
 * under the guest. Such files are remembered and refused, and the port stays down (F7).
 *
 * This has the front end's requests, and the states. From LISTEN to END the device's data path (vhu_datapath.h) is the
 * lane, vhu_datapath_lane.c, which talks to its process (lane_process.h). vhost-user specification, "Postcopy live
 * migration"; docs/postcopy.md.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_POSTCOPY_H
#define VUS_VHU_POSTCOPY_H

#include <stdbool.h>
#include <sys/types.h>

#include "fail.h"
#include "lane_process.h"
#include "loop.h"
#include "rcu.h"
#include "role.h"
#include "vhu_message.h"
#include "vhu_partial.h"

struct vhu_device;
struct vhu_reply;

enum vhu_postcopy_state {
	VHU_POSTCOPY_OFF,
	VHU_POSTCOPY_ADVISED,
	VHU_POSTCOPY_LISTENING,
	VHU_POSTCOPY_ENDING,
	VHU_POSTCOPY_DRAINING,
};

struct vhu_postcopy {
	bool offered;
	char missing[256]; /* why it is not offered */
	enum vhu_postcopy_state state;
	struct lane_process lane;
	struct lane_link *link; /* the owner has it; ours to look at while LISTENING to DRAINING */
	int uffd;		/* for the answer of ADVISE; -1: none */
	struct loop_timer drain;
	uint64_t drain_until_ns;
	struct rcu_wait passed;

	/* Regions whose addresses here the front end has been sent. */
	bool echo_due;
	bool uncommitted; /* there are regions that must not be touched yet: no ring begins */
	uint32_t echo_size;
	union vhu_payload echo;

	struct vhu_partial partial;
	bool turned_away; /* this front end came with such memory */
};

/* `off`: the configuration's word. */
void vhu_postcopy_init(struct vhu_device *device, bool off) RUNS_ON(control_thread);
void vhu_postcopy_fini(struct vhu_device *device);

/* --- requests ---------------------------------------------------------------------------------------------------- */

enum vhu_error vhu_postcopy_advise(struct vhu_device *device, struct vhu_message *msg,
				   struct fail *fail);
enum vhu_error vhu_postcopy_listen(struct vhu_device *device, struct vhu_message *msg,
				   struct fail *fail);
enum vhu_error vhu_postcopy_end(struct vhu_device *device, struct vhu_message *msg,
				struct fail *fail);
/* A header without a payload (QEMU refuses any), and the userfaultfd. */
void vhu_postcopy_advise_answer(struct vhu_device *device, unsigned int ring,
				struct vhu_reply *reply);

/* The front end knows our addresses: what was mapped may be touched. */
enum vhu_error vhu_postcopy_commit(struct vhu_device *device, struct vhu_message *msg,
				   struct fail *fail) RUNS_ON(control_thread);

/* The answer of a request that added regions, now that the lane has said its addresses. False: this was none. */
bool vhu_postcopy_echo(struct vhu_device *device, struct vhu_reply *reply);

/* --- the lane (vhu_datapath_lane.c) ------------------------------------------------------------------------------ */

extern const struct lane_process_events vhu_lane_events;

/* Pending until the lane has answered. `fd` (-1: none) stays the caller's. */
void vhu_lane_ask(struct vhu_device *device, const struct lane_message *message, int fd)
	RUNS_ON(control_thread);
/* The lane is being killed: its rings are IDLE, at the place they began. */
void vhu_lane_abandon_rings(struct vhu_device *device) RUNS_ON(control_thread);

/* --- the session ------------------------------------------------------------------------------------------------- */

/* Nothing is pending: goes on with the way out of a lane, if that is where it is, and returns true; rings wait. */
bool vhu_postcopy_further(struct vhu_device *device) RUNS_ON(control_thread);
/* The conversation has ended: so does the lane, at once. */
void vhu_postcopy_abort(struct vhu_device *device) RUNS_ON(control_thread);
/* "offered", "off: ...", "arriving: ..." */
void vhu_postcopy_describe(const struct vhu_device *device, char *text, size_t size);

#endif
