/* SPDX-License-Identifier: BSD-3-Clause */
#include "netconf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "time_limit.h"

/* A configuration with the results of a long chain is some KiB. */
enum { TEXT_BYTES_MAX = 4 * 1024 * 1024, READ_BYTES = 64 * 1024, TIMEOUT_MAX = 600 };

#define CONTROL_DEFAULT	   "/run/vuswitch/control.sock"
#define SOCKET_DIR_DEFAULT "/run/vuswitch/cni"

const char *const netconf_versions[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", NETCONF_NEWEST, NULL};

static int place_of(const char *version)
{
	for (int i = 0; netconf_versions[i] != NULL; i++)
		if (strcmp(version, netconf_versions[i]) == 0)
			return i;
	return -1;
}

bool netconf_is_from(const struct netconf *conf, const char *version)
{
	return place_of(conf->version) >= place_of(version);
}

static int read_all(struct netconf *conf, struct cni_error *error)
{
	ssize_t n = 1;

	while (n != 0) {
		char *more = conf->len <= TEXT_BYTES_MAX ? realloc(conf->text, conf->len + READ_BYTES + 1) : NULL;

		if (more == NULL)
			return cni_fail(error, CNI_IO_FAILURE, "the network configuration is too long: 4 MiB at most");
		conf->text = more;
		n = read(STDIN_FILENO, conf->text + conf->len, READ_BYTES);
		if (n < 0 && errno != EINTR)
			return cni_fail(error, CNI_IO_FAILURE,
					"the network configuration cannot be read from standard input: %s",
					strerror(errno));
		conf->len += n > 0 ? (size_t)n : 0;
	}
	conf->text[conf->len] = '\0';
	return 0;
}

/* A text of an object, which may be missing; an empty one is as good as missing. */
static int take_text(const json_t *from, const char *key, const char **text, struct cni_error *error)
{
	const json_t *value = json_object_get(from, key);

	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return cni_fail(error, CNI_INVALID_CONFIG, "\"%s\" of the network configuration is not a text", key);
	if (json_string_length(value) > 0)
		*text = json_string_value(value);
	return 0;
}

static int take_kind(const json_t *from, const char *key, json_type type, const json_t **taken, struct cni_error *error)
{
	const json_t *value = json_object_get(from, key);

	if (value == NULL || json_is_null(value))
		return 0;
	if (json_typeof(value) != type)
		return cni_fail(error, CNI_INVALID_CONFIG, "\"%s\" of the network configuration is not %s", key,
				type == JSON_OBJECT ? "an object" : "a list");
	*taken = value;
	return 0;
}

static bool is_file_name(const char *text)
{
	return strchr(text, '/') == NULL && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

/* The convention of the userspace CNI plugin: "host" says what is to be made here. */
static int take_host(struct netconf *conf, struct cni_error *error)
{
	const char *iftype = "vhostuser", *net_type = "bridge";
	const json_t *vhost = NULL, *bridge = NULL;
	int code = take_kind(conf->json, "host", JSON_OBJECT, &conf->host, error);

	code = code != 0 ? code : take_kind(conf->json, "container", JSON_OBJECT, &conf->container, error);
	code = code != 0 ? code : take_text(conf->json, "sharedDir", &conf->shared_dir, error);
	if (code != 0 || conf->host == NULL)
		return code;
	code = take_text(conf->host, "iftype", &iftype, error);
	code = code != 0 ? code : take_text(conf->host, "netType", &net_type, error);
	code = code != 0 ? code : take_kind(conf->host, "vhost", JSON_OBJECT, &vhost, error);
	code = code != 0 ? code : take_kind(conf->host, "bridge", JSON_OBJECT, &bridge, error);
	code = code != 0 ? code : take_text(vhost, "mode", &conf->mode, error);
	code = code != 0 ? code : take_text(vhost, "socketfile", &conf->socket_file, error);
	code = code != 0 ? code : take_text(bridge, "bridgeName", &conf->bridge, error);
	if (code != 0)
		return code;
	if (strcmp(iftype, "vhostuser") != 0)
		return cni_fail(error, CNI_UNSUPPORTED_FIELD,
				"\"iftype\" of \"host\" is \"%.64s\": this plugin makes vhostuser", iftype);
	if (strcmp(net_type, "bridge") != 0)
		return cni_fail(error, CNI_UNSUPPORTED_FIELD,
				"\"netType\" of \"host\" is \"%.64s\": this plugin knows bridge", net_type);
	if (conf->socket_file != NULL && !is_file_name(conf->socket_file))
		return cni_fail(error, CNI_INVALID_CONFIG,
				"\"socketfile\" is \"%.64s\": it is a file's name, without a folder", conf->socket_file);
	return 0;
}

static bool is_mac(const char *text)
{
	for (int i = 0; i < MAC_TEXT_BYTES - 1; i++)
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	return text[MAC_TEXT_BYTES - 1] == '\0' && strchr("13579bdfBDF", text[1]) == NULL;
}

/* By the capability "mac", or by a convention for args, or by the older one for CNI_ARGS: the first that is there. */
static int take_mac(struct netconf *conf, const struct cni_args *cni_args, struct cni_error *error)
{
	const json_t *runtime = NULL, *args = NULL, *cni = NULL;
	const char *mac = cni_args_get(cni_args, "MAC", conf->mac, sizeof(conf->mac)) ? conf->mac : NULL;
	int code = take_kind(conf->json, "runtimeConfig", JSON_OBJECT, &runtime, error);

	code = code != 0 ? code : take_kind(conf->json, "args", JSON_OBJECT, &args, error);
	code = code != 0 ? code : take_kind(args, "cni", JSON_OBJECT, &cni, error);
	code = code != 0 ? code : take_text(cni, "mac", &mac, error);
	code = code != 0 ? code : take_text(runtime, "mac", &mac, error);
	if (code != 0 || mac == NULL)
		return code;
	if (!is_mac(mac))
		return cni_fail(error, CNI_INVALID_CONFIG,
				"mac \"%.32s\" is no address of one interface, such as 02:00:00:12:34:56", mac);
	memmove(conf->mac, mac, MAC_TEXT_BYTES);
	return 0;
}

static int take_members(struct netconf *conf, const struct cni_args *args, struct cni_error *error)
{
	const json_t *ipam = NULL, *json = conf->json;
	int code;

	conf->control = CONTROL_DEFAULT;
	conf->socket_dir = SOCKET_DIR_DEFAULT;
	code = take_text(json, "name", &conf->name, error);
	code = code != 0 ? code : take_text(json, "control", &conf->control, error);
	code = code != 0 ? code : take_text(json, "bridge", &conf->bridge, error);
	code = code != 0 ? code : take_text(json, "mode", &conf->mode, error);
	code = code != 0 ? code : take_text(json, "socketDir", &conf->socket_dir, error);
	code = code != 0 ? code : take_kind(json, "port", JSON_OBJECT, &conf->port, error);
	code = code != 0 ? code : take_kind(json, "prevResult", JSON_OBJECT, &conf->prev_result, error);
	code = code != 0 ? code : take_kind(json, "cni.dev/valid-attachments", JSON_ARRAY, &conf->valid_attachments, error);
	code = code != 0 ? code : take_kind(json, "ipam", JSON_OBJECT, &ipam, error);
	code = code != 0 ? code : take_text(ipam, "type", &conf->ipam, error);
	code = code != 0 ? code : take_host(conf, error);
	code = code != 0 ? code : take_mac(conf, args, error);
	if (code != 0)
		return code;
	if (conf->name == NULL)
		return cni_fail(error, CNI_INVALID_CONFIG, "\"name\" of the network configuration is missing");
	if (conf->socket_dir[0] != '/' || (conf->shared_dir != NULL && conf->shared_dir[0] != '/'))
		return cni_fail(error, CNI_INVALID_CONFIG,
				"\"socketDir\" and \"sharedDir\" are folders from the root, as " SOCKET_DIR_DEFAULT);
	if (conf->ipam != NULL && !is_file_name(conf->ipam))
		return cni_fail(error, CNI_INVALID_CONFIG,
				"\"type\" of \"ipam\" is \"%.64s\": it is a program's name, without a folder", conf->ipam);
	return 0;
}

static int take_timeout(const struct netconf *conf, struct cni_error *error)
{
	const json_t *timeout = json_object_get(conf->json, "timeout");
	json_int_t seconds = timeout != NULL ? json_integer_value(timeout) : TIME_LIMIT_SECONDS;

	if (seconds < 1 || seconds > TIMEOUT_MAX)
		return cni_fail(error, CNI_INVALID_CONFIG,
				"\"timeout\" of the network configuration is a number of seconds, 1 to %d", TIMEOUT_MAX);
	time_limit_set((unsigned int)seconds, conf->version);
	return 0;
}

int netconf_read(struct netconf *conf, const struct cni_args *args, struct cni_error *error)
{
	const char *version = "0.1.0";
	json_error_t wrong;
	int code = read_all(conf, error);

	conf->version = NETCONF_NEWEST;
	if (code != 0)
		return code;
	conf->json = json_loadb(conf->text, conf->len, JSON_REJECT_DUPLICATES, &wrong);
	if (!json_is_object(conf->json))
		return cni_fail(error, CNI_DECODE_FAILURE, "the network configuration is no JSON object: %s",
				conf->json == NULL ? wrong.text : "it is something else");
	if (json_is_array(json_object_get(conf->json, "plugins")) && json_object_get(conf->json, "type") == NULL)
		return cni_fail(error, CNI_INVALID_CONFIG,
				"this is a whole list: it has \"plugins\"; a plugin is given one entry of these, with the "
				"\"name\" and the \"cniVersion\" of the list, as a runtime or cnitool does it");
	code = take_text(conf->json, "cniVersion", &version, error);
	if (code != 0 || (place_of(version) < 0 && args->command == CNI_VERSION))
		return code;
	if (place_of(version) < 0)
		return cni_fail(error, CNI_INCOMPATIBLE_VERSION,
				"\"cniVersion\" is \"%.64s\": this plugin knows 0.3.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0",
				version);
	conf->version = netconf_versions[place_of(version)];
	if (args->command == CNI_VERSION)
		return 0;
	if ((args->command == CNI_CHECK && !netconf_is_from(conf, "0.4.0")) ||
	    ((args->command == CNI_GC || args->command == CNI_STATUS) && !netconf_is_from(conf, "1.1.0")))
		return cni_fail(error, CNI_INCOMPATIBLE_VERSION,
				"version %s of the specification does not have this command", conf->version);
	code = take_timeout(conf, error);
	return code != 0 ? code : take_members(conf, args, error);
}

void netconf_free(struct netconf *conf)
{
	json_decref(conf->json);
	free(conf->text);
	*conf = (struct netconf){0};
}
