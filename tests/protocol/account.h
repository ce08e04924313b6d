/* SPDX-License-Identifier: BSD-3-Clause */
/* account: what the switch says of a port, for comparison with what its driver saw. Asserts, so for
 * the thread of the test case.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "fixture.h"
#include "port_counters.h"

struct account {
	PORT_COUNTER_VALUES(int64_t);
};

/* The ports of an accounting program: br0 has a, b and c; d is alone on br1; n and an ethdev that
 * returns all it is given (a ring) are on br2; e is on br3 with z, to which no front end ever connects.
 */
extern const struct fg_switch_options account_fixture;

void read_account(const char *port, struct account *);
/* What happened to a port since @before. */
struct account since(const char *port, const struct account *before);
/* Frames the switch took from the port (E1), and frames it had for it (E2's right side). */
int64_t taken(const struct account *);
int64_t given(const struct account *);
/* A counter may follow its frame by a moment: waits until @port has @want, and it must be exact, bytes aside. */
void expect_account(const char *port, const struct account *before, const struct account *want);

/* @n frames of zeros between two addresses, one after the other. */
void send_raw(struct guest *, const uint8_t dst[6], const uint8_t src[6], unsigned int n,
	      size_t len);

extern const uint8_t everybody[6];

#endif
