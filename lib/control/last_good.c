/* SPDX-License-Identifier: BSD-3-Clause */
#include "last_good.h"

#include <stdlib.h>

#include "log.h"
#include "replace_file.h"

/* A text on its way to the disk. */
struct keep {
	struct loop_job job;
	struct last_good *last_good;
	char *text;
	size_t len;
	int error;
	struct fail fail;
};

/* --- the job ---------------------------------------------------------------------------------------------------- */

static void keep_run(struct loop_job *job)
{
	struct keep *keep = container_of(job, struct keep, job);

	keep->error = replace_file(keep->last_good->path, keep->text, keep->len, &keep->fail);
}

static void last_good_tell(const struct fail *fail)
{
	log_warn("vuswitch",
		 "this configuration could not be kept as the last good one: %s; a start with a "
		 "broken file would take the one before it",
		 fail->text);
}

static void keep_done(struct loop_job *job)
{
	struct keep *keep = container_of(job, struct keep, job);
	struct last_good *last_good = keep->last_good;

	role_assert_control();
	if (keep->error != 0)
		last_good_tell(&keep->fail);
	free(keep->text);
	free(keep);
	if (--last_good->pending == 0)
		last_good->kept(last_good->arg);
}

static void keep_start(struct last_good *last_good, char *text, size_t len) RUNS_ON(control_thread)
{
	struct keep *keep = malloc(sizeof(*keep));

	if (keep == NULL) {
		last_good_tell(&(struct fail){.text = "no memory"});
		free(text);
		return;
	}
	*keep = (struct keep){
		.job = {.run = keep_run, .done = keep_done},
		.last_good = last_good,
		.text = text,
		.len = len,
	};
	last_good->pending++;
	loop_job_start(last_good->loop, &keep->job);
}

void last_good_keep(struct last_good *last_good, char *text, size_t len)
{
	if (last_good->path != NULL && text != NULL)
		keep_start(last_good, text, len);
	else
		free(text);
	if (last_good->pending == 0)
		last_good->kept(last_good->arg);
}
