/* SPDX-License-Identifier: BSD-3-Clause */
#include "pod_config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Characters of a container's identifier, as the userspace CNI plugin takes them. */
enum { ID_CHARACTERS = 12 };
/* What IPAM answered is a part of the file. */
enum { CONFIG_BYTES_MAX = 8 * 1024 * 1024 };
#define CONFIG_PREFIX "configData-"

static const char *base_of(const struct netconf *conf)
{
	return conf->shared_dir != NULL ? conf->shared_dir : conf->socket_dir;
}

static void folder_of(const struct netconf *conf, const struct cni_args *args, char folder[PATH_MAX])
{
	snprintf(folder, PATH_MAX, "%s/%.*s", base_of(conf), ID_CHARACTERS, args->container);
}

/* The file's name in it, and that of its draft. */
static void file_of(const struct cni_args *args, char file[NAME_MAX], char draft[NAME_MAX])
{
	snprintf(file, NAME_MAX, CONFIG_PREFIX "%.*s-%.32s.json", ID_CHARACTERS, args->container, args->ifname);
	snprintf(draft, NAME_MAX, CONFIG_PREFIX "%.*s-%.32s.json.new", ID_CHARACTERS, args->container, args->ifname);
}

/* The folder, or -1. Who is in the container may have put there what he likes, a link above all, and we are root: no link is
 * followed from here on. */
static int folder_open(const struct netconf *conf, const struct cni_args *args)
{
	char folder[PATH_MAX];

	folder_of(conf, args, folder);
	return open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
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
	char folder[PATH_MAX];
	int fd;

	if (conf->host == NULL)
		return 0;
	if (mkdir(base_of(conf), 0755) != 0 && errno != EEXIST)
		return cni_fail(error, CNI_IO_FAILURE, "folder %s cannot be made: %s; make the one above it", base_of(conf),
				strerror(errno));
	folder_of(conf, args, folder);
	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return cni_fail(error, CNI_IO_FAILURE, "folder %s cannot be made: %s", folder, strerror(errno));
	fd = folder_open(conf, args);
	if (fd < 0)
		return cni_fail(error, CNI_IO_FAILURE, "folder %s is something else: %s; remove it", folder, strerror(errno));
	close(fd);
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

/* A new file in the folder, whatever is there. 0, or -1 with errno. */
static int write_new(int folder, const char *name, const json_t *json)
{
	int fd, failed;

	unlinkat(folder, name, 0);
	fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	failed = json_dumpfd(json, fd, JSON_INDENT(2));
	return close(fd) != 0 ? -1 : failed;
}

int pod_config_write(const struct netconf *conf, const struct cni_args *args, const char *socket, const json_t *result,
		     struct cni_error *error)
{
	char file[NAME_MAX], draft[NAME_MAX];
	int folder, code = 0;
	json_t *json;

	if (conf->host == NULL)
		return 0;
	file_of(args, file, draft);
	folder = folder_open(conf, args);
	json = json_pack("{s:s, s:s, s:s, s:o, s:O}", "containerId", args->container, "ifName", args->ifname, "name",
			 conf->name, "config", container_config(conf, socket), "ipResult", result);
	errno = ENOMEM;
	if (json == NULL || write_new(folder, draft, json) != 0 || renameat(folder, draft, folder, file) != 0) {
		code = cni_fail(error, CNI_IO_FAILURE, "%s/%.*s/%s cannot be written: %s", base_of(conf), ID_CHARACTERS,
				args->container, file, strerror(errno));
		unlinkat(folder, draft, 0);
	}
	json_decref(json);
	if (folder >= 0)
		close(folder);
	return code;
}

void pod_config_remove(const struct netconf *conf, const struct cni_args *args)
{
	char path[PATH_MAX], file[NAME_MAX], draft[NAME_MAX];
	int folder;

	if (conf->host == NULL)
		return;
	folder = folder_open(conf, args);
	if (folder < 0)
		return;
	file_of(args, file, draft);
	unlinkat(folder, draft, 0);
	unlinkat(folder, file, 0);
	close(folder);
	folder_of(conf, args, path);
	rmdir(path);
}

/* --- what nobody has taken away --------------------------------------------------------------------------------- */

/* A file that somebody in the container may have put there: whatever it is, nothing is waited for. NULL: it is no such file. */
static json_t *read_untrusted(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	json_t *json = NULL;
	struct stat st;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= CONFIG_BYTES_MAX)
		json = json_loadfd(fd, 0, NULL);
	close(fd);
	return json;
}

/* Removes the file, its draft, and the socket that nobody made a port of any more. */
static void remove_left(int folder, const struct cni_args *args)
{
	char file[NAME_MAX], draft[NAME_MAX], socket[NAME_MAX];
	struct stat st;

	file_of(args, file, draft);
	unlinkat(folder, draft, 0);
	unlinkat(folder, file, 0);
	snprintf(socket, sizeof(socket), "%.*s-%.32s", ID_CHARACTERS, args->container, args->ifname);
	if (fstatat(folder, socket, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
		unlinkat(folder, socket, 0);
}

/* What a file says of an attachment goes with it, if that is one of this network, the file's name fits, and it is unwanted.
 * Whether it went. */
static bool look_at_file(const struct netconf *conf, int folder, const char *name, pod_is_wanted is_wanted, const void *arg)
{
	json_t *json = read_untrusted(folder, name);
	const char *network = json_string_value(json_object_get(json, "name"));
	const struct cni_args args = {.container = json_string_value(json_object_get(json, "containerId")),
				      .ifname = json_string_value(json_object_get(json, "ifName"))};
	char file[NAME_MAX], draft[NAME_MAX];
	bool goes = false;

	if (network != NULL && args.container != NULL && args.ifname != NULL && strcmp(network, conf->name) == 0 &&
	    cni_container_is_valid(args.container) && cni_ifname_is_valid(args.ifname)) {
		file_of(&args, file, draft);
		goes = strcmp(name, file) == 0 && !is_wanted(arg, args.container, args.ifname);
	}
	if (goes)
		remove_left(folder, &args);
	json_decref(json);
	return goes;
}

static void look_at_folder(const struct netconf *conf, int above, const char *name, pod_is_wanted is_wanted, const void *arg)
{
	int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	bool any = false;

	if (folder == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (strncmp(entry->d_name, CONFIG_PREFIX, strlen(CONFIG_PREFIX)) == 0)
			any |= look_at_file(conf, fd, entry->d_name, is_wanted, arg);
	closedir(folder);
	/* If there is something else in it, it stays; so does one that is empty, because it has just been made. */
	if (any)
		unlinkat(above, name, AT_REMOVEDIR);
}

void pod_config_collect(const struct netconf *conf, pod_is_wanted is_wanted, const void *arg)
{
	DIR *base = conf->host != NULL ? opendir(base_of(conf)) : NULL;
	struct dirent *entry;

	while (base != NULL && (entry = readdir(base)) != NULL)
		if (cni_container_is_valid(entry->d_name) && strlen(entry->d_name) <= ID_CHARACTERS)
			look_at_folder(conf, dirfd(base), entry->d_name, is_wanted, arg);
	if (base != NULL)
		closedir(base);
}
