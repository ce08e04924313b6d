/* SPDX-License-Identifier: BSD-3-Clause */
#include "job_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "loop_private.h"
#include "thread_kind.h"

struct job_thread {
	pthread_mutex_t lock; /* held for a few instructions; no lcore ever takes it */
	pthread_cond_t more;
	pthread_t thread;
	enum role role;
	struct loop *loop; /* NULL: it was left behind */
	bool ends, runs;
	struct loop_job *jobs, **jobs_tail;
};

static void job_done(struct loop_call *call)
{
	struct loop_job *job = container_of(call, struct loop_job, call);

	job->done(job);
}

/* The next job, or NULL: the thread is to end. With the lock. */
static struct loop_job *next_job(struct job_thread *thread)
{
	struct loop_job *job;

	while (thread->loop != NULL && thread->jobs == NULL && !thread->ends)
		pthread_cond_wait(&thread->more, &thread->lock);
	job = thread->jobs;
	if (thread->loop == NULL || job == NULL)
		return NULL;
	thread->jobs = job->next;
	if (thread->jobs == NULL)
		thread->jobs_tail = &thread->jobs;
	return job;
}

static void job_thread_free(struct job_thread *thread)
{
	pthread_mutex_destroy(&thread->lock);
	pthread_cond_destroy(&thread->more);
	free(thread);
}

static void *job_thread_main(void *arg)
{
	struct job_thread *thread = arg;
	struct loop_job *job;
	bool left;

	role_take(thread->role);
	loop_block_signals();
	thread_begins(thread->role == ROLE_DEVICE ? THREAD_DEVICE : THREAD_HELPER);
	pthread_mutex_lock(&thread->lock);
	while ((job = next_job(thread)) != NULL) {
		thread->runs = true;
		pthread_mutex_unlock(&thread->lock);
		job->run(job);
		job->call.run = job_done;
		pthread_mutex_lock(&thread->lock);
		/* The loop is there for as long as we have the lock. */
		thread->runs = false;
		if (thread->loop != NULL)
			loop_call(thread->loop, &job->call);
	}
	left = thread->loop == NULL;
	pthread_mutex_unlock(&thread->lock);
	if (left)
		job_thread_free(thread);
	return NULL;
}

struct job_thread *job_thread_create(struct loop *loop, enum role role)
{
	struct job_thread *thread = calloc(1, sizeof(*thread));
	int error;

	if (thread == NULL)
		return NULL;
	pthread_mutex_init(&thread->lock, NULL);
	pthread_cond_init(&thread->more, NULL);
	thread->loop = loop;
	thread->role = role;
	thread->jobs_tail = &thread->jobs;
	error = pthread_create(&thread->thread, NULL, job_thread_main, thread);
	if (error == 0)
		return thread;
	job_thread_free(thread);
	errno = error;
	return NULL;
}

void job_thread_start(struct job_thread *thread, struct loop_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&thread->lock);
	*thread->jobs_tail = job;
	thread->jobs_tail = &job->next;
	pthread_mutex_unlock(&thread->lock);
	pthread_cond_signal(&thread->more);
}

void job_thread_place(struct job_thread *thread, const cpu_set_t *cpus)
{
	(void)pthread_setaffinity_np(thread->thread, sizeof(*cpus), cpus);
}

bool job_thread_busy(struct job_thread *thread)
{
	bool busy;

	pthread_mutex_lock(&thread->lock);
	busy = thread->runs || thread->jobs != NULL;
	pthread_mutex_unlock(&thread->lock);
	return busy;
}

void job_thread_finish(struct job_thread *thread)
{
	if (thread == NULL)
		return;
	pthread_mutex_lock(&thread->lock);
	thread->ends = true;
	pthread_mutex_unlock(&thread->lock);
	pthread_cond_signal(&thread->more);
	pthread_join(thread->thread, NULL);
	job_thread_free(thread);
}

void job_thread_leave(struct job_thread *thread)
{
	if (thread == NULL)
		return;
	pthread_mutex_lock(&thread->lock);
	if (!thread->runs && thread->jobs == NULL) {
		pthread_mutex_unlock(&thread->lock);
		job_thread_finish(thread);
		return;
	}
	thread->loop = NULL;
	pthread_detach(thread->thread);
	pthread_mutex_unlock(&thread->lock);
}
