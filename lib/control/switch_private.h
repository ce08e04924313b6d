/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_private.h: what the files of the switch share.
 *
 *	switch.c	  its life, reports, the second's tick, looking at it
 *	switch_apply.c	  from one configuration to the next
 *	switch_bridge.c   a bridge of it
 *	switch_balance.c  which lcore polls what, by load
 *	switch_guard.c	  what a port should not have sent: the log's lines, and a port that is closed for a time
 *	switch_groups.c	  multicast groups of a bridge, by what it hears of IGMP and MLD
 *	switch_mirrors.c  which frames of its ports other ports get a copy of
 *	switch_punt.c	  frames that lcores hand to control, and who takes them
 *	switch_port.c	  a port of it: joining, leaving, its queues' way into poll sets and out
 *
 * Context: control thread.
 */
#ifndef VUS_SWITCH_PRIVATE_H
#define VUS_SWITCH_PRIVATE_H

#include <sys/queue.h>

#include "capture_points.h"
#include "log.h"
#include "names.h"
#include "rcu.h"
#include "switch.h"

struct switch_bridge {
	struct vus_switch *sw;
	struct bridge *bridge;
	struct config_bridge made; /* what it was made with; without a list */
	char name[NAME_LEN_MAX + 1];
	bool leaving; /* no port joins; its ports leave, and then it goes */
	bool waiting; /* ... it is without ports, and lcores are passing */
	uint16_t index;
	struct switch_groups *groups; /* NULL: it does not snoop */
	struct rcu_wait wait;
};

enum switch_port_state {
	SWITCH_PORT_STARTING, /* its driver is making it: no lcore knows it, and it joins nothing */
	SWITCH_PORT_OUT,     /* no lcore knows it: about to join, or waiting for its bridge */
	SWITCH_PORT_IN,	     /* member of a bridge */
	SWITCH_PORT_LEAVING, /* lcores are passing */
	SWITCH_PORT_ENDING,  /* its driver closes it: `port` must not be touched */
};

struct switch_port {
	struct vus_switch *sw;
	struct port *port;
	struct switch_bridge *bridge; /* while IN */
	struct config_port made;      /* what it is made from, and is on */
	enum switch_port_state state;
	uint16_t id;
	bool due;      /* on a list of those that a step looks at, or of those that wait for a bridge */
	bool compares; /* ... and it may have to change */
	bool told;     /* that it is there */
	TAILQ_ENTRY(switch_port) due_link;

	/* Queues that left a poll set may not join one before the lcores of the bridge have passed: a bit for each. */
	uint32_t queues_leaving;
	bool waiting;	/* `wait` is started */
	bool wait_more; /* ... and something left since: one more has to follow */
	struct rcu_wait wait;
	struct loop_timer retry; /* memory was short */
	struct log_limit offences; /* lines about frames that it should not have sent */
	bool closed;		   /* by bpdu-guard, */
	struct loop_timer opens;   /* until then */
	struct capture_points captures; /* who looks at its frames */
	struct log_limit placed; /* its memory may go from node to node as often as its peer likes (A4) */
};
_Static_assert(VHOST_QUEUE_PAIRS_MAX <= 32, "a bit for each receive queue");

TAILQ_HEAD(switch_ports, switch_port);

/* A port of the configuration that may have to be made. */
struct switch_wanted {
	bool due;      /* on the list of those that a step looks at */
	bool given_up; /* it could not be made */
	bool unchanged; /* it is there, and could not be changed */
	char *why;     /* one of these; NULL: no memory */
	STAILQ_ENTRY(switch_wanted) link;
};

/* What steps are still to look at (switch_apply.c). */
struct switch_due {
	struct switch_ports ports;
	struct switch_ports without_bridge; /* OUT, and theirs is not there; looked at again when a bridge has come */
	STAILQ_HEAD(, switch_wanted) wanted;
	bool bridges;		  /* one may have to go or to come: */
	unsigned int bridges_at;  /* those of the configuration from here on */
	bool static_macs;
	struct loop_timer step;
};

struct vus_switch {
	struct port_host host;
	struct loop *loop;
	const struct port_driver *const *drivers;

