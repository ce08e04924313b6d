/* SPDX-License-Identifier: BSD-3-Clause */
/* config_file.c: the YAML file, by one libcyaml schema, and libcyaml's errors in words a person can act on. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "config_place.h"
#include "config_scan.h"
#include "config_text.h"

/* --- the schema ------------------------------------------------------------------------------------------------- */

#define TEXT(key, type, member, flags)                                                             \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), type, member, 0, CYAML_UNLIMITED)
#define OPTIONAL_NUMBER(key, type, member)                                                         \
	CYAML_FIELD_UINT_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member)

static const cyaml_schema_field_t static_mac_fields[] = {
	TEXT("mac", struct config_static_mac, mac, 0),
	TEXT("port", struct config_static_mac, port, 0),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t static_mac_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_static_mac, static_mac_fields),
};

static const cyaml_schema_field_t bridge_fields[] = {
	TEXT("name", struct config_bridge, name, 0),
	OPTIONAL_NUMBER("mac-table-size", struct config_bridge, mac_table_size),
	OPTIONAL_NUMBER("mac-aging", struct config_bridge, mac_aging),
	OPTIONAL_NUMBER("mac-limit-per-port", struct config_bridge, mac_limit_per_port),
	CYAML_FIELD_SEQUENCE_COUNT("static-macs", CYAML_FLAG_POINTER_NULL_STR | CYAML_FLAG_OPTIONAL,
				   struct config_bridge, static_macs, static_macs_n,
				   &static_mac_entry, 0, CYAML_UNLIMITED),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t bridge_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_bridge, bridge_fields),
};

static const cyaml_schema_field_t port_fields[] = {
	TEXT("name", struct config_port, spec.name, 0),
	TEXT("type", struct config_port, spec.type, 0),
	TEXT("bridge", struct config_port, spec.bridge, CYAML_FLAG_OPTIONAL),
	TEXT("socket", struct config_port, spec.socket, CYAML_FLAG_OPTIONAL),
	TEXT("mode", struct config_port, spec.mode, CYAML_FLAG_OPTIONAL),
	OPTIONAL_NUMBER("queues", struct config_port, queues),
	TEXT("device", struct config_port, spec.device, CYAML_FLAG_OPTIONAL),
	OPTIONAL_NUMBER("mtu", struct config_port, mtu),
	TEXT("postcopy", struct config_port, spec.postcopy, CYAML_FLAG_OPTIONAL),
	TEXT("offloads", struct config_port, spec.offloads, CYAML_FLAG_OPTIONAL),
	TEXT("control-queue", struct config_port, spec.control_queue, CYAML_FLAG_OPTIONAL),
	TEXT("zero-copy-tx", struct config_port, spec.zero_copy_tx, CYAML_FLAG_OPTIONAL),
	TEXT("socket-owner", struct config_port, rights[RIGHTS_OWNER], CYAML_FLAG_OPTIONAL),
	TEXT("socket-group", struct config_port, rights[RIGHTS_GROUP], CYAML_FLAG_OPTIONAL),
	TEXT("socket-mode", struct config_port, rights[RIGHTS_MODE], CYAML_FLAG_OPTIONAL),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t port_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_port, port_fields),
};

static const cyaml_schema_field_t file_fields[] = {
	CYAML_FIELD_SEQUENCE_COUNT("bridges", CYAML_FLAG_POINTER_NULL_STR | CYAML_FLAG_OPTIONAL,
				   struct config, bridges, bridges_n, &bridge_entry, 0,
				   CYAML_UNLIMITED),
	CYAML_FIELD_SEQUENCE_COUNT("ports", CYAML_FLAG_POINTER_NULL_STR | CYAML_FLAG_OPTIONAL,
				   struct config, ports, ports_n, &port_entry, 0, CYAML_UNLIMITED),
	TEXT("rebalance", struct config, rebalance, CYAML_FLAG_OPTIONAL),
	TEXT("socket-owner", struct config, rights[RIGHTS_OWNER], CYAML_FLAG_OPTIONAL),
	TEXT("socket-group", struct config, rights[RIGHTS_GROUP], CYAML_FLAG_OPTIONAL),
	TEXT("socket-mode", struct config, rights[RIGHTS_MODE], CYAML_FLAG_OPTIONAL),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t file_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, file_fields),
};

