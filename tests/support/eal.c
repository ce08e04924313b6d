/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <stdio.h>

#include <rte_eal.h>
#include <rte_errno.h>

int eal_start(const char *lcores, const char *device)
{
	/* EAL keeps them. */
	static char map[2048], vdev[256];
	static char *arguments[] = {"test", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m", "512",
				    "--log-level=critical", "--lcores", map, "--vdev", vdev};
	int n = sizeof(arguments) / sizeof(arguments[0]);

	snprintf(map, sizeof(map), "%s", lcores);
	if (device == NULL)
		n -= 2;
	else
		snprintf(vdev, sizeof(vdev), "%s", device);
	if (rte_eal_init(n, arguments) >= 0)
		return 0;
	fprintf(stderr, "EAL does not start: %s\n", rte_strerror(rte_errno));
	return -1;
}
