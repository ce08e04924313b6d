/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "one_path.h"
#include "vhu_device.h"
#include "vus_limits.h"

/* --- the rows --------------------------------------------------------------------------------------------------- */

static const struct option_word modes[] = {
	[VHU_SERVER] = {"server", "vuswitch makes the socket"},
	[VHU_CLIENT] = {"client", "the VM does"},
	[VHU_CLIENT + 1] = {NULL, NULL},
};

#define ROW(name, is, member) .key = (name), .kind = (is), .offset = offsetof(struct vhost_options, member)

static const struct option_row rows[] = {
	{ROW("socket", OPTION_TEXT, socket), .value = "SOCKET",
	 .needed = "say where its VM is to be met, as in socket: /run/vuswitch/vm1.sock",
	 .help = "the path of the socket, from the root, up to 107 characters; in server mode its folder is made if missing"},
	{ROW("mode", OPTION_WORD, mode), .words = modes, .normal = VHU_SERVER,
	 .help = "server: the switch makes the socket; client: the VM does, and the switch connects and keeps trying"},
	{ROW("queues", OPTION_NUMBER, queues), .value = "N", .min = 1, .max = VHOST_QUEUE_PAIRS_MAX, .normal = 1,
	 .help = "queue pairs the VM may use"},
	{ROW("postcopy", OPTION_FLAG, postcopy), .normal = true, .otherwise = "on for one queue pair, off for several",
	 .on = "postcopy migration is offered where the machine allows it",
	 .help = "whether the VM may arrive by postcopy live migration"},
	{ROW("offloads", OPTION_FLAG, offloads), .normal = true,
	 .on = "checksums and segmentation are left to the receiver, if it can do them",
	 .help = "whether checksums and segmentation may be left to the receiver"},
	{ROW("control-queue", OPTION_FLAG, control_queue), .normal = true,
	 .on = "the front end serves the guest's control queue, as QEMU does",
	 .help = "off, for crosvm and libkrun: nothing that needs the control queue is offered; one queue pair only"},
	{ROW("memory-wait", OPTION_NUMBER, memory_wait), .value = "MS", .max = 3600000, .normal = 1500, .live = true,
	 .help = "how long in all lcores may wait for the guest's memory, in ms, before the port goes down; 0: for ever"},
	{ROW("memory-wait-rate", OPTION_NUMBER, memory_wait_rate), .value = "MS", .min = 1, .max = 1000, .normal = 5,
	 .live = true, .needs = "memory-wait", .help = "how much of that waiting is forgotten each second, in ms"},
	{ROW("interrupt-wait", OPTION_NUMBER, interrupt_wait), .value = "MS", .max = 3600000, .normal = 300, .live = true,
	 .help = "how much of lcores' time its slow interrupts may take in all, in ms, before the port goes down; 0: any"},
	{ROW("interrupt-wait-rate", OPTION_NUMBER, interrupt_wait_rate), .value = "MS", .min = 1, .max = 1000, .normal = 2,
	 .live = true, .needs = "interrupt-wait", .help = "how much of that time is forgotten each second, in ms"},
	{ROW("socket-owner", OPTION_USER, socket_owner), .value = "USER", .live = true, .common = true,
	 .otherwise = "the switch's own user",
	 .help = "the user the socket belongs to, a name or a number; in server mode"},
	{ROW("socket-group", OPTION_GROUP, socket_group), .value = "GROUP", .live = true, .common = true,
	 .otherwise = "the switch's own group",
	 .help = "the group the socket belongs to, a name or a number; in server mode"},
	{ROW("socket-mode", OPTION_MODE, socket_mode), .value = "OCTAL", .live = true, .common = true,
	 .otherwise = "0777 less the switch's umask",
	 .help = "who may use the socket, 0 to 0777; to connect needs the right to write; in server mode"},
};

const struct option_table vhost_options = OPTION_TABLE(rows, struct vhost_options);

bool vhost_options_listens(const struct vhost_options *options)
{
	return options->mode == VHU_SERVER;
}

void vhost_options_bounds(const struct vhost_options *options, struct stall_bound bound[STALL_KINDS])
{
	bound[STALL_MEMORY] = (struct stall_bound){
		.burst_ns = options->memory_wait * NS_PER_MS,
		.rate_ns = options->memory_wait_rate * NS_PER_MS,
	};
	bound[STALL_INTERRUPT] = (struct stall_bound){
		.burst_ns = options->interrupt_wait * NS_PER_MS,
		.rate_ns = options->interrupt_wait_rate * NS_PER_MS,
	};
}

struct rights vhost_options_rights(const struct vhost_options *options)
{
	return (struct rights){
		.given = {[RIGHTS_OWNER] = option_given(&vhost_options, options, "socket-owner"),
			  [RIGHTS_GROUP] = option_given(&vhost_options, options, "socket-group"),
			  [RIGHTS_MODE] = option_given(&vhost_options, options, "socket-mode")},
		.owner = options->socket_owner,
		.group = options->socket_group,
		.mode = options->socket_mode,
	};
}

