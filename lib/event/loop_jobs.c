/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop.h"
#include "loop_private.h"

void loop_call(struct loop *loop, struct loop_call *call)
{
	struct loop_jobs *jobs = &loop->jobs;
	const uint64_t one = 1;

	call->next = NULL;
	pthread_mutex_lock(&jobs->lock);
	*jobs->calls_tail = call;
	jobs->calls_tail = &call->next;
	pthread_mutex_unlock(&jobs->lock);
	/* EAGAIN: the descriptor is readable already. */
	if (write(jobs->wakeup.fd, &one, sizeof(one)) < 0)
		return;
}

static void run_calls(struct loop_fd *source, uint32_t events VUS_UNUSED)
{
	struct loop_jobs *jobs = container_of(source, struct loop_jobs, wakeup);
	struct loop_call *call;
	uint64_t wakeups;

	if (read(source->fd, &wakeups, sizeof(wakeups)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&jobs->lock);
	call = jobs->calls;
	jobs->calls = NULL;
	jobs->calls_tail = &jobs->calls;
	pthread_mutex_unlock(&jobs->lock);
	while (call != NULL) {
		struct loop_call *next = call->next;

		call->run(call);
		call = next;
	}
}

static void job_done(struct loop_call *call)
{
	struct loop_job *job = container_of(call, struct loop_job, call);

	job->done(job);
}

void loop_block_signals(void)
{
	sigset_t all;

	/* Signals are the control thread's; SIGBUS and SIGSEGV concern the thread that caused them. */
	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void *helper_main(void *arg)
{
	struct loop_jobs *jobs = arg;

	loop_block_signals();
	pthread_mutex_lock(&jobs->lock);
	for (;;) {
		struct loop_job *job = jobs->jobs;

		if (job == NULL && jobs->helper_ends)
			break;
		if (job == NULL) {
			pthread_cond_wait(&jobs->more, &jobs->lock);
			continue;
		}
		jobs->jobs = job->next;
		if (jobs->jobs == NULL)
			jobs->jobs_tail = &jobs->jobs;
		pthread_mutex_unlock(&jobs->lock);
		job->run(job);
		job->call.run = job_done;
		loop_call(job->loop, &job->call);
		pthread_mutex_lock(&jobs->lock);
	}
	pthread_mutex_unlock(&jobs->lock);
	return NULL;
}

void loop_job_start(struct loop *loop, struct loop_job *job)
{
	struct loop_jobs *jobs = &loop->jobs;

	job->loop = loop;
	job->next = NULL;
	pthread_mutex_lock(&jobs->lock);
	*jobs->jobs_tail = job;
	jobs->jobs_tail = &job->next;
	pthread_mutex_unlock(&jobs->lock);
	pthread_cond_signal(&jobs->more);
}

int loop_jobs_init(struct loop *loop)
{
	struct loop_jobs *jobs = &loop->jobs;
	int error;

	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->more, NULL);
	jobs->calls_tail = &jobs->calls;
	jobs->jobs_tail = &jobs->jobs;
	jobs->wakeup.ready = run_calls;
	jobs->wakeup.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (jobs->wakeup.fd < 0)
		return -errno;
	error = loop_fd_add(loop, &jobs->wakeup, EPOLLIN);
	if (error == 0)
		error = -pthread_create(&jobs->helper, NULL, helper_main, jobs);
	if (error != 0)
		close(jobs->wakeup.fd);
	return error;
}

void loop_jobs_fini(struct loop *loop)
{
	struct loop_jobs *jobs = &loop->jobs;

	pthread_mutex_lock(&jobs->lock);
	jobs->helper_ends = true;
	pthread_mutex_unlock(&jobs->lock);
	pthread_cond_signal(&jobs->more);
	pthread_join(jobs->helper, NULL);
	run_calls(&jobs->wakeup, EPOLLIN);
	loop_fd_remove(loop, &jobs->wakeup);
	close(jobs->wakeup.fd);
	pthread_mutex_destroy(&jobs->lock);
	pthread_cond_destroy(&jobs->more);
}
