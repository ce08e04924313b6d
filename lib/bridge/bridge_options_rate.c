/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_options_rate.c: what the limits of a port come to. */
#include "bridge_options.h"

#include <errno.h>
#include <string.h>

#include "clock.h"

/* In a second; a VM that is at work sends less, by far: ARP, discovery, streams. What it sends to an address that the bridge does
 * not know is not limited by itself: who only receives is unknown, and may be sent to at any rate. */
static const struct {
	const char *key;
	uint64_t normal;
} storms[PORT_STORMS] = {
	[PORT_STORM_BROADCAST] = {"storm-broadcast", 10000},
	[PORT_STORM_MULTICAST] = {"storm-multicast", 100000},
	[PORT_STORM_UNKNOWN] = {"storm-unknown", 0},
};

static const char *const pacing[] = {"rate-from-vm", "packets-from-vm", "burst-from-vm"};

bool bridge_port_options_paces(const char *key)
{
	for (size_t i = 0; i < sizeof(pacing) / sizeof(pacing[0]); i++)
		if (strcmp(pacing[i], key) == 0)
			return true;
	return false;
}

/* What cannot be made to wait. */
static int check_paces(const struct bridge_port_options *options, const struct option_entry *entry, struct fail *fail)
{
	const char *key = options->rate_from_vm != 0 ? "rate-from-vm" : options->packets_from_vm != 0 ? "packets-from-vm" : NULL;

	if (key == NULL)
		return 0;
	return option_fail(fail, -EINVAL, entry, key,
			   "%s makes a VM wait, and this port is no VM's; remove it, or limit what other ports take (rate-to-vm)",
			   key);
}

int bridge_port_options_verify_rates(struct bridge_port_options *options, bool vm, bool paces, const struct option_entry *entry,
				     struct fail *fail)
{
	struct policy_rates *rates = &options->rates;
	int error = paces ? 0 : check_paces(options, entry, fail);

	if (error != 0)
		return error;
	frame_limits_set(&rates->from, options->rate_from_vm, options->packets_from_vm, options->burst_from_vm * NS_PER_MS);
	frame_limits_set(&rates->to, options->rate_to_vm, options->packets_to_vm, options->burst_to_vm * NS_PER_MS);
	for (int i = 0; i < PORT_STORMS; i++) {
		if (!option_given(&bridge_port_options, options, storms[i].key))
			options->storm[i] = vm ? storms[i].normal : 0;
		rate_limit_set(&rates->storm[i], options->storm[i], NS_PER_S);
	}
	return 0;
}