/* --- the socket ------------------------------------------------------------------------------------------------- */

static int check_text(const char *path, const struct option_entry *entry, struct fail *fail)
{
	const char *name = strrchr(path, '/');

	name = name != NULL ? name + 1 : path;
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return option_fail(fail, -ENAMETOOLONG, entry, "socket",
				   "the path of its socket has more than 107 characters, the kernel's limit; use a "
				   "shorter one");
	if (has_control_character(path))
		return option_fail(fail, -EINVAL, entry, "socket",
				   "the path of its socket, \"%s\", has a control character; remove it", path);
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return option_fail(fail, -EINVAL, entry, "socket",
				   "socket \"%s\" names a folder; give the socket in it a name, as in "
				   "/run/vuswitch/vm1.sock",
				   path);
	/* Where the switch will be started is not known in a file, nor where it was started to who sends a request: only to the
	 * command line, an option of which is the source. */
	if (path[0] != '/' && strncmp(entry->source, "--", 2) != 0)
		return option_fail(fail, -EINVAL, entry, "socket",
				   "socket \"%s\" is not a path from the root; write it whole, as in /run/vuswitch/%s",
				   path, name);
	return 0;
}

/* A path of the command line counts from the current folder. */
static int make_absolute(struct vhost_options *options, const struct option_entry *entry, struct fail *fail)
{
	char folder[PATH_MAX], *path;

	/* A path that only fits as it is stays as it is: the process never leaves its folder. */
	if (getcwd(folder, sizeof(folder)) == NULL ||
	    strlen(folder) + strlen(options->socket) + 1 >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return 0;
	if (asprintf(&path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, options->socket) < 0)
		return option_fail(fail, -ENOMEM, entry, "socket", "no memory");
	free(options->socket);
	options->socket = path;
	return 0;
}

char *vhost_options_takes(const void *values)
{
	const struct vhost_options *options = values;

	return one_path(options->socket);
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

/* Where the VM makes the socket, its rights are not ours to give. */
static int check_rights(struct vhost_options *options, const void *common, const struct option_entry *entry,
			struct fail *fail)
{
	static const char *const keys[] = {"socket-owner", "socket-group", "socket-mode"};

	if (options->mode == VHU_SERVER)
		return option_inherit(&vhost_options, options, common) == 0
			       ? 0
			       : option_fail(fail, -ENOMEM, entry, NULL, "no memory");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (option_given(&vhost_options, options, keys[i]))
			return option_fail(fail, -EINVAL, entry, keys[i],
					   "%s is nothing to a port in mode: client, whose VM makes the socket; remove it",
					   keys[i]);
	return 0;
}

int vhost_options_verify(void *values, const void *common, const struct option_entry *entry, struct fail *fail)
{
	struct vhost_options *options = values;
	int error = check_text(options->socket, entry, fail);

	if (error == 0 && options->socket[0] != '/')
		error = make_absolute(options, entry, fail);
	if (error != 0)
		return error;
	/* QEMU breaks a guest that arrives by postcopy with more than one queue pair (docs/postcopy.md): to be asked for. */
	if (!option_given(&vhost_options, options, "postcopy"))
		options->postcopy = options->queues == 1;
	/* Several queue pairs are switched on through the control queue, and by nothing else. */
	if (!options->control_queue && options->queues > 1)
		return option_fail(fail, -EINVAL, entry, "control-queue",
				   "%u queue pairs need the control queue; remove queues, or control-queue: off",
				   options->queues);
	return check_rights(options, common, entry, fail);
}

/* --- what may come yet ------------------------------------------------------------------------------------------ */

/* The folder above that of a socket which the switch is to make: it makes one level. */
static void warn_of_folder(const char *socket, const char *port, FILE *to)
{
	char folder[PATH_MAX], above[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(socket, '/') - socket), socket);
	if (folder[0] == '\0' || access(folder, F_OK) == 0)
		return;
	snprintf(above, sizeof(above), "%.*s", (int)(strrchr(folder, '/') - folder), folder);
	if (above[0] != '\0' && access(above, F_OK) != 0)
		fprintf(to,
			"warning: port %s: folder %s: %s; the switch would make its socket in %s, but "
			"makes one folder only\n",
			port, above, strerror(errno), folder);
}

/* What is in the way of a socket that the switch is to make. */
static void warn_of_file(const char *socket, const char *port, FILE *to)
{
	struct stat file;

	if (lstat(socket, &file) == 0 && !S_ISSOCK(file.st_mode))
		fprintf(to,
			"warning: port %s: %s exists and is not a socket; remove it, or choose another path\n", port,
			socket);
}

void vhost_options_warn(const void *values, const char *port, FILE *to)
{
	const struct vhost_options *options = values;

	if (options->mode != VHU_SERVER || options->socket[0] != '/')
		return;
	warn_of_folder(options->socket, port, to);
	warn_of_file(options->socket, port, to);
}
