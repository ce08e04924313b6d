/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_port.h: a type of port for tests of the switch: what it receives the test says, what it is given it counts.
 *
 * A vhost-user port without a guest: its `socket` is only a name. A socket named /refuse cannot be made; a port
 * on /slow takes 20 ms to close; one on /starting is there when the test says so. Fields marked atomic are written by lcores.
 */
#ifndef FAKE_PORT_H
#define FAKE_PORT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "doorbell.h"
#include "loop.h"
#include "option.h"
#include "port.h"

struct fake_options {
	uint64_t given;
	char *socket;
	uint32_t queues;
	uint32_t weight; /* live */
};

/* A weight that a port is not changed to. */
enum { FAKE_WEIGHT_REFUSED = 13 };

struct fake_port {
	struct port port;
	struct port_rxq rxq[2];
	struct loop_timer closing;
	void (*gone)(void *arg);
	void *gone_arg;

	/* The lcore receives one frame like this while `pending` is positive. */
	uint8_t frame[64];
	atomic_int pending;
	atomic_int completed;
	atomic_bool punts; /* as PUNT_LACP, and it goes nowhere else */
	/* What was delivered: how many, and the last one. */
	atomic_int delivered;
	uint8_t last[64];
	int broken; /* ring_broken() calls */
	int shown;
	/* reconfigure() calls, and what the last one said. */
	int reconfigured;
	uint64_t changed;
	uint32_t weight;
};

extern const struct port_driver fake_driver;
/* Ports that are there, and that were ever made. */
extern int fake_ports, fake_ports_made;

/* Queue i wants polling, or not any more; the switch is notified. */
void fake_port_ready(struct fake_port *fake, unsigned int i, bool ready) RUNS_ON(control_thread);
/* One that was starting is there, or cannot be (NULL: it is there). */
void fake_port_started(struct fake_port *fake, const char *failed) RUNS_ON(control_thread);
/* Lets the port receive `n` frames from `src` to `dst` (last bytes of 02:00:00:00:00:xx; 0xff: broadcast). */
void fake_port_send(struct fake_port *fake, uint8_t dst, uint8_t src, int n);

/* EAL without huge pages, one lcore that runs, and what a switch needs besides. 0 or -1. */
int fake_world_begin(struct doorbell *bell, struct loop **loop)
	RUNS_ON(control_thread);
void fake_world_end(struct doorbell *bell, struct loop *loop) RUNS_ON(control_thread);

static inline struct fake_port *fake_of(struct port *port)
{
	return container_of(port, struct fake_port, port);
}

#endif
