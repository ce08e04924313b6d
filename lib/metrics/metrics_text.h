/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics_text.h: a set as text that Prometheus and its like read.
 *
 * OpenMetrics 1.0.0 ("OpenMetrics, a cloud-native, highly scalable metrics protocol": 4, "Text
 * Format"): families with HELP, TYPE and UNIT, each sample a line, EOF at the end. Or the format
 * before it, Prometheus's text format 0.0.4, which has no UNIT, no EOF and no type of info, and
 * calls a counter what its samples are called; for readers that ask for nothing else.
 *
 * Context: any thread but an lcore and control: a thousand ports are megabytes.
 * Ownership: `bytes` is malloc'ed, and the caller's.
 */
#ifndef VUS_METRICS_TEXT_H
#define VUS_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "metrics_set.h"

enum metrics_form { METRICS_OPENMETRICS, METRICS_PROMETHEUS, METRICS_FORMS };

/* Of an HTTP header. */
#define METRICS_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define METRICS_PROMETHEUS_TYPE	 "text/plain; version=0.0.4; charset=utf-8"

/* All zero is an empty text. */
struct metrics_text {
	char *bytes;
	size_t n, room;
	bool failed; /* memory was short: what is there is not whole */
};

/* Adds all of the set. A kind without objects is left out. */
void metrics_text_write(struct metrics_text *text, const struct metrics_set *set,
			enum metrics_form form);

/* The name of a row's samples: "vuswitch_port_rx_bytes_total". */
struct metrics_name {
	char text[128];
};
struct metrics_name metrics_sample_name(const struct metrics_row *row);

#endif
