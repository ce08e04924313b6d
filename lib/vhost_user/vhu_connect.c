/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_connect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "container_of.h"
#include "unix_connect.h"

struct connect_job {
	struct disposal_job job;
	struct disposal_account *account;
	struct vhu_connect *connect; /* control's; NULL: nobody asks what came of it */
	int error, fd;
	char path[];
};

static void connect_run(struct disposal_job *job)
{
	struct connect_job *trying = container_of(job, struct connect_job, job);

	trying->error = unix_connect(trying->path, &trying->fd);
}

static void connect_free(struct connect_job *job) RUNS_ON(control_thread)
{
	disposal_account_release(job->account);
	free(job);
}

static void connect_done(struct disposal_job *job)
{
	struct connect_job *done = container_of(job, struct connect_job, job);
	struct vhu_connect *connect = done->connect;
	int error = done->error, fd = done->fd;

	role_assert_control();
	if (connect == NULL && error == 0)
		disposal_close_socket(done->account, fd);
	connect_free(done);
	if (connect == NULL)
		return;
	connect->job = NULL;
	connect->done(connect, error, fd);
}

int vhu_connect_start(struct vhu_connect *connect, struct disposal_account *account, const char *path)
{
	struct connect_job *job = calloc(1, sizeof(*job) + strlen(path) + 1);

	if (job == NULL)
		return -ENOMEM;
	strcpy(job->path, path);
	job->connect = connect;
	job->account = account;
	disposal_account_hold(account);
	job->job = (struct disposal_job){
		.run = connect_run,
		.done = connect_done,
		.what = "connecting to its front end",
		.brief = true,
	};
	connect->job = job;
	disposal_start(account, &job->job);
	return 0;
}

void vhu_connect_forget(struct vhu_connect *connect)
{
	struct connect_job *job = connect->job;

	connect->job = NULL;
	if (job == NULL)
		return;
	job->connect = NULL;
	if (disposal_cancel(&job->job))
		connect_free(job);
}
