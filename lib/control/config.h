/* SPDX-License-Identifier: BSD-3-Clause */
/* config.h: what the user asks for, from a YAML file and from the command line, in one form.
 *
 * The file and the options --vhost and --ethdev fill the same structs and pass the same checks, so a thing has the same
 * name and the same error everywhere. An error is one line: where (FILE:LINE, or the option), what, and how to mend it.
 *
 * Bridges. A port of the file must be on a bridge the file lists under `bridges:`, or on br0, which exists without being
 * listed and is where a port goes that names none. A bridge that only the command line names is made with the defaults.
 *
 * A struct config is plain data and belongs to whoever made it; any thread, no EAL. Strings are its own.
 */
#ifndef VUS_CONFIG_H
#define VUS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fail.h"
#include "port.h"

#define CONFIG_DEFAULT_BRIDGE "br0"

enum {
	CONFIG_MAC_TABLE_SIZE_MAX = 1 << 22,
	/* Ages are told apart by 16-bit epochs of one second. */
	CONFIG_MAC_AGING_MAX = 32767,
};

/* The keys of an entry of `ports:` and `bridges:`; their words are in config_port_keys[] and config_bridge_keys[]. */
enum config_port_key {
	PORT_KEY_NAME,
	PORT_KEY_TYPE,
	PORT_KEY_BRIDGE,
	PORT_KEY_SOCKET,
	PORT_KEY_MODE,
	PORT_KEY_QUEUES,
	PORT_KEY_DEVICE,
	PORT_KEY_MTU,
	PORT_KEY_POSTCOPY,
	PORT_KEY_OFFLOADS,
	PORT_KEY_CONTROL_QUEUE,
	PORT_KEY_ZERO_COPY_TX,
	PORT_KEY_RIGHTS, /* socket-owner, socket-group, socket-mode: in the order of enum rights_part */
	PORT_KEY_RIGHTS_LAST = PORT_KEY_RIGHTS + RIGHTS_PARTS - 1,
	PORT_KEYS,
};
enum config_bridge_key {
	BRIDGE_KEY_NAME,
	BRIDGE_KEY_MAC_TABLE_SIZE,
	BRIDGE_KEY_MAC_AGING,
	BRIDGE_KEY_MAC_LIMIT_PER_PORT,
	BRIDGE_KEY_STATIC_MACS,
	BRIDGE_KEYS,
};
extern const char *const config_port_keys[PORT_KEYS];
extern const char *const config_bridge_keys[BRIDGE_KEYS];

struct config_static_mac {
	char *mac;  /* as written */
	char *port; /* name */
	uint8_t bytes[6];
	unsigned int line;
};

struct config_bridge {
	char *name;
	uint32_t *mac_table_size;     /* NULL: the default */
	uint32_t *mac_aging;	      /* seconds; 0: never; NULL: the default */
	uint32_t *mac_limit_per_port; /* NULL: half of the table */
	struct config_static_mac *static_macs;
	unsigned int static_macs_n;
	bool implied; /* nobody listed it: a port named it */
	unsigned int
		line[BRIDGE_KEYS + 1]; /* of each key; the last one of the entry; 0: not written */
};

struct config_port {
	struct port_spec spec; /* strings are the config's, allocated */
	uint32_t *queues;      /* as written; NULL: not written */
	uint32_t *mtu;	       /* likewise */
	char *rights[RIGHTS_PARTS]; /* likewise */
	char *socket_file;     /* the socket, however it is spelled; config_check() fills it in */
	char *option;	       /* "--vhost vm1=/run/vm1.sock" if it is from the command line */
	unsigned int line[PORT_KEYS + 1];
};

struct config {
	char *file; /* NULL: none */
	char *text; /* of the file, as it was read: `text_len` bytes */
	size_t text_len;
	char *in_place_of; /* what is wrong with the file that `file` was read in place of; NULL: nothing */
	struct config_bridge *bridges;
	unsigned int bridges_n;
	struct config_port *ports;
	unsigned int ports_n;
	char *rebalance; /* "on": queues move to lcores with less to do; "off"; NULL before config_check(): not written */
	unsigned int rebalance_line; /* 0: from the command line */
	char *rights[RIGHTS_PARTS]; /* of the sockets of ports that do not say; NULL: not written */
	unsigned int rights_line[RIGHTS_PARTS];
};

/* Reads a file into an empty config, which is to be freed even after an error. 0 or -errno with a line in `fail`.
 * config_check() has to follow. */
int config_read_file(struct config *config, const char *file, struct fail *fail);

/* Adds what `--vhost` says ("NAME=SOCKET[,mode=...][,queues=N][,postcopy=...][,offloads=...][,control-queue=...]
 * [,socket-owner=...][,socket-group=...][,socket-mode=...][,bridge=NAME]") or
 * `--ethdev` ("NAME=DEVICE[,mtu=N][,offloads=...][,zero-copy-tx=...][,bridge=NAME]", where anything else is an
 * argument of the device). 0 or -errno. */
int config_add_option(struct config *config, const char *option, const char *value,
		      struct fail *fail);

/* What `--rebalance` says; the file's word counts no more. 0 or -errno. */
int config_set_rebalance(struct config *config, const char *value, struct fail *fail);

/* What `--socket-owner`, `--socket-group` or `--socket-mode` says; the file's word counts no more. 0 or -errno. */
int config_set_rights(struct config *config, enum rights_part part, const char *value,
		      struct fail *fail);

/* Checks the whole, fills in what is not said (type, mode, bridge), and adds bridges that are implied. 0 or -errno. */
int config_check(struct config *config, struct fail *fail);

/* Refuses a port whose socket is `control`, the one for vusctl, in whatever spelling. After config_check(). 0 or -errno. */
int config_check_control(const struct config *config, const char *control, struct fail *fail);

void config_free(struct config *config);

const struct config_bridge *config_find_bridge(const struct config *config, const char *name);
const struct config_port *config_find_port(const struct config *config, const char *name);

/* A bridge's numbers with the defaults filled in. */
struct config_numbers {
	uint32_t mac_table_size, mac_aging, mac_limit_per_port;
};
struct config_numbers config_bridge_numbers(const struct config_bridge *bridge);

/* Whether two ports are made of the same thing in the same way; the bridge they are on may differ. */
bool config_same_port(const struct port_spec *a, const struct port_spec *b);

/* One line for each bridge and port: what would be made of them. */
void config_print(const struct config *config, FILE *to);
/* A line on what is not there yet of what these ports need: a socket's folder, a kernel's interface. */
void config_warn(const struct config *config, FILE *to);
/* "vhost-user, creates /run/vm1.sock, bridge br0": for log lines as well. */
void config_describe_port(const struct port_spec *spec, char *text, size_t size);

#endif
