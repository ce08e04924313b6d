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
 * Requests to the lane are counted as `asked`, each of them also in the session's `unsettled`. Control thread only.
 * vhost-user specification, "Postcopy live migration"; docs/postcopy.md.
 */
#ifndef VUS_VHU_POSTCOPY_H
#define VUS_VHU_POSTCOPY_H

#include <stdbool.h>
#include <sys/types.h>

#include "fail.h"
#include "loop.h"
#include "rcu.h"
#include "role.h"
#include "vhu_half.h"
#include "lane_process.h"
#include "vhu_message.h"

struct vhu_device;
struct vhu_ring;
struct vhu_reply;
struct virtq_setup;

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
	unsigned int asked;	/* requests the lane has not answered */
	bool leaving;		/* `gone` of the lane settles something */
	bool wants_faults;	/* the lane is asked for them as soon as it is ready */
	int faults_fd;		/* for the answer of ADVISE; -1: none */
	struct loop_timer drain;
	uint64_t drain_until_ns;
	struct rcu_wait passed;

	/* Regions the front end is told our addresses of. */
	bool echo_due;
	bool uncommitted; /* there are regions that must not be touched yet: no ring begins */
	uint32_t echo_size;
	union vhu_payload echo;

	struct vhu_half half;
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
/* The answer of ADVISE: a header without a payload (QEMU refuses any), and the userfaultfd. 0 or -errno. */
int vhu_postcopy_send_faults(struct vhu_device *device) RUNS_ON(control_thread);
void vhu_postcopy_done(struct vhu_device *device, unsigned int ring, struct vhu_reply *reply);

/* The front end knows our addresses: what was mapped may be touched. */
enum vhu_error vhu_postcopy_commit(struct vhu_device *device, struct vhu_message *msg,
				   struct fail *fail) RUNS_ON(control_thread);

/* --- the lane (vhu_postcopy_lane.c) ------------------------------------------------------------------------------ */

extern const struct lane_process_events vhu_postcopy_lane_events;

/* The conversation waits for the answer. `fd` (-1: none) stays the caller's. */
void vhu_postcopy_ask(struct vhu_device *device, const struct lane_message *message, int fd)
	RUNS_ON(control_thread);

/* --- regions ----------------------------------------------------------------------------------------------------- */

/* LISTENING: regions that were just added are mapped by the lane too, and the message is echoed with its addresses. */
enum vhu_error vhu_postcopy_map(struct vhu_device *device, const struct vhu_message *msg,
				const struct vhu_memory_region *regions, uint32_t n, struct fail *fail)
	RUNS_ON(control_thread);
/* The echo, now that the lane has said its addresses. */
void vhu_postcopy_echo(struct vhu_device *device, struct vhu_reply *reply);
/* LISTENING: a region that is about to be removed leaves the lane. */
void vhu_postcopy_unmap(struct vhu_device *device, const struct vhu_memory_region *region)
	RUNS_ON(control_thread);
void vhu_postcopy_unmap_all(struct vhu_device *device) RUNS_ON(control_thread);

/* --- rings: what the session does with a ring that the lane serves (vhu_ring.h) ---------------------------------- */

void vhu_postcopy_ring_run(struct vhu_device *device, struct vhu_ring *ring,
			   const struct virtq_setup *setup) RUNS_ON(control_thread);
void vhu_postcopy_ring_leave(struct vhu_device *device, struct vhu_ring *ring)
	RUNS_ON(control_thread);
void vhu_postcopy_ring_call(struct vhu_device *device, struct vhu_ring *ring)
	RUNS_ON(control_thread);

/* --- the session ------------------------------------------------------------------------------------------------- */

/* Nothing is unsettled: takes the next step on the way out of a lane, if there is one, and returns true; rings wait. */
bool vhu_postcopy_further(struct vhu_device *device) RUNS_ON(control_thread);
/* The conversation has ended: so does the lane, at once. */
void vhu_postcopy_abort(struct vhu_device *device) RUNS_ON(control_thread);
/* "offered", "off: ...", "arriving: ..." */
void vhu_postcopy_describe(const struct vhu_device *device, char *text, size_t size);

#endif
