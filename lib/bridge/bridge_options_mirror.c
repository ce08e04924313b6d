/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_options_mirror.c: an entry of `mirrors` of a bridge, and what it comes to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge_options.h"
#include "mirror_map.h"

#define ROW(name, is, member) .key = (name), .kind = (is), .offset = offsetof(struct bridge_mirror, member)

static const struct option_word directions[] = {
	[BRIDGE_MIRROR_BOTH] = {"both", "what comes from these ports, and what goes to them"},
	[BRIDGE_MIRROR_FROM] = {"from", "what comes from them, as it comes"},
	[BRIDGE_MIRROR_TO] = {"to", "what goes to them, as it leaves"},
	{0},
};

static const struct option_row rows[] = {
	{ROW("name", OPTION_TEXT, name), .value = "NAME", .needed = "add it", .help = "what it is called"},
	{ROW("to", OPTION_TEXT, to), .value = "PORT", .needed = "add it",
	 .help = "the port of this bridge that gets the copies, and nothing else; what it sends is dropped"},
	{ROW("ports", OPTION_TEXT, ports), .value = "PORTS", .otherwise = "all that no mirror copies to",
	 .help = "the ports of this bridge whose frames are copied: \"vm1,vm2\""},
	{ROW("direction", OPTION_WORD, direction), .words = directions, .help = "which of their frames"},
	{ROW("vlans", OPTION_TEXT, vlans), .value = "VIDS", .otherwise = "all frames",
	 .help = "on a vlan-aware bridge: frames of these VLANs only: \"10,20-29\""},
	{ROW("filter", OPTION_TEXT, filter), .value = "EXPRESSION", .otherwise = "all frames",
	 .help = "frames that an expression of pcap-filter(7) matches only"},
	{ROW("snap", OPTION_NUMBER, snap), .value = "N", .min = MIRROR_SNAP_MIN, .max = FRAME_LEN_MAX, .unit = "bytes",
	 .otherwise = "whole frames", .help = "how much of a frame is copied at most"},
};
const struct option_table bridge_mirror_table = OPTION_TABLE(rows, struct bridge_mirror);

struct bridge_mirror *bridge_mirror(const struct bridge_options *options, unsigned int i)
{
	return (struct bridge_mirror *)options->mirrors.entries + i;
}

struct option_entry bridge_mirror_entry(const struct option_entry *bridge, unsigned int i)
{
	const struct tree_item *list = tree_find(bridge->node, "mirrors");

	return (struct option_entry){
		.what = bridge->what, .list = "mirrors", .source = bridge->source, .node = list->value->item[i].value};
}

bool bridge_mirror_next(const char **at, char name[NAME_LEN_MAX + 1])
{
	static const char between[] = ",+ ";
	size_t len;

	*at += strspn(*at, between);
	len = strcspn(*at, between);
	if (len == 0)
		return false;
	/* Cut, it is nobody's name: one that long may begin with a port's. */
	if (len <= NAME_LEN_MAX)
		memcpy(name, *at, len);
	name[len <= NAME_LEN_MAX ? len : 0] = '\0';
	*at += len;
	return true;
}

void bridge_mirror_config(const struct bridge_mirror *mirror, struct mirror_config *config)
{
	*config = (struct mirror_config){
		.name = mirror->name,
		.vlans = mirror->vlans != NULL ? &mirror->vlan : NULL,
		.filter = mirror->program,
		.snap = mirror->snap,
	};
}

void bridge_mirrors_clear(struct bridge_options *options)
{
	for (unsigned int i = 0; i < options->mirrors.n; i++) {
		free(bridge_mirror(options, i)->program);
		bridge_mirror(options, i)->program = NULL;
	}
}

static int check_name(const struct bridge_options *options, unsigned int i, const struct option_entry *entry, struct fail *fail)
{
	const char *name = bridge_mirror(options, i)->name;

	if (name[0] == '\0' || strlen(name) > NAME_LEN_MAX)
		return option_fail(fail, -EINVAL, entry, "name", "name \"%.40s\" has to have 1 to %d characters; choose another",
				   name, NAME_LEN_MAX);
	for (unsigned int k = 0; k < i; k++)
		if (strcmp(bridge_mirror(options, k)->name, name) == 0)
			return option_fail(fail, -EEXIST, entry, "name", "mirror %s is listed twice; remove or rename one", name);
	return 0;
}

static int read_vlans(struct bridge_mirror *mirror, bool vlan_aware, const struct option_entry *entry, struct fail *fail)
{
	if (mirror->vlans == NULL)
		return 0;
	if (!vlan_aware)
		return option_fail(fail, -EINVAL, entry, "vlans",
				   "mirror %s: the bridge is not vlan-aware; remove vlans, and use filter: vlan 10, or add "
				   "vlan-aware: on",
				   mirror->name);
	if (vlan_set_read(&mirror->vlan, mirror->vlans) != 0)
		return option_fail(fail, -EINVAL, entry, "vlans",
				   "mirror %s: vlans \"%s\" names no VLANs; use numbers and ranges from 1 to 4094, as in "
				   "\"10,20-29\"",
				   mirror->name, mirror->vlans);
	return 0;
}

static int read_filter(struct bridge_mirror *mirror, const struct option_entry *entry, struct fail *fail)
{
	struct fail why;
	int error;

	free(mirror->program);
	mirror->program = NULL;
	if (mirror->filter == NULL)
		return 0;
	error = filter_compile(mirror->filter, &mirror->program, &why);
	return error == 0 ? 0
			  : option_fail(fail, error, entry, "filter", "mirror %s: filter: %s", mirror->name, why.text);
}

int bridge_mirrors_verify(struct bridge_options *options, const struct option_entry *bridge, struct fail *fail)
{
	int error = 0;

	if (options->mirrors.n > MIRRORS_MAX)
		return option_fail(fail, -E2BIG, bridge, "mirrors",
				   "%u mirrors are more than %d, the most one bridge has; remove some", options->mirrors.n,
				   MIRRORS_MAX);
	for (unsigned int i = 0; error == 0 && i < options->mirrors.n; i++) {
		const struct option_entry entry = bridge_mirror_entry(bridge, i);
		struct bridge_mirror *mirror = bridge_mirror(options, i);

		error = check_name(options, i, &entry, fail);
		if (error == 0)
			error = read_vlans(mirror, options->vlan_aware, &entry, fail);
		if (error == 0)
			error = read_filter(mirror, &entry, fail);
	}
	return error;
}