	struct config config; /* what it is to be */
	struct switch_wanted *wanted; /* [config.ports_n] */
	struct switch_due due;
	/* Of the configuration: bridges that the last step could not make, and ports that could not be made or changed. */
	unsigned int bridges_failed, ports_failed, changes_failed;
	bool settling; /* the owner is still to be told that it has settled */
	switch_settled settled;
	void *settled_arg;
	switch_stepped stepped;
	void *stepped_arg;
	void (*port_gone)(void *arg, const char *port); /* NULL: nobody wants to know */
	void *port_gone_arg;
	struct switch_bridge *bridge[BRIDGES_MAX];
	struct switch_port *port[PORTS_MAX];
	/* Where they are in these, by name; and for each driver, by what no other port of it can have. Those that leave, too. */
	struct names bridge_names, port_names, takes[CONFIG_DRIVERS_MAX];
	/* switch_set.c: ports whose link is set down, and "PORT/QUEUE": the lcore where that stays. */
	struct names links_down, pins;
	unsigned int ports_n, ports_starting, ports_leaving, bridges_leaving;
	uint16_t id_free; /* all ids below are taken */

	struct {
		punt_handler take; /* NULL: nothing takes them */
		void *arg;
	} punts[PUNT_KINDS];
	struct doorbell *reports_bell;
	struct loop_fd reports_ready;
	struct loop_timer reports_pause;
	struct loop_timer second;
	struct loop_timer aging; /* addresses too old to be kept are forgotten, a millisecond at a time: */
	unsigned int ages;	 /* the bridge that is next */
	uint16_t epoch;
	unsigned int uneven_for; /* intervals in a row in which a move was worth making */
	uint64_t moves;		 /* made */
	struct bridge_why *why;
};

void switch_wanted_free(struct switch_wanted *wanted, unsigned int n);
/* switch_apply.c: what steps look at, from the loop's next turn on. */
void switch_due_init(struct switch_due *due);
void switch_due_port(struct switch_port *sp) RUNS_ON(control_thread);
/* It ends at once. */
void switch_undue_port(struct switch_port *sp) RUNS_ON(control_thread);
void switch_due_bridges(struct vus_switch *sw) RUNS_ON(control_thread);
/* The port of the configuration that this one was to be could not be made; none: the configuration has changed since. */
void switch_give_up(struct vus_switch *sw, const struct config_port *made, const struct fail *fail) RUNS_ON(control_thread);
/* Ports of the configuration that wanted the name of this one, or what it takes: it is gone. */
void switch_due_instead_of(struct vus_switch *sw, const struct config_port *gone) RUNS_ON(control_thread);
unsigned int switch_driver_index(const struct vus_switch *sw, const struct port_driver *driver);
/* switch_set.c: ports of the configuration before that are not in this one, whether or not they could be made. */
void switch_forget_set(struct vus_switch *sw, const struct config *before) RUNS_ON(control_thread);
/* The log has no level for it any more, unless switch_has_topic(). */
void switch_forget_topic(const struct vus_switch *sw, const char *topic) RUNS_ON(control_thread);
/* Once a second: what queues cost, and whether one should move. */
void switch_balance_tick(struct vus_switch *sw) RUNS_ON(control_thread);
/* Takes everything the lcores have reported so far. */
void switch_take_reports(struct vus_switch *sw) RUNS_ON(control_thread);
/* Takes the frames that they have handed over. */
void switch_take_punts(struct vus_switch *sw) RUNS_ON(control_thread);

/* switch_mirrors.c: the mirrors of the bridge are those of `config`, NULL: it has none, from the next burst on; `joins`, which
 * may be NULL, is a port that is about to join it. 0 or -ENOMEM: they are as they were. */
int switch_mirrors_configure(struct switch_bridge *bridge, const struct config_bridge *config, const struct switch_port *joins)
	RUNS_ON(control_thread);

/* switch_groups.c: from now on it hears IGMP and MLD, on bridges that snoop. */
void switch_groups_listen(struct vus_switch *sw) RUNS_ON(control_thread);
/* The bridge's options are others: it begins to snoop, ends, or goes on otherwise. 0 or -ENOMEM: it floods. */
int switch_groups_configure(struct switch_bridge *bridge) RUNS_ON(control_thread);
void switch_groups_end(struct switch_bridge *bridge) RUNS_ON(control_thread);
/* A port is in its bridge now, or has other options there. */
void switch_groups_port_joined(struct switch_port *sp) RUNS_ON(control_thread);
/* It is about to leave it, or those VLANs. */
void switch_groups_port_left(struct switch_port *sp) RUNS_ON(control_thread);
/* Its guest is there, and may have been a member for long: it is asked. */
void switch_groups_port_came(struct switch_port *sp) RUNS_ON(control_thread);

