/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_rig.h: a bridge with ports that are real to it and only write down what they are given, and lcores to forward.
 *
 * A frame has ROOM bytes and a number, which is what a port writes down. The test's thread is control and lcore 0 in turn.
 * Failures are cmocka's.
 */
#ifndef BRIDGE_RIG_H
#define BRIDGE_RIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge.h"
#include "policy.h"

struct CMUnitTest;

/* Most tests need no more than PORTS. */
enum { PORTS = 5, PORTS_MANY = 20, THREADS = 2, LOG_MAX = 8192, ROOM = 64 };

static const mac_key_t EVERYBODY = UINT64_C(0xffffffffffff);

struct recorder {
	struct port port; /* first */
	struct port_rxq rxq;
	uint32_t log[LOG_MAX]; /* numbers of the frames it was given, in order */
	uint32_t n;
	uint32_t room; /* frames it takes of a burst; the rest finds no buffer */
	bool quiet;    /* counts only: several threads deliver to it */
	void (*seen)(struct recorder *, const struct frame *); /* NULL, or looks at each frame in place of writing it down */
	atomic_bool gone;
	_Atomic uint64_t late; /* frames given to it after it had gone */
};

extern struct lcore_ctx ctx[THREADS];
extern struct bridge *bridge;
extern struct recorder port[PORTS_MANY];

void recorder_open(struct recorder *recorder, uint16_t id);
/* `bridge` with the first ports as its members. */
void open_bridge(unsigned int ports, int aging);
void open_bridge_as(unsigned int ports, const struct bridge_config *config);
void close_bridge(unsigned int ports);
/* The ports of a set of bits are isolated, and the others are not. */
void isolate(unsigned int ports);

/* The address of station i, and an address in a frame. */
mac_key_t home(uint32_t i);
void mac_write(uint8_t *to, mac_key_t mac);

/* Adds a frame to the burst that is being made up: its number. */
uint32_t put(struct lcore_ctx *lcore, mac_key_t dst, mac_key_t src);
/* The port receives lcore 0's burst. */
void forward(struct recorder *from);
/* Control's part: what lcore 0 saw is learned. Returns how many reports there were. */
unsigned int learn(void);

/* The port was given n frames with these numbers since the last call. */
void got(struct recorder *recorder, uint32_t n, ...);
uint64_t rx_drop(struct recorder *recorder, enum rx_drop why);
/* E2 over all ports of the bridge, and E1: `given` frames were received in all. */
void balanced(unsigned int ports, uint64_t given);

/* What main() returns: starts EAL and runs the tests between lcores that are opened and closed. */
int bridge_rig_run(const struct CMUnitTest *tests, size_t n);

#endif
