/* SPDX-License-Identifier: BSD-3-Clause */
/* config.h: the user's configuration, from a YAML file, from the command line and from JSON, in one form.
 *
 * All three become trees (tree.h), config_check() reads the trees by the tables of options (option.h) and checks the whole, so a
 * thing has the same name and the same error everywhere. An error is one line: where (FILE:LINE, or the option), what, and
 * how to mend it. The options of a port are its driver's, of a bridge the bridge's; those of the switch are here.
 *
 * Bridges. A port of the file must be on a bridge the file lists under `bridges:`, or on br0, which exists without being
 * listed and is where a port goes that names none. A bridge that only the command line names is made with the defaults.
 *
 * Profiles. An entry of `profiles:` is a set of options of ports, and a port that has `profile: NAME` has them; what a port
 * says itself counts. What is each port's own (its name, its socket or device) is in no profile, and no profile has a profile.
 *
 * Context: any thread but an lcore; no EAL.
 * Returns: 0 or -errno with a line in `fail`.
 * Ownership: a struct config is plain data of the caller, and what is in it its own; `drivers` is a list that outlives it.
 */
#ifndef VUS_CONFIG_H
#define VUS_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bridge_options.h"
#include "fail.h"
#include "like.h"
#include "names.h"
#include "option.h"
#include "port_driver.h"

struct json_t;

/* Where an entry is from, and is changed. */
enum config_from { CONFIG_FROM_FILE, CONFIG_FROM_COMMAND_LINE, CONFIG_FROM_REQUEST };

enum { CONFIG_DRIVERS_MAX = 8 };

/* An entry of `profiles:`. */
struct config_profile {
	uint64_t given;
	char *name, *type;
	struct bridge_port_options member;
	void *options[CONFIG_DRIVERS_MAX]; /* of each driver; without a type, what several have is the first one's */
	enum config_from from;
	bool aside;		   /* config_tell_changes(): no part of what it is compared with */
	struct option_entry entry; /* where it is written */
};

/* An entry of `bridges:`, or one that is there because a port names it. */
struct config_bridge {
	uint64_t given;
	char *name;
	struct bridge_options options;
	bool implied;		 /* not listed */
	enum config_from from;	 /* of one that is listed */
	bool aside;		 /* config_tell_changes(): no part of what it is compared with */
	const struct tree *node; /* where it is written; NULL: implied */
};

/* An entry of `ports:`, or one --vhost or --ethdev. */
struct config_port {
	uint64_t given;
	char *name, *type, *profile;
	struct bridge_port_options member;
	const struct port_driver *driver;
	void *options;		 /* of driver->options */
	char *takes;		 /* what no other port can have: driver->takes() */
	atomic_uint *holders;	 /* how many structs share all these; NULL: they are this one's alone */
	const struct tree *node; /* where it is written, */
	const struct tree *profile_node; /* and where its profile is; NULL: it has none */
	enum config_from from;
	bool aside;		 /* config_tell_changes(): no part of what it is compared with */
	const char *source;	 /* the file, "--vhost vm1=/run/vm1.sock", or CONFIG_REQUEST_SOURCE */
};

enum { CONFIG_CHANGERS_MAX = 16 };

/* Of the switch itself: at the top of the file, or options of the command line. */
struct switch_options {
	uint64_t given;
	const struct tree *profiles, *bridges, *ports;
	bool rebalance;
	char *change_users, *change_groups;
	char *metrics, *metrics_listen; /* where metrics are read: a unix socket, a TCP address; NULL: nowhere */
	uint32_t metrics_owner, metrics_group, metrics_mode;
	/* What these name: user and group numbers, by config_check(). */
	uint32_t change_uid[CONFIG_CHANGERS_MAX], change_gid[CONFIG_CHANGERS_MAX];
	unsigned int change_uids_n, change_gids_n;
};

extern const struct option_table switch_options, config_profile_names, config_bridge_names, config_port_names;

/* What was typed, until config_check(): "--rebalance", or a port. */
struct config_typed {
	char *source;
	struct tree *node;
	bool is_port;
};

/* What errors name as the place of an entry that a request has added. */
#define CONFIG_REQUEST_SOURCE "request"

struct config {
	const struct port_driver *const *drivers; /* the types of ports there are; ended by NULL */

	/* What is asked for. */
	char *file; /* NULL: none */
	char *text; /* of the file, as it was read: `text_len` bytes */
	size_t text_len;
	char *in_place_of; /* what is wrong with the file that `file` was read in place of; NULL: nothing */
	struct tree *tree; /* of the file */
	struct config_typed *typed;
	unsigned int typed_n;
	struct tree *requests; /* what requests have added: a map of profiles, bridges and ports, as in a file; NULL: nothing */
	/* config_share(): ports that have been checked; of an entry that is the same, one of these is taken. */
	struct config_port *known;
	unsigned int known_n, known_at;

	/* What config_check() makes of it. */
	struct switch_options options;
	void *common[CONFIG_DRIVERS_MAX]; /* for each driver: what is said for all ports */
	struct config_profile *profiles;
	unsigned int profiles_n;
	struct config_bridge *bridges;
	unsigned int bridges_n;
	struct config_port *ports;
	unsigned int ports_n;
	struct names profile_names, bridge_names, port_names; /* their places in the lists */
	struct names takes[CONFIG_DRIVERS_MAX]; /* and of ports, by what no other port of the driver can have */
};

