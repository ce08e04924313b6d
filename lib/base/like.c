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

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Of `n` characters to `m`, both MIDDLE_MAX at most: from the first i to the first j it is row[i % 3][j]. */
static unsigned int edits(const char *from, size_t n, const char *to, size_t m)
{
	unsigned int row[3][MIDDLE_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		row[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned int *now = row[i % 3];
		const unsigned int *last = row[(i - 1) % 3], *before = row[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (size_t j = 1; j <= m; j++) {
			now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + !same_character(from[i - 1], to[j - 1]));
			if (i > 1 && j > 1 && same_character(from[i - 1], to[j - 2]) && same_character(from[i - 2], to[j - 1]))
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return row[n % 3][m];
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
