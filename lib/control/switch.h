/* SPDX-License-Identifier: BSD-3-Clause */
/* switch.h: the running switch: its bridges and ports, and how they become what the configuration says.
 *
 * switch_apply() takes a configuration and starts whatever turns the running switch into it: what is the same goes on
 * undisturbed, what differs leaves, what is new comes. It returns after a millisecond or so; the rest happens in the event
 * loop, a millisecond at a time, so that nobody's request waits for a thousand ports. A port that leaves is first taken out of
 * its bridge and of the poll sets, then every lcore has to pass (rcu.h), and then its driver may need a while to close.
 * Something new that needs what is still leaving (the same name, socket, device) comes when that is gone. A port that moves to
 * another bridge keeps its peer.
 *
 * A port whose driver needs a while to make it is *starting*: it can be looked at, replaced and removed, and joins its bridge
 * when it is there.
 *
 * A port that cannot be made is reported in one line and leaves the others alone; the next apply tries it again. When
 * nothing starts or leaves any more, the switch has settled and tells its owner how much of the configuration could not be made.
 *
 * The switch also listens to the lcores' reports (addresses to learn, broken rings) and takes the frames they hand over, at most
 * once a millisecond, lets addresses age and evens out the load of the lcores once a second, and is the `struct port_host` of
 * its ports.
 *
 * Context: control thread. EAL, rcu and the lcores must be there (lcores_create()).
 */
#ifndef VUS_SWITCH_H
#define VUS_SWITCH_H

#include <limits.h>
#include <stdbool.h>

#include "bridge.h"
#include "config.h"
#include "doorbell.h"
#include "lcore.h"
#include "loop.h"
#include "port.h"
#include "punt.h"
#include "role.h"

struct bridge_why;
struct vus_switch;

/* `drivers` is a list of the types of ports there are, ended by NULL; `reports_bell` is the one given to
 * lcores_create(). 0 or -errno with a line in `fail`. */
int switch_create(struct loop *loop, const struct port_driver *const *drivers,
		  struct doorbell *reports_bell, struct vus_switch **sw, struct fail *fail)
	RUNS_ON(control_thread);
/* Only when switch_is_empty(). NULL is fine. */
void switch_destroy(struct vus_switch *sw) RUNS_ON(control_thread);

/* Told once for each configuration that no other one replaces before, from within switch_apply() or later: nothing starts or
 * leaves any more, and `failed` bridges and ports of it could not be made or changed. SWITCH_NOT_TAKEN: there was no memory for
 * it, and the one before stays. */
#define SWITCH_NOT_TAKEN UINT_MAX
typedef void (*switch_settled)(void *arg, unsigned int failed);
/* NULL, as at first: it is not told. */
void switch_on_settled(struct vus_switch *sw, switch_settled settled, void *arg) RUNS_ON(control_thread);

/* Told whenever nothing is left to do until something else has happened: a port or a bridge may be further now. */
typedef void (*switch_stepped)(void *arg);
/* NULL, as at first: it is not told. */
void switch_on_step(struct vus_switch *sw, switch_stepped stepped, void *arg) RUNS_ON(control_thread);

/* Takes over what is in `config`, which passed config_check(), and leaves the configuration before in it. Returns how many
 * bridges and ports could not be made or changed so far; each was reported in a line. What waits for something to leave may
 * fail later (switch_on_settled()). Or -ENOMEM: nothing was changed, as the owner was told. */
int switch_apply(struct vus_switch *sw, struct config *config) RUNS_ON(control_thread);

/* The same where no port differs from what was applied last but for these, each named once; bridges may. What could not be made
 * before is tried again only if it is among them. 0, or -ENOMEM: nothing was changed. */
int switch_apply_ports(struct vus_switch *sw, struct config *config, const char *const *names, unsigned int names_n)
	RUNS_ON(control_thread);

/* The same for what switch_apply() left to later turns of the loop, now: nobody waits yet. What waits for something to leave
 * goes on doing so. */
unsigned int switch_catch_up(struct vus_switch *sw) RUNS_ON(control_thread);

