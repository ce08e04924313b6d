/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_options.h"

#include <errno.h>
#include <stdio.h>

#include "names.h"
#include "vus_limits.h"

enum {
	TABLE_SIZE_MIN = 16,
	TABLE_SIZE_MAX = 1 << 22,
	/* Ages are told apart by 16-bit epochs of one second. */
	AGING_MAX = 32767,
};

/* --- of a bridge ------------------------------------------------------------------------------------------------ */

static const struct option_row static_mac_rows[] = {
	{.key = "mac", .kind = OPTION_MAC, .offset = offsetof(struct bridge_static_mac, mac), .value = "ADDRESS",
	 .needed = "add it", .help = "an Ethernet address, with quotes"},
	{.key = "port", .kind = OPTION_TEXT, .offset = offsetof(struct bridge_static_mac, port), .value = "NAME",
	 .needed = "add it", .help = "the port of this bridge behind which the address is"},
};
static const struct option_table static_macs = OPTION_TABLE(static_mac_rows, struct bridge_static_mac);

#define ROW(name, is, member) .key = (name), .kind = (is), .offset = offsetof(struct bridge_options, member)

static const struct option_row bridge_rows[] = {
	{ROW("mac-table-size", OPTION_NUMBER, mac_table_size), .value = "N", .min = TABLE_SIZE_MIN,
	 .max = TABLE_SIZE_MAX, .normal = MAC_TABLE_SIZE_DEFAULT,
	 .help = "how many Ethernet addresses it learns; frames to others are sent to every port"},
	{ROW("mac-aging", OPTION_NUMBER, mac_aging), .value = "N", .max = AGING_MAX, .normal = MAC_AGING_DEFAULT,
	 .unit = "s", .help = "seconds after which a silent address is forgotten; 0: never"},
	{ROW("mac-limit-per-port", OPTION_NUMBER, mac_limit_per_port), .value = "N", .min = 1, .max = TABLE_SIZE_MAX,
	 .otherwise = "half of the table",
	 .help = "how many addresses one port may have; at the limit it forgets its own oldest one"},
	{ROW("static-macs", OPTION_LIST, static_macs), .value = "LIST", .entries = &static_macs,
	 .help = "addresses that are always behind a port: a list of mac and port"},
};
const struct option_table bridge_options = OPTION_TABLE(bridge_rows, struct bridge_options);

const struct bridge_static_mac *bridge_static_mac(const struct bridge_options *options, unsigned int i)
{
	return (const struct bridge_static_mac *)options->static_macs.entries + i;
}

struct bridge_static_mac_text bridge_static_mac_text(const struct bridge_options *options, unsigned int i)
{
	const uint8_t *mac = bridge_static_mac(options, i)->mac;
	struct bridge_static_mac_text text;

	snprintf(text.text, sizeof(text.text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	return text;
}

struct option_entry bridge_static_mac_entry(const struct option_entry *bridge, unsigned int i)
{
	const struct tree_item *list = tree_find(bridge->node, "static-macs");

	return (struct option_entry){
		.what = bridge->what, .list = "static-macs", .source = bridge->source, .node = list->value->item[i].value};
}

static int check_static_mac(const struct bridge_options *options, const struct option_entry *entry, unsigned int i,
			    struct names *before, struct fail *fail)
{
	const struct bridge_static_mac_text mac = bridge_static_mac_text(options, i);
	const struct option_entry inner = bridge_static_mac_entry(entry, i);
	int error;

	if ((bridge_static_mac(options, i)->mac[0] & 1) != 0)
		return option_fail(fail, -EINVAL, &inner, "mac",
				   "mac %s is a group address, which lives behind no port; use one whose first byte is even",
				   mac.text);
	error = names_add(before, mac.text, i);
	if (error == -EEXIST)
		return option_fail(fail, error, &inner, "mac", "mac %s is listed twice, first at line %u; remove one", mac.text,
				   tree_find(bridge_static_mac_entry(entry, (unsigned int)names_find(before, mac.text)).node,
					     "mac")->line);
	return error == 0 ? 0 : fail_set(fail, error, "mac %s: no memory", mac.text);
}

/* An address is behind one port: it is listed once. */
static int check_static_macs(const struct bridge_options *options, const struct option_entry *entry, struct fail *fail)
{
	struct names before = {0};
	int error = 0;

	for (unsigned int i = 0; error == 0 && i < options->static_macs.n; i++)
		error = check_static_mac(options, entry, i, &before, fail);
	names_clear(&before);
	return error;
}

int bridge_options_verify(struct bridge_options *options, const struct option_entry *entry, struct fail *fail)
{
	/* Half of the table is room enough for what lives behind an uplink, and leaves the other half to the other ports. */
	if (!option_given(&bridge_options, options, "mac-limit-per-port"))
		options->mac_limit_per_port = (options->mac_table_size + 1) / 2;
	if (options->mac_limit_per_port > options->mac_table_size)
		return option_fail(fail, -ERANGE, entry, "mac-limit-per-port",
				   "mac-limit-per-port: %u is out of range; use 1 to %u", options->mac_limit_per_port,
				   options->mac_table_size);
	return check_static_macs(options, entry, fail);
}

/* --- of a port -------------------------------------------------------------------------------------------------- */

static const struct option_row port_rows[] = {
	{.key = "bridge", .kind = OPTION_TEXT, .offset = offsetof(struct bridge_port_options, bridge), .value = "NAME",
	 .normal_text = "br0", .live = true, .help = "one of the bridges"},
	{.key = "isolated", .kind = OPTION_FLAG, .offset = offsetof(struct bridge_port_options, isolated), .live = true,
	 .on = "no frames go between it and other isolated ports of its bridge",
	 .help = "whether frames between this port and other isolated ports of its bridge are dropped"},
};
const struct option_table bridge_port_options = OPTION_TABLE(port_rows, struct bridge_port_options);
