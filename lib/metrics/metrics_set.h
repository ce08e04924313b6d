/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics_set.h: what the switch counts at one moment, as numbers: the control thread fills a set,
 * and another thread writes the text (metrics_text.h).
 *
 * A kind is what has the same metrics: ports, lcores, bridges. It is a table of rows, and belongs
 * to whoever counts: the switch, a driver. A set has objects of each kind, and of each object a
 * value for each row and a text for each label. All else walks the tables: OpenMetrics text,
 * docs/metrics.md, and the tests.
 *
 * Context: one thread at a time.
 * Units: a value is a whole number of the row's unit, or of 10^-decimals of it: nanoseconds are
 * seconds with 9 decimals. Ownership: kinds and rows are constant; a set has copies of the rest.
 */
#ifndef VUS_METRICS_SET_H
#define VUS_METRICS_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

enum {
	METRICS_LABELS_MAX = 4,
	METRICS_KINDS_MAX = 16,
	/* Decimals of what is counted in milliseconds, in millionths, in nanoseconds. */
	METRICS_MS = 3,
	METRICS_PPM = 6,
	METRICS_NS = 9,
};

enum metrics_type {
	METRICS_COUNTER, /* only grows */
	METRICS_GAUGE,
	METRICS_INFO,	   /* the object's further labels; no value */
	METRICS_HISTOGRAM, /* `bounds_n` + 2 values: what is in each bucket, what is above the last
			      bound, the sum */
};

/* Rows of one family stand together, and differ in the value of `label`. Names are promised:
 * docs/metrics.md lists them. */
struct metrics_row {
	const char
		*name; /* of the family, without the suffix of its type: "vuswitch_port_rx_bytes" */
	enum metrics_type type;
	const char *unit; /* the end of the name: "bytes", "seconds", "ratio"; NULL: it is counted
			     in pieces */
	const char *help; /* of the family */
	const char *label, *value; /* "reason", "short"; NULL: none */
	const char
		*value_help;   /* what the value of the label stands for; NULL: it says so itself */
	unsigned int decimals; /* 0 to 9 */
	const uint64_t *bounds; /* METRICS_HISTOGRAM: the upper bounds of its buckets, ascending */
	unsigned int bounds_n;
};

/* What a row of a struct histogram is. */
#define METRICS_TIMES                                                                              \
	.type = METRICS_HISTOGRAM, .unit = "seconds", .decimals = METRICS_NS,                      \
	.bounds = histogram_bounds, .bounds_n = HISTOGRAM_BOUNDS

struct metrics_kind {
	const char *title; /* "Ports" */
	const char *note;  /* when there is an object of it, for docs/metrics.md; NULL: always */
	const struct metrics_row *rows;
	unsigned int rows_n;
	const char *label[METRICS_LABELS_MAX + 1]; /* of each sample; ended by NULL */
	const char *info[METRICS_LABELS_MAX + 1];  /* and of METRICS_INFO beside them */
};

#define METRICS_ROWS(table) .rows = (table), .rows_n = sizeof(table) / sizeof((table)[0])

/* The objects of one kind. */
struct metrics_part {
	const struct metrics_kind *kind;
	unsigned int values_n, labels_n; /* of an object */
	unsigned int n, room;
	uint64_t *values; /* [n * values_n] */
	char *labels;	  /* n * labels_n texts, each with its 0 */
	size_t labels_len, labels_room;
};

struct metrics_set {
	struct metrics_part part[METRICS_KINDS_MAX];
	unsigned int parts_n;
	bool failed; /* memory was short: something is missing */
};

/* Of these kinds, METRICS_KINDS_MAX at most, and without an object. NULL: no memory. */
struct metrics_set *metrics_set_create(const struct metrics_kind *const *kinds,
				       unsigned int kinds_n);
/* NULL is fine. */
void metrics_set_free(struct metrics_set *set);

/* How many values and how many labels an object of the kind has: labels first those of `label`,
 * then those of `info`. */
unsigned int metrics_kind_values(const struct metrics_kind *kind);
unsigned int metrics_kind_labels(const struct metrics_kind *kind);

/* Adds an object of a kind of the set; both arrays are as long as the two functions above say. */
void metrics_set_add(struct metrics_set *set, const struct metrics_kind *kind,
		     const char *const *labels, const uint64_t *values);

/* Puts something measured into the values of a histogram's row. */
void metrics_observe(const struct metrics_row *row, uint64_t *values, uint64_t measured);

#endif