/* Where ports keep what the next process needs to know; NULL (as at first): nowhere. The string stays the caller's. */
void switch_set_journal(struct vus_switch *sw, const char *folder) RUNS_ON(control_thread);
/* From here on, ports that go are expected back in another process. */
void switch_end(struct vus_switch *sw) RUNS_ON(control_thread);

/* Takes a frame that an lcore handed over (punt.h), from a port that is in a bridge; `punt` is valid during the call. */
typedef void (*punt_handler)(void *arg, struct port *port, const struct punt *punt);
/* From now on frames of this kind go to `take`; NULL, as at first: they are dropped and counted. What is to be sent in
 * answer goes through lcore_inject.h. */
void switch_handle_punts(struct vus_switch *sw, enum punt_kind kind, punt_handler take, void *arg)
	RUNS_ON(control_thread);

/* "up0 (0000:03:00.0), vm1 (/run/vm1.sock)": ports that are still there, and what they take. */
void switch_describe_left(const struct vus_switch *sw, char *text, size_t size) RUNS_ON(control_thread);
/* Nothing is left of what an empty configuration was applied to. */
bool switch_is_empty(const struct vus_switch *sw) RUNS_ON(control_thread);

/* --- what is set while it runs, and is in no configuration -------------------------------------------------------- */

/* Sets the link of a port that is in the configuration. Down, it is in no bridge: frames go neither way, and those of its guest
 * stay in its rings. So it is for as long as the configuration has a port of this name, made anew or not. 0 or -ENOMEM. */
int switch_set_link(struct vus_switch *sw, const char *port, bool up) RUNS_ON(control_thread);
bool switch_link_is_set_down(const struct vus_switch *sw, const char *port) RUNS_ON(control_thread);

/* A queue of such a port goes to this lcore, by its place among lcores_n(), and stays there; -1: it may move again. Kept as long
 * as its link. 0 or -ENOMEM. */
int switch_pin_queue(struct vus_switch *sw, const char *port, unsigned int queue, int lcore) RUNS_ON(control_thread);
/* Where it stays; -1: it may move. */
int switch_pin_of(const struct vus_switch *sw, const char *port, unsigned int queue) RUNS_ON(control_thread);

/* How many receive queues such a port has; -1: that is not known yet. */
int switch_queues_of(const struct vus_switch *sw, const char *port) RUNS_ON(control_thread);

/* Whether lines of the log may be about this: a port or a bridge that is there or in the configuration, or what "control, ..." of
 * switch_list_topics() names. What log_set_topic() has said of a port or a bridge holds as long. */
bool switch_has_topic(const struct vus_switch *sw, const char *topic) RUNS_ON(control_thread);
void switch_list_topics(char *text, size_t size);

/* Forgets the addresses that a port, or all ports of a bridge, are known to have; those of the configuration stay. How many, or
 * -ENOENT. */
int switch_flush_port(struct vus_switch *sw, const char *port) RUNS_ON(control_thread);
int switch_flush_bridge(struct vus_switch *sw, const char *bridge) RUNS_ON(control_thread);

/* --- captures (capture.h) ------------------------------------------------------------------------------------------ */

struct capture;
/* From the next burst on the port's frames go to this interface of a capture, too. 0, -ENOENT, or -ENOMEM. */
int switch_capture(struct vus_switch *sw, const char *port, struct capture *capture, unsigned int interface)
	RUNS_ON(control_thread);
/* Those of no port do any more, from the next burst on: the caller waits for the lcores. 0; -ENOMEM: some still do. */
int switch_uncapture(struct vus_switch *sw, const struct capture *capture) RUNS_ON(control_thread);
/* Whether those of any port do. */
bool switch_captures(const struct vus_switch *sw, const struct capture *capture) RUNS_ON(control_thread);
/* Frames of the port that those that run now had no room for. */
uint64_t switch_captures_lost(const struct vus_switch *sw, const struct port *port) RUNS_ON(control_thread);
/* From now on `gone` hears of each port that ends. NULL: nobody does. */
void switch_on_port_gone(struct vus_switch *sw, void (*gone)(void *arg, const char *port), void *arg) RUNS_ON(control_thread);

