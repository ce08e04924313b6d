/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_quirk.h"

#include <stddef.h>
#include <string.h>

static const struct ethdev_quirk quirks[] = {
	{"net_memif", .one = true, .any_length = true, .chains = true, .reads = true},
	{"net_pcap", .all = true, .any_length = true, .chains = true, .reads = true},
	{"net_ring", .all = true, .any_length = true, .chains = true, .reads = true},
	{"net_null", .chains = true, .reads = true},
	{"net_af_packet", .all = true, .any_length = true, .soft_tags = true, .reads = true},
	{"net_tap", .equal = true, .soft = true, .reads = true},
	{"net_af_xdp", .all = true},
	{"net_vhost", .all = true, .soft = true, .soft_tags = true, .reads = true},
	{"net_virtio", .virtio = true, .soft_tags = true, .handler = true},
	{"net_virtio_user", .virtio = true, .soft_tags = true, .no_intr = true, .handler = true},
};

const struct ethdev_quirk *ethdev_quirk_of(const char *driver)
{
	static const struct ethdev_quirk none;

	for (size_t i = 0; i < sizeof(quirks) / sizeof(quirks[0]); i++)
		if (driver != NULL && strcmp(quirks[i].driver, driver) == 0)
			return &quirks[i];
	return &none;
}
