/* SPDX-License-Identifier: BSD-3-Clause */
#include "heartbeat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "container_of.h"
#include "log.h"
#include "notify.h"

enum { BEATS = 3 };

/* What a service manager allows, in microseconds; 0: it has not asked this process. */
static uint64_t allowed_us(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (us == NULL || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(us, NULL, 10);
}

static void all_have_moved(struct rcu_wait *wait)
{
	struct heartbeat *heartbeat = container_of(wait, struct heartbeat, wait);

	heartbeat->waits = false;
	if (heartbeat->period_ns > 0)
		notify("WATCHDOG=1");
}

static void beat(struct loop_timer *timer)
{
	struct heartbeat *heartbeat = container_of(timer, struct heartbeat, timer);
	uint64_t now = clock_ns();

	role_assert_control();
	if (!heartbeat->waits) {
		heartbeat->waits = true;
		heartbeat->told = false;
		heartbeat->since = now;
		rcu_wait_start(&heartbeat->wait, all_have_moved);
	} else if (!heartbeat->told) {
		heartbeat->told = true;
		log_error("vuswitch", "an lcore has not moved for %" PRIu64 " s (vusctl lcores says which); if it stays so, the "
			  "service manager starts the switch anew", (now - heartbeat->since) / NS_PER_S);
	}
	loop_timer_start(heartbeat->loop, &heartbeat->timer, heartbeat->period_ns);
}

void heartbeat_start(struct heartbeat *heartbeat, struct loop *loop)
{
	*heartbeat = (struct heartbeat){
		.loop = loop, .timer.fire = beat, .period_ns = allowed_us() * NS_PER_US / BEATS};
	if (heartbeat->period_ns > 0)
		loop_timer_start(loop, &heartbeat->timer, heartbeat->period_ns);
}

void heartbeat_stop(struct heartbeat *heartbeat)
{
	if (heartbeat->period_ns == 0)
		return;
	heartbeat->period_ns = 0;
	loop_timer_stop(heartbeat->loop, &heartbeat->timer);
}
