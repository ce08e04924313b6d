/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_session: a vhost-user front end, message for message as QEMU speaks.
 *
 *   fg_session_open()    connect and negotiate (what QEMU does before the guest runs)
 *   fg_session_start()   the driver is ready: features, memory, rings, kick
 *   fg_session_stop()    GET_VRING_BASE for every ring
 *   fg_session_close()   hang up and free
 *
 * Each step is also there on its own, for tests that put them in another order. The session owns
 * its socket and its rings; the memory is the caller's and may outlive it.
 *
 * FG_PACKED in the environment makes every modern front end wish for packed rings.
 *
 * Where a request has an answer, the function waits for it up to FG_WAIT_MS. Functions return 0 or
 * -errno; a request that the back end answers with a non-zero acknowledgement returns -EREMOTEIO.
 * Thread-safety: one thread per session at a time.
 */
#ifndef FG_SESSION_H
#define FG_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "fg_memory.h"
#include "fg_ring.h"
#include "fg_wire.h"

enum { FG_RINGS_MAX = 32 };

#define FG_FEATURES_DEFAULT                                                                        \
	(FG_F_VERSION_1 | FG_F_MRG_RXBUF | FG_F_INDIRECT | FG_F_EVENT_IDX | FG_F_IN_ORDER |        \
	 FG_F_PROTOCOL)
#define FG_PROTOCOL_DEFAULT                                                                        \
	(FG_P_MQ | FG_P_RARP | FG_P_REPLY_ACK | FG_P_MEM_SLOTS | FG_P_STATUS | FG_P_RESET_DEVICE | FG_P_MTU)

/* What this front end would like. It gets what is also offered. All zero: the default. */
struct fg_options {
	uint64_t features;
	uint64_t protocol;
	bool no_protocol;    /* an old front end: knows no protocol features, rings begin enabled */
	bool leave_disabled; /* do not SET_VRING_ENABLE at start */
	unsigned int pairs;  /* queue pairs; 0: 1 */
	uint16_t ring_size;  /* 0: 256 */
	unsigned int ring_region; /* the slot of the memory in which the rings lie */
	uint16_t mtu;		  /* 0: do not tell */
};

struct fg_session {
	int sock;
	struct fg_memory *mem;
	struct fg_options opt;
	uint64_t offered, features;
	uint64_t offered_protocol, protocol;
	uint64_t max_slots, max_pairs;
	struct fg_ring ring[FG_RINGS_MAX];
	unsigned int n_rings;
};

/* Connects to @path (or takes over @sock) and negotiates. The memory needs a region for the rings.
 */
int fg_session_open(struct fg_session *, const char *path, struct fg_memory *,
		    const struct fg_options *);
int fg_session_open_on(struct fg_session *, int sock, struct fg_memory *,
		       const struct fg_options *);
int fg_session_start(struct fg_session *);
int fg_session_stop(struct fg_session *);
/* Hangs up without a word, as a front end that was killed. */
void fg_session_close(struct fg_session *);
/* Hangs up, but keeps the rings as the guest left them; fg_session_reopen() connects again and
 * starts them where the used index stands, as QEMU does when its back end went away. */
void fg_session_drop(struct fg_session *);
int fg_session_reopen(struct fg_session *, const char *path);
int fg_session_reopen_on(struct fg_session *, int sock);

/* Steps of open and start. */
int fg_negotiate(struct fg_session *);
int fg_send_features(struct fg_session *);
int fg_send_memory(struct fg_session *);
int fg_send_memory_table(struct fg_session *); /* all of it in one message, whatever was agreed */
int fg_start_ring(struct fg_session *, unsigned int index, uint32_t base);
int fg_stop_ring(struct fg_session *, unsigned int index, uint16_t *base);
int fg_enable_ring(struct fg_session *, unsigned int index, bool on);
int fg_add_region(struct fg_session *, unsigned int slot);
int fg_remove_region(struct fg_session *, unsigned int slot); /* the guest keeps it */
int fg_send_addr(struct fg_session *, unsigned int index);
int fg_send_kick(struct fg_session *, unsigned int index);
/* Everything is logged from now on: payload by LOG_ALL, the used rings by the flag of their addresses. */
int fg_log_begin(struct fg_session *);
int fg_send_call(struct fg_session *, unsigned int index);

/* Fills in a message about region @slot (ADD_MEM_REG, REM_MEM_REG). */
void fg_region_msg(const struct fg_session *, unsigned int slot, uint32_t request, struct fg_msg *);

/* One request with a u64, a {index, num} or nothing; acknowledged if REPLY_ACK is agreed. */
int fg_request_u64(struct fg_session *, uint32_t request, uint64_t value);
int fg_request_state(struct fg_session *, uint32_t request, uint32_t index, uint32_t num);
int fg_request_none(struct fg_session *, uint32_t request);
int fg_request_fd(struct fg_session *, uint32_t request, uint64_t value, int fd);
/* A request answered by a value: checks id, flags and size of the answer. */
int fg_ask_u64(struct fg_session *, uint32_t request, uint64_t *value);
int fg_ask_base(struct fg_session *, uint32_t index, uint16_t *base);

/* Sends any message; asks for an acknowledgement if that is agreed, and waits for it. */
int fg_request(struct fg_session *, struct fg_msg *, const int *fds, unsigned int n_fds);

/* Proves that the back end has handled all that was sent: asks it for something and gets it. */
int fg_barrier(struct fg_session *);

#endif
