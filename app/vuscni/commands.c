/* SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ipam.h"
#include "pod_config.h"
#include "result.h"
#include "switch_port.h"

/* --- ADD, DEL ---------------------------------------------------------------------------------------------------- */

/* All that may be there of an attachment goes. The first error counts, and keeps nothing from being tried. */
static int take_away(const struct netconf *conf, const struct cni_args *args, struct cni_error *error)
{
	struct attachment_name name = attachment_name(conf->name, args->container, args->ifname);
	struct ctl_client client = {0};
	struct cni_error first = {0}, next;
	json_t *said;
	bool gone;

	/* A switch that is not there has no port, and what it kept over its end GC finds: the container may go. One that is
	 * there and does not answer may have it: the runtime asks again. */
	if (switch_open(&client, conf, &gone, &first) == 0) {
		switch_port_remove(&client, name.text, &first);
	} else if (gone) {
		fprintf(stderr, "vuscni: port %s is not removed: %s\n", name.text, first.text);
		first = (struct cni_error){0};
	}
	ctl_client_close(&client);
	pod_config_remove(conf, args);
	if (ipam_run(conf, args, "DEL", &said, &next) != 0 && first.code == 0)
		first = next;
	json_decref(said);
	*error = first;
	return first.code;
}

static int make_port(const struct netconf *conf, const struct cni_args *args, const char *port, const char *socket,
		     struct cni_error *error)
{
	struct ctl_client client = {0};
	int code = pod_folder_make(conf, args, error);

	code = code != 0 ? code : switch_open(&client, conf, NULL, error);
	code = code != 0 ? code : switch_port_ensure(&client, conf, port, socket, false, error);
	ctl_client_close(&client);
	return code;
}

static int do_add(const struct netconf *conf, const struct cni_args *args, json_t **answer, struct cni_error *error)
{
	struct attachment_name port = attachment_name(conf->name, args->container, args->ifname);
	char socket[SOCKET_PATH_BYTES];
	struct mac_text mac;
	struct cni_error ignored;
	json_t *from_ipam;
	int code = pod_socket(conf, args, port.text, socket, error);

	if (code != 0)
		return code;
	if (conf->mac[0] != '\0')
		strcpy(mac.text, conf->mac);
	else
		mac = attachment_mac(conf->name, args->container, args->ifname);
	code = ipam_run(conf, args, "ADD", &from_ipam, error);
	if (code != 0)
		return code;
	code = make_port(conf, args, port.text, socket, error);
	if (code == 0) {
		*answer = result_make(conf, args, port.text, socket, mac.text, from_ipam);
		code = *answer != NULL ? pod_config_write(conf, args, socket, *answer, error)
				       : cni_fail(error, CNI_IO_FAILURE, "no memory");
	}
	json_decref(from_ipam);
	/* The runtime is to say DEL now, and not all do. */
	if (code != 0)
		take_away(conf, args, &ignored);
	return code;
}

/* --- CHECK ------------------------------------------------------------------------------------------------------- */

static int check_port(const struct netconf *conf, const char *name, const char *socket, struct cni_error *error)
{
	struct ctl_client client = {0};
	json_t *port = NULL;
	const char *text;
	int code = switch_open(&client, conf, NULL, error);

	code = code != 0 ? code : switch_port_get(&client, name, &port, error);
	if (code == 0 && port == NULL)
		code = cni_fail(error, CNI_CHECK_FAILED,
				"port %s is not there: the switch at %s was restarted, or somebody removed it; start the "
				"container again",
				name, conf->control);
	text = json_string_value(json_object_get(json_object_get(port, "options"), "socket"));
	if (code == 0 && (text == NULL || strcmp(text, socket) != 0))
		code = cni_fail(error, CNI_CHECK_FAILED,
				"port %s has socket %s, and was made with %s: start the container again", name,
				text != NULL ? text : "of nobody", socket);
	text = json_string_value(json_object_get(port, "bridge"));
	if (code == 0 && conf->bridge != NULL && (text == NULL || strcmp(text, conf->bridge) != 0))
		code = cni_fail(error, CNI_CHECK_FAILED,
				"port %s is on bridge %s, and was made for %s: vusctl port set %s bridge=%s", name,
				text != NULL ? text : "of nobody", conf->bridge, name, conf->bridge);
	json_decref(port);
	ctl_client_close(&client);
	return code;
}

static int do_check(const struct netconf *conf, const struct cni_args *args, struct cni_error *error)
{
	struct attachment_name port = attachment_name(conf->name, args->container, args->ifname);
	char socket[SOCKET_PATH_BYTES];
	json_t *said;
	int code = pod_socket(conf, args, port.text, socket, error);

	if (code != 0)
		return code;
	if (conf->prev_result == NULL)
		return cni_fail(error, CNI_INVALID_CONFIG,
				"\"prevResult\" is missing: CHECK has what ADD answered in the network configuration");
	if (!result_has_interface(conf->prev_result, args))
		return cni_fail(error, CNI_CHECK_FAILED, "\"prevResult\" has no interface %s of a container", args->ifname);
	code = check_port(conf, port.text, socket, error);
	if (code != 0)
		return code;
	code = ipam_run(conf, args, "CHECK", &said, error);
	json_decref(said);
	return code;
}

