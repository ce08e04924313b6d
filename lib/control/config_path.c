/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_path.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config_private.h"
#include "kernel_if.h"

static bool has_control_character(const char *text)
{
	for (; *text != '\0'; text++)
		if (iscntrl((unsigned char)*text))
			return true;
	return false;
}

/* --- sockets ---------------------------------------------------------------------------------------------------- */

/* Adds the components of `rest` to the absolute path in `path`. */
static void append(char path[PATH_MAX], char *rest)
{
	char *part;

	while ((part = strsep(&rest, "/")) != NULL) {
		size_t len = strlen(path);

		if (part[0] == '\0' || strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			if (strrchr(path, '/') != NULL)
				*strrchr(path, '/') = '\0';
			continue;
		}
		if (len > 0 && path[len - 1] == '/')
			path[--len] = '\0';
		snprintf(path + len, PATH_MAX - len, "/%s", part);
	}
}

/* One spelling for each file: what is there of the path is asked of the file system, the rest goes by its letters. */
static char *one_spelling(const char *path)
{
	char head[PATH_MAX], tail[PATH_MAX], real[PATH_MAX];

	if (snprintf(head, sizeof(head), "%s", path) >= (int)sizeof(head))
		return strdup(path);
	while (realpath(head[0] != '\0' ? head : "/", real) == NULL) {
		char *slash = strrchr(head, '/');

		if (slash == NULL) {
			real[0] = '\0';
			head[0] = '\0';
			break;
		}
		*slash = '\0';
	}
	snprintf(tail, sizeof(tail), "%s", path + strlen(head));
	append(real, tail);
	return strdup(real);
}

static int make_absolute(struct config_port *port, struct fail *fail)
{
	char folder[PATH_MAX], *path;

	/* A path that only fits as it is stays as it is: the process never leaves its folder. */
	if (getcwd(folder, sizeof(folder)) == NULL ||
	    strlen(folder) + strlen(port->spec.socket) + 1 >=
		    sizeof(((struct sockaddr_un *)0)->sun_path))
		return 0;
	if (asprintf(&path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, port->spec.socket) < 0)
		return fail_set(fail, -ENOMEM, "port %s: no memory", port->spec.name);
	free((char *)port->spec.socket);
	port->spec.socket = path;
	return 0;
}

/* What is wrong with the path's text; its place and the port are told by the caller. */
static int check_text(const struct config_port *port, const char *place, struct fail *fail)
{
	const char *path = port->spec.socket, *name = strrchr(path, '/'), *port_name = port->spec.name;

	name = name != NULL ? name + 1 : path;
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return fail_set(fail, -ENAMETOOLONG,
				"%s: port %s: the path of its socket has more than 107 characters, "
				"the kernel's limit; use a shorter one",
				place, port_name);
	if (has_control_character(path))
		return fail_set(fail, -EINVAL,
				"%s: port %s: the path of its socket, \"%s\", has a control "
				"character; remove it",
				place, port_name, path);
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail_set(fail, -EINVAL,
				"%s: port %s: socket \"%s\" names a folder; give the socket in it a "
				"name, as in /run/vuswitch/%s.sock",
				place, port_name, path, port_name);
	if (path[0] != '/' && port->option == NULL)
		return fail_set(fail, -EINVAL,
				"%s: port %s: socket \"%s\" is not a path from the root; write it "
				"whole, as in /run/vuswitch/%s",
				place, port_name, path, name);
	return 0;
}

int config_check_socket(const struct config *config, struct config_port *port, struct fail *fail)
{
	int error;

	if (port->spec.socket == NULL)
		return fail_set(fail, -EINVAL,
				"%s: port %s has no socket; say where its VM is to be met, as in "
				"socket: /run/vuswitch/%s.sock",
				port_place(config, port, PORT_KEY_NAME).text, port->spec.name,
				port->spec.name);
	error = check_text(port, port_place(config, port, PORT_KEY_SOCKET).text, fail);
	if (error == 0 && port->spec.socket[0] != '/')
		error = make_absolute(port, fail);
	if (error != 0)
		return error;
	free(port->socket_file);
	port->socket_file = one_spelling(port->spec.socket);
	if (port->socket_file == NULL)
		return fail_set(fail, -ENOMEM, "port %s: no memory", port->spec.name);
	return 0;
}

int config_check_control(const struct config *config, const char *control, struct fail *fail)
{
	char *file = one_spelling(control);
	int error = 0;

	if (file == NULL)
		return fail_set(fail, -ENOMEM, "%s: no memory", control);
	for (unsigned int i = 0; i < config->ports_n && error == 0; i++) {
		const struct config_port *port = &config->ports[i];

		if (port->socket_file != NULL && strcmp(port->socket_file, file) == 0)
			error = fail_set(fail, -EEXIST,
					 "%s: port %s: %s is the control socket, where vusctl "
					 "connects; give the port another path, or --control one",
					 port_place(config, port, PORT_KEY_SOCKET).text,
					 port->spec.name, port->spec.socket);
	}
	free(file);
	return error;
}

