/* SPDX-License-Identifier: BSD-3-Clause */
/* loop_rig.h: the loop of a test program, from its first test case to its last: setup and teardown of the group. */
#ifndef LOOP_RIG_H
#define LOOP_RIG_H

#include "cases.h"
#include "loop.h"
#include "rcu.h"

static struct loop *loop;

static int open_loop(void **state)
{
	if (rcu_init(1) != 0)
		return -1;
	loop = loop_create();
	return loop == NULL ? -1 : 0;
}

static int close_loop(void **state)
{
	loop_destroy(loop);
	rcu_fini();
	return 0;
}

#endif
