/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int port_init(struct port *port, struct port_host *host, const struct port_ops *ops,
	      const struct port_spec *spec, uint16_t id)
{
	size_t size = sizeof(struct port_counters) * (host->lcores + 1);

	memset(port, 0, sizeof(*port));
	port->counters = aligned_alloc(_Alignof(struct port_counters), size);
	if (!port->counters)
		return -ENOMEM;
	memset(port->counters, 0, size);
	port->counters_n = host->lcores + 1;
	port->ops = ops;
	port->host = host;
	port->id = id;
	port->type = spec->type;
	snprintf(port->name, sizeof(port->name), "%s", spec->name);
	return 0;
}

int port_alloc_rxqs(struct port *port, uint16_t n)
{
	port->rxq = calloc(n, sizeof(struct port_rxq *));
	if (port->rxq == NULL)
		return -ENOMEM;
	port->rxq_n = n;
	return 0;
}

void port_fini(struct port *port)
{
	free(port->rxq);
	port->rxq = NULL;
	port->rxq_n = 0;
	free((void *)(uintptr_t)rcu_own(&port->policy));
	rcu_set(&port->policy, NULL);
	free(port->counters);
	port->counters = NULL;
	port->counters_n = 0;
}

/* A thread's block belongs to that thread; the sum belongs to the caller. */
static void add(struct port_counters *sum, const struct port_counters *part)
{
	count(&sum->rx_ok, counted(&part->rx_ok));
	count(&sum->rx_bytes, counted(&part->rx_bytes));
	count(&sum->copies, counted(&part->copies));
	count(&sum->tx_ok, counted(&part->tx_ok));
	count(&sum->tx_bytes, counted(&part->tx_bytes));
	count(&sum->tx_checksummed, counted(&part->tx_checksummed));
	count(&sum->tx_segmented, counted(&part->tx_segmented));
	count(&sum->tx_segments, counted(&part->tx_segments));
	for (int i = 0; i < RX_DROPS; i++)
		count(&sum->rx_drop[i], counted(&part->rx_drop[i]));
	for (int i = 0; i < TX_DROPS; i++)
		count(&sum->tx_drop[i], counted(&part->tx_drop[i]));
}

void port_counters_sum(const struct port *port, struct port_counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned int i = 0; i < port->counters_n; i++)
		add(sum, &port->counters[i]);
}

const char *rx_drop_name(enum rx_drop reason)
{
	static const char *const names[RX_DROPS] = {
		[RX_DROP_SHORT] = "short",
		[RX_DROP_LONG] = "long",
		[RX_DROP_OFFLOAD] = "offload",
		[RX_DROP_DISABLED] = "disabled",
		[RX_DROP_RESTART] = "restart",
		[RX_DROP_SOURCE] = "source",
		[RX_DROP_REFLECTION] = "reflection",
		[RX_DROP_ALONE] = "alone",
		[RX_DROP_ISOLATED] = "isolated",
		[RX_DROP_LANE] = "lane",
	};

	return reason < RX_DROPS ? names[reason] : NULL;
}

const char *tx_drop_name(enum tx_drop reason)
{
	static const char *const names[TX_DROPS] = {
		[TX_DROP_NOT_READY] = "not_ready",
		[TX_DROP_NO_BUFFER] = "no_buffer",
		[TX_DROP_TOO_BIG] = "too_big",
		[TX_DROP_BROKEN] = "broken",
		[TX_DROP_REFUSED] = "refused",
		[TX_DROP_LANE] = "lane",
	};

	return reason < TX_DROPS ? names[reason] : NULL;
}
