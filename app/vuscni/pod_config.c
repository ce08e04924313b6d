/* SPDX-License-Identifier: BSD-3-Clause */
#include "pod_config.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Characters of a container's identifier, as the userspace CNI plugin takes them. */
enum { ID_CHARACTERS = 12 };

static void folder_of(const struct netconf *conf, const struct cni_args *args, char folder[PATH_MAX])
{
	const char *base = conf->shared_dir != NULL ? conf->shared_dir : conf->socket_dir;

	snprintf(folder, PATH_MAX, "%s/%.*s", base, ID_CHARACTERS, args->container);
}

static void file_of(const struct netconf *conf, const struct cni_args *args, char file[PATH_MAX])
{
	const char *base = conf->shared_dir != NULL ? conf->shared_dir : conf->socket_dir;

	snprintf(file, PATH_MAX, "%s/%.*s/configData-%.*s-%s.json", base, ID_CHARACTERS, args->container, ID_CHARACTERS,
		 args->container, args->ifname);
}

int pod_socket(const struct netconf *conf, const struct cni_args *args, const char *port, char socket[SOCKET_PATH_BYTES],
	       struct cni_error *error)
{
	char folder[PATH_MAX], path[PATH_MAX + NAME_MAX];

	folder_of(conf, args, folder);
	if (conf->host == NULL)
		snprintf(path, sizeof(path), "%s/%s.sock", conf->socket_dir, port);
	else if (conf->socket_file != NULL)
		snprintf(path, sizeof(path), "%s/%.*s", folder, NAME_MAX - 2, conf->socket_file);
	else
		snprintf(path, sizeof(path), "%s/%.*s-%s", folder, ID_CHARACTERS, args->container, args->ifname);
	if (strlen(path) >= SOCKET_PATH_BYTES)
		return cni_fail(
			error, CNI_INVALID_CONFIG,
			"%s: a socket's path has at most 107 characters: say a shorter \"socketDir\" or \"sharedDir\"",
			path);
	strcpy(socket, path);
	return 0;
}

int pod_folder_make(const struct netconf *conf, const struct cni_args *args, struct cni_error *error)
{
	char folder[PATH_MAX], above[PATH_MAX];

	if (conf->host == NULL)
		return 0;
	folder_of(conf, args, folder);
	strcpy(above, folder);
	if (mkdir(dirname(above), 0755) != 0 && errno != EEXIST)
		return cni_fail(error, CNI_IO_FAILURE, "folder %s cannot be made: %s; make the one above it", above,
				strerror(errno));
	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return cni_fail(error, CNI_IO_FAILURE, "folder %s cannot be made: %s", folder, strerror(errno));
	return 0;
}

/* "container" of the configuration, completed by what follows from "host". */
static json_t *container_config(const struct netconf *conf, const char *socket)
{
	json_t *config = conf->container != NULL ? json_deep_copy(conf->container) : json_object();
	json_t *vhost = json_object_get(config, "vhost");
	const char *other = conf->mode != NULL && strcmp(conf->mode, "client") == 0 ? "server" : "client";

	if (!json_is_object(vhost)) {
		json_object_set_new(config, "vhost", json_object());
		vhost = json_object_get(config, "vhost");
	}
	if (json_object_get(vhost, "mode") == NULL)
		json_object_set_new(vhost, "mode", json_string(other));
	json_object_set_new(vhost, "socketfile", json_string(strrchr(socket, '/') + 1));
	if (json_object_get(config, "iftype") == NULL)
		json_object_set_new(config, "iftype", json_string("vhostuser"));
	if (json_object_get(config, "netType") == NULL)
		json_object_set_new(config, "netType", json_string("interface"));
	return config;
}

int pod_config_write(const struct netconf *conf, const struct cni_args *args, const char *socket, const json_t *result,
		     struct cni_error *error)
{
	char file[PATH_MAX], draft[PATH_MAX + 8];
	json_t *json;
	int failed;

	if (conf->host == NULL)
		return 0;
	file_of(conf, args, file);
	snprintf(draft, sizeof(draft), "%s.new", file);
	json = json_pack("{s:s, s:s, s:s, s:o, s:O}", "containerId", args->container, "ifName", args->ifname, "name",
			 conf->name, "config", container_config(conf, socket), "ipResult", result);
	failed = json == NULL || json_dump_file(json, draft, JSON_INDENT(2)) != 0 || rename(draft, file) != 0;
	json_decref(json);
	if (!failed)
		return 0;
	unlink(draft);
	return cni_fail(error, CNI_IO_FAILURE, "%s cannot be written: is there room in its file system?", file);
}

void pod_config_remove(const struct netconf *conf, const struct cni_args *args)
{
	char path[PATH_MAX], draft[PATH_MAX + 8];

	if (conf->host == NULL)
		return;
	file_of(conf, args, path);
	snprintf(draft, sizeof(draft), "%s.new", path);
	unlink(draft);
	unlink(path);
	folder_of(conf, args, path);
	rmdir(path);
}
