/* SPDX-License-Identifier: BSD-3-Clause */
#include "change.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "options.h"
#include "out.h"
#include "replace_file.h"
#include "tree.h"
#include "views.h"

/* The longest request that the switch reads, with the end of its line. */
enum { REQUEST_BYTES_MAX = 256 * 1024 };

/* --- questions --------------------------------------------------------------------------------------------------- */

static json_t *new_request(const char *command)
{
	json_t *request = json_pack("{s:s}", "command", command);

	if (options.dry_run)
		json_object_set_new(request, "dry-run", json_true());
	return request;
}

/* "queues=2"; "queues=" is null: the option is as if it had never been written. The checker knows what a text has to be. */
static void add_pair(json_t *entry, const char *pair)
{
	const char *value = strchr(pair, '=');
	char *key;

	if (value == NULL || value == pair)
		die("\"%s\" is no KEY=VALUE, such as queues=2", pair);
	key = strndup(pair, (size_t)(value - pair));
	if (key == NULL)
		die("no memory");
	if (json_object_get(entry, key) != NULL)
		die("\"%s\" is there twice", key);
	if (json_object_set_new(entry, key, value[1] != '\0' ? json_string(value + 1) : json_null()) != 0)
		die("\"%s\" is not UTF-8", pair);
	free(key);
}

json_t *ask_edit(void)
{
	const char *name = command_name(), *verb = strchr(name, ' ') + 1;
	char kind[16], command[32];
	json_t *request, *entry;

	snprintf(kind, sizeof(kind), "%.*s", (int)(verb - name - 1), name);
	snprintf(command, sizeof(command), "%s.%s", kind, verb);
	request = new_request(command);
	if (strcmp(verb, "remove") == 0) {
		if (json_object_set_new(request, "name", json_string(command_word(0))) != 0)
			die("\"%s\" is not UTF-8", command_word(0));
		return request;
	}
	entry = json_pack("{s:s}", "name", command_word(0));
	if (entry == NULL)
		die("\"%s\" is not UTF-8", command_word(0));
	for (int i = 1; command_word(i) != NULL; i++)
		add_pair(entry, command_word(i));
	json_object_set_new(request, kind, entry);
	return request;
}

/* A tree of a file is as deep as tree.h lets it be. */
static json_t *json_of(const char *file, const struct tree *tree)
{
	json_t *json = tree->kind == TREE_MAP ? json_object() : json_array();

	if (tree->kind == TREE_TEXT) {
		json_decref(json);
		json = tree->nothing ? json_null() : json_string(tree->text);
	}
	if (json == NULL)
		die("%s:%u: this is not UTF-8", file, tree->line);
	if (tree->kind == TREE_TEXT)
		return json;
	for (unsigned int i = 0; i < tree->n; i++) {
		const struct tree_item *item = &tree->item[i];

		if (tree->kind == TREE_LIST)
			json_array_append_new(json, json_of(file, item->value));
		else if (json_object_get(json, item->key) != NULL)
			die("%s:%u: \"%s\" is there twice", file, item->line, item->key);
		else if (json_object_set_new(json, item->key, json_of(file, item->value)) != 0)
			die("%s:%u: this is not UTF-8", file, item->line);
	}
	return json;
}

static char *read_all(const char *file, size_t *len)
{
	FILE *from = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	char *text = malloc(REQUEST_BYTES_MAX);

	if (from == NULL)
		die("%s: %s", file, strerror(errno));
	if (text == NULL)
		die("no memory");
	*len = fread(text, 1, REQUEST_BYTES_MAX, from);
	if (ferror(from))
		die("%s: %s", file, strerror(errno));
	if (*len == REQUEST_BYTES_MAX)
		die("%s: this is too long; a request has 256 KiB at most, so split it", file);
	if (from != stdin)
		fclose(from);
	return text;
}

json_t *ask_ensure(void)
{
	const char *file = command_word(0);
	json_t *request = new_request("ensure");
	struct tree *tree;
	struct fail fail;
	size_t len;
	char *text = read_all(file, &len);
	int error = tree_read_yaml(file, text, len, &tree, &fail);

	if (error == -ENODATA)
		die("%s: there is nothing in this file", file);
	if (error != 0)
		die("%s", fail.text);
	json_object_set_new(request, "config", json_of(file, tree));
	if (json_dumpb(request, NULL, 0, JSON_COMPACT) >= REQUEST_BYTES_MAX)
		die("%s: this is too long; a request has 256 KiB at most, so split it", file);
	tree_free(tree);
	free(text);
	return request;
}