/* --- devices ---------------------------------------------------------------------------------------------------- */

/* An interface of the kernel where a DPDK device is wanted: one that is there, or has a name the kernel gives to NICs. A tap that
 * a DPDK device made may have that device's name, and devices on some buses are called like their interfaces. */
static bool is_interface(const char *name)
{
	size_t len = strlen(name);

	if (kernel_if_exists(name) && strpbrk(name, ":_-") == NULL)
		return true;
	return len > 3 && isdigit((unsigned char)name[len - 1]) && strpbrk(name, ":._-") == NULL &&
	       (strncmp(name, "eth", 3) == 0 || strncmp(name, "eno", 3) == 0 ||
		strncmp(name, "ens", 3) == 0 || strncmp(name, "enp", 3) == 0);
}

int config_check_device(const struct config *config, const struct config_port *port,
			struct fail *fail)
{
	struct place where = port_place(config, port, PORT_KEY_DEVICE);
	const char *device = port->spec.device, *place = where.text;
	char value[256], pci[32];

	if (device == NULL)
		return fail_set(fail, -EINVAL,
				"%s: port %s has no device; give a name or PCI address that EAL "
				"knows, as in device: 0000:03:00.0",
				port_place(config, port, PORT_KEY_NAME).text, port->spec.name);
	if (has_control_character(device))
		return fail_set(fail, -EINVAL,
				"%s: port %s: device \"%s\" has a control character; remove it", place,
				port->spec.name, device);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(device, ","), device);
	if (is_interface(value)) {
		if (!kernel_if_pci(value, pci, sizeof(pci)))
			pci[0] = '\0';
		return fail_set(fail, -EINVAL,
				"%s: port %s: %s is an interface of the kernel; use "
				"net_af_packet0,iface=%s, or the PCI address of its NIC%s%s%s "
				"once that is bound to vfio-pci",
				place, port->spec.name, value, value, pci[0] != '\0' ? " (" : "", pci,
				pci[0] != '\0' ? ")" : "");
	}
	if (device_argument(device, "iface", value, sizeof(value)) &&
	    strlen(value) > KERNEL_IF_NAME_MAX)
		return fail_set(fail, -ENAMETOOLONG,
				"%s: port %s: iface=%s has %zu characters, and an interface of the "
				"kernel at most %d; use a shorter name",
				place, port->spec.name, value, strlen(value), KERNEL_IF_NAME_MAX);
	return 0;
}

/* --- what may come yet ------------------------------------------------------------------------------------------ */

/* The folder above that of a socket which the switch is to make: it makes one level. */
static void warn_of_folder(const struct port_spec *spec, FILE *to)
{
	char folder[PATH_MAX], above[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(spec->socket, '/') - spec->socket),
		 spec->socket);
	if (folder[0] == '\0' || access(folder, F_OK) == 0)
		return;
	snprintf(above, sizeof(above), "%.*s", (int)(strrchr(folder, '/') - folder), folder);
	if (above[0] != '\0' && access(above, F_OK) != 0)
		fprintf(to,
			"warning: port %s: folder %s: %s; the switch would make its socket in %s, but "
			"makes one folder only\n",
			spec->name, above, strerror(errno), folder);
}

/* What is in the way of a socket that the switch is to make. */
static void warn_of_file(const struct port_spec *spec, FILE *to)
{
	struct stat file;

	if (lstat(spec->socket, &file) == 0 && !S_ISSOCK(file.st_mode))
		fprintf(to,
			"warning: port %s: %s exists and is not a socket; remove it, or choose "
			"another path\n",
			spec->name, spec->socket);
}

void config_warn(const struct config *config, FILE *to)
{
	for (unsigned int i = 0; i < config->ports_n; i++) {
		const struct port_spec *spec = &config->ports[i].spec;
		char name[256];

		if (spec->socket != NULL && spec->socket[0] == '/' &&
		    strcmp(spec->mode, "server") == 0) {
			warn_of_folder(spec, to);
			warn_of_file(spec, to);
		}
		if (spec->device != NULL &&
		    device_needs_interface(spec->device, name, sizeof(name)) &&
		    !kernel_if_exists(name))
			fprintf(to,
				"warning: port %s: the kernel has no interface %s, of which %.*s is "
				"to be made\n",
				spec->name, name, (int)strcspn(spec->device, ","), spec->device);
	}
}
