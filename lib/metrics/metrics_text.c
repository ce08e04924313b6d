/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 64 * 1024, DIGITS = 24 };

static const char *const type_words[] = {
	[METRICS_COUNTER] = "counter",
	[METRICS_GAUGE] = "gauge",
	[METRICS_INFO] = "info",
	[METRICS_HISTOGRAM] = "histogram",
};

static const char *const suffixes[] = {
	[METRICS_COUNTER] = "_total",
	[METRICS_GAUGE] = "",
	[METRICS_INFO] = "_info",
	[METRICS_HISTOGRAM] = "",
};

struct metrics_name metrics_sample_name(const struct metrics_row *row)
{
	struct metrics_name name;

	snprintf(name.text, sizeof(name.text), "%s%s", row->name, suffixes[row->type]);
	return name;
}

/* --- text -------------------------------------------------------------------------------------------------------- */

static void add(struct metrics_text *text, const char *bytes, size_t n)
{
	size_t room = text->room > 0 ? text->room : ROOM_FIRST;
	char *more;

	while (room - text->n < n)
		room *= 2;
	more = room > text->room ? realloc(text->bytes, room) : text->bytes;
	if (more == NULL) {
		text->failed = true;
		return;
	}
	text->bytes = more;
	text->room = room;
	memcpy(text->bytes + text->n, bytes, n);
	text->n += n;
}

static void put(struct metrics_text *text, const char *words)
{
	add(text, words, strlen(words));
}

/* What would end a line or a quoted text stands behind a backslash; in HELP of the format before, a
 * quote ends nothing. */
static void put_escaped(struct metrics_text *text, const char *words, bool quotes)
{
	while (*words != '\0') {
		size_t plain = strcspn(words, quotes ? "\\\"\n" : "\\\n");

		add(text, words, plain);
		words += plain;
		if (*words == '\0')
			return;
		put(text, *words == '\n' ? "\\n" : *words == '"' ? "\\\"" : "\\\\");
		words++;
	}
}

/* A whole number of 10^-decimals; `trim`: without zeros at the end, but for one, as bounds of
 * buckets are written. */
static void put_value(struct metrics_text *text, uint64_t value, unsigned int decimals, bool trim)
{
	char digits[DIGITS + 2];
	size_t end = sizeof(digits), at = end;
	unsigned int written = 0;

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
		if (++written == decimals)
			digits[--at] = '.';
	} while (value > 0 || written <= decimals);
	if (trim && decimals > 0)
		while (digits[end - 1] == '0' && digits[end - 2] != '.')
			end--;
	add(text, digits + at, end - at);
	if (trim && decimals == 0)
		put(text, ".0");
}

/* --- samples ----------------------------------------------------------------------------------------------------- */

/* Labels of a sample: `n` of the object's, the row's own, and the bound of a bucket. */
struct labels {
	const char *const *key, *const *info;
	unsigned int keys_n, n;
	const char *texts; /* the object's, one behind the other */
	const char *more, *more_value; /* NULL: none */
	const char *bound;	       /* NULL: it is none of a bucket */
};

static void put_label(struct metrics_text *text, const char *key, const char *value, bool first)
{
	put(text, first ? "{" : ",");
	put(text, key);
	put(text, "=\"");
	put_escaped(text, value, true);
	put(text, "\"");
}

static void put_labels(struct metrics_text *text, const struct labels *labels)
{
	const char *value = labels->texts;
	unsigned int i;

	for (i = 0; i < labels->n; i++) {
		put_label(text,
			  i < labels->keys_n ? labels->key[i] : labels->info[i - labels->keys_n],
			  value, i == 0);
		value += strlen(value) + 1;
	}
	if (labels->more != NULL)
		put_label(text, labels->more, labels->more_value, i++ == 0);
	if (labels->bound != NULL)
		put_label(text, "le", labels->bound, i++ == 0);
	put(text, i > 0 ? "} " : " ");
}

static void put_sample(struct metrics_text *text, const char *name, const char *suffix,
		       const struct labels *labels, uint64_t value, unsigned int decimals)
{
	put(text, name);
	put(text, suffix);
	put_labels(text, labels);
	put_value(text, value, decimals, false);
	put(text, "\n");
}

