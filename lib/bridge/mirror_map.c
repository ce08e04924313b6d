/* SPDX-License-Identifier: BSD-3-Clause */
#include "mirror_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t whole_lines(size_t bytes)
{
	return (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

static uint32_t insns_of(const struct mirror_config *config)
{
	return config->filter != NULL ? config->filter->n : 0;
}

static uint32_t snap_of(const struct mirror_config *config)
{
	return config->snap != 0 ? config->snap : UINT32_MAX;
}

struct mirror *mirror_create(const struct mirror_config *config, unsigned int threads_n)
{
	uint32_t insns_n = insns_of(config);
	size_t head = sizeof(struct mirror) + threads_n * sizeof(struct mirror_count);
	size_t program = insns_n * sizeof(struct filter_insn);
	struct mirror *mirror = aligned_alloc(LINE_BYTES, whole_lines(head + program));

	if (mirror == NULL)
		return NULL;
	memset(mirror, 0, head);
	snprintf(mirror->name, sizeof(mirror->name), "%s", config->name);
	mirror->any_vlan = config->vlans == NULL;
	if (config->vlans != NULL)
		mirror->vlans = *config->vlans;
	mirror->snap = snap_of(config);
	mirror->threads_n = threads_n;
	mirror->insns_n = insns_n;
	mirror->insns = (uint32_t)head;
	if (program > 0)
		memcpy((char *)mirror + head, config->filter->insn, program);
	return mirror;
}

bool mirror_is(const struct mirror *mirror, const struct mirror_config *config)
{
	uint32_t insns_n = insns_of(config);

	return strcmp(mirror->name, config->name) == 0 && mirror->snap == snap_of(config) &&
	       mirror->any_vlan == (config->vlans == NULL) &&
	       (config->vlans == NULL || memcmp(&mirror->vlans, config->vlans, sizeof(mirror->vlans)) == 0) &&
	       mirror->insns_n == insns_n &&
	       (insns_n == 0 ||
		memcmp(mirror_filter(mirror), config->filter->insn, insns_n * sizeof(struct filter_insn)) == 0);
}

struct mirror_sum mirror_sum(const struct mirror *mirror)
{
	struct mirror_sum sum = {0};

	for (unsigned int i = 0; i < mirror->threads_n; i++) {
		sum.copied += counted(&mirror->count[i].copied);
		sum.dropped += counted(&mirror->count[i].dropped);
		sum.unknown += counted(&mirror->count[i].unknown);
	}
	return sum;
}
