/* SPDX-License-Identifier: BSD-3-Clause */
/* account: what the switch says of a port, for comparison with what its driver saw. Asserts, so for
 * the thread of the test case.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "fixture.h"

enum { RX_REASONS = 10, TX_REASONS = 6 };

/* In the order of rx_drop and tx_drop below. */
enum { RX_SHORT, RX_LONG, RX_OFFLOAD, RX_DISABLED, RX_RESTART, RX_SOURCE, RX_REFLECTION, RX_ALONE };
enum { TX_NOT_READY, TX_NO_BUFFER, TX_TOO_BIG, TX_BROKEN };

struct account {
	int64_t rx_ok, copies, tx_ok, checksummed, segmented, segments, rx_drop[RX_REASONS], tx_drop[TX_REASONS];
};

/* The ports of an accounting program: br0 holds a, b and c; d is alone on br1; n and an ethdev that
 * returns all it is given (a ring) are on br2; e is on br3 with z, at which nobody ever connects.
 */
extern const struct fg_switch_options account_fixture;

void read_account(const char *port, struct account *);
/* What happened to a port since @before. */
struct account since(const char *port, const struct account *before);
/* Frames the switch took from the port (E1), and frames it had for it (E2's right side). */
int64_t taken(const struct account *);
int64_t given(const struct account *);
/* A counter may follow its frame by a moment: waits until @port has @want, and it must be exact. */
void expect_account(const char *port, const struct account *before, const struct account *want);

/* @n frames of zeros between two addresses, one after the other. */
void send_raw(struct guest *, const uint8_t dst[6], const uint8_t src[6], unsigned int n,
	      size_t len);

extern const uint8_t everybody[6];

#endif
