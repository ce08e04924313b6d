/* SPDX-License-Identifier: BSD-3-Clause */
/* like.h: what somebody may have meant who wrote a word that is not there.
 *
 * Context: any thread but an lcore. It takes no longer for a long word.
 */
#ifndef VUS_LIKE_H
#define VUS_LIKE_H

#include <stdbool.h>

/* Of many names the one that was meant; all zero but for `written`: none was looked at. */
struct like {
	const char *written;
	const char *best;   /* NULL: none is like it */
	unsigned int edits; /* from `written` to the best */
	bool several;	    /* others are as near, as vm1 and vm2 are to vm3 */
};

/* How many characters are to be added, removed, replaced, or exchanged with the next one, upper case or not, '_' or '-': at most
 * one, and two in a word of more than five. -1: `word` is another word. */
int like_edits(const char *written, const char *word);

void like_try(struct like *like, const char *name);
/* NULL: none, or several. */
const char *like_found(const struct like *like);

/* "; did you mean vm1?", or "" where nothing was found; for a message that goes on with its words, or ends there. */
struct like_hint {
	char text[64];
};
struct like_hint like_hint(const struct like *like);

#endif
