/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container_of.h"
#include "node.h"

static void port_readers(const struct rcu_scope *scope, struct rcu_readers *readers)
{
	const struct port *port = container_of(scope, struct port, scope);

	if (port->host->readers != NULL)
		port->host->readers(port->host, port, readers);
	else
		rcu_readers_all(readers);
}

/* They lie behind the counters. Control drops frames that it has no bytes of. */
static void init_drops(struct port *port, const struct port_host *host, uint16_t id)
{
	struct port_drops *drops = (struct port_drops *)(void *)(port->counters + port->counters_n);

	for (unsigned int i = 0; i < port->counters_n; i++) {
		drops[i].port = id;
		drops[i].table = host->drops != NULL && i < host->lcores ? &host->drops[i] : NULL;
		port->counters[i].drops = &drops[i];
	}
}

int port_init(struct port *port, struct port_host *host, const struct port_ops *ops,
	      const struct port_spec *spec, uint16_t id)
{
	memset(port, 0, sizeof(*port));
	port->counters = node_alloc(port_counters_size(host->lcores + 1), NODE_UNKNOWN);
	if (!port->counters)
		return -ENOMEM;
	port->counters_n = host->lcores + 1;
	init_drops(port, host, id);
	port->ops = ops;
	port->host = host;
	port->id = id;
	port->type = spec->type;
	port->scope.readers = port_readers;
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

int port_rxq_room(struct port_rxq *q)
{
	struct burst **aside;

	if (q->aside != NULL || q->port->ops->set_aside == NULL)
		return 0;
	aside = malloc(sizeof(*aside));
	if (aside == NULL)
		return -ENOMEM;
	/* The pages are there when they are used. */
	*aside = aligned_alloc(_Alignof(struct burst), sizeof(**aside));
	if (*aside == NULL) {
		free(aside);
		return -ENOMEM;
	}
	(*aside)->cost = 0;
	q->aside = aside;
	return 0;
}

void port_rxq_fini(struct port_rxq *q)
{
	if (q->aside != NULL)
		free(*q->aside);
	free(q->aside);
	q->aside = NULL;
}

void port_fini(struct port *port)
{
	free(port->rxq);
	port->rxq = NULL;
	port->rxq_n = 0;
	free((void *)(uintptr_t)rcu_own(&port->policy));
	rcu_set(&port->policy, NULL);
	for (int i = 0; i < PORT_POLICY_PARTS; i++) {
		free(port->policy_part[i]);
		port->policy_part[i] = NULL;
	}
	node_free(port->counters, port_counters_size(port->counters_n));
	port->counters = NULL;
	port->counters_n = 0;
}

void port_counters_sum(const struct port *port, struct port_counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned int i = 0; i < port->counters_n; i++)
		port_counters_add(sum, &port->counters[i]);
}