/* --- GC ---------------------------------------------------------------------------------------------------------- */

/* The names of the ports that stay, as keys. */
static json_t *wanted_ports(const struct netconf *conf, struct cni_error *error)
{
	json_t *wanted = json_object(), *entry;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)conf->valid_attachments, i, entry)
	{
		const char *container = json_string_value(json_object_get(entry, "containerID"));
		const char *ifname = json_string_value(json_object_get(entry, "ifname"));

		if (container == NULL || ifname == NULL) {
			cni_fail(error, CNI_INVALID_CONFIG,
				 "entry %zu of \"cni.dev/valid-attachments\" is without \"containerID\" and \"ifname\": "
				 "nothing was removed",
				 i);
			json_decref(wanted);
			return NULL;
		}
		if (json_object_set_new(wanted, attachment_name(conf->name, container, ifname).text, json_true()) != 0) {
			cni_fail(error, CNI_IO_FAILURE, "no memory: nothing was removed");
			json_decref(wanted);
			return NULL;
		}
	}
	return wanted;
}

static int remove_others(const struct netconf *conf, const json_t *wanted, struct cni_error *error)
{
	struct attachment_name prefix = attachment_prefix(conf->name);
	struct ctl_client client = {0};
	struct cni_error first = {0}, next;
	json_t *reply = NULL, *entry;
	size_t i;
	int code = switch_open(&client, conf, NULL, error);

	code = code != 0 ? code : switch_ports(&client, &reply, error);
	json_array_foreach(json_object_get(reply, "ports"), i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "name"));

		if (name == NULL || strncmp(name, prefix.text, strlen(prefix.text)) != 0 ||
		    json_object_get(wanted, name) != NULL)
			continue;
		if (switch_port_remove(&client, name, &next) != 0 && first.code == 0)
			first = next;
	}
	json_decref(reply);
	ctl_client_close(&client);
	if (code == 0 && first.code != 0)
		*error = first;
	return code != 0 ? code : first.code;
}

struct wanted {
	const struct netconf *conf;
	const json_t *ports;
};

static bool is_wanted(const void *arg, const char *container, const char *ifname)
{
	const struct wanted *wanted = arg;

	return json_object_get(wanted->ports, attachment_name(wanted->conf->name, container, ifname).text) != NULL;
}

static int do_gc(const struct netconf *conf, const struct cni_args *args, struct cni_error *error)
{
	struct cni_error next;
	json_t *wanted, *said;
	int code;

	/* Without the list nobody said that nothing is in use. */
	if (conf->valid_attachments == NULL)
		return cni_fail(error, CNI_INVALID_CONFIG, "\"cni.dev/valid-attachments\" is missing: nothing was removed");
	wanted = wanted_ports(conf, error);
	if (wanted == NULL)
		return error->code;
	code = remove_others(conf, wanted, error);
	/* A port that is there still has its socket. */
	if (code == 0)
		pod_config_collect(conf, is_wanted, &(struct wanted){.conf = conf, .ports = wanted});
	json_decref(wanted);
	if (ipam_run(conf, args, "GC", &said, &next) != 0 && code == 0) {
		*error = next;
		code = next.code;
	}
	json_decref(said);
	return code;
}

/* --- STATUS, VERSION --------------------------------------------------------------------------------------------- */

/* Whether ADD would work: the switch is asked what it would make of a port. */
static int do_status(const struct netconf *conf, const struct cni_args *args, struct cni_error *error)
{
	const struct cni_args nobody = {
		.container = "status", .ifname = "status", .netns = "", .path = args->path, .args = ""};
	struct attachment_name name = attachment_name(conf->name, nobody.container, nobody.ifname);
	char socket[SOCKET_PATH_BYTES];
	struct ctl_client client = {0};
	json_t *said;
	int code = pod_socket(conf, &nobody, name.text, socket, error);

	code = code != 0 ? code : switch_open(&client, conf, NULL, error);
	code = code != 0 ? code : switch_port_ensure(&client, conf, name.text, socket, true, error);
	ctl_client_close(&client);
	if (code != 0)
		return error->code = CNI_NOT_AVAILABLE;
	code = ipam_run(conf, args, "STATUS", &said, error);
	json_decref(said);
	return code;
}

static json_t *version_answer(const struct netconf *conf)
{
	json_t *all = json_array();

	for (int i = 0; netconf_versions[i] != NULL; i++)
		json_array_append_new(all, json_string(netconf_versions[i]));
	return json_pack("{s:s, s:o}", "cniVersion", conf->version, "supportedVersions", all);
}

int command_do(const struct netconf *conf, const struct cni_args *args, json_t **answer, struct cni_error *error)
{
	*answer = NULL;
	switch (args->command) {
	case CNI_ADD:
		return do_add(conf, args, answer, error);
	case CNI_DEL:
		return take_away(conf, args, error);
	case CNI_CHECK:
		return do_check(conf, args, error);
	case CNI_GC:
		return do_gc(conf, args, error);
	case CNI_STATUS:
		return do_status(conf, args, error);
	case CNI_VERSION:
		break;
	}
	*answer = version_answer(conf);
	return 0;
}
