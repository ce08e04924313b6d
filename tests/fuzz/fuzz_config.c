/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration as text and as options of the command line, of any bytes, or of the words and marks that
 * configurations are made of: reading costs what the bounds of tree.h say, an error is one line that names the file or the
 * option, and a configuration that is accepted is the same after it went through JSON, and so is a copy of a port.
 */
#include "fuzz.h"

#include <errno.h>
#include <jansson.h>

#include "config.h"
#include "config_save.h"
#include "ethdev_port.h"
#include "vhost_port.h"
#include "vus_limits.h"

enum { TEXT_MAX = 1 << 14, DEPTH_BOUND = 16, VALUES_BOUND = 1 << 20 };

static const struct port_driver *const drivers[] = {&vhost_port_driver, &ethdev_port_driver, NULL};
static const char source[] = "file.yaml";
static char text[TEXT_MAX + 64];

static const char *const words[] = {
	"ports", "bridges", "name", "type", "socket", "device", "bridge", "mode", "queues", "mac", "port", "mtu", "isolated",
	"static-macs", "mirrors", "to", "snap", "vlans", "direction", "filter", "mac-table-size", "mac-aging",
	"mac-limit-per-port",
	"rebalance", "owner", "group", "postcopy", "offloads",
	"vhost-user", "ethdev", "server", "client", "on", "off", "yes", "no", "null", "~", "br0", "lan", "vm1", "vm2", "up0",
	"/run/a", "/run/b", "0000:03:00.0", "net_tap0", "\"52:54:00:12:34:5f\"", "0", "1", "2", "16", "1024", "65536",
	"4294967296",
	"-1", "0660", "root", ": ", ":", "\n", "\n  ", "\n    ", "\n- ", "\n  - ", "\n    - ", "- ", "{", "}", "[", "]", ", ",
	",",
	"&a ", "*a", "&b ", "*b", "<<: ", "---\n", "...\n", "\"", "'", "#", "|\n", "\t", "!!str ", "\"\\0\"", "? ",
	"\xc3\xa9", "\xff",
	"[[[[[[[[[[[[[[[[", "{name: vm1, type: vhost-user, socket: /run/a}", "{name: up0, type: ethdev, device: 0000:03:00.0}",
	"ports:\n  - ", "\nbridges:\n  - name: ", "{mac: \"52:54:00:12:34:5f\", port: vm1}", "=", "vm3=/run/c", "control-queue",
	"users",
};

/* --- the text ---------------------------------------------------------------------------------------------------- */

/* Words, the rest of the bytes as they are, or a thing many times over. */
static size_t make_text(struct fuzz *in)
{
	bool raw = fuzz_chance(in, 64);
	size_t n = 0;

	while (in->left > 0 && n < TEXT_MAX) {
		uint8_t byte = fuzz_uint8(in);

		if (raw || byte >= 250) {
			text[n++] = (char)(raw ? byte : fuzz_uint8(in));
		} else if (byte >= 240) {
			const char *word = words[fuzz_uint8(in) % (sizeof(words) / sizeof(words[0]))];

			for (unsigned int times = fuzz_uint8(in); times > 0 && n < TEXT_MAX; times--)
				n += (size_t)snprintf(text + n, 64, "%s", word);
		} else {
			n += (size_t)snprintf(text + n, 64, "%s", words[byte % (sizeof(words) / sizeof(words[0]))]);
		}
	}
	return n;
}

/* --- what holds --------------------------------------------------------------------------------------------------- */

static void check_line(const struct fail *fail)
{
	size_t n = strnlen(fail->text, sizeof(fail->text));

	FUZZ_CHECK(n > 0 && n < sizeof(fail->text));
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK((unsigned char)fail->text[i] >= 0x20 && fail->text[i] != 0x7f);
}

static size_t check_tree(const struct tree *tree, unsigned int lines, unsigned int depth)
{
	size_t values = 1;

	FUZZ_CHECK(tree->references > 0 && tree->line >= 1 && tree->line <= lines);
	FUZZ_CHECK(tree->kind == TREE_TEXT ? tree->text != NULL : depth < DEPTH_BOUND);
	for (unsigned int i = 0; tree->kind != TREE_TEXT && i < tree->n; i++) {
		FUZZ_CHECK((tree->item[i].key != NULL) == (tree->kind == TREE_MAP));
		values += check_tree(tree->item[i].value, lines, depth + 1);
		FUZZ_CHECK(values <= VALUES_BOUND);
	}
	return values;
}

static bool same_port(const struct config_port *a, const struct config_port *b)
{
	struct config_change change = config_port_change(a, b);

	return !change.anew && change.driver == 0 && change.member == 0;
}

/* Of a configuration that was accepted. */
static void check_rules(const struct config *config)
{
	FUZZ_CHECK(config->ports_n <= PORTS_MAX && config->bridges_n <= BRIDGES_MAX);
	for (unsigned int i = 0; i < config->bridges_n; i++)
		FUZZ_CHECK(config_find_bridge(config, config->bridges[i].name) == &config->bridges[i]);
	for (unsigned int i = 0; i < config->ports_n; i++) {
		const struct config_port *port = &config->ports[i];
		size_t len = strlen(port->name);

		FUZZ_CHECK(len > 0 && len <= NAME_LEN_MAX && config_find_port(config, port->name) == port);
		FUZZ_CHECK(config_find_bridge(config, port->member.bridge) != NULL);
		for (unsigned int j = 0; j < i; j++)
			FUZZ_CHECK(port->driver != config->ports[j].driver || strcmp(port->takes, config->ports[j].takes) != 0);
	}
}

