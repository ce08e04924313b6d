/* SPDX-License-Identifier: BSD-3-Clause */
#include "reload.h"

static void reload_read(struct loop_job *job)
{
	struct reload *reload = container_of(job, struct reload, job);

	reload->error = options_read_config(reload->options, &reload->config, &reload->fail);
}

static void reload_free(struct loop_job *job)
{
	config_free(&container_of(job, struct reload, job)->config);
}

static void reload_freed(struct loop_job *job)
{
	struct reload *reload = container_of(job, struct reload, job);

	role_assert_control();
	reload->frees = false;
	if (reload->again)
		reload_start(reload);
}

static void reload_was_read(struct loop_job *job)
{
	struct reload *reload = container_of(job, struct reload, job);

	role_assert_control();
	reload->reads = false;
	if (reload->ended) {
		/* The helper may have ended. */
		config_free(&reload->config);
		return;
	}
	reload->taken(reload->arg, reload->error == 0 ? &reload->config : NULL, &reload->fail);
	reload->frees = true;
	reload->job = (struct loop_job){.run = reload_free, .done = reload_freed};
	loop_job_start(reload->loop, &reload->job);
}

void reload_start(struct reload *reload)
{
	reload->again = reload->reads || reload->frees;
	if (reload->again || reload->ended)
		return;
	reload->reads = true;
	reload->job = (struct loop_job){.run = reload_read, .done = reload_was_read};
	loop_job_start(reload->loop, &reload->job);
}

bool reload_is_due(const struct reload *reload)
{
	return reload->reads || reload->again;
}

void reload_end(struct reload *reload)
{
	reload->ended = true;
	reload->again = false;
}
