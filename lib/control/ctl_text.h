/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_text.h: JSON that is written as text, for lists that are too long to be kept as a tree.
 *
 * Context: any thread but an lcore.
 * Ownership: `bytes` is malloc'ed, and the caller's to free or to pass on.
 */
#ifndef VUS_CTL_TEXT_H
#define VUS_CTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty text. */
struct ctl_text {
	char *bytes;
	size_t n, room;
	bool failed; /* memory was short: what is there is not whole */
};

void ctl_text_add(struct ctl_text *text, const char *bytes, size_t n);
/* As it stands: punctuation, and names that need no escapes. */
void ctl_text_put(struct ctl_text *text, const char *words);
/* A string in quotes, with escapes where it needs them; one that is no UTF-8 is said to be so. */
void ctl_text_string(struct ctl_text *text, const char *string);
void ctl_text_number(struct ctl_text *text, uint64_t number);

#endif