/* --- how far it is ------------------------------------------------------------------------------------------------ */

enum switch_progress {
	SWITCH_DONE,   /* it is as the configuration says: there, or gone */
	SWITCH_WAITS,  /* not yet: for something to leave, or to close */
	SWITCH_FAILED, /* it could not be made or changed */
};
/* `why`, which may be NULL, is set with SWITCH_FAILED. */
enum switch_progress switch_port_progress(const struct vus_switch *sw, const char *name, const char **why)
	RUNS_ON(control_thread);
enum switch_progress switch_bridge_progress(const struct vus_switch *sw, const char *name) RUNS_ON(control_thread);
/* The owner was told of what was applied last (switch_on_settled()). */
bool switch_has_settled(const struct vus_switch *sw) RUNS_ON(control_thread);

/* --- to look at; all that is returned is good until the loop goes on ----------------------------------------------- */

/* `id` below PORTS_MAX; NULL: no such port, or it is leaving for good. */
struct port *switch_port_at(const struct vus_switch *sw, unsigned int id) RUNS_ON(control_thread);
struct port *switch_find_port(const struct vus_switch *sw, const char *name)
	RUNS_ON(control_thread);
/* What the port was made from, and is on. */
const struct config_port *switch_port_config(const struct vus_switch *sw, const struct port *port)
	RUNS_ON(control_thread);
/* Where what it is to be is from: config_port_from(). */
const char *switch_port_from(const struct vus_switch *sw, const struct port *port) RUNS_ON(control_thread);
/* The profile that it is to have; NULL: none. */
const char *switch_port_profile(const struct vus_switch *sw, const struct port *port) RUNS_ON(control_thread);
/* A frame of spanning tree came from it, and bpdu-guard has closed it: for so many seconds yet, 1 at least; 0: it is open. */
unsigned int switch_port_closed_seconds(const struct vus_switch *sw, const struct port *port) RUNS_ON(control_thread);
/* What the port is up to: as its driver says, unless its link is set down or a guard has closed it. */
void switch_port_state(const struct vus_switch *sw, struct port *port, struct port_state *state) RUNS_ON(control_thread);
unsigned int switch_ports_n(const struct vus_switch *sw) RUNS_ON(control_thread);
/* What was applied last. */
const struct config *switch_config(const struct vus_switch *sw) RUNS_ON(control_thread);

/* Whether queues move to other lcores by themselves; and which would move now, or, with `now`, do: their number, at most
 * `max`. */
bool switch_rebalances(const struct vus_switch *sw) RUNS_ON(control_thread);
unsigned int switch_rebalance(struct vus_switch *sw, struct lcores_move *moves, unsigned int max,
			      bool now) RUNS_ON(control_thread);
/* How many have moved since the start. */
uint64_t switch_moves_n(const struct vus_switch *sw) RUNS_ON(control_thread);

/* `index` below BRIDGES_MAX; NULL: no such bridge, or it is leaving. */
struct bridge *switch_bridge_at(const struct vus_switch *sw, unsigned int index)
	RUNS_ON(control_thread);
const struct bridge_options *switch_bridge_options(const struct vus_switch *sw, unsigned int index)
	RUNS_ON(control_thread);

/* What it has heard of multicast groups. False: the bridge does not snoop. */
struct group_table;
struct group_queriers;
struct switch_groups_view {
	const struct group_table *table;
	const struct group_queriers *queriers;
};
bool switch_groups_of(const struct vus_switch *sw, unsigned int index, struct switch_groups_view *view) RUNS_ON(control_thread);

/* What bridge_why() is asked with. */
struct bridge_why *switch_why(struct vus_switch *sw) RUNS_ON(control_thread);

/* Seconds since the switch was made; wraps as epochs do. */
uint16_t switch_epoch(const struct vus_switch *sw) RUNS_ON(control_thread);

#endif
