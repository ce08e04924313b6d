/* SPDX-License-Identifier: BSD-3-Clause */
/* port_driver.h: the contract between the switch and the drivers that ports are made by.
 *
 * A port is a place where frames enter and leave: a VM's virtio-net device, an ethdev. A driver (drivers/) makes ports
 * of one type; the switch knows them by this contract only. A port has receive queues, which the switch spreads over
 * lcores, and one way in, deliver(), which any lcore may call at any time that polls a port of its bridge or sends a frame of
 * control's into it (port_host.readers).
 *
 * Context: control creates, shows and destroys. An lcore calls what takes a queue for the queues in its poll set
 * only, and one queue is in one poll set only; deliver() and ahead() may run on several lcores at once: how they share what
 * is behind it is the driver's affair, but deliver() must not wait for anything but another lcore's burst. A port and its
 * queues are freed only after every lcore has left them.
 *
 * Ownership: frames given to deliver() remain the caller's and are valid during the call; a driver that needs the bytes
 * later copies them or takes an mbuf reference. deliver() accounts for each frame it is given: tx_ok or one tx_drop, which it
 * says in the frame, too (frame.tx_drop).
 * receive() accounts for what it takes and does not pass on (rx_drop); rx_ok is counted by the bridge.
 */
#ifndef VUS_PORT_DRIVER_H
#define VUS_PORT_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fail.h"

struct frame;
struct json_t;
struct lcore_ctx;
struct loop;
struct metrics_kind;
struct metrics_set;
struct option_entry;
struct option_table;
struct port;
struct port_rxq;
struct port_terms;
struct port_word;
struct rcu_readers;

enum { PORT_STATE_BYTES = 512 };

/* What a port is up to, for lists. */
struct port_state {
	bool up;
	char text[PORT_STATE_BYTES]; /* one line in plain words */
};

/* What has become of frames that were set aside. */
enum port_taken {
	PORT_TAKEN, /* they are there */
	PORT_LATER, /* the source is not to be touched for now */
	PORT_LOST,  /* the memory they lay in is gone, or the ring has begun anew; they are given back as far as that can be */
};

/* Before a port has its turn among many that frames are delivered to, what deliver() will touch is fetched into the cache, step
 * by step: where the next lies is said by what the one before has fetched. */
enum port_ahead_step { PORT_AHEAD_QUEUE, PORT_AHEAD_RING, PORT_AHEAD_DESCS, PORT_AHEAD_BUFFERS, PORT_AHEAD_STEPS };
enum { PORT_AHEAD_FRAMES = 4 }; /* of a burst, at most */

/* What a driver remembers from one step to the next; nothing has to be undone. */
struct port_ahead {
	void *queue;
	uint64_t step[3];
};

struct port_ops {
	/* Fills ctx->burst (n, frames) and returns n. Frames that are not fit to be switched were counted and given
	 * back already. Every receive() that returned frames is followed by one complete(). A driver whose ports pace takes no
	 * more than ctx->allowance, if there is one. */
	uint16_t (*receive)(struct port_rxq *q, struct lcore_ctx *ctx);
	/* The frames of the last receive() have been delivered: the source may have its buffers back, in order. */
	void (*complete)(struct port_rxq *q, struct lcore_ctx *ctx);
	/* Sends n frames (1 to BURST_MAX) out of the port, in order. */
	void (*deliver)(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n);
	/* A step towards the delivery of these frames, with other ports' turns before the next one: each step comes once, in
	 * order, and then deliver(), without a quiescent state in between. `ahead` is the same in all of them. NULL: there is
	 * nothing to be gained. */
	void (*ahead)(struct port *port, enum port_ahead_step step, struct frame *const *frames, uint16_t n,
		      struct port_ahead *ahead);
	/* As deliver(), and puts a tag that says frame->vlan into each frame that says so (FRAME_TAG_INSERT), and into all that
	 * is cut out of it. Only where port.inserts says so. */
	void (*insert)(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n);
	/* The lcore polls the queue no more: from now on wake_fd tells of frames. Returns true if frames are waiting already,
	 * in which case the lcore goes on polling. An armed queue may be received from, and armed again. */
	bool (*arm)(struct port_rxq *q);
	/* The lcore polls: no wake-ups needed. */
	void (*disarm)(struct port_rxq *q);
	/* The word of memory that changes when frames come, for as long as the queue is in this poll set and is not received
	 * from. False: frames are waiting already, or no word says so for now. NULL: never; such a queue is polled in each round
	 * of an lcore that is awake. */
	bool (*watch)(struct port_rxq *q, struct port_word *word);
	/* The frames of the last receive() are not done with, and the lcore goes on with other queues: they stay in hand, and
	 * the burst is put where the queue keeps it (port_rxq.aside). False: not now, the lcore does the rest at once. NULL:
	 * never. */
	bool (*set_aside)(struct port_rxq *q, struct lcore_ctx *ctx);
	/* The burst is ctx->burst again. If its frames are there, complete() or set_aside() follows. */
	enum port_taken (*take_up)(struct port_rxq *q, struct lcore_ctx *ctx);

