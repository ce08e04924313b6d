/* SPDX-License-Identifier: BSD-3-Clause */
#include "like.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* What is between the beginning and the end that two words have in common. */
enum { MIDDLE_MAX = 32 };

static bool same_character(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b) || (a == '_' && b == '-');
}

/* Of `n` characters to `m`, both MIDDLE_MAX at most. */
static unsigned int edits(const char *from, size_t n, const char *to, size_t m)
{
	unsigned int row[MIDDLE_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 0; i < n; i++) {
		unsigned int diagonal = row[0];

		row[0]++;
		for (size_t j = 1; j <= m; j++) {
			unsigned int best = diagonal + !same_character(from[i], to[j - 1]);

			diagonal = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[m];
}

int like_edits(const char *written, const char *word)
{
	/* Two edits make any short word of any other: mtu, mac. */
	unsigned int most = strlen(word) > 5 ? 2 : 1, found;
	size_t n, m;

	while (*written != '\0' && *word != '\0' && same_character(*written, *word)) {
		written++;
		word++;
	}
	n = strnlen(written, MIDDLE_MAX + 1);
	m = strnlen(word, MIDDLE_MAX + 1);
	while (n > 0 && n <= MIDDLE_MAX && m > 0 && m <= MIDDLE_MAX && same_character(written[n - 1], word[m - 1])) {
		n--;
		m--;
	}
	if (n > MIDDLE_MAX || m > MIDDLE_MAX || n > m + most || m > n + most)
		return -1;
	found = edits(written, n, word, m);
	return found <= most ? (int)found : -1;
}

void like_try(struct like *like, const char *name)
{
	int n = like_edits(like->written, name);

	if (n < 0 || (like->best != NULL && (unsigned int)n > like->edits))
		return;
	like->several = like->best != NULL && (unsigned int)n == like->edits;
	like->best = name;
	like->edits = (unsigned int)n;
}

const char *like_found(const struct like *like)
{
	return like->several ? NULL : like->best;
}

struct like_hint like_hint(const struct like *like)
{
	const char *found = like_found(like);
	struct like_hint hint = {""};

	if (found != NULL)
		snprintf(hint.text, sizeof(hint.text), "; did you mean %s?", found);
	return hint;
}
