/* SPDX-License-Identifier: BSD-3-Clause */
#include "cni_args.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { IFNAME_MAX = 15 };

static const struct {
	const char *name;
	bool about_one, needs_netns;
} commands[] = {
	[CNI_ADD] = {"ADD", true, true},
	[CNI_DEL] = {"DEL", true, false},
	[CNI_CHECK] = {"CHECK", true, true},
	[CNI_GC] = {"GC", false, false},
	[CNI_STATUS] = {"STATUS", false, false},
	[CNI_VERSION] = {"VERSION", false, false},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL ? value : "";
}

bool cni_container_is_valid(const char *container)
{
	return isalnum((unsigned char)container[0]) &&
	       container[strspn(container, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] == '\0';
}

bool cni_ifname_is_valid(const char *ifname)
{
	return ifname[0] != '\0' && strlen(ifname) <= IFNAME_MAX && strcmp(ifname, ".") != 0 && strcmp(ifname, "..") != 0 &&
	       strpbrk(ifname, "/: \t\n\v\f\r") == NULL;
}

bool cni_args_get(const struct cni_args *args, const char *key, char *value, unsigned int size)
{
	size_t key_len = strlen(key);

	for (const char *at = args->args; *at != '\0'; at += strcspn(at, ";"), at += *at == ';') {
		size_t len = strcspn(at, ";");

		if (len <= key_len || at[key_len] != '=' || strncmp(at, key, key_len) != 0)
			continue;
		len -= key_len + 1;
		if (len >= size)
			return false;
		memcpy(value, at + key_len + 1, len);
		value[len] = '\0';
		return true;
	}
	return false;
}

int cni_args_read(struct cni_args *args, struct cni_error *error)
{
	const char *command = variable("CNI_COMMAND");
	unsigned int i = 0;

	*args = (struct cni_args){
		.container = variable("CNI_CONTAINERID"),
		.ifname = variable("CNI_IFNAME"),
		.netns = variable("CNI_NETNS"),
		.path = variable("CNI_PATH"),
		.args = variable("CNI_ARGS"),
	};
	while (i < COMMANDS && strcmp(command, commands[i].name) != 0)
		i++;
	if (i == COMMANDS)
		return cni_fail(
			error, CNI_INVALID_ENVIRONMENT,
			"CNI_COMMAND is \"%.64s\": a runtime says ADD, DEL, CHECK, GC, STATUS or VERSION (see vuscni(8))",
			command);
	args->command = (enum cni_command)i;
	if (commands[i].about_one && !cni_container_is_valid(args->container))
		return cni_fail(error, CNI_INVALID_ENVIRONMENT,
				"CNI_CONTAINERID is \"%.64s\": a container's identifier begins with a letter or digit and "
				"has letters, "
				"digits, '_', '.' and '-'",
				args->container);
	if (commands[i].about_one && !cni_ifname_is_valid(args->ifname))
		return cni_fail(
			error, CNI_INVALID_ENVIRONMENT,
			"CNI_IFNAME is \"%.64s\": an interface's name has 1 to 15 characters, without '/', ':' and spaces",
			args->ifname);
	if (commands[i].needs_netns && args->netns[0] == '\0')
		return cni_fail(error, CNI_INVALID_ENVIRONMENT, "CNI_NETNS is missing: %s is about a network namespace",
				command);
	return 0;
}
