/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_quirk.h: what a driver's own description (rte_eth_dev_info) does not tell, or tells wrong.
 *
 * Context: any thread; constant.
 */
#ifndef VUS_ETHDEV_QUIRK_H
#define VUS_ETHDEV_QUIRK_H

#include <stdbool.h>

struct ethdev_quirk {
	const char *driver;
	bool one;	 /* queues are paired off with the peer's; more than the peer has lead nowhere */
	bool equal;	 /* as many receive queues as transmit queues */
	bool all;	 /* the queues exist and are fed whether they are used or not */
	bool any_length; /* it takes frames longer than it says */
	bool chains;	 /* it takes and gives chains of buffers, without saying so */
	bool virtio;	 /* what it is asked to do is asked of the other side, as it is */
	bool soft;	 /* it sums and cuts up on this CPU: we do that better, and it is counted */
	bool soft_tags;	 /* it puts tags in on this CPU */
	bool reads;	 /* it reads frames by our addresses, with a CPU of ours */
	bool no_intr;	 /* with receive interrupts it closes descriptors twice as it ends, others' by then */
	bool handler;	 /* its interrupt handler may outlive its stop, and its alarms its end (ethdev_intr.h) */
};

/* By the driver's name (may be NULL); never NULL. */
const struct ethdev_quirk *ethdev_quirk_of(const char *driver);

#endif
