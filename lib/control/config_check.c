/* SPDX-License-Identifier: BSD-3-Clause */
/* config_check.c: trees become values, which are checked against each other. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"
#include "metrics_listen.h"
#include "one_path.h"
#include "rights.h"
#include "vus_limits.h"


/* What a name may consist of: it appears in options, in telemetry paths and in tables. */
static const char *name_fault(const char *name)
{
	if (name[0] == '\0')
		return "is missing";
	if (strlen(name) > NAME_LEN_MAX)
		return "is longer than 31 characters";
	for (const char *c = name; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
			return "has a character other than letters, digits, '.', '_' and '-'";
	return NULL;
}

int config_check_name(const char *kind, const char *key, const char *name, const struct option_entry *entry,
		      struct fail *fail)
{
	const char *fault = name_fault(name);

	if (fault == NULL)
		return 0;
	return fail_set(fail, -EINVAL, "%s: %s name \"%s\" %s; choose another", option_place(entry, key).text, kind, name,
			fault);
}

const char *config_text_of(const struct tree *node, const char *key)
{
	const struct tree_item *item = tree_find(node, key);

	return item != NULL && item->value->kind == TREE_TEXT ? item->value->text : "";
}

/* "port vm1", for errors; without a name, "this port". */
struct subject {
	char text[64];
};

static struct subject subject_of(const char *kind, const struct tree *node)
{
	const char *name = config_text_of(node, "name");
	struct subject subject;

	snprintf(subject.text, sizeof(subject.text), "%s%s%s", name[0] != '\0' ? "" : "this ", kind,
		 name[0] != '\0' ? " " : "");
	if (name[0] != '\0')
		snprintf(subject.text + strlen(subject.text), sizeof(subject.text) - strlen(subject.text), "%s", name);
	return subject;
}

/* --- the switch, and what is said for all ports ----------------------------------------------------------------- */

static int init_top(struct config *config, struct fail *fail)
{
	int error = option_init(&switch_options, &config->options);

	for (unsigned int i = 0; error == 0 && config->drivers[i] != NULL; i++) {
		config->common[i] = calloc(1, config->drivers[i]->options->size);
		if (config->common[i] == NULL)
			error = -ENOMEM;
		else
			error = option_init(config->drivers[i]->options, config->common[i]);
	}
	return error == 0 ? 0 : fail_set(fail, error, "configuration: no memory");
}

static int read_top(struct config *config, const char *source, const struct tree *node, struct fail *fail)
{
	struct option_part parts[1 + CONFIG_DRIVERS_MAX] = {{.table = &switch_options, .values = &config->options}};
	const struct option_entry entry = {.source = source, .node = node};
	unsigned int n = 1;

	for (unsigned int i = 0; config->drivers[i] != NULL; i++)
		parts[n++] = (struct option_part){
			.table = config->drivers[i]->options, .values = config->common[i], .common = true};
	return option_read(&entry, parts, n, fail);
}

struct option_entry config_top_entry(const struct config *config, const char *key)
{
	for (unsigned int i = config->typed_n; i-- > 0;)
		if (!config->typed[i].is_port && tree_find(config->typed[i].node, key) != NULL)
			return (struct option_entry){.source = config->typed[i].source, .node = config->typed[i].node};
	return (struct option_entry){.source = config->file, .node = config->tree};
}

/* Users or groups, with commas between them, in `numbers`. */
static int read_changers(const struct config *config, const char *key, const char *text, enum rights_part part,
			 uint32_t *numbers, unsigned int *n, struct fail *fail)
{
	const struct option_entry entry = text != NULL ? config_top_entry(config, key) : (struct option_entry){0};
	char *copy = text != NULL ? strdup(text) : NULL, *rest = copy, *name;
	int error = text != NULL && copy == NULL ? fail_set(fail, -ENOMEM, "%s: no memory", key) : 0;

	*n = 0;
	while (error == 0 && (name = strsep(&rest, ",")) != NULL) {
		struct rights rights = {0};

		name += strspn(name, " ");
		if (*n == CONFIG_CHANGERS_MAX)
			error = option_fail(fail, -E2BIG, &entry, key, "%s has more than %d names; make a group of them", key,
					    CONFIG_CHANGERS_MAX);
		else if (rights_parse(&rights, part, name) != 0)
			error = option_fail(fail, -ENOENT, &entry, key, "%s: \"%s\" is not known here; give a name or a number",
					    key, name);
		else
			numbers[(*n)++] = part == RIGHTS_OWNER ? rights.owner : rights.group;
	}
	free(copy);
	return error;
}

static int check_changers(struct config *config, struct fail *fail)
{
	struct switch_options *options = &config->options;
	int error = read_changers(config, "change-users", options->change_users, RIGHTS_OWNER, options->change_uid,
				  &options->change_uids_n, fail);

	return error != 0 ? error
			  : read_changers(config, "change-groups", options->change_groups, RIGHTS_GROUP, options->change_gid,
					  &options->change_gids_n, fail);
}

/* Where metrics are read. */
static int check_metrics(const struct config *config, struct fail *fail)
{
	const struct switch_options *options = &config->options;
	struct sockaddr_storage address;
	const char *key = "metrics";
	struct option_entry entry;
	struct fail why;
	socklen_t len;
	int error = 0;

	if (options->metrics != NULL)
		error = metrics_listen_check_path(options->metrics, key, &why);
	if (error == 0 && options->metrics_listen != NULL) {
		key = "metrics-listen";
		error = metrics_listen_parse(options->metrics_listen, &address, &len, &why);
	}
	if (error == 0)
		return 0;
	entry = config_top_entry(config, key);
	return option_fail(fail, error, &entry, key, "%s", why.text);
}

static int check_top(struct config *config, struct fail *fail)
{
	int error = init_top(config, fail);

	if (error == 0 && config->tree != NULL)
		error = read_top(config, config->file, config->tree, fail);
	for (unsigned int i = 0; error == 0 && i < config->typed_n; i++)
		if (!config->typed[i].is_port)
			error = read_top(config, config->typed[i].source, config->typed[i].node, fail);
	if (error == 0)
		error = check_changers(config, fail);
	return error == 0 ? check_metrics(config, fail) : error;
}

/* --- bridges ---------------------------------------------------------------------------------------------------- */

int config_grow(void **array, unsigned int n, size_t size)
{
	void *more = *array;

	if ((n & (n - 1)) == 0)
		more = realloc(*array, (n > 0 ? 2 * (size_t)n : 1) * size);
	if (more == NULL)
		return -ENOMEM;
	*array = more;
	memset((char *)more + n * size, 0, size);
	return 0;
}

static struct option_entry bridge_entry(const struct config *config, const struct config_bridge *bridge,
					const char *what)
{
	return (struct option_entry){
		.what = what,
		.list = "bridges",
		.source = bridge->from == CONFIG_FROM_REQUEST ? CONFIG_REQUEST_SOURCE : config->file,
		.node = bridge->node};
}

static struct config_bridge *add_bridge(struct config *config)
{
	struct config_bridge *bridge;
	int error = config_grow((void **)&config->bridges, config->bridges_n, sizeof(*bridge));

	if (error != 0)
		return NULL;
	bridge = &config->bridges[config->bridges_n++];
	if (option_init(&config_bridge_names, bridge) != 0 || option_init(&bridge_options, &bridge->options) != 0)
		return NULL;
	return bridge;
}

/* Two of the file, or one of the file and one of a request: whose name it is has to be said where it can be changed. */
static int fail_same_bridge(const struct config *config, const struct config_bridge *bridge,
			    const struct option_entry *entry, struct fail *fail)
{
	const struct config_bridge *first = config_find_bridge(config, bridge->name);
	const struct option_entry before = bridge_entry(config, first, NULL);

	if (bridge->from == first->from && bridge->from == CONFIG_FROM_FILE)
		return fail_set(fail, -EEXIST, "%s: bridge %s is listed twice, first at line %u; remove or rename one",
				option_place(entry, "name").text, bridge->name, first->node->line);
	return fail_set(fail, -EEXIST, "%s: bridge %s is here, and is a request's as well; remove it here or there",
			option_place(&before, "name").text, bridge->name);
}

static int read_bridge(struct config *config, const struct tree *node, enum config_from from, struct fail *fail)
{
	struct subject subject = subject_of("bridge", node);
	struct config_bridge *bridge = add_bridge(config);
	struct option_entry entry;
	struct option_part parts[2];
	int error;

	if (bridge == NULL)
		return fail_set(fail, -ENOMEM, "%s: no memory", subject.text);
	bridge->node = node;
	bridge->from = from;
	entry = bridge_entry(config, bridge, subject.text);
	parts[0] = (struct option_part){.table = &config_bridge_names, .values = bridge};
	parts[1] = (struct option_part){.table = &bridge_options, .values = &bridge->options};
	error = option_read(&entry, parts, 2, fail);
	if (error == 0)
		error = config_check_name("bridge", "name", bridge->name, &entry, fail);
	if (error != 0)
		return error;
	error = names_add(&config->bridge_names, bridge->name, config->bridges_n - 1);
	if (error == -ENOMEM)
		return fail_set(fail, error, "%s: no memory", subject.text);
	if (error != 0)
		return fail_same_bridge(config, bridge, &entry, fail);
	return bridge_options_verify(&bridge->options, &entry, fail);
}

/* A list that requests have made, or NULL. */
static const struct tree *requested(const struct config *config, const char *key)
{
	const struct tree_item *item = tree_find(config->requests, key);

	return item != NULL ? item->value : NULL;
}

static int read_bridges(struct config *config, struct fail *fail)
{
	const struct tree *list = config->options.bridges, *more = requested(config, "bridges");
	int error = 0;

	for (unsigned int i = 0; error == 0 && list != NULL && i < list->n; i++)
		error = read_bridge(config, list->item[i].value, CONFIG_FROM_FILE, fail);
	for (unsigned int i = 0; error == 0 && more != NULL && i < more->n; i++)
		error = read_bridge(config, more->item[i].value, CONFIG_FROM_REQUEST, fail);
	return error;
}

static int add_implied_bridge(struct config *config, const char *name, struct fail *fail)
{
	struct config_bridge *bridge = add_bridge(config);

	if (bridge != NULL)
		bridge->name = strdup(name);
	if (bridge == NULL || bridge->name == NULL || names_add(&config->bridge_names, name, config->bridges_n - 1) != 0)
		return fail_set(fail, -ENOMEM, "bridge %s: no memory", name);
	bridge->implied = true;
	return bridge_options_verify(&bridge->options, &(struct option_entry){.source = "", .node = NULL}, fail);
}

/* A static address is behind a port of its bridge. */
static int check_static_macs(const struct config *config, const struct config_bridge *bridge, struct fail *fail)
{
	const struct option_entry entry = bridge_entry(config, bridge, NULL);

	for (unsigned int i = 0; i < bridge->options.static_macs.n; i++) {
		const struct bridge_static_mac *mac = bridge_static_mac(&bridge->options, i);
		const struct config_port *port = config_find_port(config, mac->port);
		const struct option_entry inner = bridge_static_mac_entry(&entry, i);

		/* What the file says has to hold without requests. */
		if (port == NULL || strcmp(port->member.bridge, bridge->name) != 0 ||
		    (port->from == CONFIG_FROM_REQUEST && bridge->from != CONFIG_FROM_REQUEST))
			return option_fail(fail, -ENOENT, &inner, "mac",
					   "mac %s: there is no port %s on bridge %s; name one of its ports",
					   config_text_of(inner.node, "mac"), mac->port, bridge->name);
	}
	return 0;
}

static int check_mirrors(const struct config *config, const struct config_bridge *bridge, struct fail *fail)
{
	const struct option_entry entry = bridge_entry(config, bridge, NULL);

	return config_mirrors_check(config, bridge, &entry, fail);
}

/* --- ports ------------------------------------------------------------------------------------------------------ */

static struct option_entry port_entry(const struct config *config, const struct config_port *port, const char *what)
{
	const struct config_profile *profile = config_profile_of(config, port->node);

	return (struct option_entry){.what = what,
				     .list = "ports",
				     .source = port->source,
				     .node = port->node,
				     .profile = profile != NULL ? &profile->entry : NULL};
}

/* A key that no port has: it may be the one that is missing. */
static int check_any_key(const struct config *config, const struct option_entry *entry, struct fail *fail)
{
	struct option_part parts[2 + CONFIG_DRIVERS_MAX] = {{.table = &config_port_names}, {.table = &bridge_port_options}};
	unsigned int n = 2;

	for (unsigned int i = 0; config->drivers[i] != NULL; i++)
		parts[n++] = (struct option_part){.table = config->drivers[i]->options};
	return option_check_keys(entry, parts, n, fail);
}

const struct port_driver *config_driver_of(const struct config *config, const char *type, char *known, size_t size)
{
	size_t at = 0;

	for (const struct port_driver *const *driver = config->drivers; *driver != NULL; driver++) {
		if (strcmp((*driver)->type, type) == 0)
			return *driver;
		if (at < size)
			at += (size_t)snprintf(known + at, size - at, "%s%s", at > 0 ? " or " : "", (*driver)->type);
	}
	return NULL;
}

/* What a port of each type is made of: to write that is enough. */
static int fail_no_type(const struct config *config, const struct option_entry *entry, struct fail *fail)
{
	char keys[128] = "";
	size_t at = 0;

	for (const struct port_driver *const *driver = config->drivers; *driver != NULL && at < sizeof(keys); driver++)
		at += (size_t)snprintf(keys + at, sizeof(keys) - at, "%s%s (type %s)", at > 0 ? " or " : "",
				       (*driver)->options->row[0].key, (*driver)->type);
	return fail_set(fail, -EINVAL, "%s: %s has no type; add %s", option_place(entry, NULL).text, entry->what, keys);
}

static int find_driver(const struct config *config, struct config_port *port, const struct option_entry *entry,
		       struct fail *fail)
{
	const struct tree_item *item = option_item(entry, "type");
	const char *type = item != NULL && item->value->kind == TREE_TEXT ? item->value->text : "";
	char known[128] = "";

	if (item != NULL && item->value->kind != TREE_TEXT)
		return option_fail(fail, -EINVAL, entry, "type", "type has to be a single word");
	port->driver = config_driver_of(config, type, known, sizeof(known));
	/* What it is made of tells. */
	for (unsigned int i = 0; item == NULL && port->driver == NULL && config->drivers[i] != NULL; i++)
		if (tree_find(port->node, config->drivers[i]->options->row[0].key) != NULL)
			port->driver = config->drivers[i];
	if (port->driver != NULL)
		return 0;
	if (item == NULL && check_any_key(config, entry, fail) != 0)
		return -EINVAL;
	if (item == NULL)
		return fail_no_type(config, entry, fail);
	return option_fail(fail, -EINVAL, entry, "type", "type \"%s\" is not known; use %s", type, known);
}

/* A key, of the port or of its profile, that only ports of another type have. */
static int check_foreign(const struct config *config, const struct config_port *port, const struct tree *keys,
			 const struct option_entry *entry, struct fail *fail)
{
	for (unsigned int i = 0; i < keys->n; i++) {
		const char *key = keys->item[i].key;
		bool elsewhere = false;

		if (option_bit(port->driver->options, key) != 0 || option_bit(&bridge_port_options, key) != 0)
			continue;
		for (const struct port_driver *const *driver = config->drivers; *driver != NULL; driver++)
			elsewhere |= option_bit((*driver)->options, key) != 0;
		if (elsewhere)
			return option_fail(fail, -EINVAL, entry, key,
					   "%s is nothing to a port of type %s; remove it", key, port->driver->type);
	}
	return 0;
}

static void *common_of(const struct config *config, const struct port_driver *driver)
{
	return config->common[config_driver_index(config, driver)];
}

/* By the tables: the port's, the bridge's, the driver's. */
static int read_port_options(struct config_port *port, const struct option_entry *entry, struct fail *fail)
{
	const struct option_part parts[] = {
		{.table = &config_port_names, .values = port},
		{.table = &bridge_port_options, .values = &port->member},
		{.table = port->driver->options, .values = port->options},
	};

	int error = option_read(entry, parts, sizeof(parts) / sizeof(parts[0]), fail);

	if (error == 0 && port->type == NULL)
		port->type = strdup(port->driver->type);
	return error != 0 || port->type != NULL ? error : option_fail(fail, -ENOMEM, entry, NULL, "no memory");
}

/* Its options are there afterwards, if only to be freed. */
static int init_port(struct config_port *port)
{
	port->holders = malloc(sizeof(*port->holders));
	if (port->holders == NULL)
		return -ENOMEM;
	atomic_init(port->holders, 1);
	port->options = calloc(1, port->driver->options->size);
	if (port->options == NULL)
		return -ENOMEM;
	if (option_init(port->driver->options, port->options) != 0)
		return -ENOMEM;
	return option_init(&bridge_port_options, &port->member);
}

static int fail_same_name(const struct config *config, const struct config_port *other, const struct config_port *port,
			  const struct option_entry *entry, struct fail *fail)
{
	const struct option_entry before = port_entry(config, other, NULL);

	if (port->from == CONFIG_FROM_REQUEST && other->from != CONFIG_FROM_REQUEST)
		return fail_set(fail, -EEXIST, "%s: port %s is here, and is a request's as well; remove it here or there",
				option_place(&before, "name").text, port->name);
	return fail_set(fail, -EEXIST, "%s: there is a port %s already (%s); rename one",
			option_place(entry, "name").text, port->name, option_place(&before, "name").text);
}

static int fail_same_thing(const struct config_port *other, const struct config_port *port,
			   const struct option_entry *entry, struct fail *fail)
{
	const char *made_of = port->driver->options->row[0].key;
	char value[OPTION_TEXT_BYTES];

	option_value_text(&port->driver->options->row[0], port->options, value, sizeof(value));
	return option_fail(fail, -EEXIST, entry, made_of, "%s %s is port %s's already; give each port its own", made_of,
			   value, other->name);
}

/* Its name, and what it takes, belong to no port before it, and from now on to this one. */
static int check_unshared(struct config *config, const struct config_port *port, struct fail *fail)
{
	const unsigned int at = config->ports_n - 1;
	const struct config_port *same_name = NULL, *same_thing = NULL;
	int error = names_add(&config->port_names, port->name, at);
	struct option_entry entry;
	struct subject subject;

	if (error == -EEXIST)
		same_name = config_find_port(config, port->name);
	else
		same_thing = config_find_taker(config, port->driver, port->takes);
	if (error == 0 && same_thing == NULL)
		error = names_add(&config->takes[config_driver_index(config, port->driver)], port->takes, at);
	if (error == 0 && same_thing == NULL)
		return 0;
	subject = subject_of("port", port->node);
	entry = port_entry(config, port, subject.text);
	if (same_name != NULL)
		return fail_same_name(config, same_name, port, &entry, fail);
	if (same_thing != NULL)
		return fail_same_thing(same_thing, port, &entry, fail);
	return fail_set(fail, error, "port %s: no memory", port->name);
}

/* What was made of the same entry with the same profile before, or NULL. Entries keep their order, so it is the next one, or one
 * has gone. */
static const struct config_port *take_known(struct config *config, const struct tree *node, const struct tree *profile)
{
	for (unsigned int i = config->known_at; i < config->known_n; i++)
		if (config->known[i].node == node) {
			config->known_at = i + 1;
			return config->known[i].profile_node == profile ? &config->known[i] : NULL;
		}
	return NULL;
}

/* By the tables, and by its driver. */
static int read_new_port(struct config *config, struct config_port *port, struct fail *fail)
{
	struct subject subject = subject_of("port", port->node);
	const struct option_entry entry = port_entry(config, port, subject.text);
	int error;

	if (port->node->kind != TREE_MAP)
		return option_read(&entry, NULL, 0, fail);
	error = config_profile_check(config, port->from, &entry, fail);
	if (error == 0)
		error = find_driver(config, port, &entry, fail);
	if (error == 0 && init_port(port) != 0)
		error = fail_set(fail, -ENOMEM, "%s: no memory", subject.text);
	if (error == 0)
		error = check_foreign(config, port, port->node, &entry, fail);
	if (error == 0 && port->profile_node != NULL)
		error = check_foreign(config, port, port->profile_node, &entry, fail);
	if (error == 0)
		error = read_port_options(port, &entry, fail);
	if (error == 0)
		error = config_check_name("port", "name", port->name, &entry, fail);
	if (error == 0)
		error = config_check_name("bridge", "bridge", port->member.bridge, &entry, fail);
	if (error == 0)
		error = bridge_port_options_verify(&port->member, &entry, fail);
	if (error == 0)
		error = bridge_port_options_verify_rates(&port->member, port->driver->vm, port->driver->paces, &entry, fail);
	if (error == 0)
		error = port->driver->verify(port->options, common_of(config, port->driver), &entry, fail);
	if (error != 0)
		return error;
	port->takes = port->driver->takes(port->options);
	if (port->takes == NULL)
		return fail_set(fail, -ENOMEM, "%s: no memory", subject.text);
	return 0;
}

static int config_check_read_port(struct config *config, enum config_from from, const char *source,
				  const struct tree *node, struct fail *fail)
{
	const struct config_profile *profile = config_profile_of(config, node);
	const struct tree *profile_node = profile != NULL ? profile->entry.node : NULL;
	const struct config_port *known = take_known(config, node, profile_node);
	struct config_port *port;
	int error = config_grow((void **)&config->ports, config->ports_n, sizeof(*port));

	if (error != 0)
		return fail_set(fail, error, "port %s: no memory", config_text_of(node, "name"));
	port = &config->ports[config->ports_n++];
	if (known != NULL) {
		config_port_share(port, known);
		port->source = source;
	} else {
		*port = (struct config_port){.node = node, .profile_node = profile_node, .from = from, .source = source};
		error = read_new_port(config, port, fail);
	}
	return error == 0 ? check_unshared(config, port, fail) : error;
}

static int read_ports(struct config *config, struct fail *fail)
{
	const struct tree *list = config->options.ports, *more = requested(config, "ports");
	unsigned int n = (list != NULL ? list->n : 0) + (more != NULL ? more->n : 0);
	int error = 0;

	for (unsigned int i = 0; i < config->typed_n; i++)
		n += config->typed[i].is_port;
	if (n > PORTS_MAX)
		return fail_set(fail, -E2BIG, "%u ports are more than %d, the most one switch has", n, PORTS_MAX);
	for (unsigned int i = 0; error == 0 && list != NULL && i < list->n; i++)
		error = config_check_read_port(config, CONFIG_FROM_FILE, config->file, list->item[i].value, fail);
	for (unsigned int i = 0; error == 0 && i < config->typed_n; i++)
		if (config->typed[i].is_port)
			error = config_check_read_port(config, CONFIG_FROM_COMMAND_LINE, config->typed[i].source,
						       config->typed[i].node, fail);
	for (unsigned int i = 0; error == 0 && more != NULL && i < more->n; i++)
		error = config_check_read_port(config, CONFIG_FROM_REQUEST, CONFIG_REQUEST_SOURCE, more->item[i].value, fail);
	return error;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

/* A port is in VLANs only where its bridge knows of them. */
static int check_vlans_of(const struct config *config, const struct config_port *port, struct fail *fail)
{
	const char *key = bridge_port_options_vlan(&port->member), *name = port->member.bridge;
	const struct config_bridge *bridge = config_find_bridge(config, name);
	struct subject subject;
	struct option_entry entry;

	if (key == NULL || bridge->options.vlan_aware)
		return 0;
	subject = subject_of("port", port->node);
	entry = port_entry(config, port, subject.text);
	return option_fail(fail, -EINVAL, &entry, key,
			   "%s: bridge %s is not vlan-aware; add \"vlan-aware: on\" to it under bridges:, or remove %s", key,
			   name, key);
}

/* Every port's bridge is there afterwards. */
static int check_bridge_of(struct config *config, const struct config_port *port, struct fail *fail)
{
	const char *name = port->member.bridge;
	const struct config_bridge *bridge = config_find_bridge(config, name);
	struct option_entry entry;
	struct subject subject;

	if (bridge != NULL && (bridge->from != CONFIG_FROM_REQUEST || port->from != CONFIG_FROM_FILE))
		return 0;
	subject = subject_of("port", port->node);
	entry = port_entry(config, port, subject.text);
	if (bridge != NULL)
		return option_fail(fail, -ENOENT, &entry, "bridge",
				   "bridge %s is a request's, and not there at the next start; list it beside the port", name);
	if (port->from == CONFIG_FROM_REQUEST && strcmp(name, DEFAULT_BRIDGE) != 0)
		return option_fail(fail, -ENOENT, &entry, "bridge", "there is no bridge %s%s; add it first", name,
				   config_like_bridge(config, name).text);
	if (port->from == CONFIG_FROM_FILE && strcmp(name, DEFAULT_BRIDGE) != 0)
		return option_fail(fail, -ENOENT, &entry, "bridge",
				   "there is no bridge %s%s; add \"- name: %s\" under bridges:", name,
				   config_like_bridge(config, name).text, name);
	return add_implied_bridge(config, name, fail);
}

static int check_whole(struct config *config, struct fail *fail)
{
	int error;

	config_clear_checked(config);
	error = check_top(config, fail);
	if (error == 0)
		error = config_profiles_read(config, fail);
	if (error == 0)
		error = read_bridges(config, fail);
	if (error == 0)
		error = read_ports(config, fail);
	for (unsigned int i = 0; error == 0 && i < config->ports_n; i++)
		error = check_bridge_of(config, &config->ports[i], fail);
	for (unsigned int i = 0; error == 0 && i < config->ports_n; i++)
		error = check_vlans_of(config, &config->ports[i], fail);
	if (error == 0 && config->bridges_n > BRIDGES_MAX)
		return fail_set(fail, -E2BIG, "%u bridges are more than %d, the most one switch has", config->bridges_n,
				BRIDGES_MAX);
	for (unsigned int i = 0; error == 0 && i < config->bridges_n; i++)
		error = check_static_macs(config, &config->bridges[i], fail);
	for (unsigned int i = 0; error == 0 && i < config->bridges_n; i++)
		error = check_mirrors(config, &config->bridges[i], fail);
	return error;
}

int config_check(struct config *config, struct fail *fail)
{
	int error = check_whole(config, fail);

	config_clear_known(config);
	return error;
}

static int fail_control(const struct config *config, const struct config_port *port, struct fail *fail)
{
	const struct option_row *made_of = &port->driver->options->row[0];
	struct subject subject = subject_of("port", port->node);
	const struct option_entry entry = port_entry(config, port, subject.text);
	char value[OPTION_TEXT_BYTES];

	option_value_text(made_of, port->options, value, sizeof(value));
	return option_fail(fail, -EEXIST, &entry, made_of->key,
			   "%s is the control socket, where vusctl connects; give the port another path, or --control one",
			   value);
}

/* The metrics' socket is nobody else's: not the control socket, which is at `control`, nor a port's. */
static int check_metrics_file(const struct config *config, const char *control, struct fail *fail)
{
	const char *path = config->options.metrics;
	const struct option_entry entry = config_top_entry(config, "metrics");
	char *file = path != NULL ? one_path(path) : NULL;
	int error = 0;

	if (path != NULL && file == NULL)
		return fail_set(fail, -ENOMEM, "%s: no memory", path);
	if (path != NULL && strcmp(file, control) == 0)
		error = option_fail(fail, -EEXIST, &entry, "metrics", "metrics: %.107s is the control socket; give another path",
				    path);
	for (unsigned int i = 0; path != NULL && config->drivers[i] != NULL && error == 0; i++) {
		const struct config_port *port = config_find_taker(config, config->drivers[i], file);

		if (port != NULL)
			error = option_fail(fail, -EEXIST, &entry, "metrics",
					    "metrics: %.107s is the socket of port %.31s; give another path", path, port->name);
	}
	free(file);
	return error;
}

int config_check_control(const struct config *config, const char *control, struct fail *fail)
{
	char *file = one_path(control);
	int error = 0;

	if (file == NULL)
		return fail_set(fail, -ENOMEM, "%s: no memory", control);
	for (unsigned int i = 0; config->drivers[i] != NULL && error == 0; i++) {
		const struct config_port *port = config_find_taker(config, config->drivers[i], file);

		if (port != NULL)
			error = fail_control(config, port, fail);
	}
	if (error == 0)
		error = check_metrics_file(config, file, fail);
	free(file);
	return error;
}
