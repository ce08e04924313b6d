/* SPDX-License-Identifier: BSD-3-Clause */
/* option.h: an option of a port, a bridge or the switch is one row of a table.
 *
 * The table belongs to what understands the option (a driver, the bridge, the switch), and says where in a struct the value
 * lies. Everything else walks the table: the configuration file, the command line, JSON on the control socket, --help, the
 * documentation, copies, and the comparison that a reload makes. No other place repeats a key.
 *
 * The struct of values begins with `uint64_t given`: bit i is set if row i was written, not filled in. Its other members may
 * be more than the rows say (what verification derives); they are copied with it and hold no memory of their own.
 *
 *	kind           member           written as
 *	OPTION_FLAG    bool             on, off; also yes, no, true, false
 *	OPTION_NUMBER  uint32_t         decimal digits, `min` to `max`
 *	OPTION_RATE    uint64_t         a number with k, M, G or T behind it, `least` to `most`; off: 0
 *	OPTION_WORD    uint32_t         one of `words`: its index
 *	OPTION_TEXT    char *           any text; the struct's own
 *	OPTION_USER    uint32_t         a user's name or number; only where `given`
 *	OPTION_GROUP   uint32_t         a group's
 *	OPTION_MODE    uint32_t         an octal mode, 0 to 0777; only where `given`
 *	OPTION_MAC     uint8_t[6]       52:54:00:12:34:56
 *	OPTION_LIST    struct option_list   entries with a table of their own
 *	OPTION_TREE    const struct tree *  a list of any entries, or NULL; the tree's
 *
 * Context: any thread but an lcore.
 * Returns: 0 or -errno with one line in `fail`: where, what, how to mend it.
 * Ownership: option_clear() frees what option_init(), option_read() and option_copy() put into a struct.
 */
#ifndef VUS_OPTION_H
#define VUS_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fail.h"
#include "tree.h"

struct json_t;

enum option_kind {
	OPTION_FLAG,
	OPTION_NUMBER,
	OPTION_RATE,
	OPTION_WORD,
	OPTION_TEXT,
	OPTION_USER,
	OPTION_GROUP,
	OPTION_MODE,
	OPTION_MAC,
	OPTION_LIST,
	OPTION_TREE,
};

/* An OPTION_RATE that was not written and has a default in words: nobody could write it, and whoever knows the default, which is
 * verification, may put it in its place. */
#define OPTION_RATE_OPEN UINT64_MAX

struct option_word {
	const char *word, *help;
};

struct option_row {
	const char *key;
	enum option_kind kind;
	size_t offset;
	const char *value; /* what stands for it in a usage line: "N" */
	const char *help;  /* one line */
	/* The value where none is written: of a flag, a number, the index of a word; of a text. */
	uint32_t normal;
	const char *normal_text;
	const char *otherwise;	/* the default in words, where it is no constant */
	uint32_t min, max;	/* OPTION_NUMBER */
	uint64_t least, most;	/* OPTION_RATE, beside 0; by itself it is 0, or OPTION_RATE_OPEN if it has `otherwise` */
	const char *unit;	/* OPTION_NUMBER, OPTION_RATE: "s", "bytes" */
	const char *on;		/* OPTION_FLAG: what it is to be on, for the error */
	const struct option_word *words; /* OPTION_WORD; ended by a NULL word */
	const struct option_table *entries; /* OPTION_LIST */
	const char *needed; /* it has to be written: how to mend it if it is not; NULL: it need not */
	/* Without one of these it has no effect: keys, with commas between them, which have to say something, or have to be a
	 * word: "bpdu-guard=close". Of its own table, or of this one. */
	const char *needs;
	const struct option_table *needs_of;
	bool live;	    /* can change while the port lives */
	bool common;	    /* may also stand for all ports: at the top of the file, and as an option of its own */
};

struct option_table {
	const struct option_row *row;
	unsigned int n; /* 64 at most */
	size_t size;	/* of the struct of values */
};

#define OPTION_TABLE(rows, type) {.row = (rows), .n = sizeof(rows) / sizeof((rows)[0]), .size = sizeof(type)}

