/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "ethdev_port.h"
#include "loop.h"

static const uint64_t DEVICE_NS = 60 * NS_PER_S;

static bool told;
static char failed_text[sizeof(((struct fail *)0)->text)];

static void device_started(struct port_host *host VUS_UNUSED, struct port *port VUS_UNUSED, const struct fail *failed)
{
	told = true;
	snprintf(failed_text, sizeof(failed_text), "%s", failed != NULL ? failed->text : "");
}

static void device_gone(void *arg)
{
	*(bool *)arg = true;
}

int device_start(struct port_host *host, const struct port_spec *spec, struct port **port, struct fail *fail)
{
	uint64_t end = clock_ns() + DEVICE_NS;
	int error;

	told = false;
	failed_text[0] = '\0';
	host->started = device_started;
	error = ethdev_port_driver.create(host, spec, 1, port, fail);
	if (error != 0)
		return error;
	while (!told && clock_ns() < end)
		loop_turn(host->loop, NS_PER_MS);
	if (told && failed_text[0] == '\0')
		return 0;
	fail_set(fail, -ENODEV, "%s", told ? failed_text : "it does not start");
	device_end(*port, NULL);
	*port = NULL;
	return -ENODEV;
}

bool device_end(struct port *port, void (*turn)(void))
{
	struct loop *loop = port->host->loop;
	uint64_t end = clock_ns() + DEVICE_NS;
	bool gone = false;

	port->ops->destroy(port, device_gone, &gone);
	while (!gone && clock_ns() < end) {
		if (turn != NULL)
			turn();
		loop_turn(loop, NS_PER_MS);
	}
	return gone;
}
