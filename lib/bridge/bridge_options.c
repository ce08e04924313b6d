/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter_list.h"
#include "mac_text.h"
#include "names.h"
#include "vus_limits.h"

enum {
	TABLE_SIZE_MIN = 16,
	TABLE_SIZE_MAX = 1 << 22,
	/* Ages are told apart by 16-bit epochs of one second. */
	AGING_MAX = 32767,
	CLOSE_MAX = 86400,
	CLOSE_DEFAULT = 60,
	/* Lcores' maps of groups are made anew with each change: so many are some hundred kilobytes. */
	GROUPS_MAX = 4096,
	GROUPS_DEFAULT = 1024,
	GROUPS_PER_PORT_DEFAULT = 128,
	/* RFC 3376, 8.2; a query can say no more than MAX (4.1.7). */
	QUERY_INTERVAL_DEFAULT = 125,
	QUERY_INTERVAL_MAX = 31744,
};

/* --- of a bridge ------------------------------------------------------------------------------------------------ */

static const struct option_row static_mac_rows[] = {
	{.key = "mac", .kind = OPTION_MAC, .offset = offsetof(struct bridge_static_mac, mac), .value = "ADDRESS",
	 .needed = "add it", .help = "an Ethernet address, with quotes"},
	{.key = "port", .kind = OPTION_TEXT, .offset = offsetof(struct bridge_static_mac, port), .value = "NAME",
	 .needed = "add it", .help = "the port of this bridge behind which the address is"},
	{.key = "vlan", .kind = OPTION_NUMBER, .offset = offsetof(struct bridge_static_mac, vlan), .value = "VID",
	 .min = VLAN_MIN, .max = VLAN_MAX, .otherwise = "none", .help = "the VLAN in which it is, on a vlan-aware bridge"},
};
static const struct option_table static_macs = OPTION_TABLE(static_mac_rows, struct bridge_static_mac);

#define ROW(name, is, member) .key = (name), .kind = (is), .offset = offsetof(struct bridge_options, member)

static const struct option_word unregistered[] = {
	[BRIDGE_UNREGISTERED_FLOOD] = {"flood", "to all ports"},
	[BRIDGE_UNREGISTERED_ROUTERS] = {"routers", "to ports that have a router"},
	{0},
};

static const struct option_row bridge_rows[] = {
	{ROW("mac-table-size", OPTION_NUMBER, mac_table_size), .value = "N", .min = TABLE_SIZE_MIN,
	 .max = TABLE_SIZE_MAX, .normal = MAC_TABLE_SIZE_DEFAULT,
	 .help = "how many Ethernet addresses it learns; frames to others are sent to every port"},
	{ROW("mac-aging", OPTION_NUMBER, mac_aging), .value = "N", .max = AGING_MAX, .normal = MAC_AGING_DEFAULT,
	 .unit = "s", .help = "seconds after which a silent address is forgotten; 0: never"},
	{ROW("mac-limit-per-port", OPTION_NUMBER, mac_limit_per_port), .value = "N", .min = 1, .max = TABLE_SIZE_MAX,
	 .otherwise = "half of the table",
	 .help = "how many addresses one port may have; at the limit it forgets its own oldest one"},
	{ROW("static-macs", OPTION_LIST, static_macs), .value = "LIST", .entries = &static_macs, .live = true,
	 .help = "addresses that are always behind a port: a list of mac, port, and on a vlan-aware bridge vlan"},
	{ROW("mirrors", OPTION_LIST, mirrors), .value = "LIST", .entries = &bridge_mirror_table, .live = true,
	 .help = "frames of which another port gets a copy: a list of name, to, and which frames"},
	{ROW("vlan-aware", OPTION_FLAG, vlan_aware), .on = "frames are in VLANs",
	 .help = "whether its ports are in VLANs: access, trunk and native-vlan say in which; off: tags pass through"},
	{ROW("forward-link-local", OPTION_FLAG, forward_link_local), .normal = 1,
	 .otherwise = "on; off where the bridge is vlan-aware", .on = "they are flooded like other groups' frames",
	 .help = "whether frames to 01-80-C2-00-00-00 to -0F (spanning tree, LACP, LLDP, pause) are flooded or dropped"},
	{ROW("multicast-snooping", OPTION_FLAG, multicast_snooping), .live = true, .on = "multicast goes to its members",
	 .help = "whether it hears IGMP and MLD, and gives multicast to ports that have members, where somebody asks for them"},
	{ROW("multicast-unregistered", OPTION_WORD, multicast_unregistered), .words = unregistered, .live = true,
	 .needs = "multicast-snooping",
	 .help = "where frames go for groups of which no member is known"},
	{ROW("multicast-querier", OPTION_FLAG, multicast_querier), .live = true, .on = "it asks for members",
	 .help = "whether it asks for members itself where no router or switch does"},
	{ROW("multicast-querier-ipv4", OPTION_TEXT, multicast_querier_ipv4), .value = "ADDRESS", .live = true,
	 .otherwise = "0.0.0.0: it asks only where nobody else does",
	 .help = "the address it asks from; of two queriers the one with the lower address asks"},
	{ROW("multicast-querier-ipv6", OPTION_TEXT, multicast_querier_ipv6), .value = "ADDRESS", .live = true,
	 .otherwise = "one of its own", .help = "the link-local address it asks from, with quotes"},
	{ROW("multicast-query-interval", OPTION_NUMBER, multicast_query_interval), .value = "N", .min = 1,
	 .max = QUERY_INTERVAL_MAX, .normal = QUERY_INTERVAL_DEFAULT, .unit = "s", .live = true, .needs = "multicast-snooping",
	 .help = "how often it asks, or what asks does where that does not say; members that miss two queries are forgotten"},
	{ROW("multicast-groups", OPTION_NUMBER, multicast_groups), .value = "N", .min = 1, .max = GROUPS_MAX,
	 .normal = GROUPS_DEFAULT, .live = true, .needs = "multicast-snooping",
	 .help = "how many groups it knows; others are flooded while there are so many"},
	{ROW("multicast-groups-per-port", OPTION_NUMBER, multicast_groups_per_port), .value = "N", .min = 1, .max = GROUPS_MAX,
	 .normal = GROUPS_PER_PORT_DEFAULT, .live = true, .needs = "multicast-snooping",
	 .help = "how many groups one port may be a member of"},
};
const struct option_table bridge_options = OPTION_TABLE(bridge_rows, struct bridge_options);

