/* SPDX-License-Identifier: BSD-3-Clause */
#include "predecessor.h"

#include <time.h>

#include "clock.h"
#include "corpse.h"
#include "unix_connect.h"
#include "vhost_options.h"
#include "vhost_port.h"

static const uint64_t WAIT_NS = NS_PER_S;
static const long PAUSE_FIRST_MS = 10, PAUSE_MAX_MS = 160;

static bool is_held(const char *control, const struct config *config)
{
	bool held = unix_is_listened_on(control);

	for (unsigned int i = 0; !held && i < config->ports_n; i++) {
		const struct vhost_options *options = config->ports[i].options;

		held = config->ports[i].driver == &vhost_port_driver && vhost_options_listens(options) &&
		       unix_is_listened_on(options->socket);
	}
	return held;
}

void predecessor_wait(const char *control, const struct config *config)
{
	uint64_t end = clock_ns() + WAIT_NS;
	long ms = PAUSE_FIRST_MS;

	corpses_hang_up();
	while (is_held(control, config) && clock_ns() < end) {
		struct timespec pause = {.tv_nsec = ms * (long)NS_PER_MS};

		nanosleep(&pause, NULL);
		if (ms < PAUSE_MAX_MS)
			ms *= 2;
		/* It may have died only now. */
		corpses_hang_up();
	}
}
