/* SPDX-License-Identifier: BSD-3-Clause */
#include "vlan_set.h"

#include <errno.h>
#include <string.h>

/* A VID at *text, which moves behind it; 0: there is none. */
static uint16_t read_vid(const char **text)
{
	uint32_t vid = 0;

	for (; **text >= '0' && **text <= '9' && vid < VLAN_VIDS; (*text)++)
		vid = 10 * vid + (uint32_t)(**text - '0');
	return vid >= VLAN_MIN && vid <= VLAN_MAX ? (uint16_t)vid : 0;
}

static void skip_spaces(const char **text)
{
	*text += strspn(*text, " ");
}

/* "20" or "20-29". */
static int read_range(struct vlan_set *set, const char **text)
{
	uint16_t first, last;

	skip_spaces(text);
	first = last = read_vid(text);
	if (**text == '-') {
		(*text)++;
		last = read_vid(text);
	}
	skip_spaces(text);
	if (first == 0 || last < first)
		return -EINVAL;
	for (uint16_t vid = first; vid <= last; vid++)
		vlan_set_add(set, vid);
	return 0;
}

int vlan_set_read(struct vlan_set *set, const char *text)
{
	const char *at = strcmp(text, "all") == 0 ? "1-4094" : text;

	memset(set, 0, sizeof(*set));
	while (read_range(set, &at) == 0) {
		if (*at == '\0')
			return 0;
		if (*at != ',' && *at != '+')
			break;
		at++;
	}
	return -EINVAL;
}