const struct bridge_static_mac *bridge_static_mac(const struct bridge_options *options, unsigned int i)
{
	return (const struct bridge_static_mac *)options->static_macs.entries + i;
}

struct bridge_static_mac_text bridge_static_mac_text(const struct bridge_options *options, unsigned int i)
{
	const struct bridge_static_mac *entry = bridge_static_mac(options, i);
	struct bridge_static_mac_text text;
	int n = snprintf(text.text, sizeof(text.text), "%s", mac_text(entry->mac).text);

	if (entry->vlan != 0)
		snprintf(text.text + n, sizeof(text.text) - (size_t)n, " vlan %u", entry->vlan);
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
	if (options->vlan_aware != (bridge_static_mac(options, i)->vlan != 0))
		return option_fail(fail, -EINVAL, &inner, options->vlan_aware ? "mac" : "vlan", "mac %s: %s", mac.text,
				   options->vlan_aware ? "the bridge is vlan-aware; add the vlan it is in"
						       : "the bridge is not vlan-aware; remove vlan, or add vlan-aware: on");
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

void bridge_options_clear(struct bridge_options *options)
{
	bridge_mirrors_clear(options);
	option_clear(&bridge_options, options);
}

static int check_querier_ipv4(struct bridge_options *options, const struct option_entry *entry, struct fail *fail)
{
	const char *text = options->multicast_querier_ipv4;

	memset(options->querier_ipv4, 0, sizeof(options->querier_ipv4));
	if (text == NULL || (inet_pton(AF_INET, text, options->querier_ipv4) == 1 && options->querier_ipv4[0] < 224))
		return 0;
	return option_fail(fail, -EINVAL, entry, "multicast-querier-ipv4",
			   "multicast-querier-ipv4 \"%s\" is no host's IPv4 address; use one as in 192.0.2.1, or 0.0.0.0", text);
}

static int check_querier_ipv6(struct bridge_options *options, const struct option_entry *entry, struct fail *fail)
{
	const char *text = options->multicast_querier_ipv6;
	uint8_t *address = options->querier_ipv6;

	memset(address, 0, sizeof(options->querier_ipv6));
	if (text == NULL || (inet_pton(AF_INET6, text, address) == 1 && address[0] == 0xfe && (address[1] & 0xc0) == 0x80))
		return 0;
	return option_fail(fail, -EINVAL, entry, "multicast-querier-ipv6",
			   "multicast-querier-ipv6 \"%s\" is no link-local IPv6 address; use one as in \"fe80::1\"", text);
}

/* What is said of multicast and means nothing without something else. */
static int check_multicast(struct bridge_options *options, const struct option_entry *entry, struct fail *fail)
{
	const char *ipv4 = options->multicast_querier_ipv4, *ipv6 = options->multicast_querier_ipv6;
	const char *key = ipv4 != NULL ? "multicast-querier-ipv4" : "multicast-querier-ipv6";
	int error;

	if (options->multicast_querier && !options->multicast_snooping)
		return option_fail(fail, -EINVAL, entry, "multicast-querier",
				   "who asks for members has to hear the answers; add multicast-snooping: on, or remove "
				   "multicast-querier");
	if ((ipv4 != NULL || ipv6 != NULL) && !options->multicast_querier)
		return option_fail(fail, -EINVAL, entry, key,
				   "it does not ask for members; add multicast-querier: on, or remove %s", key);
	error = check_querier_ipv4(options, entry, fail);
	return error != 0 ? error : check_querier_ipv6(options, entry, fail);
}

int bridge_options_verify(struct bridge_options *options, const struct option_entry *entry, struct fail *fail)
{
	int error = check_multicast(options, entry, fail);

	if (error == 0)
		error = bridge_mirrors_verify(options, entry, fail);
	if (error != 0)
		return error;
	/* Half of the table is room enough for what lives behind an uplink, and leaves the other half to the other ports. */
	if (!option_given(&bridge_options, options, "mac-limit-per-port"))
		options->mac_limit_per_port = (options->mac_table_size + 1) / 2;
	if (options->mac_limit_per_port > options->mac_table_size)
		return option_fail(fail, -ERANGE, entry, "mac-limit-per-port",
				   "mac-limit-per-port: %u is out of range; use 1 to %u", options->mac_limit_per_port,
				   options->mac_table_size);
	if (!option_given(&bridge_options, options, "forward-link-local"))
		options->forward_link_local = !options->vlan_aware;
	return check_static_macs(options, entry, fail);
}

/* --- of a port -------------------------------------------------------------------------------------------------- */

static const struct option_word qinq_types[] = {
	[BRIDGE_QINQ_SERVICE] = {"802.1ad", "type 0x88a8"},
	[BRIDGE_QINQ_CUSTOMER] = {"802.1q", "type 0x8100"},
	{0},
};

static const struct option_word bpdu_guards[] = {
	[BRIDGE_BPDU_PASS] = {"off", "they pass, or not, as forward-link-local says"},
	[BRIDGE_BPDU_DROP] = {"drop", "they are dropped"},
	[BRIDGE_BPDU_CLOSE] = {"close", "the first one closes the port for bpdu-close-time seconds"},
	{0},
};

#define PORT_ROW(name, is, member) \
	.key = (name), .kind = (is), .offset = offsetof(struct bridge_port_options, member), .live = true

static const struct option_word routers[] = {
	[BRIDGE_ROUTER_AUTO] = {"auto", "while it sends queries, PIM hellos or MRD advertisements"},
	[BRIDGE_ROUTER_ON] = {"on", "always"},
	[BRIDGE_ROUTER_OFF] = {"off", "never: what it says as one is not heeded"},
	{0},
};
#define LIMIT(name, member, least_, most_, unit_, help_)                                                                       \
	.key = (name), .kind = OPTION_RATE, .offset = offsetof(struct bridge_port_options, member), .value = "N",              \
	.least = (least_), .most = (most_), .unit = (unit_), .live = true, .help = (help_)
#define RATE(name, member, unit, help) {LIMIT(name, member, 64000, UINT64_C(1000000000000), unit, help)}
#define PACKETS(name, member, help) {LIMIT(name, member, 100, 1000000000, "packets/s", help)}
#define STORM(name, which, normally, help)                                                                                     \
	{LIMIT(name, storm[which], 16, 1000000000, "packets/s", help), .otherwise = normally}
#define BURST(name, member, of, help_)                                                                                         \
	{.key = (name), .kind = OPTION_NUMBER, .offset = offsetof(struct bridge_port_options, member), .value = "MS", .min = 1,  \
	 .max = 1000, .normal = 10, .unit = "ms", .live = true, .needs = (of), .help = (help_)}

static const struct option_row port_rows[] = {
	{.key = "bridge", .kind = OPTION_TEXT, .offset = offsetof(struct bridge_port_options, bridge), .value = "NAME",
	 .normal_text = "br0", .live = true, .help = "one of the bridges"},
	{.key = "isolated", .kind = OPTION_FLAG, .offset = offsetof(struct bridge_port_options, isolated), .live = true,
	 .on = "no frames go between it and other isolated ports of its bridge",
	 .help = "whether frames between this port and other isolated ports of its bridge are dropped"},
	{.key = "access", .kind = OPTION_NUMBER, .offset = offsetof(struct bridge_port_options, access), .value = "VID",
	 .min = VLAN_MIN, .max = VLAN_MAX, .otherwise = "1 on a vlan-aware bridge, unless it is a trunk", .live = true,
	 .help = "the VLAN of the port, whose frames come and go without a tag"},
	{.key = "trunk", .kind = OPTION_TEXT, .offset = offsetof(struct bridge_port_options, trunk), .value = "VIDS",
	 .live = true, .help = "VLANs whose frames come and go with a tag: \"10,20-29\" (on the command line 10+20-29), or all"},
	{.key = "native-vlan", .kind = OPTION_NUMBER, .offset = offsetof(struct bridge_port_options, native_vlan), .value = "VID",
	 .min = VLAN_MIN, .max = VLAN_MAX, .otherwise = "none", .live = true,
	 .help = "of a trunk: the VLAN of frames that come without a tag, and in which frames leave without one"},
	{.key = "native-tagged", .kind = OPTION_FLAG, .offset = offsetof(struct bridge_port_options, native_tagged),
	 .live = true, .on = "they leave with a tag, too",
	 .help = "of a trunk: whether frames of its native-vlan leave with a tag"},
	{.key = "qinq", .kind = OPTION_NUMBER, .offset = offsetof(struct bridge_port_options, qinq), .value = "VID",
	 .min = VLAN_MIN, .max = VLAN_MAX, .otherwise = "none", .live = true,
	 .help = "the VLAN of a customer's port: frames come and go with the customer's tags, and are in this VLAN with all of "
		 "them"},
	{.key = "filter-from-vm", .kind = OPTION_TEXT, .offset = offsetof(struct bridge_port_options, filter_from_vm),
	 .value = "RULES", .otherwise = "all frames pass", .live = true,
	 .help = "which frames may come from the port: rules of pcap-filter(7), \"allow EXPRESSION; deny EXPRESSION; deny\", of "
		 "which the first that matches counts; the last has no expression"},
	{.key = "filter-to-vm", .kind = OPTION_TEXT, .offset = offsetof(struct bridge_port_options, filter_to_vm),
	 .value = "RULES", .otherwise = "all frames pass", .live = true, .help = "which frames may go to the port, likewise"},
	{.key = "qinq-type", .kind = OPTION_WORD, .offset = offsetof(struct bridge_port_options, qinq_type), .words = qinq_types,
	 .live = true, .help = "of a port with qinq: which tag its frames have where they leave with one"},
	{PORT_ROW("macs", OPTION_TEXT, macs), .value = "ADDRESSES",
	 .help = "the Ethernet addresses it may send from and say are its own: \"52:54:00:00:00:01,52:54:00:00:00:02\" (on the "
		 "command line + for the comma)"},
	{PORT_ROW("ips", OPTION_TEXT, ips), .value = "PREFIXES",
	 .help = "the IP addresses it may send from and say are its own: \"192.0.2.7,2001:db8:7::/64\" (on the command line "
		 "+ for the comma)"},
	{PORT_ROW("dhcp-guard", OPTION_FLAG, dhcp_guard), .on = "it is no DHCP server",
	 .help = "whether answers of DHCP servers (IPv4 and IPv6) that come from it are dropped"},
	{PORT_ROW("ra-guard", OPTION_FLAG, ra_guard), .on = "it is no router that others may take",
	 .help = "whether advertisements and redirects of routers that come from it are dropped"},
	{PORT_ROW("bpdu-guard", OPTION_WORD, bpdu_guard), .words = bpdu_guards,
	 .help = "what becomes of spanning tree's frames that come from it"},
	{PORT_ROW("bpdu-close-time", OPTION_NUMBER, close_seconds), .value = "N", .min = 1, .max = CLOSE_MAX,
	 .normal = CLOSE_DEFAULT, .unit = "s", .needs = "bpdu-guard=close",
	 .help = "of a port with bpdu-guard: close: seconds for which it is closed"},
	{PORT_ROW("loop-guard", OPTION_FLAG, loop_guard), .on = "no address moves to it from another port that has it still",
	 .help = "whether frames are dropped that come from it and whose source was seen behind another port in the last 5 "
		 "seconds"},
	{.key = "multicast-router", .kind = OPTION_WORD, .offset = offsetof(struct bridge_port_options, multicast_router),
	 .words = routers, .live = true, .needs = "multicast-snooping", .needs_of = &bridge_options,
	 .help = "on a bridge with multicast-snooping: whether a router is behind the port, which gets all multicast"},
	{.key = "multicast-fast-leave", .kind = OPTION_FLAG, .offset = offsetof(struct bridge_port_options, multicast_fast_leave),
	 .live = true, .needs = "multicast-snooping", .needs_of = &bridge_options,
	 .on = "who leaves a group is the only one there",
	 .help = "on a bridge with multicast-snooping: whether a group ends with the first leave, and no other member is asked"},
	RATE("rate-from-vm", rate_from_vm, "bit/s",
	     "what its VM may send on an Ethernet wire; what exceeds it waits in the VM's ring"),
	PACKETS("packets-from-vm", packets_from_vm, "the same in packets"),
	BURST("burst-from-vm", burst_from_vm, "rate-from-vm,packets-from-vm",
	      "how much of a second's worth its VM may send at once"),
	RATE("rate-to-vm", rate_to_vm, "bit/s", "what the port takes on an Ethernet wire; what exceeds it is dropped"),
	PACKETS("packets-to-vm", packets_to_vm, "the same in packets"),
	BURST("burst-to-vm", burst_to_vm, "rate-to-vm,packets-to-vm", "how much of a second's worth the port takes at once"),
	STORM("storm-broadcast", PORT_STORM_BROADCAST, "10k of a VM's port, off of others",
	      "broadcast frames from the port; what exceeds it is dropped"),
	STORM("storm-multicast", PORT_STORM_MULTICAST, "100k of a VM's port, off of others", "multicast frames from the port"),
	STORM("storm-unknown", PORT_STORM_UNKNOWN, "off", "frames from the port to addresses that are behind no port"),
};
const struct option_table bridge_port_options = OPTION_TABLE(port_rows, struct bridge_port_options);

const char *bridge_port_options_vlan(const struct bridge_port_options *options)
{
	if (options->access != 0)
		return "access";
	if (options->trunk != NULL)
		return "trunk";
	if (options->native_vlan != 0)
		return "native-vlan";
	if (options->qinq != 0)
		return "qinq";
	if (options->qinq_type != BRIDGE_QINQ_SERVICE)
		return "qinq-type";
	return options->native_tagged ? "native-tagged" : NULL;
}

/* What does not go together. */
static int check_port_vlans(const struct bridge_port_options *options, const struct option_entry *entry, struct fail *fail)
{
	if (options->trunk != NULL && options->access != 0)
		return option_fail(fail, -EINVAL, entry, "trunk", "a port is an access port or a trunk; remove access or trunk");
	if (options->qinq != 0 && (options->trunk != NULL || options->access != 0))
		return option_fail(fail, -EINVAL, entry, "qinq",
				   "a customer's port is no access port and no trunk; remove qinq, or access and trunk");
	if (options->qinq == 0 && options->qinq_type != BRIDGE_QINQ_SERVICE)
		return option_fail(fail, -EINVAL, entry, "qinq-type", "it is no customer's port; add qinq, or remove qinq-type");
	if (options->trunk == NULL && options->native_vlan != 0)
		return option_fail(fail, -EINVAL, entry, "native-vlan",
				   "only a trunk has a native VLAN; add trunk, or use access instead");
	if (options->native_vlan == 0 && options->native_tagged)
		return option_fail(fail, -EINVAL, entry, "native-tagged", "there is no native VLAN; add native-vlan");
	return 0;
}

static uint32_t guard_checks(const struct bridge_port_options *options)
{
	return (options->dhcp_guard ? GUARD_DHCP : 0) | (options->ra_guard ? GUARD_RA : 0) |
	       (options->loop_guard ? GUARD_LOOP : 0) |
	       (options->bpdu_guard != BRIDGE_BPDU_PASS ? GUARD_BPDU : 0) |
	       (options->bpdu_guard == BRIDGE_BPDU_CLOSE ? GUARD_CLOSES : 0);
}

bool bridge_port_options_guard(const struct bridge_port_options *options, struct policy_guard *guard)
{
	struct policy_guard_wrong wrong;

	return policy_guard_read(guard, options->macs, options->ips, guard_checks(options), &wrong) == 0 && guard->checks != 0;
}

static int check_guards(const struct bridge_port_options *options, const struct option_entry *entry, struct fail *fail)
{
	struct policy_guard_wrong wrong;
	struct policy_guard guard;
	int error;

	error = policy_guard_read(&guard, options->macs, NULL, 0, &wrong);
	if (error == -E2BIG)
		return option_fail(fail, error, entry, "macs", "macs has more than %d addresses; remove %s and those behind it",
				   GUARD_MACS_MAX, wrong.entry);
	if (error != 0)
		return option_fail(fail, error, entry, "macs",
				   "macs: \"%s\" is no address of a station; write it as in \"52:54:00:12:34:56\"", wrong.entry);
	error = policy_guard_read(&guard, NULL, options->ips, 0, &wrong);
	if (error == -E2BIG)
		return option_fail(fail, error, entry, "ips",
				   "ips has more than %d addresses of IPv4, or of IPv6; use prefixes, or remove %s and those "
				   "behind it",
				   GUARD_IPS_MAX, wrong.entry);
	if (error != 0)
		return option_fail(fail, error, entry, "ips",
				   "ips: \"%s\" is no address and no prefix; write it as in 192.0.2.7, 192.0.2.0/24 or "
				   "2001:db8::/64, with zeros behind a prefix",
				   wrong.entry);
	return 0;
}

/* The text becomes one line, as it is shown. */
static int read_filter(const char *key, char **text, struct filter_list **list, const struct option_entry *entry,
		       struct fail *fail)
{
	struct fail why;
	char *line;
	int error;

