/* SPDX-License-Identifier: BSD-3-Clause */
#include "rights.h"

#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MODE_MAX = 0777, LOOKUP_BYTES = 16384, GROUP_BYTES_MAX = 16 << 20 };

/* Digits of the base, and nothing else. */
static bool rights_read_number(const char *text, int base, unsigned long max, unsigned long *number)
{
	if (text[0] == '\0' || strspn(text, base == 8 ? "01234567" : "0123456789") != strlen(text))
		return false;
	errno = 0;
	*number = strtoul(text, NULL, base);
	return errno == 0 && *number <= max;
}

static int find_user(const char *name, uid_t *uid)
{
	char buffer[LOOKUP_BYTES];
	struct passwd entry, *found = NULL;

	getpwnam_r(name, &entry, buffer, sizeof(buffer), &found);
	if (found == NULL)
		return -ENOENT;
	*uid = found->pw_uid;
	return 0;
}

/* A group by its name, or by its number where that is NULL; found() takes what it wants of it. Its members come along, who
 * may be many. */
static bool with_group(const char *name, gid_t gid, void (*found)(const struct group *group, void *arg), void *arg)
{
	struct group entry, *result = NULL;
	int error = ERANGE;

	for (size_t size = LOOKUP_BYTES; error == ERANGE && size <= GROUP_BYTES_MAX; size *= 4) {
		char *buffer = malloc(size);

		if (buffer == NULL)
			return false;
		error = name != NULL ? getgrnam_r(name, &entry, buffer, size, &result)
				     : getgrgid_r(gid, &entry, buffer, size, &result);
		if (result != NULL)
			found(result, arg);
		free(buffer);
	}
	return result != NULL;
}

static void take_number(const struct group *group, void *arg)
{
	*(gid_t *)arg = group->gr_gid;
}

static int find_group(const char *name, gid_t *gid)
{
	return with_group(name, 0, take_number, gid) ? 0 : -ENOENT;
}

int rights_parse(struct rights *rights, enum rights_part part, const char *text)
{
	/* The largest number means "leave it" to chown(2). */
	unsigned long max = part == RIGHTS_MODE ? MODE_MAX : UINT32_MAX - 1, number = 0;
	bool is_number = rights_read_number(text, part == RIGHTS_MODE ? 8 : 10, max, &number);
	int error = 0;

	if (!is_number && (part == RIGHTS_MODE || strspn(text, "0123456789") == strlen(text)))
		return -EINVAL;
	if (part == RIGHTS_MODE)
		rights->mode = (mode_t)number;
	else if (part == RIGHTS_OWNER && is_number)
		rights->owner = (uid_t)number;
	else if (part == RIGHTS_OWNER)
		error = find_user(text, &rights->owner);
	else if (is_number)
		rights->group = (gid_t)number;
	else
		error = find_group(text, &rights->group);
	rights->given[part] = error == 0;
	return error;
}

bool rights_any(const struct rights *rights)
{
	return rights->given[RIGHTS_OWNER] || rights->given[RIGHTS_GROUP] ||
	       rights->given[RIGHTS_MODE];
}

/* umask(2) tells only by changing it, for the whole process. */
static mode_t own_umask(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned int mask = 022;
	char line[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Umask: %o", &mask) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return (mode_t)mask;
}

void rights_fill(struct rights *rights, const struct rights *before)
{
	for (unsigned int part = 0; part < RIGHTS_PARTS; part++) {
		if (rights->given[part] || !before->given[part])
			continue;
		rights->given[part] = true;
		if (part == RIGHTS_OWNER)
			rights->owner = geteuid();
		else if (part == RIGHTS_GROUP)
			rights->group = getegid();
		else
			rights->mode = MODE_MAX & ~own_umask();
	}
}

void rights_ask_files(void)
{
	__nss_configure_lookup("passwd", "files");
	__nss_configure_lookup("group", "files");
}

/* A name, or "" where the number has none. */
struct name {
	char text[33];
};

static struct name user_name(uid_t uid)
{
	char buffer[LOOKUP_BYTES];
	struct passwd entry, *found = NULL;
	struct name name = {.text = ""};

	getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found);
	if (found != NULL)
		snprintf(name.text, sizeof(name.text), "%s", found->pw_name);
	return name;
}

static void take_name(const struct group *group, void *arg)
{
	struct name *name = arg;

	snprintf(name->text, sizeof(name->text), "%s", group->gr_name);
}

static struct name group_name(gid_t gid)
{
	struct name name = {.text = ""};

	with_group(NULL, gid, take_name, &name);
	return name;
}

static struct rights_name with_number(struct name name, unsigned int number)
{
	struct rights_name made;

	if (name.text[0] == '\0')
		snprintf(made.text, sizeof(made.text), "%u", number);
	else
		snprintf(made.text, sizeof(made.text), "%s (%u)", name.text, number);
	return made;
}

struct rights_name rights_user(uid_t uid)
{
	return with_number(user_name(uid), uid);
}

struct rights_name rights_group(gid_t gid)
{
	return with_number(group_name(gid), gid);
}

static struct name or_number(struct name name, unsigned int number)
{
	if (name.text[0] == '\0')
		snprintf(name.text, sizeof(name.text), "%u", number);
	return name;
}

struct rights_words rights_of_file(uid_t owner, gid_t group, mode_t mode)
{
	struct rights_words words;

	snprintf(words.text, sizeof(words.text), "%s:%s %04o", or_number(user_name(owner), owner).text,
		 or_number(group_name(group), group).text, mode & 07777);
	return words;
}

void rights_describe(const struct rights *rights, char *text, size_t size)
{
	size_t n = 0;

	text[0] = '\0';
	if (rights->given[RIGHTS_OWNER])
		n += (size_t)snprintf(text, size, "owner %s", rights_user(rights->owner).text);
	if (rights->given[RIGHTS_GROUP] && n < size)
		n += (size_t)snprintf(text + n, size - n, "%sgroup %s", n > 0 ? ", " : "",
				      rights_group(rights->group).text);
	if (rights->given[RIGHTS_MODE] && n < size)
		snprintf(text + n, size - n, "%smode %04o", n > 0 ? ", " : "", rights->mode);
}