struct switch_bridge *switch_bridge_find(const struct vus_switch *sw, const char *name)
	RUNS_ON(control_thread);
/* 0, or -errno reported in a line. */
int switch_bridge_create(struct vus_switch *sw, const struct config_bridge *config)
	RUNS_ON(control_thread);
/* Goes, if it is leaving and its last port has left. */
void switch_bridge_go(struct switch_bridge *bridge) RUNS_ON(control_thread);
/* What of its options can change while it runs is as in `config`. */
void switch_bridge_reconfigure(struct switch_bridge *bridge, const struct config_bridge *config) RUNS_ON(control_thread);
/* Enters the static addresses of `config` that live behind ports of the bridge. */
void switch_bridge_set_static(struct switch_bridge *bridge, const struct config_bridge *config)
	RUNS_ON(control_thread);

/* Makes the port, and leaves it OUT or STARTING. 0, or -errno reported in a line, with the reason in `fail`. */
int switch_port_create(struct vus_switch *sw, const struct config_port *config, struct fail *fail) RUNS_ON(control_thread);
/* STARTING -> OUT, and it is due; or, if it could not be made, -> ENDING. */
void switch_port_started(struct switch_port *sp, const struct fail *failed) RUNS_ON(control_thread);
/* What the bridge needs to know of a port: its options, but for the bridge's name. 0 or -ENOMEM. */
int switch_port_set_policy(struct switch_port *sp, const struct bridge_port_options *options, struct fail *fail)
	RUNS_ON(control_thread);
/* Changes what of its options can change while it lives. 0, or -errno reported in a line, with the reason in `fail`. */
int switch_port_reconfigure(struct switch_port *sp, const struct config_port *config, struct fail *fail)
	RUNS_ON(control_thread);
/* OUT -> IN. 0 or -ENOMEM (it stays OUT and tries again by itself). */
int switch_port_join(struct switch_port *sp, struct switch_bridge *bridge) RUNS_ON(control_thread);
/* IN -> LEAVING, and OUT later, when it is due again. */
void switch_port_leave(struct switch_port *sp) RUNS_ON(control_thread);
/* OUT or STARTING -> ENDING, and switch_due_instead_of() when nothing is left of it. */
void switch_port_end(struct switch_port *sp) RUNS_ON(control_thread);
/* One of its queues goes to another lcore: 0 or -errno. */
int switch_port_move_queue(struct switch_port *sp, struct port_rxq *q, unsigned int to)
	RUNS_ON(control_thread);
/* Its queues' memory lies elsewhere, or is known to now: those that an lcore of another node polls go to a nearer one. */
void switch_port_place_queues(struct switch_port *sp) RUNS_ON(control_thread);
/* Its queues' readiness has changed. */
void switch_port_sync_queues(struct switch_port *sp) RUNS_ON(control_thread);
/* An address was seen behind it. */
void switch_port_learn(struct switch_port *sp, fdb_key_t key) RUNS_ON(control_thread);
/* switch_guard.c: its beginning; it has joined a bridge; its options have changed; its end. */
void switch_guard_init(struct switch_port *sp) RUNS_ON(control_thread);
void switch_guard_joined(struct switch_port *sp) RUNS_ON(control_thread);
void switch_guard_changed(struct switch_port *sp) RUNS_ON(control_thread);
void switch_guard_ended(struct switch_port *sp) RUNS_ON(control_thread);
/* switch_capture.c: nobody looks at its frames any more. */
void switch_captures_ended(struct switch_port *sp) RUNS_ON(control_thread);
/* A REPORT_OFFENCE, and a REPORT_TO_CLOSE. */
void switch_guard_tell(struct switch_port *sp) RUNS_ON(control_thread);
void switch_guard_close(struct switch_port *sp) RUNS_ON(control_thread);
/* Floods a RARP from the port and learns the address. */
void switch_port_announce(struct switch_port *sp, const uint8_t mac[6]) RUNS_ON(control_thread);

#endif