json_t *ask_reload(void)
{
	return new_request("reload");
}

/* A word of the command line, or nothing. */
static void add_word(json_t *request, const char *key, const char *word)
{
	if (word != NULL && json_object_set_new(request, key, json_string(word)) != 0)
		die("\"%s\" is not UTF-8", word);
}

json_t *ask_link(void)
{
	json_t *request = new_request("port.link");

	add_word(request, "name", command_word(0));
	add_word(request, "link", command_word(1));
	return request;
}

json_t *ask_flush(void)
{
	json_t *request = new_request("macs.flush");

	if ((command_word(0) == NULL) == (options.port == NULL))
		die("whose addresses? either a bridge's, as in `vusctl macs flush lan`, or with --port those of one port");
	add_word(request, "bridge", command_word(0));
	add_word(request, "port", options.port);
	return request;
}

json_t *ask_pin(void)
{
	json_t *request = new_request(command_word(2) != NULL ? "queue.pin" : "queue.unpin");

	add_word(request, "port", command_word(0));
	add_word(request, "queue", command_word(1));
	add_word(request, "lcore", command_word(2));
	return request;
}

json_t *ask_level(void)
{
	json_t *request = new_request("log.level");

	add_word(request, "level", command_word(0));
	add_word(request, "topic", command_word(1));
	return request;
}

json_t *ask_save(void)
{
	return json_pack("{s:s}", "command", "save");
}

/* --- the reply --------------------------------------------------------------------------------------------------- */

/* What replace_file() would put a file in the place of, and what it needs for itself. True: there is a file, which is `was`. */
static bool check_place(const char *file, struct stat *was)
{
	bool is_there = stat(file, was) == 0;
	char beside[PATH_MAX];

	if (is_there && !S_ISREG(was->st_mode))
		die("%s: this is no file; give another path, or none", file);
	snprintf(beside, sizeof(beside), "%s.new", file);
	if (access(beside, F_OK) == 0)
		die("%s: this file is in the way; move it elsewhere", beside);
	return is_there;
}

/* Whoever could read what was there can read what is: the switch may run as another user. */
static void keep_rights(const char *file, const struct stat *was)
{
	int fd = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fchown(fd, was->st_uid, was->st_gid) != 0 || fchmod(fd, was->st_mode & 0777) != 0)
		die("%s: is written, but its owner and mode are not what they were: %s", file, strerror(errno));
	close(fd);
}

void view_saved(const struct replies *replies)
{
	const json_t *text = json_object_get(replies->now[0], "text");
	const char *file = command_word(0);
	struct fail fail;
	struct stat was;
	bool is_there;

	if (json_string_value(text) == NULL)
		die("the switch has answered without a text; it may be another version");
	if (file == NULL) {
		if (fputs(json_string_value(text), stdout) < 0 || fflush(stdout) != 0)
			die("standard output: %s", strerror(errno));
		return;
	}
	is_there = check_place(file, &was);
	if (replace_file(file, json_string_value(text), json_string_length(text), &fail) != 0)
		die("%s", fail.text);
	if (is_there)
		keep_rights(file, &was);
}

void view_changes(const struct replies *replies)
{
	const json_t *reply = replies->now[0], *changes = json_object_get(reply, "changes"), *entry;
	size_t i;

	json_array_foreach((json_t *)changes, i, entry)
		put("%s\n", text_of(entry, "text"));
	if (json_array_size(changes) == 0)
		put("nothing to change: all of it is so already\n");
	else if (json_is_true(json_object_get(reply, "dry-run")))
		put("(--dry-run: nothing was done)\n");
	if (json_object_get(reply, "note") != NULL)
		put(MARK_WARN "%s" MARK_PLAIN "\n", text_of(reply, "note"));
	json_array_foreach(json_object_get(reply, "waits"), i, entry)
		put(MARK_WARN "%s %s: is still waited for" MARK_PLAIN "\n", text_of(entry, "kind"), text_of(entry, "name"));
}