/* Reads a file, or JSON that says the same, into a config that has neither; it is to be freed even after an error. */
int config_read_file(struct config *config, const char *file, struct fail *fail);
int config_read_json(struct config *config, const char *source, const struct json_t *json, struct fail *fail);
/* What config_read_json() reads: the whole of a checked config. */
struct json_t *config_to_json(const struct config *config);

/* Adds a port of the command line: `option` is a driver's ("--vhost"), `value` NAME=THING[,key=value]... */
int config_add_port(struct config *config, const char *option, const char *value, struct fail *fail);
/* An option of the switch, or one that stands for all ports, from the command line: `--rebalance off`. The file's value counts
 * no more. */
int config_set(struct config *config, const char *key, const char *value, struct fail *fail);

/* Asks `to`, which is empty, for what `from`, which is checked, was asked for. They share what does not change, so that
 * config_check() looks at those entries only that an edit has made (config_edit.h). */
int config_share(struct config *to, const struct config *from, struct fail *fail);

/* Checks the whole, fills in what is not said, and adds bridges that are implied. */
int config_check(struct config *config, struct fail *fail);
/* Refuses a port whose socket is `control`, the one for vusctl, in whatever spelling. After config_check(). */
int config_check_control(const struct config *config, const char *control, struct fail *fail);

void config_free(struct config *config);

const struct config_profile *config_find_profile(const struct config *config, const char *name);
const struct config_bridge *config_find_bridge(const struct config *config, const char *name);
const struct config_port *config_find_port(const struct config *config, const char *name);
/* config_like.c: "; did you mean vm1?", where `name` is none's and one alone is like it; else "". */
struct like_hint config_like_profile(const struct config *config, const char *name);
struct like_hint config_like_bridge(const struct config *config, const char *name);
struct like_hint config_like_port(const struct config *config, const char *name);
/* The port that takes this; NULL: none does. */
const struct config_port *config_find_taker(const struct config *config, const struct port_driver *driver,
					    const char *takes);
/* "file", "command line", "request"; of a bridge that is implied, "port". */
const char *config_port_from(const struct config_port *port);
const char *config_profile_from(const struct config_profile *profile);
const char *config_bridge_from(const struct config_bridge *bridge);
/* The driver's place in config->drivers. */
unsigned int config_driver_index(const struct config *config, const struct port_driver *driver);

/* A port's own copy, which outlives the config; `node`, `profile_node` and `source` are NULL. */
int config_port_copy(struct config_port *to, const struct config_port *from);
void config_port_free(struct config_port *port);

/* The rows that differ, or what they can not be changed to while the port lives. */
struct config_change {
	bool anew;	 /* the port has to be made anew */
	uint64_t driver; /* rows of the driver's table that differ */
	uint64_t member; /* rows of bridge_port_options that differ */
};
struct config_change config_port_change(const struct config_port *from, const struct config_port *to);

/* Whether the bridge can go on as it is; its static addresses may differ. */
bool config_bridge_is_same(const struct config_bridge *from, const struct config_bridge *to);

/* What becomes of the switch, of a bridge or of a port, and what that costs. */
struct config_told {
	const char *kind; /* "switch", "profile", "bridge", "port" */
	const char *name; /* NULL: the switch */
	const char *what; /* "comes", "goes", "anew", "changed": while it runs */
	const char *cost; /* what others feel of it: "its VM loses the connection"; NULL: nothing */
	const char *line; /* "port vm1: queues 1 -> 2: the port is made anew, its VM loses the connection" */
};
typedef void (*config_tell)(void *arg, const struct config_told *told);

/* Tells of each profile, bridge and port that goes, comes, is made anew or is changed. */
void config_tell_changes(const struct config *from, const struct config *to, config_tell tell, void *arg);
/* Of profiles alone, of bridges alone, and of one port alone. */
void config_tell_profiles(const struct config *from, const struct config *to, config_tell tell, void *arg);
void config_tell_bridges(const struct config *from, const struct config *to, config_tell tell, void *arg);
void config_tell_port(const struct config *from, const struct config *to, const char *name, config_tell tell, void *arg);

/* One line for each bridge and port: what would be made of them. */
void config_print(const struct config *config, FILE *to);
/* Tells of each option that has no effect, in a line: where it is, and how to mend it. The second: of one port alone, which need
 * not be there. */
typedef void (*config_tell_line)(void *arg, const char *line);
void config_tell_idle(const struct config *config, config_tell_line tell, void *arg);
void config_tell_idle_of(const struct config *config, const char *port, config_tell_line tell, void *arg);
/* A line on what has no effect, and on what is not there yet of what these ports need: a socket's folder, a kernel's
 * interface. */
void config_warn(const struct config *config, FILE *to);
/* "vhost-user, socket /run/vm1.sock, bridge br0": for log lines as well. */
void config_describe_port(const struct config_port *port, char *text, size_t size);

#endif
