/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_mtu.h"

#include <net/if.h>
#include <stdio.h>

#include <rte_ethdev.h>

enum {
	MTU_PIPE = 9216, /* of a device without a wire or an interface to have one: jumbo frames pass */
};

uint16_t ethdev_mtu_of_kernel(unsigned int if_index)
{
	char name[IF_NAMESIZE], path[64 + IF_NAMESIZE];
	unsigned int mtu = 0;
	FILE *file;

	if (if_index == 0 || if_indextoname(if_index, name) == NULL)
		return 0;
	snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", name);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%u", &mtu) != 1)
		mtu = 0;
	fclose(file);
	return (uint16_t)RTE_MIN(mtu, (unsigned int)UINT16_MAX);
}

uint16_t ethdev_mtu_wanted(uint16_t id, unsigned int if_index, bool any_length, unsigned int asked)
{
	uint16_t mtu = 0;

	if (asked != 0)
		return (uint16_t)RTE_MIN(asked, (unsigned int)UINT16_MAX);
	if (any_length && if_index == 0)
		return MTU_PIPE;
	if (rte_eth_dev_get_mtu(id, &mtu) != 0)
		mtu = RTE_ETHER_MTU;
	return RTE_MAX(RTE_MAX(mtu, ethdev_mtu_of_kernel(if_index)), RTE_ETHER_MTU);
}