struct option_list {
	unsigned int n;
	void *entries; /* [n] structs of the row's table */
};

/* What an error has to say of the thing that is read: where it is, and its name. */
struct option_entry {
	const char *what;   /* "port vm1"; NULL: the file itself */
	const char *list;   /* the key of the list it stands in; NULL: none */
	const char *source; /* the file, or what was typed on the command line */
	const struct tree *node;
	const struct option_entry *profile; /* says what this one does not say, but for its own name; NULL: nothing does */
};

/* A table and the struct that it fills. */
struct option_part {
	const struct option_table *table;
	void *values;
	bool common;  /* of the table, only the common rows */
	bool partial; /* what is needed may be missing */
};

/* Fills in the defaults of an uninitialised struct. */
int option_init(const struct option_table *table, void *values);
/* Reads a map into the structs (initialised by option_init()) of the parts in which its keys are rows. A key that is in none,
 * one that is there twice, a value that does not fit, and a needed one that is missing, are errors. */
int option_read(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
		struct fail *fail);
void option_clear(const struct option_table *table, void *values);
int option_copy(const struct option_table *table, void *to, const void *from);

/* Bit i: row i has another value. */
uint64_t option_changed(const struct option_table *table, const void *a, const void *b);
/* Bit i: row i is live. */
uint64_t option_live(const struct option_table *table);
/* The bit of a key; 0: no row has it. */
uint64_t option_bit(const struct option_table *table, const char *key);
bool option_given(const struct option_table *table, const void *values, const char *key);
/* The key of a row that `key` may have been meant for: equal but for case, '-' and '_', or an edit or two away; or NULL. */
const char *option_like(const struct option_table *table, const char *key);
/* The first item of that key, of the entry or else of its profile; NULL: none has it. */
const struct tree_item *option_item(const struct option_entry *entry, const char *key);
/* Refuses a key of the entry, which is a map, that is in none of the parts. */
int option_check_keys(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
		      struct fail *fail);
/* Takes over the values that are given in `from` and not in `values`; `common` ones only. */
int option_inherit(const struct option_table *table, void *values, const void *from);

/* Bit i: row i of the first part is written, and has no effect without what it needs of these parts. */
uint64_t option_idle(const struct option_part *parts, unsigned int parts_n);
/* The next of what `needs` of a row names, from *at on, which moves behind it. Returns: false: there is none. */
bool option_needs_next(const char **at, const char **key, size_t *len);

/* --- errors ----------------------------------------------------------------------------------------------------- */

/* "FILE:LINE" of a key of the entry, or of its profile; of the entry itself if `key` is NULL or in neither; or what was typed. */
struct option_place {
	char text[256];
};
struct option_place option_place(const struct option_entry *entry, const char *key);
/* Writes "PLACE: WHAT: ..." and returns `error`. */
int option_fail(struct fail *fail, int error, const struct option_entry *entry, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* --- in words --------------------------------------------------------------------------------------------------- */

/* What is longer ends in "...". */
enum { OPTION_TEXT_BYTES = 512 };

/* "on", "1500", "client", "root (0)", "0660"; "not set". */
void option_value_text(const struct option_row *row, const void *values, char *text, size_t size);
/* ", queues 4, postcopy off": what is written, and what is not as it would be by itself. */
void option_describe(const struct option_table *table, const void *values, char *text, size_t size);
/* "queues 1 -> 2, postcopy on -> off": the rows of `bits`. */
void option_describe_change(const struct option_table *table, const void *from, const void *to, uint64_t bits,
			    char *text, size_t size);
/* "on|off", "server|client", "N". */
void option_value_usage(const struct option_row *row, char *text, size_t size);
/* "16 to 4194304 s, default 300": what the value may be. */
void option_bounds(const struct option_row *row, char *text, size_t size);
/* Adds what is given or has a value by itself to a JSON object; it can be read again. */
void option_to_json(const struct option_table *table, const void *values, struct json_t *object);
/* Adds what is given, and nothing else. */
void option_given_to_json(const struct option_table *table, const void *values, struct json_t *object);

#endif
