/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel_if.h"

#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool device_argument(const char *device, const char *key, char *value, size_t size)
{
	size_t len = strlen(key);
	const char *at = device;

	while ((at = strchr(at, ',')) != NULL) {
		at++;
		if (strncmp(at, key, len) != 0 || at[len] != '=')
			continue;
		at += len + 1;
		snprintf(value, size, "%.*s", (int)strcspn(at, ","), at);
		return true;
	}
	return false;
}

bool device_needs_interface(const char *device, char *name, size_t size)
{
	static const char *const drivers[] = {"net_af_packet", "net_af_xdp", "net_pcap"};

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strncmp(device, drivers[i], strlen(drivers[i])) == 0)
			return device_argument(device, "iface", name, size);
	return false;
}

bool kernel_if_exists(const char *name)
{
	/* Not by /sys, which is that of the network namespace in which it was mounted. */
	return name[0] != '.' && strchr(name, '/') == NULL && if_nametoindex(name) != 0;
}

bool kernel_if_is_here(unsigned int index)
{
	char name[IF_NAMESIZE];

	return if_indextoname(index, name) != NULL;
}

static bool is_pci(const char *text)
{
	unsigned int domain, bus, slot, function;
	char extra;

	return sscanf(text, "%4x:%2x:%2x.%1x%c", &domain, &bus, &slot, &function, &extra) == 4;
}

bool kernel_if_pci(const char *name, char *address, size_t size)
{
	char path[PATH_MAX], real[PATH_MAX];
	char *slash;

	if (!kernel_if_exists(name))
		return false;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
	if (realpath(path, real) == NULL)
		return false;
	/* virtio's device is below the NIC's own: .../0000:00:03.0/virtio0 */
	while ((slash = strrchr(real, '/')) != NULL) {
		if (is_pci(slash + 1)) {
			snprintf(address, size, "%s", slash + 1);
			return true;
		}
		*slash = '\0';
	}
	return false;
}