/* --- what libcyaml complains of --------------------------------------------------------------------------------- */

/* It logs one line that says what, and then where it was, innermost first: "in mapping field 'queues' (line: 4, ...)" */
struct complaint {
	char what[256];
	char field[64];	   /* the innermost field with a name */
	unsigned int line; /* innermost */
};

static void hear(cyaml_log_t level, void *arg, const char *fmt, va_list args)
{
	struct complaint *complaint = arg;
	const char *line, *field;
	char text[256];

	if (level < CYAML_LOG_ERROR)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	if (complaint->what[0] == '\0') {
		const char *from = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;

		snprintf(complaint->what, sizeof(complaint->what), "%s", from);
		return;
	}
	line = strstr(text, "(line: ");
	field = strstr(text, "in mapping field '");
	if (line != NULL && complaint->line == 0)
		complaint->line = (unsigned int)strtoul(line + strlen("(line: "), NULL, 10);
	if (field != NULL && complaint->field[0] == '\0')
		sscanf(field, "in mapping field '%63[^']'", complaint->field);
}

/* The fields of the mapping an unknown key was found in: that of the list which encloses it. */
static const cyaml_schema_field_t *fields_inside(const char *field)
{
	if (strcmp(field, "bridges") == 0)
		return bridge_fields;
	if (strcmp(field, "ports") == 0)
		return port_fields;
	if (strcmp(field, "static-macs") == 0)
		return static_mac_fields;
	return file_fields;
}

static void list_keys(const cyaml_schema_field_t *fields, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (; fields->key != NULL && at < size; fields++)
		at += (size_t)snprintf(text + at, size - at, "%s%s", at > 0 ? ", " : "",
				       fields->key);
}

static int explain_key(const struct complaint *complaint, const char *file,
		       const struct places *places, struct fail *fail)
{
	const char *colon = strstr(complaint->what, ": ");
	const char *key = colon != NULL ? colon + 2 : complaint->what;
	char known[256];

	/* libcyaml names the place of what it read just before the key. */
	list_keys(fields_inside(complaint->field), known, sizeof(known));
	return fail_set(fail, -EINVAL, "%s:%u: key \"%s\" is not known%s%s; known here: %s", file,
			places_key_after(places, complaint->line, key), key,
			complaint->field[0] != '\0' ? " under " : "", complaint->field, known);
}

static int explain_value(const struct complaint *complaint, const char *file, struct fail *fail)
{
	const char *what = complaint->what, *quote = strchr(what, '\'');

	if (strncmp(what, "Expecting SEQUENCE", 18) == 0)
		return fail_set(fail, -EINVAL,
				"%s:%u: %s has to be a list: one entry a line, each beginning "
				"with \"- \"",
				file, complaint->line, complaint->field);
	if (strncmp(what, "Expecting MAPPING", 17) == 0)
		return fail_set(fail, -EINVAL,
				"%s:%u: an entry%s%s has to be keys with values, as in {name: "
				"vm1, ...}",
				file, complaint->line, complaint->field[0] != '\0' ? " of " : "",
				complaint->field);
	if (strncmp(what, "Expecting STRING", 16) == 0)
		return fail_set(fail, -EINVAL, "%s:%u: %s has to be a single word or path", file,
				complaint->line, complaint->field);
	return fail_set(fail, -EINVAL, "%s:%u: %s has to be a whole number, 0 or more%s%s", file,
			complaint->line, complaint->field, quote != NULL ? ", not " : "",
			quote != NULL ? quote : "");
}

