/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_page.h: a reply of ctl_commands.h as a page of DPDK's telemetry, which takes 16 KiB, 256 names in an object and
 * 127 bytes in a string, and drops what is beyond that without a word.
 *
 * A page names how much there is and what it shows:
 *
 *	{"total": 300, "first": 0, "shown": 27, "next": "/vuswitch/ports,27", "ports": {"vm1": {...}, ...}, ...}
 *
 * `next` is what to ask for the rest; the last page has none. A list (ports, macs) is counted in entries, and a part that is one
 * thing (a port) in values, because a NIC has hundreds. An entry that is larger than a page is shown without its lists, and
 * its `more` is what to ask for them.
 *
 * Telemetry's names are letters, digits, '_' and '/': any other character of a name is shown as '_', and of two names that
 * become one by that the later one gets a number ("vm_1/7"). Entries go by their name; those without are numbered. A string
 * too long for one value goes on under "state/2". What has no value is "none".
 *
 * Context: any thread but an lcore.
 */
#ifndef VUS_CTL_PAGE_H
#define VUS_CTL_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	/* Names in an object: fewer than telemetry takes, with the page's own. */
	CTL_PAGE_ENTRIES = 240,
	/* Of 16 KiB; the rest is for the command's name and punctuation. */
	CTL_PAGE_BYTES = 15000,
	CTL_PAGE_STRING_BYTES = 127,
};

struct ctl_page {
	const char *part;  /* of the reply: "ports" */
	const char *ask;   /* how to ask for the next page, but for its first entry: "/vuswitch/ports," */
	const char *single; /* and for an entry that is too large: "/vuswitch/lcore,"; NULL: none can be */
	bool values;	   /* counted in values, not in entries */
	size_t first, count;
	size_t total; /* 0: as many as the reply has; else it begins with `first` */
};

/* The page, in objects, strings and numbers only: the caller's. A reply without the part (an error) is shown as it is. NULL: no
 * memory. */
json_t *ctl_page_make(const json_t *reply, const struct ctl_page *page);

#endif
