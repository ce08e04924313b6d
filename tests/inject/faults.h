/* SPDX-License-Identifier: BSD-3-Clause */
/* faults.h: calls of the switch that fail: what the build -Dinject=enabled and a test share.
 *
 * In that build the calls of our own code that may fail (not those of DPDK or libc) go through faults.c, which counts them by
 * the place they are made from, and has one of them fail: the `at`-th from the place `armed`. The file named by VUSWITCH_FAULTS
 * is this struct, mapped by both; without it nothing fails.
 *
 * Context: any thread.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdatomic.h>
#include <stdint.h>

enum { FAULT_SITES = 1024, FAULT_NAME = 24 };
/* Added to the places in vuswitch-lane. */
#define FAULTS_OF_LANE (UINT64_C(1) << 40)

struct fault_site {
	_Atomic uint64_t from; /* where the call returns to, from the beginning of the program; 0: none yet */
	_Atomic uint64_t count;
	char name[FAULT_NAME]; /* what is called */
};

struct faults {
	_Atomic uint64_t armed, at; /* a site's `from`, and which of its calls fails, counted from 1 */
	_Atomic uint64_t fired;
	struct fault_site site[FAULT_SITES];
};

#endif