	filter_list_free(*list);
	*list = NULL;
	if (*text == NULL)
		return 0;
	error = filter_list_read(*text, list, &why);
	if (error != 0)
		return option_fail(fail, error, entry, key, "%s: %s", key, why.text);
	line = strdup(filter_list_text(*list));
	if (line == NULL)
		return option_fail(fail, -ENOMEM, entry, key, "%s: no memory", key);
	free(*text);
	*text = line;
	return 0;
}

int bridge_port_options_copy(struct bridge_port_options *to, const struct bridge_port_options *from)
{
	int error = option_copy(&bridge_port_options, to, from);

	for (unsigned int d = 0; d < FILTER_DIRECTIONS; d++)
		to->filter[d] = error == 0 ? filter_list_hold(from->filter[d]) : NULL;
	return error;
}

void bridge_port_options_clear(struct bridge_port_options *options)
{
	for (unsigned int d = 0; d < FILTER_DIRECTIONS; d++) {
		filter_list_free(options->filter[d]);
		options->filter[d] = NULL;
	}
	option_clear(&bridge_port_options, options);
}

int bridge_port_options_verify(struct bridge_port_options *options, const struct option_entry *entry, struct fail *fail)
{
	struct policy_vlan *vlan = &options->vlan;
	int error = check_port_vlans(options, entry, fail);

	if (error == 0)
		error = check_guards(options, entry, fail);
	if (error == 0)
		error = read_filter("filter-from-vm", &options->filter_from_vm, &options->filter[FILTER_FROM], entry, fail);
	if (error == 0)
		error = read_filter("filter-to-vm", &options->filter_to_vm, &options->filter[FILTER_TO], entry, fail);
	if (error != 0)
		return error;
	*vlan = policy_vlan_default;
	if (options->access != 0 || options->qinq != 0) {
		vlan->native = vlan->untagged = (uint16_t)(options->access + options->qinq);
		vlan->members = (struct vlan_set){0};
		vlan->tunnel = options->qinq != 0;
		vlan->service = options->qinq_type == BRIDGE_QINQ_SERVICE;
	} else if (options->trunk != NULL) {
		if (vlan_set_read(&vlan->members, options->trunk) != 0)
			return option_fail(fail, -EINVAL, entry, "trunk",
					   "trunk \"%s\" names no VLANs; use numbers and ranges from 1 to 4094, as in "
					   "\"10,20-29\", or all",
					   options->trunk);
		vlan->native = (uint16_t)options->native_vlan;
		vlan->untagged = options->native_tagged ? 0 : vlan->native;
		vlan->tagged = true;
	}
	if (vlan->native != 0)
		vlan_set_add(&vlan->members, vlan->native);
	return 0;
}
