/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics_set.h"

#include <stdlib.h>
#include <string.h>

enum { LABELS_ROOM_FIRST = 4096 };

unsigned int metrics_kind_values(const struct metrics_kind *kind)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < kind->rows_n; i++) {
		const struct metrics_row *row = &kind->rows[i];

		n += row->type == METRICS_INFO	      ? 0
		     : row->type == METRICS_HISTOGRAM ? row->bounds_n + 2
						      : 1;
	}
	return n;
}

unsigned int metrics_kind_labels(const struct metrics_kind *kind)
{
	unsigned int n = 0;

	for (unsigned int i = 0; kind->label[i] != NULL; i++)
		n++;
	for (unsigned int i = 0; kind->info[i] != NULL; i++)
		n++;
	return n;
}

struct metrics_set *metrics_set_create(const struct metrics_kind *const *kinds,
				       unsigned int kinds_n)
{
	struct metrics_set *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	for (unsigned int i = 0; i < kinds_n && i < METRICS_KINDS_MAX; i++)
		set->part[set->parts_n++] = (struct metrics_part){
			.kind = kinds[i],
			.values_n = metrics_kind_values(kinds[i]),
			.labels_n = metrics_kind_labels(kinds[i]),
		};
	return set;
}

void metrics_set_free(struct metrics_set *set)
{
	if (set == NULL)
		return;
	for (unsigned int i = 0; i < set->parts_n; i++) {
		free(set->part[i].values);
		free(set->part[i].labels);
	}
	free(set);
}

static bool make_room(struct metrics_part *part, size_t labels_len)
{
	if (part->n == part->room) {
		unsigned int room = part->room == 0 ? 16 : 2 * part->room;
		uint64_t *values = realloc(part->values,
					   ((size_t)room * part->values_n + 1) * sizeof(*values));

		if (values == NULL)
			return false;
		part->values = values;
		part->room = room;
	}
	while (part->labels_room - part->labels_len < labels_len) {
		size_t room = part->labels_room == 0 ? LABELS_ROOM_FIRST : 2 * part->labels_room;
		char *labels = realloc(part->labels, room);

		if (labels == NULL)
			return false;
		part->labels = labels;
		part->labels_room = room;
	}
	return true;
}

void metrics_set_add(struct metrics_set *set, const struct metrics_kind *kind,
		     const char *const *labels, const uint64_t *values)
{
	struct metrics_part *part = NULL;
	size_t len = 0;

	for (unsigned int i = 0; i < set->parts_n && part == NULL; i++)
		if (set->part[i].kind == kind)
			part = &set->part[i];
	if (part == NULL) {
		set->failed = true;
		return;
	}
	for (unsigned int i = 0; i < part->labels_n; i++)
		len += strlen(labels[i]) + 1;
	if (!make_room(part, len)) {
		set->failed = true;
		return;
	}
	if (part->values_n > 0)
		memcpy(part->values + (size_t)part->n * part->values_n, values,
		       part->values_n * sizeof(*values));
	for (unsigned int i = 0; i < part->labels_n; i++) {
		len = strlen(labels[i]) + 1;
		memcpy(part->labels + part->labels_len, labels[i], len);
		part->labels_len += len;
	}
	part->n++;
}

void metrics_observe(const struct metrics_row *row, uint64_t *values, uint64_t measured)
{
	unsigned int i = 0;

	while (i < row->bounds_n && measured > row->bounds[i])
		i++;
	values[i]++;
	values[row->bounds_n + 1] += measured;
}
