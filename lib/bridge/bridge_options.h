/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_options.h: what a user may say of a bridge, and of a port as a member of one: the rows, and the structs they fill.
 *
 * Context: any thread but an lcore.
 * Ownership: option.h.
 */
#ifndef VUS_BRIDGE_OPTIONS_H
#define VUS_BRIDGE_OPTIONS_H

#include "filter_direction.h"
#include "option.h"
#include "policy_guard.h"
#include "policy_rate.h"
#include "policy_vlan.h"
#include "vus_limits.h"

struct filter;
struct mirror_config;

/* An entry of static-macs. */
struct bridge_static_mac {
	uint64_t given;
	uint8_t mac[6];
	char *port; /* its name */
	uint32_t vlan; /* 0: none; where the bridge is vlan-aware, and nowhere else, it has one */
};

enum { BRIDGE_MIRROR_BOTH, BRIDGE_MIRROR_FROM, BRIDGE_MIRROR_TO };

/* An entry of mirrors. */
struct bridge_mirror {
	uint64_t given;
	char *name, *to;
	char *ports; /* names; NULL: all that are no sinks */
	char *vlans; /* NULL: all, and none */
	char *filter; /* NULL: all frames */
	uint32_t direction; /* BRIDGE_MIRROR_ */
	uint32_t snap;	    /* 0: all */
	struct vlan_set vlan;	/* what these come to */
	struct filter *program; /* of bridge_mirrors_verify(), for bridge_mirrors_clear() */
};

enum { BRIDGE_UNREGISTERED_FLOOD, BRIDGE_UNREGISTERED_ROUTERS };

struct bridge_options {
	uint64_t given;
	uint32_t mac_table_size;
	uint32_t mac_aging;	     /* seconds; 0: never */
	uint32_t mac_limit_per_port;
	struct option_list static_macs; /* of struct bridge_static_mac */
	struct option_list mirrors; /* of struct bridge_mirror */
	bool vlan_aware, forward_link_local;
	bool multicast_snooping, multicast_querier;
	uint32_t multicast_unregistered; /* BRIDGE_UNREGISTERED_ */
	uint32_t multicast_query_interval; /* seconds */
	uint32_t multicast_groups, multicast_groups_per_port;
	char *multicast_querier_ipv4, *multicast_querier_ipv6;
	uint8_t querier_ipv4[4], querier_ipv6[16]; /* what these come to; 0: not given */
};

extern const struct option_table bridge_options, bridge_mirror_table;

/* Fills in what follows from other values. 0 or -errno with a line in `fail`. */
int bridge_options_verify(struct bridge_options *options, const struct option_entry *entry, struct fail *fail);

/* Entry `i` of static_macs, and where it is written. */
const struct bridge_static_mac *bridge_static_mac(const struct bridge_options *options, unsigned int i);
/* "52:54:00:12:34:56", with its VLAN behind it: what no other entry has. */
struct bridge_static_mac_text {
	char text[40];
};
struct bridge_static_mac_text bridge_static_mac_text(const struct bridge_options *options, unsigned int i);
struct option_entry bridge_static_mac_entry(const struct option_entry *bridge, unsigned int i);

/* Frees what bridge_options_verify() has made, and does what option_clear() does. */
void bridge_options_clear(struct bridge_options *options);

/* bridge_options_mirror.c: entry `i` of mirrors, and where it is written. */
struct bridge_mirror *bridge_mirror(const struct bridge_options *options, unsigned int i);
struct option_entry bridge_mirror_entry(const struct option_entry *bridge, unsigned int i);
/* The next name of a list of ports, from *at on, which moves behind it; "": it is longer than a name can be.
 * Returns: false: there is none. */
bool bridge_mirror_next(const char **at, char name[NAME_LEN_MAX + 1]);
/* What it copies (mirror_map.h); good as long as `mirror` is. */
void bridge_mirror_config(const struct bridge_mirror *mirror, struct mirror_config *config);
/* Parts of bridge_options_verify() and bridge_options_clear(). */
int bridge_mirrors_verify(struct bridge_options *options, const struct option_entry *bridge, struct fail *fail);
void bridge_mirrors_clear(struct bridge_options *options);

enum { BRIDGE_ROUTER_AUTO, BRIDGE_ROUTER_ON, BRIDGE_ROUTER_OFF };
enum { BRIDGE_QINQ_SERVICE, BRIDGE_QINQ_CUSTOMER };
enum { BRIDGE_BPDU_PASS, BRIDGE_BPDU_DROP, BRIDGE_BPDU_CLOSE };

/* Of a port, whatever its type. */
struct bridge_port_options {
	uint64_t given;
	char *bridge; /* its name */
	bool isolated;
	uint32_t access, native_vlan, qinq; /* 0: none */
	uint32_t qinq_type;		    /* BRIDGE_QINQ_ */
	char *trunk;		      /* VLANs; NULL: it is none */
	bool native_tagged;
	char *macs, *ips; /* lists; NULL: all */
	bool dhcp_guard, ra_guard, loop_guard;
	uint32_t bpdu_guard;	/* BRIDGE_BPDU_ */
	uint32_t close_seconds; /* for which a BPDU closes the port */
	bool multicast_fast_leave;
	uint32_t multicast_router; /* BRIDGE_ROUTER_ */
	struct policy_vlan vlan; /* what these come to */
	uint64_t rate_from_vm, rate_to_vm;	 /* bits a second; 0: any */
	uint64_t packets_from_vm, packets_to_vm; /* packets a second */
	uint32_t burst_from_vm, burst_to_vm;	 /* ms */
	uint64_t storm[PORT_STORMS];		 /* packets a second */
	struct policy_rates rates;		 /* what these come to */
	char *filter_from_vm, *filter_to_vm; /* rules; NULL: all frames pass */
	struct filter_list *filter[FILTER_DIRECTIONS]; /* what these come to */
};

extern const struct option_table bridge_port_options;

/* Fills in what follows from other values. 0 or -errno with a line in `fail`. */
int bridge_port_options_verify(struct bridge_port_options *options, const struct option_entry *entry, struct fail *fail);
/* What the port's guards are, in *guard. Returns: false: it has none. */
bool bridge_port_options_guard(const struct bridge_port_options *options, struct policy_guard *guard);
/* Fills in what rates come to. `vm`: it is a VM's port. `paces`: what comes from it can wait (port_driver.h). 0 or -errno with a
 * line in `fail`. bridge_options_rate.c */
int bridge_port_options_verify_rates(struct bridge_port_options *options, bool vm, bool paces, const struct option_entry *entry,
				     struct fail *fail);
/* Whether an option is about what comes from the port and waits, which is nothing to a port that does not pace. */
bool bridge_port_options_paces(const char *key);
/* As option_copy() and option_clear(), and what bridge_port_options_verify() has made. */
int bridge_port_options_copy(struct bridge_port_options *to, const struct bridge_port_options *from);
void bridge_port_options_clear(struct bridge_port_options *options);
/* The key of an option that means something on a vlan-aware bridge only, if one is given; NULL: none is. */
const char *bridge_port_options_vlan(const struct bridge_port_options *options);

#endif
