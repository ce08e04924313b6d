/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "job_thread.h"
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

void loop_block_signals(void)
{
	sigset_t all;

	/* Signals are the control thread's; SIGBUS and SIGSEGV concern the thread that caused them. */
	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

void loop_job_start(struct loop *loop, struct loop_job *job)
{
	job_thread_start(loop->jobs.helper, job);
}

int loop_device_thread(struct loop *loop)
{
	struct loop_jobs *jobs = &loop->jobs;

	if (jobs->devices != NULL)
		return 0;
	jobs->devices = job_thread_create(loop, ROLE_DEVICE);
	if (jobs->devices == NULL)
		return -errno;
	if (jobs->placed)
		job_thread_place(jobs->devices, &jobs->cpus);
	return 0;
}

void loop_device_job_start(struct loop *loop, struct loop_job *job)
{
	/* NULL: the loop has ended, and nothing is waited for any more. */
	if (loop->jobs.devices != NULL)
		job_thread_start(loop->jobs.devices, job);
}

bool loop_devices_busy(const struct loop *loop)
{
	return loop->jobs.devices != NULL && job_thread_busy(loop->jobs.devices);
}

void loop_jobs_place(struct loop *loop, const cpu_set_t *cpus)
{
	struct loop_jobs *jobs = &loop->jobs;

	jobs->cpus = *cpus;
	jobs->placed = true;
	job_thread_place(jobs->helper, cpus);
	if (jobs->devices != NULL)
		job_thread_place(jobs->devices, cpus);
}

int loop_jobs_init(struct loop *loop)
{
	struct loop_jobs *jobs = &loop->jobs;
	int error;

	pthread_mutex_init(&jobs->lock, NULL);
	jobs->calls_tail = &jobs->calls;
	jobs->wakeup.ready = run_calls;
	jobs->wakeup.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (jobs->wakeup.fd < 0)
		return -errno;
	error = loop_fd_add(loop, &jobs->wakeup, EPOLLIN);
	if (error == 0) {
		jobs->helper = job_thread_create(loop, ROLE_NONE);
		error = jobs->helper != NULL ? 0 : -errno;
	}
	if (error != 0)
		close(jobs->wakeup.fd);
	return error;
}

void loop_jobs_fini(struct loop *loop)
{
	struct loop_jobs *jobs = &loop->jobs;
	struct job_thread *devices = jobs->devices;

	jobs->devices = NULL;
	job_thread_leave(devices);
	job_thread_finish(jobs->helper);
	run_calls(&jobs->wakeup, EPOLLIN);
	loop_fd_remove(loop, &jobs->wakeup);
	close(jobs->wakeup.fd);
	pthread_mutex_destroy(&jobs->lock);
}
