/* SPDX-License-Identifier: BSD-3-Clause */
#include "spare_cpus.h"

#include <stdio.h>

#include <rte_lcore.h>

static cpu_set_t ours;

void spare_cpus_look(void)
{
	if (sched_getaffinity(0, sizeof(ours), &ours) != 0)
		CPU_ZERO(&ours);
}

bool spare_cpus_find(cpu_set_t *spare)
{
	*spare = ours;
	for (unsigned int id = 0; id < RTE_MAX_LCORE; id++) {
		cpu_set_t cpus;

		if (rte_eal_lcore_role(id) != ROLE_RTE && rte_eal_lcore_role(id) != ROLE_SERVICE)
			continue;
		cpus = rte_lcore_cpuset(id);
		for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &cpus))
				CPU_CLR(cpu, spare);
	}
	if (CPU_COUNT(spare) > 0)
		return true;
	*spare = rte_lcore_cpuset(rte_get_main_lcore());
	return false;
}

void spare_cpus_name(const cpu_set_t *cpus, char *text, size_t size)
{
	size_t n = 0;

	text[0] = '\0';
	for (int first = 0; first < CPU_SETSIZE && n < size; first++) {
		int last = first;

		if (!CPU_ISSET(first, cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
			last++;
		n += (size_t)snprintf(text + n, size - n, last > first ? "%s%d-%d" : "%s%d", n > 0 ? "," : "", first, last);
		first = last;
	}
}