static void check_copies(const struct config *config)
{
	for (unsigned int i = 0; i < config->ports_n; i++) {
		struct config_port copy;
		char words_of_it[512];

		FUZZ_CHECK(config_port_copy(&copy, &config->ports[i]) == 0);
		FUZZ_CHECK(same_port(&config->ports[i], &copy));
		config_describe_port(&copy, words_of_it, sizeof(words_of_it));
		FUZZ_CHECK(strnlen(words_of_it, sizeof(words_of_it)) < sizeof(words_of_it));
		config_port_free(&copy);
	}
}

static void check_same(const struct config *a, const struct config *b)
{
	FUZZ_CHECK(a->ports_n == b->ports_n && a->bridges_n == b->bridges_n);
	for (unsigned int i = 0; i < a->ports_n; i++) {
		FUZZ_CHECK(strcmp(a->ports[i].name, b->ports[i].name) == 0);
		FUZZ_CHECK(same_port(&a->ports[i], &b->ports[i]));
	}
	for (unsigned int i = 0; i < a->bridges_n; i++) {
		FUZZ_CHECK(strcmp(a->bridges[i].name, b->bridges[i].name) == 0);
		FUZZ_CHECK(config_bridge_is_same(&a->bridges[i], &b->bridges[i]));
	}
}

/* It is written as a file that is the same, which config_save() looks at itself, or it is said why not. */
static void check_save(const struct config *config)
{
	struct fail fail = {.text = ""};
	char *saved;
	size_t len;

	if (config_save(config, &saved, &len, &fail) == 0)
		free(saved);
	else
		check_line(&fail);
}

/* What `vusctl config` says is what the switch would read again. The command line alone may name a socket from the current
 * folder: one whose path from the root does not fit stays so. */
static void check_json(const struct config *config, bool typed)
{
	struct config again = {.drivers = drivers};
	json_t *first = config_to_json(config), *second;
	struct fail fail = {.text = ""};

	FUZZ_CHECK(config_read_json(&again, source, first, &fail) == 0);
	if (config_check(&again, &fail) == 0) {
		check_same(config, &again);
		second = config_to_json(&again);
		FUZZ_CHECK(json_equal(first, second));
		json_decref(second);
	} else if (!typed || strstr(fail.text, "is not a path from the root") == NULL) {
		fprintf(stderr, "%s\n", fail.text);
		FUZZ_CHECK(!"what was written is accepted");
	}
	json_decref(first);
	config_free(&again);
}

/* --- what is read -------------------------------------------------------------------------------------------------- */

static int read_file(struct config *config, size_t len, struct fail *fail)
{
	char *copy = malloc(len > 0 ? len : 1);
	unsigned int lines = 2;
	int error;

	memcpy(copy, text, len);
	/* YAML has other ends of lines, too: each of them is a byte at least. */
	lines += (unsigned int)len;
	config->file = strdup(source);
	error = tree_read_yaml(source, copy, len, &config->tree, fail);
	free(copy);
	FUZZ_CHECK((error == 0) == (config->tree != NULL));
	if (error == 0)
		check_tree(config->tree, lines, 0);
	else
		FUZZ_CHECK(strncmp(fail->text, source, sizeof(source) - 1) == 0);
	return error;
}

/* A line is a port or an option. */
static int read_typed(struct config *config, char *line, struct fail *fail)
{
	static const char *const keys[] = {"rebalance", "mac-aging", "owner", "mtu"};
	int error = 0;

	for (unsigned int i = 0; error == 0 && line != NULL && i < 8; i++) {
		char *next = strchr(line, '\n');

		if (next != NULL)
			*next++ = '\0';
		if (line[0] == '#')
			error = config_set(config, keys[i % 4], line + 1, fail);
		else
			error = config_add_port(config, line[0] == ' ' ? "--ethdev" : "--vhost", line + (line[0] == ' '), fail);
		line = next;
	}
	return error;
}

void fuzz_begin(void)
{
}

void fuzz_input(struct fuzz *in)
{
	struct config config = {.drivers = drivers};
	struct fail fail = {.text = ""};
	bool typed = fuzz_chance(in, 48);
	size_t len = make_text(in);
	json_t *characters = json_stringn(text, len);
	int error;

	text[len] = '\0';
	error = typed ? read_typed(&config, text, &fail) : read_file(&config, len, &fail);
	if (error == 0)
		error = config_check(&config, &fail);
	if (error != 0) {
		check_line(&fail);
	} else {
		check_rules(&config);
		check_copies(&config);
		/* JSON says of a text of the command line that is no UTF-8 only that. */
		if (characters != NULL)
			check_json(&config, typed);
		check_save(&config);
	}
	json_decref(characters);
	config_free(&config);
}
