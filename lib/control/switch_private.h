/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_private.h: what the files of the switch share.
 *
 *	switch.c	  its life, reports, the second's tick, looking at it
 *	switch_apply.c	  from one configuration to the next
 *	switch_bridge.c   a bridge of it
 *	switch_balance.c  which lcore polls what, by load
 *	switch_punt.c	  frames that lcores hand to control, and who takes them
 *	switch_port.c	  a port of it: joining, leaving, its queues' way into poll sets and out
 *
 * Context: control thread.
 */
#ifndef VUS_SWITCH_PRIVATE_H
#define VUS_SWITCH_PRIVATE_H

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
	struct rcu_wait wait;
};

enum switch_port_state {
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

	/* Queues that left a poll set may not join one before the lcores of the bridge have passed: a bit for each. */
	uint32_t queues_leaving;
	bool waiting;	/* `wait` is started */
	bool wait_more; /* ... and something left since: one more has to follow */
	struct rcu_wait wait;
	struct loop_timer retry; /* memory was short */
};
_Static_assert(VHOST_QUEUE_PAIRS_MAX <= 32, "a bit for each receive queue");

struct vus_switch {
	struct port_host host;
	struct loop *loop;
	const struct port_driver *const *drivers;

	struct config config; /* what it is to be */
	bool *given_up;	      /* [config.ports_n]: could not be made */
	/* Of the configuration: bridges that the last step could not make, and ports that could not be changed. */
	unsigned int bridges_failed, changes_failed;
	bool settling; /* the owner is still to be told that it has settled */
	switch_settled settled;
	void *settled_arg;
	struct switch_bridge *bridge[BRIDGES_MAX];
	struct switch_port *port[PORTS_MAX];

	struct {
		punt_handler take; /* NULL: nothing takes them */
		void *arg;
	} punts[PUNT_KINDS];
	struct doorbell *reports_bell;
	struct loop_fd reports_ready;
	struct loop_timer reports_pause;
	struct loop_timer second;
	struct loop_timer step; /* switch_reconcile() */
	uint16_t epoch;
	unsigned int uneven_for; /* intervals in a row in which a move was worth making */
	uint64_t moves;		 /* made */
};

/* In the loop's next turn, brings the switch a step nearer to its configuration; whatever has finished leaving calls it again.
 * A thousand ports that leave in one turn make one step. */
void switch_reconcile(struct vus_switch *sw) RUNS_ON(control_thread);
void switch_step(struct loop_timer *step);
/* Once a second: what queues cost, and whether one should move. */
void switch_balance_tick(struct vus_switch *sw) RUNS_ON(control_thread);
/* Takes everything the lcores have reported so far. */
void switch_take_reports(struct vus_switch *sw) RUNS_ON(control_thread);
/* Takes the frames that they have handed over. */
void switch_take_punts(struct vus_switch *sw) RUNS_ON(control_thread);

struct switch_bridge *switch_bridge_find(const struct vus_switch *sw, const char *name)
	RUNS_ON(control_thread);
/* 0, or -errno reported in a line. */
int switch_bridge_create(struct vus_switch *sw, const struct config_bridge *config)
	RUNS_ON(control_thread);
/* Goes, if it is leaving and its last port has left. */
void switch_bridge_go(struct switch_bridge *bridge) RUNS_ON(control_thread);
/* Enters the static addresses of `config` that live behind ports of the bridge. */
void switch_bridge_set_static(struct switch_bridge *bridge, const struct config_bridge *config)
	RUNS_ON(control_thread);

/* Makes the port, and leaves it OUT. 0, or -errno reported in a line. */
int switch_port_create(struct vus_switch *sw, const struct config_port *config) RUNS_ON(control_thread);
/* Changes what of its options can change while it lives. 0, or -errno reported in a line. */
int switch_port_reconfigure(struct switch_port *sp, const struct config_port *config) RUNS_ON(control_thread);
/* OUT -> IN. 0 or -ENOMEM (it stays OUT and tries again by itself). */
int switch_port_join(struct switch_port *sp, struct switch_bridge *bridge) RUNS_ON(control_thread);
/* IN -> LEAVING, and OUT later, when switch_reconcile() is called. */
void switch_port_leave(struct switch_port *sp) RUNS_ON(control_thread);
/* OUT -> ENDING, and switch_reconcile() when nothing is left of it. */
void switch_port_end(struct switch_port *sp) RUNS_ON(control_thread);
/* One of its queues goes to another lcore: 0 or -errno. */
int switch_port_move_queue(struct switch_port *sp, struct port_rxq *q, unsigned int to)
	RUNS_ON(control_thread);
/* Its queues' readiness has changed. */
void switch_port_sync_queues(struct switch_port *sp) RUNS_ON(control_thread);
/* Floods a RARP from the port and learns the address. */
void switch_port_announce(struct switch_port *sp, const uint8_t mac[6]) RUNS_ON(control_thread);

#endif