/* A bucket has what is in those before it, too. */
static void put_histogram(struct metrics_text *text, const struct metrics_row *row,
			  struct labels labels, const uint64_t *values)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i <= row->bounds_n; i++) {
		struct metrics_text bound = {0};

		sum += values[i];
		if (i < row->bounds_n)
			put_value(&bound, row->bounds[i], row->decimals, true);
		else
			put(&bound, "+Inf");
		add(&bound, "", 1);
		text->failed = text->failed || bound.failed;
		labels.bound = bound.failed ? "" : bound.bytes;
		put_sample(text, row->name, "_bucket", &labels, sum, 0);
		free(bound.bytes);
	}
	labels.bound = NULL;
	put_sample(text, row->name, "_count", &labels, sum, 0);
	put_sample(text, row->name, "_sum", &labels, values[row->bounds_n + 1], row->decimals);
}

/* --- families ---------------------------------------------------------------------------------------------------- */

static void put_word(struct metrics_text *text, const char *what, const char *name,
		     const char *suffix)
{
	put(text, "# ");
	put(text, what);
	put(text, " ");
	put(text, name);
	put(text, suffix);
	put(text, " ");
}

static void put_head(struct metrics_text *text, const struct metrics_row *row,
		     enum metrics_form form)
{
	bool whole = form == METRICS_OPENMETRICS;
	const char *suffix = whole ? "" : suffixes[row->type];

	put_word(text, "TYPE", row->name, suffix);
	put(text, row->type == METRICS_INFO && !whole ? "gauge" : type_words[row->type]);
	put(text, "\n");
	if (row->unit != NULL && whole) {
		put_word(text, "UNIT", row->name, suffix);
		put(text, row->unit);
		put(text, "\n");
	}
	put_word(text, "HELP", row->name, suffix);
	put_escaped(text, row->help, whole);
	put(text, "\n");
}

static void put_row(struct metrics_text *text, const struct metrics_row *row,
		    const struct labels *labels, const uint64_t *values)
{
	if (row->type == METRICS_HISTOGRAM)
		put_histogram(text, row, *labels, values);
	else
		put_sample(text, row->name, suffixes[row->type], labels,
			   row->type == METRICS_INFO ? 1 : values[0], row->decimals);
}

static const char *after_labels(const char *texts, unsigned int n)
{
	while (n-- > 0)
		texts += strlen(texts) + 1;
	return texts;
}

static unsigned int width_of(const struct metrics_row *row)
{
	return row->type == METRICS_INFO	? 0
	       : row->type == METRICS_HISTOGRAM ? row->bounds_n + 2
						: 1;
}

/* The rows from `first` on that are one family: all of its samples, object by object. Returns the
 * row behind them. */
static unsigned int put_family(struct metrics_text *text, const struct metrics_part *part,
			       unsigned int first, unsigned int *value)
{
	const struct metrics_kind *kind = part->kind;
	const char *texts = part->labels;
	unsigned int end = first, values_n = 0, keys = 0;

	while (kind->label[keys] != NULL)
		keys++;
	for (; end < kind->rows_n && strcmp(kind->rows[end].name, kind->rows[first].name) == 0;
	     end++)
		values_n += width_of(&kind->rows[end]);
	for (unsigned int i = 0; i < part->n; i++) {
		const uint64_t *values = part->values + (size_t)i * part->values_n + *value;

		for (unsigned int r = first; r < end; r++) {
			const struct metrics_row *row = &kind->rows[r];

			put_row(text, row,
				&(struct labels){.key = kind->label,
						 .info = kind->info,
						 .keys_n = keys,
						 .texts = texts,
						 .n = row->type == METRICS_INFO ? part->labels_n
										: keys,
						 .more = row->label,
						 .more_value = row->value},
				values);
			values += width_of(row);
		}
		texts = after_labels(texts, part->labels_n);
	}
	*value += values_n;
	return end;
}

void metrics_text_write(struct metrics_text *text, const struct metrics_set *set,
			enum metrics_form form)
{
	text->failed = text->failed || set->failed;
	for (unsigned int p = 0; p < set->parts_n; p++) {
		const struct metrics_part *part = &set->part[p];
		unsigned int row = 0, value = 0;

		while (part->n > 0 && row < part->kind->rows_n) {
			put_head(text, &part->kind->rows[row], form);
			row = put_family(text, part, row, &value);
		}
	}
	if (form == METRICS_OPENMETRICS)
		put(text, "# EOF\n");
}
