/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_vlan.h"

enum ethdev_vlan ethdev_vlan_plan(const struct rte_eth_dev_info *info, const struct ethdev_quirk *quirk,
				  const struct ethdev_options *options, struct rte_eth_conf *conf)
{
	bool asked = option_given(&ethdev_options, options, "vlan-offload") && options->vlan_offload;

	if (!options->vlan_offload)
		return ETHDEV_VLAN_OFF;
	if ((info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) == 0)
		return ETHDEV_VLAN_NONE;
	if (quirk->soft_tags && !asked)
		return ETHDEV_VLAN_SOFT;
	/* Without any offload drivers send in simpler ways. A tag may take a descriptor that zero-copy could not count. */
	if ((!options->offloads && !asked) || options->zero_copy_tx)
		return ETHDEV_VLAN_IN_WAY;
	conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
	return ETHDEV_VLAN_INSERTS;
}

const char *ethdev_vlan_text(enum ethdev_vlan vlan)
{
	switch (vlan) {
	case ETHDEV_VLAN_INSERTS:
		return "on: the device puts tags into frames of VMs";
	case ETHDEV_VLAN_NONE:
		return "on, but the switch puts tags in: the device cannot";
	case ETHDEV_VLAN_SOFT:
		return "on, but the switch puts tags in: the device's driver would do it with a CPU, more slowly";
	case ETHDEV_VLAN_IN_WAY:
		return "on, but the switch puts tags in: zero-copy-tx is on, or offloads are off";
	case ETHDEV_VLAN_OFF:
	default:
		return "off";
	}
}
