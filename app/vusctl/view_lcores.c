/* SPDX-License-Identifier: BSD-3-Clause */
/* view_lcores.c: where the lcores' time goes, and which queues they poll. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "out.h"
#include "table.h"
#include "units.h"
#include "view_lcores.h"
#include "views.h"

/* jansson iterates without const, and does not change what it iterates over. */
#define EACH(list, i, entry) json_array_foreach((json_t *)(list), i, entry)

/* Where an lcore's time went, in whole percent: 100 together. */
struct spent {
	int busy, idle, asleep;
	double busy_cycles;
};

/* Of `cycles`, the time between two replies. A sleep is counted when it ends: what is not accounted for is one that goes on. */
static struct spent spent_of(const json_t *then, const json_t *now, double cycles)
{
	double busy = growth(then, now, "busy_cycles"), idle = growth(then, now, "idle_cycles");
	double whole = busy + idle > cycles ? busy + idle : cycles;
	struct spent spent = {.busy_cycles = busy};

	if (whole <= 0)
		return spent;
	spent.busy = (int)(100 * busy / whole + 0.5);
	spent.asleep = (int)(100 * (whole - busy - idle) / whole + 0.5);
	if (spent.busy + spent.asleep > 100)
		spent.asleep = 100 - spent.busy;
	spent.idle = 100 - spent.busy - spent.asleep;
	return spent;
}

static double cycles_between(const json_t *before, const json_t *after)
{
	return seconds_between(before, after) * number_of(after, "cycles_per_second");
}

/* "vm1:0 45%, vm2:0 3%": what each queue costs; as the switch has smoothed it, because a queue may just have moved. */
static char *polls_text(const json_t *lcore)
{
	const json_t *queue;
	char *text = NULL;
	size_t size, i;
	FILE *to = open_memstream(&text, &size);

	if (to == NULL)
		die("no memory");
	EACH(json_object_get(lcore, "polls"), i, queue)
		fprintf(to, "%s%s:%.0f %.0f%%", i > 0 ? " " : "", text_of(queue, "port"), number_of(queue, "queue"),
			number_of(queue, "load_percent"));
	if (i == 0)
		fputs("-", to);
	if (fclose(to) != 0)
		die("no memory");
	return text;
}

static void put_moves(const json_t *list, const char *verb)
{
	const json_t *move;
	size_t i;

	EACH(list, i, move)
	{
		put_hang(2);
		put("%s queue %.0f of %s (%s) from lcore %.0f to %.0f: the busier of them at %s instead of %s\n", verb,
		    number_of(move, "queue"), text_of(move, "port"), share_text(number_of(move, "load_percent")),
		    number_of(move, "from"), number_of(move, "to"), share_text(number_of(move, "after_percent")),
		    share_text(number_of(move, "before_percent")));
	}
}

void view_moved(const struct replies *replies)
{
	const json_t *moved = json_object_get(replies->now[0], "moved");

	put_moves(moved, "moved");
	if (json_array_size(moved) == 0)
		put("no queue moved: there is too little to gain\n");
}

static void put_lcore(const json_t *then, const json_t *lcore, double cycles, double seconds, bool numa)
{
	struct spent spent = spent_of(then, lcore, cycles);
	double frames = growth(then, lcore, "frames"), each = frames > 0 ? spent.busy_cycles / frames : 0;
	char *polls = polls_text(lcore), crossing[32];

	table_number(number_of(lcore, "lcore"), human(number_of(lcore, "lcore")));
	table_number(number_of(lcore, "cpu"), human(number_of(lcore, "cpu")));
	if (numa) {
		/* Queues that it polls and whose memory lies on another node, of how many. */
		table_number(number_of(lcore, "node"), human(number_of(lcore, "node")));
		snprintf(crossing, sizeof(crossing), "%.0f/%zu", number_of(lcore, "crossing"),
			 json_array_size(json_object_get(lcore, "polls")));
		table_number(number_of(lcore, "crossing"), crossing);
	}
	table_number(spent.busy, share_text(spent.busy));
	table_number(spent.idle, share_text(spent.idle));
	table_number(spent.asleep, share_text(spent.asleep));
	table_number(each, human(each));
	table_number(frames, human(frames / seconds));
	table_number(number_of(lcore, "longest_us"), time_text(number_of(lcore, "longest_us") / 1e6));
	table_cell("%s", polls);
	free(polls);
}

void lcores_table(const json_t *before, const json_t *after)
{
	static const char *const titles[] = {"LCORE",	  ">CPU",      ">BUSY",	   ">IDLE", ">ASLEEP",
					     ">CYC/FRAME", ">FRAMES/s", ">LONGEST", "POLLS", NULL};
	static const char *const numa_titles[] = {"LCORE",  ">CPU",	   ">NODE",	">CROSS",   ">BUSY", ">IDLE",
						  ">ASLEEP", ">CYC/FRAME", ">FRAMES/s", ">LONGEST", "POLLS", NULL};
	bool numa = json_object_get(json_array_get(json_object_get(after, "lcores"), 0), "node") != NULL;
	double seconds = seconds_between(before, after), cycles = cycles_between(before, after);
	const json_t *lcore;
	size_t i;

	table_begin(numa ? numa_titles : titles);
	EACH(json_object_get(after, "lcores"), i, lcore)
		put_lcore(same_in(json_object_get(before, "lcores"), lcore, "lcore"), lcore, cycles, seconds, numa);
	table_end("");
}

void lcores_sum(const json_t *before, const json_t *after)
{
	double cycles = cycles_between(before, after), n = (double)json_array_size(json_object_get(after, "lcores"));
	json_t *then = json_pack("{s:f, s:f}", "busy_cycles", 0.0, "idle_cycles", 0.0);
	double busy = 0, idle = 0;
	const json_t *lcore;
	struct spent spent;
	json_t *sum;
	size_t i;

	EACH(json_object_get(after, "lcores"), i, lcore)
	{
		const json_t *was = same_in(json_object_get(before, "lcores"), lcore, "lcore");

		busy += growth(was, lcore, "busy_cycles");
		idle += growth(was, lcore, "idle_cycles");
	}
	sum = json_pack("{s:f, s:f}", "busy_cycles", busy, "idle_cycles", idle);
	spent = spent_of(then, sum, cycles * n);
	put("%.0f lcore%s: %d %% busy, %d %% idle, %d %% asleep\n", n, n == 1 ? "" : "s", spent.busy, spent.idle,
	    spent.asleep);
	json_decref(then);
	json_decref(sum);
}

void view_lcores(const struct replies *replies)
{
	const json_t *now = replies->now[0];

	lcores_table(replies->before[0], now);
	put("rebalance: %s; %.0f moves so far\n", text_of(now, "rebalance"), number_of(now, "moves"));
	put_moves(json_object_get(now, "would_move"), "would move");
}