static int explain(const struct complaint *complaint, cyaml_err_t error, const char *file,
		   const struct places *places, struct fail *fail)
{
	const char *colon = strstr(complaint->what, ": ");

	switch (error) {
	case CYAML_ERR_INVALID_KEY:
		return explain_key(complaint, file, places, fail);
	case CYAML_ERR_INVALID_VALUE:
		return explain_value(complaint, file, fail);
	case CYAML_ERR_MAPPING_FIELD_MISSING:
		return fail_set(fail, -EINVAL, "%s:%u: this entry has no %s; add it", file,
				complaint->line, colon != NULL ? colon + 2 : complaint->what);
	case CYAML_ERR_OOM:
		return fail_set(fail, -ENOMEM, "%s: no memory", file);
	default:
		break;
	}
	if (strncmp(complaint->what, "Mapping field already seen", 26) == 0)
		return fail_set(fail, -EINVAL, "%s:%u: %s is written twice; remove one", file,
				complaint->line, complaint->field);
	return fail_set(fail, -EINVAL, "%s:%u: %s", file, complaint->line,
			complaint->what[0] != '\0' ? complaint->what : cyaml_strerror(error));
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static void note_places(struct config *config, const struct places *places)
{
	for (unsigned int i = 0; i < config->bridges_n; i++) {
		struct config_bridge *bridge = &config->bridges[i];

		for (unsigned int key = 0; key < BRIDGE_KEYS; key++)
			bridge->line[key] =
				places_key(places, "bridges", i, config_bridge_keys[key]);
		bridge->line[BRIDGE_KEYS] = places_entry(places, "bridges", i);
		for (unsigned int j = 0; j < bridge->static_macs_n; j++)
			bridge->static_macs[j].line =
				places_item(places, "bridges", i, "static-macs", j);
	}
	for (unsigned int i = 0; i < config->ports_n; i++) {
		struct config_port *port = &config->ports[i];

		for (unsigned int key = 0; key < PORT_KEYS; key++)
			port->line[key] = places_key(places, "ports", i, config_port_keys[key]);
		port->line[PORT_KEYS] = places_entry(places, "ports", i);
	}
}

static int load(struct config *config, const char *file, const char *text, size_t len,
		struct fail *fail)
{
	struct complaint complaint = {.what = ""};
	const cyaml_config_t how = {
		.log_fn = hear,
		.log_ctx = &complaint,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
	};
	struct places *places = places_read(file, text, len, fail);
	struct config *loaded = NULL;
	cyaml_err_t error;

	if (places == NULL)
		return -EINVAL;
	error = cyaml_load_data((const uint8_t *)text, len, &how, &file_schema,
				(cyaml_data_t **)&loaded, NULL);
	if (error != CYAML_OK) {
		if (complaint.line == 0)
			complaint.line = 1; /* the file as a whole */
		explain(&complaint, error, file, places, fail);
		places_free(places);
		return -EINVAL;
	}
	/* An editor may just be writing it: that must not remove every port. */
	if (loaded == NULL) {
		places_free(places);
		return fail_set(fail, -ENODATA,
				"%s:1: there is nothing in this file; to have no ports, write "
				"\"ports: []\"",
				file);
	}
	config->bridges = loaded->bridges;
	config->bridges_n = loaded->bridges_n;
	config->ports = loaded->ports;
	config->ports_n = loaded->ports_n;
	config->rebalance = loaded->rebalance;
	config->rebalance_line = places_key_after(places, 1, "rebalance");
	for (unsigned int part = 0; part < RIGHTS_PARTS; part++) {
		config->rights[part] = loaded->rights[part];
		config->rights_line[part] =
			places_top(places, config_port_keys[PORT_KEY_RIGHTS + part]);
	}
	free(loaded);
	note_places(config, places);
	places_free(places);
	return 0;
}

int config_read_file(struct config *config, const char *file, struct fail *fail)
{
	char *text;
	size_t len;
	int error = config_text_read(file, &text, &len, fail);

	if (error != 0)
		return error;
	config->file = strdup(file);
	if (config->file == NULL)
		error = fail_set(fail, -ENOMEM, "%s: no memory", file);
	if (error == 0)
		error = config_scan(file, text, len, fail);
	if (error == 0)
		error = load(config, file, text, len, fail);
	config->text = text;
	config->text_len = len;
	return error;
}