	/* Control thread. An lcore reported that ring `index` broke (REPORT_RING_BROKEN). NULL: the type has none. */
	void (*ring_broken)(struct port *port, unsigned int index);
	/* Control thread. */
	void (*state)(struct port *port, struct port_state *state);
	/* Control thread. Adds the driver's part of `vusctl port NAME` to a JSON object (drivers use jansson). `link`
	 * of the object ("up", "down") and `state` (one line in plain words) are mandatory. */
	void (*show)(struct port *port, struct json_t *object);
	/* Control thread. What deliver() would find of this frame, NULL: of any, and what may come from the port (port_terms.h):
	 * `terms` are those of a port that takes all. NULL: they are those. */
	void (*terms)(struct port *port, const struct frame *frame, struct port_terms *terms);
	/* Control thread. Adds what the port is and has of the driver's own kinds (port_driver.metrics) to a set of metrics
	 * (metrics_set.h). NULL: the type has none. */
	void (*measure)(struct port *port, struct metrics_set *set);
	/* Control thread. Changes what is live: the rows of the bits in `changed`, whose values are in `options`. 0, or -errno
	 * with a line in `fail` and the port as it was. NULL: the type has no live options. */
	int (*reconfigure)(struct port *port, const void *options, uint64_t changed, struct fail *fail);
	/* Ends the port, which is starting, or is in no bridge and no poll set any more and which every lcore has left. It may go
	 * on in the loop (a close that is not instant); `gone` is called at the end, when no thread has the port any more, and
	 * the driver frees it. */
	void (*destroy)(struct port *port, void (*gone)(void *arg), void *arg);
};

/* What a port is made from. The caller's. */
struct port_spec {
	const char *name;
	const char *type;
	const void *options; /* a struct of the driver's table, verified */
};

/* What the switch does for a port, called by drivers on the control thread. */
struct port_host {
	/* The set of receive queues that want polling has changed (a ring started, a link came): port->rxq
	 * and `ready` of these are to be read again. */
	void (*queues_changed)(struct port_host *host, struct port *port);
	/* The nodes of the queues' memory (port_rxq.node) have changed: those that are polled from another one move to an
	 * lcore that is nearer. */
	void (*queues_placed)(struct port_host *host, struct port *port);
	/* A port that create() left *starting* is there: `failed` is NULL, its queues are known. Or it cannot be, and
	 * `failed` has the line that says why: destroy() follows, at once or later. Not called once destroy() was. */
	void (*started)(struct port_host *host, struct port *port, const struct fail *failed);
	/* Says "`mac` lives behind this port" to everybody: floods a RARP from the port and learns the address. */
	void (*announce)(struct port_host *host, struct port *port, const uint8_t mac[6]);
	/* The peer is gone, or has stopped to listen (port->cannot_receive): what was learned behind the
	 * port holds no more. */
	void (*peer_gone)(struct port_host *host, struct port *port);
	/* Sets the bits of the lcores that can hold what the port has published (rcu.h). NULL: all can. */
	void (*readers)(struct port_host *host, const struct port *port, struct rcu_readers *readers);
	struct loop *loop;
	const char *journal; /* folder for what ports leave to the next process, or NULL */
	bool ending;	     /* the process ends: ports that are destroyed now are expected back */
	unsigned int lcores; /* how many there are: bound of lcore_ctx.index */
	struct drop_table *drops; /* [lcores]: heads of what is dropped (port_drops.h); NULL: they are not kept */
};

/* A type of port. What a user may say of one is a table of options (option.h); the first row is what it is made of, a socket
 * or a device. */
struct port_driver {
	const char *type;   /* of a port in the file */
	const char *option; /* of the command line: --vhost NAME=SOCKET[,key=value]... */
	const char *example; /* of its value: "vm1=/run/vuswitch/vm1.sock" */
	const char *help;   /* what such a port is, for --help */
	const char *anew;   /* what it costs to make a port anew: "its VM loses the connection" */
	bool vm;	    /* its ports are VMs, and others lead further: storms are limited where nothing is said */
	bool paces;	    /* what exceeds ctx->allowance stays with the sender: its ports may have rate-from-vm */
	bool arguments;	    /* on the command line, what is no key is an argument of the first value: up0=net_tap0,iface=tap0 */
	const struct option_table *options;
	const struct metrics_kind *const *metrics; /* metrics of such ports beside those that all have; ended by NULL; or NULL */
	/* Control thread. Adds to a set what is the driver's own and no port's, of these kinds. NULL: nothing is. */
	void (*measure)(struct metrics_set *set);

	/* What no table can say: one option against another, a path. Fills in what follows from others; `common` has what was
	 * said for all ports. 0 or -errno with a line in `fail`. */
	int (*verify)(void *options, const void *common, const struct option_entry *entry, struct fail *fail);
	/* What no two ports can have, as a text of its own: the socket's file, the device. Allocated; NULL: no memory. */
	char *(*takes)(const void *options);
	/* A line for each thing that is not there yet, or in the way. NULL: nothing is known before. */
	void (*warn)(const void *options, const char *port, FILE *to);
	/* Makes a port: fills *port with one it has initialised by port_init(). 0 or -errno with a line in `fail`. What takes
	 * longer than a moment goes on elsewhere: the port is *starting* (port.h) until port_host.started(). */
	int (*create)(struct port_host *host, const struct port_spec *spec, uint16_t id,
		      struct port **port, struct fail *fail);
};

#endif
