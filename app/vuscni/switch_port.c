/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch_port.h"

#include <errno.h>
#include <string.h>

/* The switch answers a change within three seconds, or says what it still waits for. */
enum { ANSWER_SECONDS = 10 };

int switch_open(struct ctl_client *client, const struct netconf *conf, bool *gone, struct cni_error *error)
{
	struct fail fail;
	int result = ctl_client_open(client, conf->control, ANSWER_SECONDS, "\"control\" in the network configuration", &fail);

	if (gone != NULL)
		*gone = result == -ENOENT || result == -ECONNREFUSED;
	if (result == 0)
		return 0;
	return cni_fail(error, CNI_TRY_AGAIN, "%s", fail.text);
}

/* What the switch's word for an error is in the specification. */
static enum cni_code code_of(const char *word)
{
	static const struct {
		const char *word;
		enum cni_code code;
	} rows[] = {
		{"invalid", CNI_INVALID_CONFIG},
		{"busy", CNI_TRY_AGAIN},
		{"no-memory", CNI_TRY_AGAIN},
		{"not-found", CNI_UNKNOWN_CONTAINER},
	};

	for (size_t i = 0; word != NULL && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(word, rows[i].word) == 0)
			return rows[i].code;
	return CNI_SWITCH_REFUSED;
}

/* Releases the request; the reply is the caller's. */
static int ask(struct ctl_client *client, json_t *request, json_t **reply, struct cni_error *error)
{
	struct fail fail;
	const char *complaint;
	int code;

	*reply = NULL;
	if (request == NULL)
		return cni_fail(error, CNI_IO_FAILURE, "no memory");
	if (ctl_client_ask(client, request, &fail) != 0)
		return cni_fail(error, CNI_TRY_AGAIN, "%s", fail.text);
	*reply = ctl_client_reply(client, &fail);
	if (*reply == NULL)
		return cni_fail(error, CNI_IO_FAILURE, "%s", fail.text);
	complaint = json_string_value(json_object_get(*reply, "error"));
	if (complaint == NULL)
		return 0;
	code = cni_fail(error, code_of(json_string_value(json_object_get(*reply, "code"))), "the switch at %s: %s",
			client->path, complaint);
	json_decref(*reply);
	*reply = NULL;
	return code;
}

int switch_port_ensure(struct ctl_client *client, const struct netconf *conf, const char *name, const char *socket,
		       bool dry_run, struct cni_error *error)
{
	json_t *port = conf->port != NULL ? json_deep_copy(conf->port) : json_object(), *reply;
	int code;

	/* What makes the port an attachment is not an option of it. */
	json_object_set_new(port, "name", json_string(name));
	json_object_set_new(port, "type", json_string("vhost-user"));
	json_object_set_new(port, "socket", json_string(socket));
	if (conf->bridge != NULL)
		json_object_set_new(port, "bridge", json_string(conf->bridge));
	if (conf->mode != NULL)
		json_object_set_new(port, "mode", json_string(conf->mode));
	code = ask(client, json_pack("{s:s, s:b, s:o}", "command", "port.ensure", "dry-run", (int)dry_run, "port", port),
		   &reply, error);
	json_decref(reply);
	return code;
}

int switch_port_remove(struct ctl_client *client, const char *name, struct cni_error *error)
{
	json_t *reply;
	int code = ask(client, json_pack("{s:s, s:s}", "command", "port.remove", "name", name), &reply, error);

	json_decref(reply);
	if (code != CNI_UNKNOWN_CONTAINER)
		return code;
	*error = (struct cni_error){0};
	return 0;
}

int switch_ports(struct ctl_client *client, json_t **reply, struct cni_error *error)
{
	return ask(client, json_pack("{s:s}", "command", "ports"), reply, error);
}

/* "port" answers about one that is not there with an error without a code: so the list is looked at first. */
int switch_port_get(struct ctl_client *client, const char *name, json_t **port, struct cni_error *error)
{
	json_t *reply, *entry;
	size_t i;
	bool there = false;
	int code = switch_ports(client, &reply, error);

	*port = NULL;
	if (code != 0)
		return code;
	json_array_foreach(json_object_get(reply, "ports"), i, entry)
	{
		const char *of = json_string_value(json_object_get(entry, "name"));

		there |= of != NULL && strcmp(of, name) == 0;
	}
	json_decref(reply);
	if (!there)
		return 0;
	code = ask(client, json_pack("{s:s, s:s}", "command", "port", "name", name), &reply, error);
	*port = json_incref(json_object_get(reply, "port"));
	json_decref(reply);
	return code;
}
