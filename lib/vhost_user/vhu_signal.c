/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_signal.h"

#include <stdlib.h>

#include "poke.h"

struct signal_job {
	struct disposal_job job;
	struct vhu_signal *signal; /* control's; NULL: nobody asks what came of it */
	int error;
};

static void signal_run(struct disposal_job *job)
{
	container_of(job, struct signal_job, job)->error = poke_once(job->fd);
}

static void signal_done(struct disposal_job *job)
{
	struct signal_job *done = container_of(job, struct signal_job, job);
	struct vhu_signal *signal = done->signal;
	int error = done->error;

	role_assert_control();
	free(done);
	if (signal == NULL)
		return;
	signal->job = NULL;
	if (error != 0)
		signal->failed(signal);
}

void vhu_signal_send(struct vhu_signal *signal, struct disposal_account *account, int fd)
{
	struct signal_job *job;

	vhu_signal_forget(signal);
	if (fd < 0)
		return;
	job = malloc(sizeof(*job));
	if (job == NULL) {
		signal->failed(signal);
		return;
	}
	*job = (struct signal_job){
		.signal = signal,
		.job = {
			.run = signal_run,
			.done = signal_done,
			.what = "a write to an eventfd that its front end gave",
			.ordered = true,
			.brief = true,
			.fd = fd,
		},
	};
	signal->job = job;
	disposal_start(account, &job->job);
}

void vhu_signal_forget(struct vhu_signal *signal)
{
	struct signal_job *job = signal->job;

	signal->job = NULL;
	if (job == NULL)
		return;
	job->signal = NULL;
	if (disposal_cancel(&job->job))
		free(job);
}
